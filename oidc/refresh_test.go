package oidc_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
)

// SECURITY case 24.
func TestRefreshAfterTheGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	first := a.tokens(t, b)
	second := readTokens(t, a.refresh(t, first.refresh))
	if again := readTokens(t, a.refresh(t, first.refresh)); again.refresh != second.refresh {
		t.Error("within the grace another successor was given")
	}
	if n := w.events(t, latchkey.TokenRefreshed, "grace"); n != 1 {
		t.Errorf("%d events of the grace", n)
	}
	w.sql(t, `UPDATE grants SET rt_rotated_at = now() - interval '31 seconds'`)
	wantFault(t, a.refresh(t, first.refresh), 400, "invalid_grant")
	wantFault(t, a.refresh(t, second.refresh), 400, "invalid_grant")
	if a.active(t, second.access) {
		t.Error("an access token of the family is active")
	}
	if n := w.count(t, `SELECT count(*) FROM audit_pending WHERE kind = 'refresh.reused' AND subject = $1`, alice.ID); n != 1 {
		t.Errorf("%d events that the person sees", n)
	}
}

func TestGrandparentInsideTheGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	first := a.tokens(t, b)
	second := readTokens(t, a.refresh(t, first.refresh))
	third := readTokens(t, a.refresh(t, second.refresh))
	wantFault(t, a.refresh(t, first.refresh), 400, "invalid_grant")
	wantFault(t, a.refresh(t, third.refresh), 400, "invalid_grant")
}

func TestRefreshWithoutGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none := time.Duration(0)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.RefreshGrace = &none })
	b := w.browser().signIn(t, w.user(t, "alice"))
	first := a.tokens(t, b)
	second := readTokens(t, a.refresh(t, first.refresh))
	wantFault(t, a.refresh(t, first.refresh), 400, "invalid_grant")
	wantFault(t, a.refresh(t, second.refresh), 400, "invalid_grant")
}

// SECURITY case 25.
func TestRefreshFiftyTimesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	first := a.tokens(t, b)
	var mu sync.Mutex
	successors := map[string]int{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got := a.refresh(t, first.refresh)
			if got.status != 200 {
				t.Errorf("answered %d %s", got.status, got.body)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			successors[readTokens(t, got).refresh]++
		})
	}
	wg.Wait()
	if len(successors) != 1 {
		t.Errorf("%d successors", len(successors))
	}
	if n := w.count(t, `SELECT rt_gen::bigint FROM grants`); n != 2 {
		t.Errorf("generation %d", n)
	}
}

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
	for reason, want := range map[string]int{"wrong_client": 1, "wider_scope": 1, "resource": 1} {
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
		w.trips.reset()
		wantFault(t, a.refresh(t, garbage), 400, "invalid_grant")
		for _, q := range second(w.trips.count()) {
			if strings.Contains(q, "FROM grants") {
				t.Errorf("garbage asked the database: %s", q)
			}
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

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
