package latchkey

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Types of client: what somebody connects. The type makes the defaults, and
// decides which redirect URIs are right.
const (
	TypeWeb     = "web"     // runs on a server, can keep a secret
	TypeSPA     = "spa"     // runs only in the browser
	TypeNative  = "native"  // is installed on a device
	TypeMachine = "machine" // no person signs in
)

// Scopes are those that latchkey knows, all about a person. An application may
// have others, which mean something to resource servers only.
func Scopes() []string {
	return []string{"openid", "profile", "email", "address", "phone", "groups", "offline_access"}
}

// defaultScopes are those of an application of which nobody said more: postal
// address and phone number are for those that need them.
func defaultScopes() []string {
	return []string{"openid", "profile", "email", "groups", "offline_access"}
}

// Bounds of what somebody may ask for an application.
const (
	maxClientName   = 128 // characters
	maxURIs         = 100 // in one list
	maxURI          = 2000
	maxScopes       = 100
	maxScope        = 128
	maxClientNotes  = 4000 // characters
	maxClientTags   = 50
	maxClientTag    = 64 // characters
	maxClientSecret = 512
)

// Lifetimes that an application may choose, the same as in the schema.
const (
	minTokenTTL   = 30 * time.Second
	maxTokenTTL   = 24 * time.Hour
	minRefreshTTL = time.Minute
	maxRefreshTTL = 90 * 24 * time.Hour
	maxGrace      = 5 * time.Minute
	maxOpenGrace  = 10 * time.Second // of public clients
)

// problems gathers what is wrong, by the RFC 7591 name of the member; the first
// word on each counts.
type problems map[string]string

func (p problems) add(member, format string, values ...any) {
	if p[member] == "" {
		p[member] = fmt.Sprintf(format, values...)
	}
}

// Check judges an application whose defaults are filled. What is wrong comes as
// InvalidFields with the names of RFC 7591 and of our extensions. It may tidy c:
// names are trimmed, and what stands twice in a list stands once.
func (c *Client) Check() error {
	c.tidy()
	p := problems{}
	if !ClientID(c.ID) {
		p.add("client_id", "An id has 1 to 128 letters, digits, - and _.")
	}
	if c.Name == "" {
		p.add("client_name", "Enter a name. People see it when they sign in.")
	}
	checkText(p, "client_name", c.Name, maxClientName)
	c.checkKind(p)
	c.checkGrants(p)
	c.checkScopes(p)
	c.checkURIs(p)
	c.checkTokens(p)
	c.checkProtocol(p)
	c.checkKeys(p)
	c.Metadata.check(p)
	if len(p) > 0 {
		return InvalidFields(p)
	}
	return nil
}

func (c *Client) tidy() {
	c.Name = strings.TrimSpace(c.Name)
	for _, list := range []*[]string{
		&c.RedirectURIs, &c.PostLogoutRedirectURIs, &c.AllowedCORSOrigins, &c.GrantTypes, &c.ResponseTypes,
		&c.Scopes, &c.AllowedGroups, &c.Metadata.Contacts, &c.Metadata.Tags,
	} {
		*list = once(*list)
	}
}

// once drops what stands in list before.
func once(list []string) []string {
	kept := make([]string, 0, len(list))
	for _, s := range list {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// ClientID tells whether s can be the id of a client at all.
func ClientID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// checkText refuses what cannot be shown as one line: control characters, and
// invisible ones that reorder or hide what stands beside them.
func checkText(p problems, member, text string, limit int) {
	switch {
	case text == "":
		p.add(member, "There is an empty text in it.")
	case !printable(text):
		p.add(member, "This has characters that cannot be seen. Type it again.")
	case utf8.RuneCountInString(text) > limit:
		p.add(member, "This is longer than %d characters.", limit)
	}
}

func printable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		joiner := r == '\u200c' || r == '\u200d' // part of words in several scripts
		return !joiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

func (c *Client) checkKind(p problems) {
	if !slices.Contains([]string{TypeWeb, TypeSPA, TypeNative, TypeMachine}, c.Type) {
		p.add("type", "An application is web, spa, native or machine, not %q.", c.Type)
	}
	switch c.Profile {
	case ProfileOIDC, ProfileOAuth21:
	case ProfileFAPI2:
		p.add("profile", "Profile fapi2 is not built yet. The strictest there is now is oauth21.")
	default:
		p.add("profile", "A profile is oidc or oauth21, not %q.", c.Profile)
	}
	switch c.AuthMethod {
	case AuthBasic, AuthPost, AuthSecretJWT, AuthPrivateKeyJWT:
		if c.Type == TypeSPA {
			p.add("token_endpoint_auth_method", "An application in the browser cannot keep a secret: everybody can read it there. Its method is none; a program on a server is of type web.")
		}
	case AuthNone:
		if c.Allows(GrantClientCredentials) {
			p.add("token_endpoint_auth_method", "Whoever uses client_credentials proves itself, by a secret (client_secret_basic) or a key (private_key_jwt).")
		}
	default:
		p.add("token_endpoint_auth_method", "%q is not built. There are client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt and none.", c.AuthMethod)
	}
	if c.Introspects && c.Public() {
		p.add("introspects", "An application without a secret or a key may not introspect tokens.")
	}
}

func (c *Client) checkGrants(p problems) {
	for _, g := range c.GrantTypes {
		if !slices.Contains([]string{GrantAuthorizationCode, GrantImplicit, GrantRefreshToken, GrantClientCredentials}, g) {
			p.add("grant_types", "%q is not built. There are authorization_code, implicit, refresh_token and client_credentials.", g)
		}
	}
	for _, r := range c.ResponseTypes {
		c.checkResponseType(p, r)
	}
	if c.Type == TypeMachine && !slices.Equal(c.GrantTypes, []string{GrantClientCredentials}) {
		p.add("grant_types", "A machine has client_credentials only. Where people sign in, the type is web, spa or native.")
	}
	if c.Type != TypeMachine && !c.SignsPeopleIn() {
		p.add("grant_types", "People sign in by authorization_code. An application without it is of type machine.")
	}
	if c.Allows(GrantImplicit) && !slices.ContainsFunc(c.ResponseTypes, inFrontChannel) {
		p.add("response_types", "With grant type implicit, at least one response type has id_token or token in it.")
	}
}

// inFrontChannel tells whether a response type brings a token by the browser.
func inFrontChannel(responseType string) bool { return strings.Contains(responseType, "token") }

// checkResponseType judges one response type and the grant types that it needs
// (OpenID Connect Registration §2).
func (c *Client) checkResponseType(p problems, r string) {
	if !slices.Contains(ResponseTypes(), r) {
		p.add("response_types", "%q does not exist here. There are: %s.", r, strings.Join(ResponseTypes(), ", "))
		return
	}
	if inFrontChannel(r) && c.Profile != ProfileOIDC {
		p.add("response_types", "Profile %s has response type code only.", c.Profile)
	}
	if strings.HasPrefix(r, "code") && !c.Allows(GrantAuthorizationCode) {
		p.add("grant_types", "Response type %s needs grant type authorization_code.", r)
	}
	if inFrontChannel(r) && !c.Allows(GrantImplicit) {
		p.add("grant_types", "Response type %s needs grant type implicit.", r)
	}
}

func (c *Client) checkScopes(p problems) {
	if len(c.Scopes) > maxScopes {
		p.add("scope", "These are more than %d scopes.", maxScopes)
	}
	for _, s := range c.Scopes {
		switch {
		case !scopeToken(s):
			p.add("scope", "%q cannot be a scope: up to %d visible ASCII characters, without quotation mark and backslash.", s, maxScope)
		case c.Type == TypeMachine && slices.Contains(Scopes(), s):
			p.add("scope", "%s is about a person, and nobody signs in to a machine.", s)
		}
	}
	for _, g := range c.AllowedGroups {
		if c.Type == TypeMachine {
			p.add("allowed_groups", "Nobody signs in to a machine, so no group can be let in.")
		}
		if g == "" {
			p.add("allowed_groups", "A group has a name.")
		}
	}
}

// scopeToken is that of RFC 6749 §3.3.
func scopeToken(s string) bool {
	return s != "" && len(s) <= maxScope && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x21 || r > 0x7e || r == '"' || r == '\\'
	})
}

func (c *Client) checkTokens(p problems) {
	if !slices.Contains(SigningAlgs(), c.IDTokenAlg) {
		p.add("id_token_signed_response_alg", "ID tokens are signed by RS256, ES256, PS256 or EdDSA, not by %q.", c.IDTokenAlg)
	}
	if !slices.Contains(SigningAlgs(), c.AccessTokenAlg) {
		p.add("access_token_signed_response_alg", "Access tokens are signed by ES256, RS256, PS256 or EdDSA, not by %q.", c.AccessTokenAlg)
	}
	if c.AccessTokenFormat != FormatJWT && c.AccessTokenFormat != FormatOpaque {
		p.add("access_token_format", "The format of access tokens is jwt or opaque, not %q.", c.AccessTokenFormat)
	}
	checkSpan(p, "access_token_ttl", c.AccessTokenTTL, minTokenTTL, maxTokenTTL)
	checkSpan(p, "id_token_ttl", c.IDTokenTTL, minTokenTTL, maxTokenTTL)
	checkSpan(p, "refresh_token_ttl", c.RefreshTokenTTL, minRefreshTTL, maxRefreshTTL)
	if c.RefreshGrace == nil {
		return
	}
	if limit := maxGrace; *c.RefreshGrace < 0 || *c.RefreshGrace > limit {
		p.add("refresh_grace", "The grace is 0 to %d seconds.", limit/time.Second)
	}
	if c.Public() && *c.RefreshGrace > maxOpenGrace {
		p.add("refresh_grace", "Without a secret, the grace is at most %d seconds.", maxOpenGrace/time.Second)
	}
}

// checkSpan judges a lifetime; 0 is the server's.
func checkSpan(p problems, member string, d, from, to time.Duration) {
	if d != 0 && (d < from || d > to) {
		p.add(member, "This is %d to %d seconds.", from/time.Second, to/time.Second)
	}
}
