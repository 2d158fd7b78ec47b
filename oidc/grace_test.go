package oidc_test

import (
	"net/url"
	"sync"
	"sync/atomic"
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

// The grace used from another address or with another agent is an event of its
// own; from where the rotation came it is a retry.
func TestGraceFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b)
	from := func(address, agent string) {
		t.Helper()
		r := w.form(t, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tk.refresh}})
		r.SetBasicAuth(a.ID, a.secret)
		r.Header.Set("Test-From", address)
		r.Header.Set("Test-Agent", agent)
		readTokens(t, w.browser().do(t, r))
	}
	for _, c := range []struct {
		address, agent string
		graced         int
	}{
		{"203.0.113.7", "Go", 0},   // rotates
		{"203.0.113.99", "Go", 0},  // the same network
		{"198.51.100.1", "Go", 1},  // another one
		{"203.0.113.7", "Curl", 2}, // another agent
		{"203.0.113.7", "Go", 2},   // and the first again
	} {
		from(c.address, c.agent)
		if n := w.events(t, latchkey.RefreshGraceUsed, "grace"); n != c.graced {
			t.Errorf("after %s %s: %d events, want %d", c.address, c.agent, n, c.graced)
		}
	}
	if n := w.events(t, latchkey.TokenRefreshed, "grace"); n != 2 {
		t.Errorf("%d events of a retry", n)
	}
}

// 30 s of grace, 10 for public clients however much they are given.
func TestGraceOfPublicClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	minute := time.Minute
	for _, c := range []struct {
		name   string
		change func(*latchkey.Client)
		age    string
		works  bool
	}{
		{"confidential", func(*latchkey.Client) {}, "29 seconds", true},
		{"confidential-late", func(*latchkey.Client) {}, "31 seconds", false},
		{"own", func(c *latchkey.Client) { c.RefreshGrace = &minute }, "59 seconds", true},
		{"public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone }, "9 seconds", true},
		{"public-late", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone }, "11 seconds", false},
		{"public-own", func(c *latchkey.Client) { c.AuthMethod, c.RefreshGrace = latchkey.AuthNone, &minute }, "11 seconds", false},
	} {
		a := w.app(t, c.name, c.change)
		tk := a.tokens(t, b)
		readTokens(t, a.refresh(t, tk.refresh))
		w.sql(t, `UPDATE grants SET rt_rotated_at = now() - $2::interval WHERE client_id = $1`, a.ID, c.age)
		if works := a.refresh(t, tk.refresh).status == 200; works != c.works {
			t.Errorf("%s after %s: works %v", c.name, c.age, works)
		}
	}
}

// An old refresh token that comes back is a theft whatever else is over: the
// access tokens of its line end too.
func TestReuseAfterTheSessionEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.RefreshWithoutOffline = true })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, over := range []string{`UPDATE sessions SET expires_at = now()`, `UPDATE grants SET rt_expires_at = now()`} {
		b.signIn(t, b.user)
		first := a.tokens(t, b, "scope", "openid")
		second := readTokens(t, a.refresh(t, first.refresh))
		w.sql(t, `UPDATE grants SET rt_rotated_at = now() - interval '1 minute'`)
		w.sql(t, over)
		if !a.active(t, second.access) {
			t.Fatal("the access token ended with the session")
		}
		before := w.events(t, latchkey.RefreshReused, "")
		wantFault(t, a.refresh(t, first.refresh), 400, "invalid_grant")
		if a.active(t, second.access) || w.events(t, latchkey.RefreshReused, "") != before+1 {
			t.Errorf("%s: the line did not end", over)
		}
	}
}

// Parallel refreshes of a client without grace: one wins, and the rest is a
// theft as far as anybody can tell.
func TestRefreshAtOnceWithoutGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none := time.Duration(0)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.RefreshGrace = &none })
	tk := a.tokens(t, w.browser().signIn(t, w.user(t, "alice")))
	var won atomic.Pointer[tokens]
	var wins atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			got := a.refresh(t, tk.refresh)
			if got.status != 200 {
				wantFault(t, got, 400, "invalid_grant")
				return
			}
			made := readTokens(t, got)
			wins.Add(1)
			won.Store(&made)
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d refreshes succeeded", wins.Load())
	}
	if a.active(t, won.Load().access) || w.events(t, latchkey.RefreshReused, "") < 1 {
		t.Error("the line lives")
	}
}
