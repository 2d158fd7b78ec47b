package admin

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/templates"
)

// secondsFields are the lifetimes of the form, by name.
var secondsFields = map[string]func(*latchkey.Client) *time.Duration{
	"access_token_ttl":  func(c *latchkey.Client) *time.Duration { return &c.AccessTokenTTL },
	"id_token_ttl":      func(c *latchkey.Client) *time.Duration { return &c.IDTokenTTL },
	"refresh_token_ttl": func(c *latchkey.Client) *time.Duration { return &c.RefreshTokenTTL },
}

// typedOf is an application as its form would send it.
func typedOf(c *latchkey.Client) url.Values {
	form := url.Values{
		"name": {c.Name}, "type": {c.Type}, "redirect_uris": {lines(c.RedirectURIs)}, "post_logout_redirect_uris": {lines(c.PostLogoutRedirectURIs)},
		"who": {"everyone"}, "group": c.AllowedGroups, "scope": {strings.Join(c.Scopes, " ")}, "version": {strconv.FormatInt(c.Version, 10)},
		"more": {"yes"}, "token_endpoint_auth_method": {c.AuthMethod}, "profile": {string(c.Profile)}, "id_token_signed_response_alg": {c.IDTokenAlg},
		"access_token_format":  {c.AccessTokenFormat},
		"allowed_cors_origins": {lines(c.AllowedCORSOrigins)}, "notes": {c.Metadata.Notes}, "backchannel_logout_uri": {c.Protocol.BackchannelLogoutURI},
		"jwks_uri": {c.Protocol.JWKSURI}, "jwks": {indented(c.Protocol.JWKS)},
	}
	if len(c.AllowedGroups) > 0 {
		form.Set("who", "groups")
	}
	for name, of := range secondsFields {
		if d := *of(c); d > 0 {
			form.Set(name, strconv.FormatInt(int64(d/time.Second), 10))
		}
	}
	for name, on := range map[string]bool{"first_party": c.FirstParty, "introspects": c.Introspects, "refresh_without_offline_access": c.RefreshWithoutOffline} {
		if on {
			form.Set(name, "yes")
		}
	}
	return form
}

// applyForm returns base as the form wants it, and what is wrong with the form
// itself. Fields that the form does not have, such as those for people on the
// page of a machine, leave what is there.
func applyForm(base *latchkey.Client, form url.Values) (*latchkey.Client, map[string]string) {
	next, wrong := *base, map[string]string{}
	for name, value := range map[string]*string{
		"name": &next.Name, "id_token_signed_response_alg": &next.IDTokenAlg,
		"access_token_format": &next.AccessTokenFormat, "notes": &next.Metadata.Notes,
		"backchannel_logout_uri": &next.Protocol.BackchannelLogoutURI,
	} {
		if form.Has(name) {
			*value = strings.ReplaceAll(form.Get(name), "\r\n", "\n")
		}
	}
	if form.Has("token_endpoint_auth_method") {
		next.SetAuthMethod(form.Get("token_endpoint_auth_method"))
	}
	applyKeys(&next, form, wrong)
	if form.Has("profile") {
		next.Profile = latchkey.Profile(form.Get("profile"))
	}
	for name, list := range map[string]*[]string{
		"redirect_uris": &next.RedirectURIs, "post_logout_redirect_uris": &next.PostLogoutRedirectURIs, "allowed_cors_origins": &next.AllowedCORSOrigins,
	} {
		if form.Has(name) {
			*list = linesOf(form.Get(name))
		}
	}
	if form.Has("scope") {
		next.Scopes = strings.Fields(form.Get("scope"))
	}
	if form.Has("who") {
		next.FirstParty = form.Get("first_party") == "yes"
		next.AllowedGroups = nil
		if form.Get("who") != "everyone" {
			next.AllowedGroups = form["group"]
			if len(form["group"]) == 0 {
				wrong["allowed_groups"] = "Choose at least one group, or open it to everyone."
			}
		}
	}
	applyMore(&next, form, wrong)
	return &next, wrong
}

// applyKeys reads where the public keys of an application are, and which.
func applyKeys(next *latchkey.Client, form url.Values, wrong map[string]string) {
	if form.Has("jwks_uri") {
		next.Protocol.JWKSURI = strings.TrimSpace(form.Get("jwks_uri"))
	}
	if !form.Has("jwks") {
		return
	}
	typed := strings.TrimSpace(form.Get("jwks"))
	switch {
	case typed == "":
		next.Protocol.JWKS = nil
	case !json.Valid([]byte(typed)):
		wrong["jwks"] = "This is not JSON. A key set begins with {\"keys\":."
	default:
		next.Protocol.JWKS = json.RawMessage(typed)
	}
}

// indented is JSON as people read it.
func indented(raw json.RawMessage) string {
	var text bytes.Buffer
	if len(raw) == 0 || json.Indent(&text, raw, "", "  ") != nil {
		return string(raw)
	}
	return text.String()
}

func applyMore(next *latchkey.Client, form url.Values, wrong map[string]string) {
	if form.Get("more") != "yes" {
		return
	}
	next.Introspects = form.Get("introspects") == "yes"
	if next.SignsPeopleIn() {
		next.RefreshWithoutOffline = form.Get("refresh_without_offline_access") == "yes"
	}
	for name, of := range secondsFields {
		typed := strings.TrimSpace(form.Get(name))
		if !form.Has(name) {
			continue
		}
		n, err := strconv.Atoi(typed)
		switch {
		case typed == "":
			n = 0
		case err != nil || n <= 0 || n > 100_000_000:
			wrong[name] = "Enter a whole number of seconds, or leave it empty."
			continue
		}
		*of(next) = time.Duration(n) * time.Second
	}
}

// clientForm is what was typed, with what is wrong, ready to be shown.
func clientForm(form url.Values, groups []string, wrong map[string]string) templates.ClientForm {
	f := templates.ClientForm{
		Name: form.Get("name"), Type: form.Get("type"), RedirectURIs: form.Get("redirect_uris"), PostLogoutRedirectURIs: form.Get("post_logout_redirect_uris"),
		Everyone: form.Get("who") == "everyone", Groups: choices(groups, form["group"]...), FirstParty: form.Get("first_party") == "yes",
		Scope: form.Get("scope"), Once: form.Get("once"), Version: form.Get("version"), Errors: map[string]string{},
	}
	for member, what := range wrong {
		f.Errors[fieldOf(member)] = what
	}
	if form.Get("more") == "yes" {
		f.More = clientMore(form, wrong)
	}
	return f
}

func clientMore(form url.Values, wrong map[string]string) *templates.ClientMore {
	more := &templates.ClientMore{
		AuthMethods: options(form.Get("token_endpoint_auth_method"), latchkey.AuthBasic, "Secret in a header (client_secret_basic)",
			latchkey.AuthPost, "Secret in the body (client_secret_post)", latchkey.AuthSecretJWT, "Signature made with the secret (client_secret_jwt): it gets a new one",
			latchkey.AuthPrivateKeyJWT, "Signature of its own key (private_key_jwt): secrets that it has end", latchkey.AuthNone, "No secret, PKCE instead (none): secrets that it has end"),
		Profiles: options(form.Get("profile"), "oidc", "OpenID Connect: PKCE where it is sent", "oauth21", "OAuth 2.1: every request needs PKCE"),
		IDTokenAlgs: options(form.Get("id_token_signed_response_alg"), latchkey.RS256, "RS256: every library has it", latchkey.ES256, "ES256: shorter",
			latchkey.PS256, "PS256: RSA as some rules ask for it", latchkey.EdDSA, "EdDSA: Ed25519, where the library has it"),
		AccessFormats: options(form.Get("access_token_format"), latchkey.FormatJWT, "JWT: whoever has it can read and check it",
			latchkey.FormatOpaque, "Opaque: only latchkey can read it, resource servers ask"),
		Origins: form.Get("allowed_cors_origins"), Backchannel: form.Get("backchannel_logout_uri"), Introspects: form.Get("introspects") == "yes",
		JWKSURI: form.Get("jwks_uri"), JWKS: form.Get("jwks"),
		RefreshAlways: form.Get("refresh_without_offline_access") == "yes", Notes: form.Get("notes"),
		AccessTokenTTL: form.Get("access_token_ttl"), IDTokenTTL: form.Get("id_token_ttl"), RefreshTokenTTL: form.Get("refresh_token_ttl"),
	}
	for _, member := range []string{
		"token_endpoint_auth_method", "jwks_uri", "jwks", "profile", "id_token_signed_response_alg", "access_token_format", "allowed_cors_origins", "introspects", "notes", "backchannel_logout_uri",
		"access_token_ttl", "id_token_ttl", "refresh_token_ttl",
	} {
		more.Open = more.Open || wrong[member] != ""
	}
	return more
}

// fieldOf is the name on the page of a member of RFC 7591 metadata.
func fieldOf(member string) string {
	switch member {
	case "client_name":
		return "name"
	case "allowed_groups":
		return "group"
	}
	return member
}

// withoutField gathers what is wrong with members that the page has no field
// for, so that nothing is refused in silence.
func withoutField(form url.Values, wrong map[string]string) string {
	var said []string
	for member, what := range wrong {
		field := fieldOf(member)
		if !form.Has(field) && field != "group" && field != "name" && field != "type" && field != "introspects" {
			said = append(said, what)
		}
	}
	slices.Sort(said)
	return strings.Join(said, " ")
}

// options are values with their words; one that is none of them is shown as it
// is, so that a form never changes what it does not show.
func options(chosen string, pairs ...string) (out []templates.Option) {
	known := false
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, templates.Option{Value: pairs[i], Text: pairs[i+1], Chosen: pairs[i] == chosen})
		known = known || pairs[i] == chosen
	}
	if !known && chosen != "" {
		out = append(out, templates.Option{Value: chosen, Text: chosen, Chosen: true})
	}
	return out
}

func lines(list []string) string { return strings.Join(list, "\n") }

// linesOf are the lines of a text that hold something.
func linesOf(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
