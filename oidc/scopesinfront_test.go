package oidc_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScopesWithoutUserinfo: with no access token to ask userinfo by, the ID
// token tells what the scopes give, in the same words and types (OpenID Connect
// Core §5.4), and no other response type has it do so.
func TestScopesWithoutUserinfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	for _, scope := range []string{"openid", "openid profile", "openid email", "openid address", "openid phone", "phone email address profile openid"} {
		told := w.userinfo(t, a.tokens(t, b, "scope", scope).access).json(t)
		id := claimsIn(t, b.get(t, a.request("response_type", "id_token", "scope", scope)).toApp(t).params.Get("id_token"))
		about := map[string]any{}
		for name, value := range id {
			if !strings.Contains(" iss aud exp iat auth_time nonce acr amr sid ", " "+name+" ") {
				about[name] = value
			}
		}
		if diff := cmp.Diff(told, about); diff != "" {
			t.Errorf("%s (-userinfo +ID token):\n%s", scope, diff)
		}
		for _, types := range []string{"id_token token", "code id_token", "code id_token token"} {
			id := claimsIn(t, b.get(t, a.request("response_type", types, "scope", scope)).toApp(t).params.Get("id_token"))
			for name := range told {
				if _, there := id[name]; there && name != "sub" {
					t.Errorf("%s, %s: the ID token tells %s", types, scope, name)
				}
			}
		}
	}
}
