package main

import (
	"strings"
	"time"

	"latchkey"
	"latchkey/admin"
)

// connected tells whoever connected an application what to type into it. The
// secret stands there once; one of their own is not repeated.
func (c *commands) connected(made *admin.Registered, own bool) string {
	client := made.Client
	rows := []string{"issuer", c.Issuer, "discovery", c.Issuer + "/.well-known/openid-configuration", "client id", client.ID}
	switch {
	case client.Public():
		rows = append(rows, "client secret", "none: PKCE (S256) protects its sign-in")
	case !client.HasSecret():
		rows = append(rows, "client secret", "none: it signs with a key of its own ("+client.AuthMethod+")")
	case own:
		rows = append(rows, "client secret", "the one in your file")
	default:
		rows = append(rows, "client secret", made.Secret)
	}
	rows = append(rows, c.typed(client)...)
	said := []string{plain(client.Name) + " is connected. Type this into it:", facts(rows...)}
	switch {
	case !client.HasSecret() || own:
	case client.AuthMethod == latchkey.AuthSecretJWT:
		said = append(said, "The secret is shown only now: latchkey keeps it sealed, since its signatures need it. Keep it where the application reads it.")
	default:
		said = append(said, "The secret is shown only now: latchkey keeps a hash of it. Keep it where the application reads it.")
	}
	return strings.Join(append(said, c.next(client)), "\n\n")
}

// typed are the settings that an application shares with its registration.
func (c *commands) typed(client *latchkey.Client) []string {
	if !client.SignsPeopleIn() {
		return []string{"token endpoint", c.Issuer + "/oauth2/token", "grant type", latchkey.GrantClientCredentials, "scopes", orWord(strings.Join(client.Scopes, " "), "none")}
	}
	rows := []string{"redirect URI", strings.Join(client.RedirectURIs, ", ")}
	if len(client.PostLogoutRedirectURIs) > 0 {
		rows = append(rows, "after sign-out", strings.Join(client.PostLogoutRedirectURIs, ", "))
	}
	if client.Protocol.BackchannelLogoutURI != "" {
		rows = append(rows, "told of sign-outs at", client.Protocol.BackchannelLogoutURI)
	}
	return append(rows, "scopes", strings.Join(client.Scopes, " "), "who may sign in", whoMay(client), "consent", consent(client))
}

func consent(c *latchkey.Client) string {
	if c.FirstParty {
		return "not asked: it is your own"
	}
	return "each person is asked once"
}

// next says what is left to do.
func (c *commands) next(client *latchkey.Client) string {
	switch {
	case !client.SignsPeopleIn() && client.AuthMethod == latchkey.AuthBasic:
		return "It gets a token by: curl -u '" + client.ID + ":SECRET' -d grant_type=client_credentials " + c.Issuer + "/oauth2/token"
	case client.AuthMethod == latchkey.AuthPrivateKeyJWT || client.AuthMethod == latchkey.AuthSecretJWT:
		return "It proves itself by a signed assertion (RFC 7523) whose audience is " + c.Issuer + ", good for ten minutes at most and once."
	case !client.SignsPeopleIn():
		return "It gets a token by posting client_id, client_secret and grant_type=client_credentials to the token endpoint."
	case client.AuthMethod == latchkey.AuthPost:
		return "It sends the secret in the body (client_secret_post). Then sign in to it."
	case client.Public():
		return "Then sign in to it."
	}
	return "It sends the secret by HTTP Basic. If it can only send it in the body: latchkey client update " + client.ID + " --auth-method client_secret_post. Then sign in to it."
}

// described is everything that may be told about an application.
func (c *commands) described(client *latchkey.Client) string {
	rows := append([]string{
		"name", client.Name, "client id", client.ID, "state", state(client), "type", client.Type, "profile", string(client.Profile),
		"proves itself by", client.AuthMethod,
	}, c.typed(client)...)
	rows = append(rows, "grant types", strings.Join(client.GrantTypes, " "), "ID token", client.IDTokenAlg, "access token", accessWords(client))
	for _, more := range []struct {
		name  string
		value string
	}{
		{"its keys", whereKeys(client)}, {"lifetimes", ownLifetimes(client)}, {"scripts from", strings.Join(client.Origins(), ", ")},
		{"notes", strings.ReplaceAll(client.Metadata.Notes, "\n", " ")}, {"tags", strings.Join(client.Metadata.Tags, ", ")},
	} {
		if more.value != "" {
			rows = append(rows, more.name, more.value)
		}
	}
	if by := client.Registration; by != nil {
		rows = append(rows, "registered", "by itself, "+orWord(wordsOf("with token ", by.TokenName), "registration was open"))
	}
	rows = append(rows, "since", at(client.CreatedAt), "issuer", c.Issuer, "discovery", c.Issuer+"/.well-known/openid-configuration")
	if !client.HasSecret() {
		return facts(rows...)
	}
	var secrets [][]string
	for _, s := range client.Secrets {
		secrets = append(secrets, []string{s.ID, prefixOf(s.Prefix), at(s.CreatedAt), orWord(at(s.LastUsedAt), "never"), orWord(at(s.ExpiresAt), "never")})
	}
	return facts(rows...) + "\n\n" + table("No secret: it cannot get tokens. `latchkey client secret add "+client.ID+"` makes one.",
		[]string{"SECRET ID", "BEGINS WITH", "MADE", "LAST USED", "ENDS"}, secrets)
}

// accessWords says what access tokens of an application look like.
func accessWords(c *latchkey.Client) string {
	if c.AccessTokenFormat == latchkey.FormatOpaque {
		return "opaque"
	}
	return c.AccessTokenFormat + ", " + c.AccessTokenAlg
}

// whereKeys says where the public keys of an application are.
func whereKeys(c *latchkey.Client) string {
	if len(c.Protocol.JWKS) > 0 {
		return "in its registration"
	}
	return c.Protocol.JWKSURI
}

// ownLifetimes are those of an application's own.
func ownLifetimes(c *latchkey.Client) string {
	var own []string
	for _, life := range []struct {
		name string
		d    time.Duration
	}{{"access token", c.AccessTokenTTL}, {"ID token", c.IDTokenTTL}, {"refresh token", c.RefreshTokenTTL}} {
		if life.d > 0 {
			own = append(own, life.name+" "+life.d.String())
		}
	}
	return strings.Join(own, ", ")
}

// prefixOf is how a secret is told from others.
func prefixOf(prefix string) string {
	if prefix == "" {
		return "(your own)"
	}
	return prefix + "…"
}

// wordsOf is text after its words; nothing after nothing.
func wordsOf(words, text string) string {
	if text == "" {
		return ""
	}
	return words + text
}

func orWord(text, word string) string {
	if text == "" {
		return word
	}
	return text
}
