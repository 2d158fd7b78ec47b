package oidc_test

import (
	"latchkey/storage"
	"strings"
	"testing"
	"time"

	"latchkey"

	"github.com/google/go-cmp/cmp"
)

// SECURITY case 28.
func TestRefreshRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, thief := w.app(t, "wiki"), w.app(t, "thief")
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b, "scope", "openid profile offline_access")
	wantFault(t, thief.refresh(t, tk.refresh), 400, "invalid_grant")
	wantFault(t, a.refresh(t, tk.refresh, "scope", "openid email"), 400, "invalid_scope")
	wantFault(t, a.refresh(t, tk.refresh, "resource", "https://api.example.com"), 400, "invalid_target")
	for reason, want := range map[string]int{"wrong_client": 1, "wider_scope": 1, "resource_not_allowed": 1} {
		if n := w.events(t, latchkey.TokenRefused, reason); n != want {
			t.Errorf("%d events of reason %s", n, reason)
		}
	}
	narrow := a.refresh(t, tk.refresh, "scope", "openid")
	if narrow.json(t)["scope"] != "openid" || claimsIn(t, readTokens(t, narrow).access)["scope"] != "openid" {
		t.Errorf("narrowed answer: %s", narrow.body)
	}
	wide := a.refresh(t, readTokens(t, narrow).refresh)
	if wide.json(t)["scope"] != "openid profile offline_access" {
		t.Errorf("the grant was narrowed too: %s", wide.body)
	}
}

func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	for _, c := range []struct{ name, reason, before, after string }{
		{"idle end", "expired", `UPDATE grants SET rt_expires_at = now()`, ``},
		{"absolute end", "expired", `UPDATE grants SET expires_at = now()`, ``},
		{"grant ended", "revoked", `UPDATE grants SET revoked_at = now()`, ``},
		{"person disabled", "user_disabled", `UPDATE users SET status = 'disabled'`, `UPDATE users SET status = 'active'`},
		{"salt of another row", "unknown", `UPDATE grants SET rt_salt = '\x00112233445566778899aabbccddeeff'`, ``},
		{"generation never given", "unknown", `UPDATE grants SET rt_gen = 0`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk := a.tokens(t, w.browser().signIn(t, alice))
			w.sql(t, c.before)
			before := w.events(t, latchkey.TokenRefused, c.reason)
			wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_grant")
			if n := w.events(t, latchkey.TokenRefused, c.reason); n != before+1 {
				t.Errorf("%d events of reason %s", n-before, c.reason)
			}
			if c.after != "" {
				w.sql(t, c.after)
			}
		})
	}
	for _, garbage := range []string{"garbage", "lk_rt_", "lk_rt_" + strings.Repeat("A", 92)} {
		if err := w.db.PollCaches(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFault(t, a.refresh(t, garbage), 400, "invalid_grant") // the client is in memory from here on
		w.wire.Reset()
		wantFault(t, a.refresh(t, garbage), 400, "invalid_grant")
		if got := w.wire.Trips(); got != 1 { // the event
			t.Errorf("garbage cost %d round trips", got)
		}
	}
}

// Without offline_access a refresh token lives as long as the session.
func TestRefreshWithoutOfflineAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := w.app(t, "plain")
	always := w.app(t, "always", func(c *latchkey.Client) { c.RefreshWithoutOffline = true })
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	if tk := plain.tokens(t, b, "scope", "openid"); tk.refresh != "" {
		t.Error("a refresh token without offline_access")
	}
	tk := always.tokens(t, b, "scope", "openid")
	tk = readTokens(t, always.refresh(t, tk.refresh))
	w.sql(t, `UPDATE sessions SET idle_expires_at = now()`)
	wantFault(t, always.refresh(t, tk.refresh), 400, "invalid_grant")
	if n := w.events(t, latchkey.TokenRefused, "session_ended"); n != 1 {
		t.Errorf("%d events", n)
	}
	if !always.active(t, tk.access) {
		t.Error("the access token ended with the session's expiry")
	}
	// With offline_access it outlives the session.
	other := w.browser().signIn(t, alice)
	offline := plain.tokens(t, other)
	w.sql(t, `DELETE FROM sessions`)
	readTokens(t, plain.refresh(t, offline.refresh))
}

// A person who was taken out of the group is told so also by the refresh token
// that ended for it.
func TestRefreshOfSomebodyTakenOutOfTheGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	w.sql(t, `INSERT INTO groups (id, name, name_key) VALUES ('01a20b62-0000-7000-8000-000000000001', 'staff', 'staff')`)
	w.sql(t, `INSERT INTO memberships (group_id, user_id) SELECT id, $1 FROM groups`, alice.ID)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} })
	tk := a.tokens(t, w.browser().signIn(t, alice))
	w.sql(t, `DELETE FROM memberships`)
	w.end(t, storage.Ending{Cause: storage.GroupTaken, UserID: alice.ID, ClientID: a.ID})
	wantFault(t, a.refresh(t, tk.refresh), 400, "access_denied")
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	w.sql(t, `INSERT INTO memberships (group_id, user_id) SELECT id, $1 FROM groups`, alice.ID)
	wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_grant") // what ended stays ended
}

// The idle end moves with every use and never beyond the absolute one.
func TestRefreshEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.RefreshTokenTTL = 24 * time.Hour })
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b)
	left := func(column string) time.Duration {
		t.Helper()
		return time.Duration(w.count(t, `SELECT extract(epoch FROM `+column+` - now())::bigint FROM grants`)) * time.Second
	}
	near := func(what string, got, want time.Duration) {
		t.Helper()
		if (got - want).Abs() > time.Minute {
			t.Errorf("%s in %v, want %v", what, got, want)
		}
	}
	near("absolute end", left("expires_at"), 90*24*time.Hour)
	near("idle end", left("rt_expires_at"), 24*time.Hour)
	w.sql(t, `UPDATE grants SET rt_expires_at = now() + interval '1 hour'`)
	tk = readTokens(t, a.refresh(t, tk.refresh))
	near("idle end after use", left("rt_expires_at"), 24*time.Hour)
	w.sql(t, `UPDATE grants SET expires_at = now() + interval '2 hours'`)
	tk = readTokens(t, a.refresh(t, tk.refresh))
	near("idle end near the absolute one", left("rt_expires_at"), 2*time.Hour)
	w.sql(t, `UPDATE grants SET rt_expires_at = now() - interval '1 second'`)
	wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_grant")
}

// OpenID Connect Core §12.2: who, when and how stay those of the sign-in.
func TestIDTokenOfARefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	first := a.tokens(t, b)
	w.sql(t, `UPDATE sessions SET auth_time = now() + interval '1 hour', acr = 'other', amr = '{x}'`)
	second := a.refresh(t, first.refresh, "scope", "openid profile")
	before, after := claimsIn(t, first.id), claimsIn(t, readTokens(t, second).id)
	if after["at_hash"] == before["at_hash"] || after["nonce"] != nil || before["nonce"] != "n-1" {
		t.Errorf("first %v, then %v", before, after)
	}
	for _, name := range []string{"nonce", "at_hash", "iat", "exp"} {
		delete(before, name)
		delete(after, name)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}
