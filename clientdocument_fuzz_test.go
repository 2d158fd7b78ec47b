package latchkey_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"latchkey"
)

// FuzzClientDocument: metadata that an operator or an application writes is
// refused with a problem, or it makes an application whose own document makes
// the same one again; and none of its addresses leads elsewhere than it says.
func FuzzClientDocument(f *testing.F) {
	for _, document := range []string{
		`{"client_name":"Docs","redirect_uris":["https://docs.example.com/cb"],"scope":"openid profile","access_token_ttl":60,"refresh_grace":0}`,
		`{"type":"native","redirect_uris":["http://127.0.0.1/cb","com.example.app:/cb"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		`{"type":"spa","profile":"oauth21","token_endpoint_auth_method":"none","allowed_cors_origins":["https://docs.example.com"]}`,
		`{"type":"machine","redirect_uris":null,"grant_types":["client_credentials"],"response_types":[],"scope":"jobs:run"}`,
		`{"client_name":null,"contacts":["a","a"],"tags":[""],"default_max_age":-1,"enabled":false}`,
		`{"redirect_uris":["https://a.example/#","http://evil.example","javascript:x",""],"client_uri":"//x"}`,
		`{"client_id":"Other","client_secret":"x","jwks_uri":"https://x.example","unheard_of":{}}`,
		`{"access_token_ttl":9223372036854775807,"id_token_ttl":1e3,"refresh_token_ttl":"1"}`,
		`{"scope":"openid openid \u0000 é","client_name":"\u202e"}`, `{"CLIENT_NAME":"x","client_name":"y","client_name":"z"}`,
		`{}`, `null`, `[]`, `{"redirect_uris":"https://a.example"}`, `{}{}`, `{"tags":[[[[]]]]}`,
	} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := wiki(latchkey.TypeWeb)
		c, err := before.ApplyMetadata(document)
		if err == nil {
			c.FillDefaults()
			err = c.Check()
		}
		if err != nil {
			wantProblem(t, document, err)
			return
		}
		written, err := json.Marshal(c.Document())
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.ApplyMetadata(written)
		if err != nil {
			t.Fatalf("%q made %s, which is refused: %v", document, written, err)
		}
		again.FillDefaults()
		if err := again.Check(); err != nil {
			t.Fatalf("%q made %s, which is refused: %v", document, written, err)
		}
		if changed := latchkey.ChangedMembers(c, again); len(changed) > 0 {
			t.Fatalf("%q read twice differs in %q", document, changed)
		}
		for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
			wantSafeAddress(t, c, uri)
		}
		if c.Public() && !c.NeedsPKCE() || c.Public() && c.Allows(latchkey.GrantClientCredentials) {
			t.Fatalf("%q made a public application that %+v", document, c)
		}
	})
}

// wantProblem checks that a refusal is one that people can read.
func wantProblem(t *testing.T, document []byte, err error) {
	t.Helper()
	if p := (*latchkey.Problem)(nil); !errors.As(err, &p) || p.Message == "" || strings.ContainsRune(p.Message, 0) {
		t.Fatalf("%q fails with %v", document, err)
	}
}

// wantSafeAddress checks a registered address with the standard library's eyes.
func wantSafeAddress(t *testing.T, c *latchkey.Client, uri string) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.Fragment != "" || strings.Contains(uri, "#") || u.User != nil {
		t.Fatalf("%q is registered: %v", uri, err)
	}
	local := slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	private := c.Type == latchkey.TypeNative && strings.Contains(u.Scheme, ".")
	if u.Scheme != "https" && (u.Scheme != "http" || !local) && !private {
		t.Fatalf("%q is registered for an application of type %s", uri, c.Type)
	}
}
