package latchkey_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// wiki is a right application of a type.
func wiki(typ string) latchkey.Client {
	c := latchkey.Client{ID: "wiki", Name: "Wiki", Type: typ, Enabled: true}
	if typ != latchkey.TypeMachine {
		c.RedirectURIs = []string{"https://wiki.example.com/callback"}
	}
	c.FillDefaults()
	return c
}

// fields are what is wrong with a client, by member.
func fields(t *testing.T, err error) map[string]string {
	t.Helper()
	p := (*latchkey.Problem)(nil)
	if err == nil {
		return nil
	}
	if !errors.As(err, &p) || !errors.Is(err, latchkey.ErrInvalid) {
		t.Fatalf("%v is no problem of input", err)
	}
	if len(p.Fields) == 0 {
		return map[string]string{p.Code: p.Message}
	}
	return p.Fields
}

// TestDefaultsOfTypes are those of the contract.
func TestDefaultsOfTypes(t *testing.T) {
	t.Parallel()
	people := []string{"authorization_code", "refresh_token"}
	all := "openid profile email groups offline_access"
	for _, want := range []struct {
		typ, auth, scope string
		profile          latchkey.Profile
		grants, answers  []string
	}{
		{"web", "client_secret_basic", all, "oidc", people, []string{"code"}},
		{"spa", "none", all, "oauth21", people, []string{"code"}},
		{"native", "none", all, "oauth21", people, []string{"code"}},
		{"machine", "client_secret_basic", "", "oidc", []string{"client_credentials"}, []string{}},
	} {
		c := wiki(want.typ)
		if err := c.Check(); err != nil {
			t.Errorf("%s with its defaults is refused: %v", want.typ, fields(t, err))
		}
		d := c.Document()
		if d.AuthMethod != want.auth || d.Scope != want.scope || d.Profile != want.profile ||
			!cmp.Equal(d.GrantTypes, want.grants) || !cmp.Equal(d.ResponseTypes, want.answers) ||
			d.IDTokenAlg != "RS256" || d.AccessTokenFormat != "jwt" || d.AccessTokenAlg != "ES256" {
			t.Errorf("%s has the defaults %+v", want.typ, d)
		}
	}
}

// TestTypeIsGuessed from what RFC 7591 says, which has no types like ours.
func TestTypeIsGuessed(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{}`:                                     "web",
		`{"token_endpoint_auth_method": "none"}`: "spa",
		`{"token_endpoint_auth_method": "none", "redirect_uris": ["com.example.app:/cb"]}`: "native",
		`{"application_type": "native"}`:          "native",
		`{"application_type": "web"}`:             "web",
		`{"grant_types": ["client_credentials"]}`: "machine",
		`{"type": "spa"}`:                         "spa",
	} {
		c, err := (&latchkey.Client{}).ApplyMetadata([]byte(document))
		if err != nil {
			t.Errorf("%s: %v", document, fields(t, err))
			continue
		}
		if c.FillDefaults(); c.Type != want {
			t.Errorf("%s makes a %s, want %s", document, c.Type, want)
		}
	}
}

// TestEveryRuleOfAClient: a right application in which one thing is wrong.
func TestEveryRuleOfAClient(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	minus := int64(-1)
	for _, wrong := range []struct {
		name, typ, member, says string
		bend                    func(*latchkey.Client)
	}{
		{"an id with a dot", "web", "client_id", "letters", func(c *latchkey.Client) { c.ID = "wiki.example" }},
		{"no id", "web", "client_id", "letters", func(c *latchkey.Client) { c.ID = "" }},
		{"a long id", "web", "client_id", "128", func(c *latchkey.Client) { c.ID = strings.Repeat("a", 129) }},
		{"no name", "web", "client_name", "Enter a name", func(c *latchkey.Client) { c.Name = "  " }},
		{"a long name", "web", "client_name", "128", func(c *latchkey.Client) { c.Name = strings.Repeat("é", 129) }},
		{"a name of two lines", "web", "client_name", "cannot be seen", func(c *latchkey.Client) { c.Name = "Wi\nki" }},
		{"a name that runs backwards", "web", "client_name", "cannot be seen", func(c *latchkey.Client) { c.Name = "Wi\u202eki" }},
		{"a name with a zero-width space", "web", "client_name", "cannot be seen", func(c *latchkey.Client) { c.Name = "Wi\u200bki" }},
		{"a name that is no text", "web", "client_name", "cannot be seen", func(c *latchkey.Client) { c.Name = "Wi\xffki" }},
		{"an unknown type", "web", "type", "server", func(c *latchkey.Client) { c.Type = "server" }},
		{"profile fapi2", "web", "profile", "oauth21", func(c *latchkey.Client) { c.Profile = latchkey.ProfileFAPI2 }},
		{"an unknown profile", "web", "profile", "oidc or oauth21", func(c *latchkey.Client) { c.Profile = "oauth20" }},
		{"a method that is not built", "web", "token_endpoint_auth_method", "private_key_jwt", func(c *latchkey.Client) { c.AuthMethod = "tls_client_auth" }},
		{"a key in the browser", "spa", "token_endpoint_auth_method", "browser", func(c *latchkey.Client) {
			c.AuthMethod, c.Protocol.JWKSURI = latchkey.AuthPrivateKeyJWT, "https://a.example/jwks"
		}},
		{"a key that is nowhere", "web", "jwks_uri", "private_key_jwt", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthPrivateKeyJWT }},
		{"an algorithm of assertions without any", "web", "token_endpoint_auth_signing_alg", "client_secret_basic", func(c *latchkey.Client) { c.Protocol.AuthAlg = latchkey.RS256 }},
		{"an algorithm of the other method", "web", "token_endpoint_auth_signing_alg", "HS256", func(c *latchkey.Client) {
			c.AuthMethod, c.Protocol.AuthAlg = latchkey.AuthSecretJWT, latchkey.RS256
		}},
		{"no signature", "web", "token_endpoint_auth_signing_alg", "RS256", func(c *latchkey.Client) {
			c.AuthMethod, c.Protocol.JWKSURI, c.Protocol.AuthAlg = latchkey.AuthPrivateKeyJWT, "https://a.example/jwks", "none"
		}},
		{"a secret in the browser", "spa", "token_endpoint_auth_method", "browser", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthPost }},
		{"a machine without a secret", "machine", "token_endpoint_auth_method", "secret", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone }},
		{"client_credentials without a secret", "native", "token_endpoint_auth_method", "secret", func(c *latchkey.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") }},
		{"introspection without a secret", "spa", "introspects", "secret", func(c *latchkey.Client) { c.Introspects = true }},
		{"the implicit grant for nothing", "web", "response_types", "implicit", func(c *latchkey.Client) { c.GrantTypes = append(c.GrantTypes, "implicit") }},
		{"the password grant", "web", "grant_types", "password", func(c *latchkey.Client) { c.GrantTypes = append(c.GrantTypes, "password") }},
		{"a machine with a sign-in", "machine", "grant_types", "machine", func(c *latchkey.Client) { c.GrantTypes = append(c.GrantTypes, "refresh_token") }},
		{"refreshing without a sign-in", "web", "grant_types", "authorization_code", func(c *latchkey.Client) { c.GrantTypes, c.RedirectURIs = []string{"refresh_token"}, nil }},
		{"response type id_token without its grant", "web", "grant_types", "implicit", func(c *latchkey.Client) { c.ResponseTypes = []string{"code", "id_token"} }},
		{"response type code id_token without the grant of code", "web", "grant_types", "authorization_code", func(c *latchkey.Client) {
			c.GrantTypes, c.ResponseTypes = []string{"implicit"}, []string{"code id_token"}
		}},
		{"response type token", "web", "response_types", "token", func(c *latchkey.Client) { c.ResponseTypes = []string{"code", "token"} }},
		{"response type CODE", "web", "response_types", "CODE", func(c *latchkey.Client) { c.ResponseTypes = []string{"CODE"} }},
		{"tokens in the address of a strict client", "spa", "response_types", "oauth21", func(c *latchkey.Client) {
			c.GrantTypes, c.ResponseTypes = append(c.GrantTypes, "implicit"), []string{"code", "id_token"}
		}},
		{"unsigned request objects", "web", "request_object_signing_alg", "none", func(c *latchkey.Client) { c.Protocol.RequestObjectAlg = "none" }},
		{"unsigned answers", "web", "authorization_signed_response_alg", "none", func(c *latchkey.Client) { c.Protocol.AuthorizationAlg = "none" }},
		{"a request_uri that is no address", "web", "request_uris", "https", func(c *latchkey.Client) { c.Protocol.RequestURIs = []string{"urn:x"} }},
		{"101 request_uris", "web", "request_uris", "100", func(c *latchkey.Client) { c.Protocol.RequestURIs = numbered(101, "https://a.example/") }},
		{"signed requests without keys", "web", "require_signed_request_object", "jwks", func(c *latchkey.Client) { c.Protocol.RequireSignedRequest = true }},
		{"an unknown response mode", "web", "response_modes", "web_message", func(c *latchkey.Client) { c.Protocol.ResponseModes = []string{"web_message"} }},
		{"a scope with a quotation mark", "web", "scope", `cannot be a scope`, func(c *latchkey.Client) { c.Scopes = []string{`a"b`} }},
		{"a scope in Greek", "web", "scope", "cannot be a scope", func(c *latchkey.Client) { c.Scopes = []string{"λ"} }},
		{"101 scopes", "web", "scope", "100", func(c *latchkey.Client) { c.Scopes = numbered(101, "s") }},
		{"a scope about a person, of a machine", "machine", "scope", "email", func(c *latchkey.Client) { c.Scopes = []string{"email"} }},
		{"a group for a machine", "machine", "allowed_groups", "Nobody signs in", func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} }},
		{"a group without a name", "web", "allowed_groups", "name", func(c *latchkey.Client) { c.AllowedGroups = []string{""} }},
		{"no redirect URI", "web", "redirect_uris", "at least one", func(c *latchkey.Client) { c.RedirectURIs = nil }},
		{"a redirect URI of a machine", "machine", "redirect_uris", "machine", func(c *latchkey.Client) { c.RedirectURIs = []string{"https://a.example/cb"} }},
		{"101 redirect URIs", "web", "redirect_uris", "100", func(c *latchkey.Client) { c.RedirectURIs = numbered(101, "https://a.example/") }},
		{"symmetric userinfo", "web", "userinfo_signed_response_alg", "HS256", func(c *latchkey.Client) { c.Protocol.UserinfoAlg = "HS256" }},
		{"unsigned introspection", "web", "introspection_signed_response_alg", "none", func(c *latchkey.Client) { c.Protocol.IntrospectionAlg = "none" }},
		{"unsigned userinfo", "web", "userinfo_signed_response_alg", "none", func(c *latchkey.Client) { c.Protocol.UserinfoAlg = "none" }},
		{"a symmetric ID token", "web", "id_token_signed_response_alg", "HS256", func(c *latchkey.Client) { c.IDTokenAlg = "HS256" }},
		{"an unsigned ID token", "web", "id_token_signed_response_alg", "none", func(c *latchkey.Client) { c.IDTokenAlg = "none" }},
		{"an unsigned access token", "web", "access_token_signed_response_alg", "none", func(c *latchkey.Client) { c.AccessTokenAlg = "none" }},
		{"an unknown format", "web", "access_token_format", "xml", func(c *latchkey.Client) { c.AccessTokenFormat = "xml" }},
		{"an access token of 29 seconds", "web", "access_token_ttl", "30 to 86400", func(c *latchkey.Client) { c.AccessTokenTTL = 29 * time.Second }},
		{"an access token of a day and a second", "web", "access_token_ttl", "30 to 86400", func(c *latchkey.Client) { c.AccessTokenTTL = 86401 * time.Second }},
		{"an ID token of 29 seconds", "web", "id_token_ttl", "30 to 86400", func(c *latchkey.Client) { c.IDTokenTTL = 29 * time.Second }},
		{"a refresh token of 59 seconds", "web", "refresh_token_ttl", "60 to 7776000", func(c *latchkey.Client) { c.RefreshTokenTTL = 59 * time.Second }},
		{"a refresh token of 90 days and a second", "web", "refresh_token_ttl", "60 to 7776000", func(c *latchkey.Client) { c.RefreshTokenTTL = 7776001 * time.Second }},
		{"a grace of 301 seconds", "web", "refresh_grace", "0 to 300", func(c *latchkey.Client) { c.RefreshGrace = seconds(301) }},
		{"a grace of 11 seconds without a secret", "spa", "refresh_grace", "10 seconds", func(c *latchkey.Client) { c.RefreshGrace = seconds(11) }},
		{"an unknown subject type", "web", "subject_type", "pairwise", func(c *latchkey.Client) { c.Protocol.SubjectType = "both" }},
		{"a sector by http", "web", "sector_identifier_uri", "https", func(c *latchkey.Client) { c.Protocol.SectorIdentifierURI = "http://a.example/s" }},
		{"pairwise subjects of two hosts", "web", "sector_identifier_uri", "several hosts", func(c *latchkey.Client) {
			c.Protocol.SubjectType, c.RedirectURIs = latchkey.SubjectPairwise, []string{"https://a.example/", "https://b.example/"}
		}},
		{"pairwise subjects of an application on a device", "native", "sector_identifier_uri", "native", func(c *latchkey.Client) { c.Protocol.SubjectType = latchkey.SubjectPairwise }},
		{"a logo by http", "web", "logo_uri", "https", func(c *latchkey.Client) { c.Metadata.LogoURI = "http://a.example/l.png" }},
		{"a link that runs", "web", "client_uri", "https", func(c *latchkey.Client) { c.Metadata.ClientURI = "javascript:alert(1)" }},
		{"a link with a user", "web", "tos_uri", "@", func(c *latchkey.Client) { c.Metadata.TOSURI = "https://me@a.example/" }},
		{"a start of sign-in by http", "web", "initiate_login_uri", "https", func(c *latchkey.Client) { c.Metadata.InitiateLogin = "http://a.example/" }},
		{"an empty contact", "web", "contacts", "empty", func(c *latchkey.Client) { c.Metadata.Contacts = []string{""} }},
		{"51 tags", "web", "tags", "50", func(c *latchkey.Client) { c.Metadata.Tags = numbered(51, "t") }},
		{"long notes", "web", "notes", "4000", func(c *latchkey.Client) { c.Metadata.Notes = strings.Repeat("n", 4001) }},
		{"an age below zero", "web", "default_max_age", "0", func(c *latchkey.Client) { c.Metadata.DefaultMaxAge = &minus }},
		{"a software version of two lines", "web", "software_version", "seen", func(c *latchkey.Client) { c.Metadata.SoftwareVersion = "1\n2" }},
	} {
		c := wiki(wrong.typ)
		wrong.bend(&c)
		got := fields(t, c.Check())
		if len(got) != 1 || !strings.Contains(got[wrong.member], wrong.says) {
			t.Errorf("%s: got %v, want only %s with %q", wrong.name, got, wrong.member, wrong.says)
		}
	}
}

// TestBoundsMayBeReached: the last right value of each bound.
func TestBoundsMayBeReached(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*latchkey.Client){
		"names": func(c *latchkey.Client) { c.Name, c.ID = strings.Repeat("é", 128), strings.Repeat("a", 128) },
		"short": func(c *latchkey.Client) {
			c.AccessTokenTTL, c.IDTokenTTL, c.RefreshTokenTTL = 30*time.Second, 30*time.Second, time.Minute
		},
		"long": func(c *latchkey.Client) {
			c.AccessTokenTTL, c.IDTokenTTL, c.RefreshTokenTTL = 24*time.Hour, 24*time.Hour, 90*24*time.Hour
		},
		"no grace":   func(c *latchkey.Client) { c.RefreshGrace = new(time.Duration) },
		"ES256":      func(c *latchkey.Client) { c.IDTokenAlg, c.AccessTokenAlg = latchkey.ES256, latchkey.RS256 },
		"PS256":      func(c *latchkey.Client) { c.IDTokenAlg, c.AccessTokenAlg = latchkey.PS256, latchkey.EdDSA },
		"EdDSA":      func(c *latchkey.Client) { c.IDTokenAlg, c.AccessTokenAlg = latchkey.EdDSA, latchkey.PS256 },
		"no secret":  func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone },
		"own scopes": func(c *latchkey.Client) { c.Scopes = []string{"openid", "api:read"} },
		"opaque":     func(c *latchkey.Client) { c.AccessTokenFormat = latchkey.FormatOpaque },
		"strict":     func(c *latchkey.Client) { c.Profile = latchkey.ProfileOAuth21 },
		"joiners":    func(c *latchkey.Client) { c.Name = "क्\u200dष" },
		"also by itself": func(c *latchkey.Client) {
			c.GrantTypes = append(c.GrantTypes, latchkey.GrantClientCredentials)
		},
		"a link of the house": func(c *latchkey.Client) { c.Metadata.ClientURI = "http://wiki.lan/" },
	} {
		c := wiki(latchkey.TypeWeb)
		bend(&c)
		if err := c.Check(); err != nil {
			t.Errorf("%s: refused: %v", name, fields(t, err))
		}
	}
}

func TestListsAreTidied(t *testing.T) {
	t.Parallel()
	c := wiki(latchkey.TypeWeb)
	c.Name = " Wiki "
	c.RedirectURIs = append(c.RedirectURIs, c.RedirectURIs[0])
	if err := c.Check(); err != nil {
		t.Fatal(fields(t, err))
	}
	if c.Name != "Wiki" || len(c.RedirectURIs) != 1 {
		t.Errorf("got %q and %q, want the name trimmed and one address", c.Name, c.RedirectURIs)
	}
}

func numbered(n int, prefix string) []string {
	var list []string
	for i := range n {
		list = append(list, prefix+strings.Repeat("x", i+1))
	}
	return list
}
