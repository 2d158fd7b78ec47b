package oidc_test

import (
	"testing"

	"latchkey/storage"
)

func TestEndsReachAccessTokensAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	end := func(e storage.Ending) func(*testing.T, *browser) {
		return func(t *testing.T, b *browser) {
			e.UserID, e.SessionID = alice.ID, b.session.ID
			w.end(t, e)
		}
	}
	for _, c := range []struct {
		name    string
		do      func(*testing.T, *browser)
		access  bool // lives on
		refresh bool
	}{
		{"sign-out spares offline refresh", end(storage.Ending{Cause: storage.SignedOut}), false, true},
		{"sign out everywhere", end(storage.Ending{Cause: storage.SignedOutAll}), false, false},
		{"session expires", func(t *testing.T, b *browser) {
			w.sql(t, `UPDATE sessions SET expires_at = now() WHERE id = $1`, b.session.ID)
		}, true, true},
		{"person disabled", func(t *testing.T, _ *browser) { w.sql(t, `UPDATE users SET status = 'disabled'`) }, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := w.browser().signIn(t, alice)
			tk := a.tokens(t, b)
			c.do(t, b)
			if got := a.active(t, tk.access); got != c.access {
				t.Errorf("access token active: %v", got)
			}
			if got := w.userinfo(t, tk.access).status == 200; got != c.access {
				t.Errorf("userinfo answers: %v", got)
			}
			if got := a.refresh(t, tk.refresh).status == 200; got != c.refresh {
				t.Errorf("refresh works: %v", got)
			}
		})
	}
}
