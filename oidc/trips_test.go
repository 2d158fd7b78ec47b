package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	"latchkey"
)

// DESIGN: round trips to the database allowed, event included.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	machine := w.app(t, "machine", func(c *latchkey.Client) { c.GrantTypes = []string{"client_credentials"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	b.allow(t, b.get(t, a.request()))
	// The clients are in memory from here on.
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, warm := range []*app{a, machine} {
		warm.call(t, "/oauth2/introspect", url.Values{"token": {"x"}})
	}
	var code string
	var tk tokens
	for _, c := range []struct {
		name string
		want int
		do   func()
	}{
		{"client_credentials", 0, func() {
			if got := machine.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}); got.status != 200 {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		}},
		{"authorize with a live session", 2, func() { code = a.code(t, b) }},
		{"code exchange", 1, func() { tk = readTokens(t, a.exchange(t, code)) }},
		{"introspection", 1, func() { a.active(t, tk.access) }},
		{"userinfo", 1, func() { w.userinfo(t, tk.access) }},
		{"refresh", 2, func() { tk = readTokens(t, a.refresh(t, tk.refresh)) }},
		{"revocation", 1, func() { a.call(t, "/oauth2/revoke", url.Values{"token": {tk.refresh}}) }},
		{"JWKS", 0, func() { b2 := w.browser(); b2.get(t, "/oauth2/jwks") }},
		{"discovery", 0, func() { b2 := w.browser(); b2.get(t, "/.well-known/openid-configuration") }},
	} {
		w.trips.reset()
		c.do()
		if got, seen := w.trips.count(); got != c.want {
			t.Errorf("%s took %d round trips, allowed are %d:\n%s", c.name, got, c.want, strings.Join(seen, "\n"))
		}
	}
}
