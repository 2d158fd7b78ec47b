package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// SECURITY case 47.
func TestIntrospectionNeedsAConfidentialClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	tk := a.tokens(t, w.browser().signIn(t, w.user(t, "alice")))
	form := url.Values{"token": {tk.access}}
	anonymous := w.browser().post(t, "/oauth2/introspect", form)
	wantFault(t, anonymous, 401, "invalid_client")
	wantFault(t, public.call(t, "/oauth2/introspect", form), 401, "invalid_client")
	wrong := *a
	wrong.secret = "x"
	wantFault(t, wrong.call(t, "/oauth2/introspect", form), 401, "invalid_client")
	if strings.Contains(anonymous.body, "active") || strings.Contains(anonymous.body, "alice") {
		t.Errorf("it says something: %s", anonymous.body)
	}
	if n := w.events(t, latchkey.ClientAuthFailed, ""); n != 3 {
		t.Errorf("%d events of failed authentication, want 3", n)
	}
	if !a.active(t, tk.access) {
		t.Error("asking in vain ended the token")
	}
	wantFault(t, a.call(t, "/oauth2/introspect", url.Values{}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/revoke", url.Values{"token_type_hint": {"access_token"}}), 400, "invalid_request")
	if n := w.count(t, `SELECT count(*) FROM audit_pending WHERE kind = 'token.refused' AND reason = 'no_token' AND client_id = 'wiki'`); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestIntrospectionAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other")
	gateway := w.app(t, "gateway", func(c *latchkey.Client) { c.Introspects = true })
	alice := w.user(t, "alice")
	tk := a.tokens(t, w.browser().signIn(t, alice))
	got := a.call(t, "/oauth2/introspect", url.Values{"token": {tk.access}, "token_type_hint": {"refresh_token"}}).json(t)
	claims := claimsIn(t, tk.access)
	want := map[string]any{"active": true, "sub": alice.Subject, "client_id": "wiki", "token_type": "Bearer", "aud": w.issuer, "iss": w.issuer,
		"scope": "openid profile email groups offline_access", "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"],
		"acr": "phr", "amr": []any{"pop", "user", "mfa"}, "auth_time": claims["auth_time"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !gateway.active(t, tk.access) || !gateway.active(t, tk.refresh) || !a.active(t, tk.refresh) {
		t.Error("who may know does not")
	}
	for _, token := range []string{tk.access, tk.refresh} {
		if got := other.call(t, "/oauth2/introspect", url.Values{"token": {token}}); got.body != `{"active":false}` {
			t.Errorf("another client learns %s", got.body)
		}
	}
	for _, token := range []string{tk.id, "garbage", "lk_rt_x", strings.Repeat("a.", 9000), tk.access[:len(tk.access)-4] + "AAAA"} {
		if got := gateway.call(t, "/oauth2/introspect", url.Values{"token": {token}}); got.status != 200 || got.body != `{"active":false}` {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
}
