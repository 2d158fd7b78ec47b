package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestSignedIntrospection: who asks for a JWT by its media type gets one, signed
// as their registration says (RFC 9701 §4 and §5).
func TestSignedIntrospection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	tk := a.tokens(t, w.browser().signIn(t, w.user(t, "alice")))
	plain := a.introspected(t, tk.access)
	for alg, by := range map[string]*app{
		latchkey.RS256: a,
		latchkey.PS256: w.app(t, "ps", func(c *latchkey.Client) { c.Protocol.IntrospectionAlg, c.Introspects = latchkey.PS256, true }),
		latchkey.EdDSA: w.app(t, "ed", func(c *latchkey.Client) { c.Protocol.IntrospectionAlg, c.Introspects = latchkey.EdDSA, true }),
		"stranger":     w.app(t, "stranger"),
	} {
		ask := func(accept string) *answer {
			r := w.form(t, "/oauth2/introspect", url.Values{"token": {tk.access}})
			r.SetBasicAuth(by.ID, by.secret)
			r.Header.Set("Accept", accept)
			return w.browser().do(t, r)
		}
		for _, accept := range []string{"application/token-introspection+jwt", "application/json;q=0.5, Application/Token-Introspection+JWT;q=1"} {
			got := ask(accept)
			if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/token-introspection+jwt" || got.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: answered %d %v %s", by.ID, got.status, got.header, got.body)
			}
			want, signedBy := plain, alg
			if by.ID == "stranger" {
				want, signedBy = map[string]any{"active": false}, latchkey.RS256
			}
			claims := w.signedBy(t, got.body, signedBy)
			if typ := headerOf(t, got.body)["typ"]; typ != "token-introspection+jwt" {
				t.Errorf("typ %v", typ)
			}
			if at, _ := claims["iat"].(float64); time.Since(time.Unix(int64(at), 0)).Abs() > time.Minute {
				t.Errorf("iat %v", claims["iat"])
			}
			delete(claims, "iat")
			if diff := cmp.Diff(map[string]any{"iss": w.issuer, "aud": by.ID, "token_introspection": want}, claims); diff != "" {
				t.Errorf("%s (-want +got):\n%s", by.ID, diff)
			}
			// It is no token of ours, wherever it is sent.
			if a.active(t, got.body) {
				t.Error("the answer counts as a token")
			}
			wantFault(t, w.userinfo(t, got.body), 401, "invalid_token")
		}
		for _, accept := range []string{"", "*/*", "application/json", "application/jwt", "application/token-introspection+jwt;q=0", "application/token-introspection+jwt;q=0.0", "garbage"} {
			if got := ask(accept); !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
				t.Errorf("Accept %q got %s", accept, got.header.Get("Content-Type"))
			}
		}
	}
}
