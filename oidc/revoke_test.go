package oidc_test

import (
	"net/url"
	"testing"

	"latchkey"
	"latchkey/storage"
)

// SECURITY case 50.
func TestRevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other")
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	b := w.browser().signIn(t, w.user(t, "alice"))
	node := connect(t, w)
	revoke := func(a *app, token string) *answer {
		return a.call(t, "/oauth2/revoke", url.Values{"token": {token}, "token_type_hint": {"whatever"}})
	}
	tk := a.tokens(t, b)
	for _, token := range []string{"garbage", tk.id, "lk_rt_garbage"} {
		if got := revoke(a, token); got.status != 200 || got.body != "" {
			t.Errorf("unknown token answered %d %s", got.status, got.body)
		}
	}
	wantFault(t, revoke(other, tk.access), 400, "unauthorized_client")
	wantFault(t, revoke(other, tk.refresh), 400, "unauthorized_client")
	if !a.active(t, tk.access) || !a.active(t, tk.refresh) {
		t.Error("another client's attempt changed something")
	}
	if n := w.events(t, latchkey.TokenRefused, "wrong_client"); n != 2 {
		t.Errorf("%d events", n)
	}
	// An access token goes alone.
	if got := revoke(a, tk.access); got.status != 200 || a.active(t, tk.access) || !a.active(t, tk.refresh) {
		t.Errorf("revoking the access token answered %d", got.status)
	}
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	// A refresh token takes its access tokens along, on every node at once.
	second := readTokens(t, a.refresh(t, tk.refresh))
	if got := revoke(a, second.refresh); got.status != 200 {
		t.Errorf("answered %d", got.status)
	}
	if node(second.access) == storage.IsActive || a.active(t, second.access) {
		t.Error("an access token outlived its refresh token")
	}
	wantFault(t, a.refresh(t, second.refresh), 400, "invalid_grant")
	for range 2 {
		if got := revoke(a, second.refresh); got.status != 200 {
			t.Errorf("again answered %d", got.status)
		}
	}
	if n := w.events(t, latchkey.TokenRevoked, ""); n != 2 {
		t.Errorf("%d events", n)
	}
	ofPublic := public.tokens(t, b)
	if got := revoke(public, ofPublic.refresh); got.status != 200 {
		t.Errorf("public client: %d %s", got.status, got.body)
	}
	wantFault(t, w.userinfo(t, ofPublic.access), 401, "invalid_token")
	wantFault(t, w.browser().post(t, "/oauth2/revoke", url.Values{"token": {tk.refresh}}), 401, "invalid_client")
}
