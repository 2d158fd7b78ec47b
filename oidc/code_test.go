package oidc_test

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"latchkey"
)

// SECURITY case 19.
func TestCodeUsedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := a.code(t, b)
	tk := readTokens(t, a.exchange(t, code))
	wantFault(t, a.exchange(t, code), 400, "invalid_grant")
	if a.active(t, tk.access) || a.active(t, tk.refresh) {
		t.Error("tokens of the first use are active")
	}
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_grant")
	if n := w.events(t, latchkey.CodeReused, "reused"); n != 1 {
		t.Errorf("%d events", n)
	}
	// Also long after it expired.
	late := a.code(t, b)
	tk = readTokens(t, a.exchange(t, late))
	w.sql(t, `UPDATE grants SET code_expires_at = now() - interval '1 hour'`)
	wantFault(t, a.exchange(t, late), 400, "invalid_grant")
	if a.active(t, tk.access) {
		t.Error("the token of a code reused late is active")
	}
}

// SECURITY case 20.
// A code that comes back later ends what it gave just as well, also when its own
// time is over.
func TestCodeUsedAgainLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, types := range []string{"code", "code id_token", "code token", "code id_token token"} {
		for _, later := range []string{"30 seconds", "10 minutes"} {
			front := b.get(t, a.request("response_type", types)).toApp(t).params
			tk := readTokens(t, a.exchange(t, front.Get("code")))
			w.sql(t, `UPDATE grants SET created_at = created_at - $1::interval, code_expires_at = code_expires_at - $1::interval`, later)
			if got := w.userinfo(t, tk.access); got.status != 200 {
				t.Fatalf("%s: before, userinfo answered %d", types, got.status)
			}
			wantFault(t, a.exchange(t, front.Get("code")), 400, "invalid_grant")
			for what, token := range map[string]string{"exchanged": tk.access, "front": front.Get("access_token")} {
				if token == "" {
					continue
				}
				if got := w.userinfo(t, token); got.status != 401 {
					t.Errorf("%s after %s: userinfo answered %d for the %s token", types, later, got.status, what)
				}
			}
			wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_grant")
		}
	}
}

func TestCodeUsedFiftyTimesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := a.code(t, b)
	var won atomic.Int64
	var tk atomic.Pointer[tokens]
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch got := a.exchange(t, code); got.status {
			case 200:
				won.Add(1)
				made := readTokens(t, got)
				tk.Store(&made)
			case 400:
				wantFault(t, got, 400, "invalid_grant")
			default:
				t.Errorf("answered %d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d exchanges succeeded", won.Load())
	}
	if a.active(t, tk.Load().access) || a.active(t, tk.Load().refresh) {
		t.Error("the winner's tokens are active")
	}
	if n := w.count(t, `SELECT count(*) FROM grants`); n != 1 {
		t.Errorf("%d grants", n)
	}
	if n := w.events(t, latchkey.CodeReused, ""); n != 49 {
		t.Errorf("%d events", n)
	}
}

// SECURITY cases 21 and 22: each thing wrong alone.
func TestCodeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	unbound := []string{"code_challenge", "", "code_challenge_method", ""}
	for _, c := range []struct {
		name, reason string
		request      []string
		exchange     []string
		before       string // SQL
		after        string
	}{
		{name: "expired by a second", reason: "expired", before: `UPDATE grants SET code_expires_at = now() - interval '1 second'`},
		{name: "another redirect_uri", reason: "wrong_redirect", exchange: []string{"redirect_uri", callback + "&x=1"}},
		{name: "no redirect_uri", reason: "wrong_redirect", exchange: []string{"redirect_uri", ""}},
		{name: "no verifier", reason: "wrong_verifier", exchange: []string{"code_verifier", ""}},
		{name: "another verifier", reason: "wrong_verifier", exchange: []string{"code_verifier", strings.Repeat("a", 43)}},
		{name: "challenge as verifier", reason: "wrong_verifier", exchange: []string{"code_verifier", challenge()}},
		{name: "short verifier", reason: "wrong_verifier", exchange: []string{"code_verifier", "short"}},
		{name: "verifier though none was bound", reason: "wrong_verifier", request: unbound},
		{name: "malformed verifier though none was bound", reason: "wrong_verifier", request: unbound, exchange: []string{"code_verifier", "x"}},
		{name: "person disabled", reason: "user_disabled", before: `UPDATE users SET status = 'disabled'`, after: `UPDATE users SET status = 'active'`},
		{name: "grant ended", reason: "revoked", before: `UPDATE grants SET revoked_at = now()`},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := a.code(t, b, c.request...)
			if c.before != "" {
				w.sql(t, c.before+` /* all */`)
			}
			before := w.events(t, latchkey.TokenRefused, c.reason)
			wantFault(t, a.exchange(t, code, c.exchange...), 400, "invalid_grant")
			if n := w.events(t, latchkey.TokenRefused, c.reason); n != before+1 {
				t.Errorf("%d events of reason %s", n-before, c.reason)
			}
			if c.after != "" {
				w.sql(t, c.after)
			}
			// The first attempt of its own client spent it, whatever was wrong.
			right := []string{"code_verifier", verifier}
			if c.request != nil {
				right[1] = ""
			}
			wantFault(t, a.exchange(t, code, right...), 400, "invalid_grant")
			if n := w.count(t, `SELECT count(*) FROM grants WHERE rt_gen > 0 AND revoked_at IS NULL`); n != 0 {
				t.Errorf("%d grants have a refresh token", n)
			}
		})
	}
	if n := w.events(t, latchkey.TokenIssued, ""); n != 0 {
		t.Errorf("%d tokens were issued", n)
	}
}

func TestCodeOfAnotherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, thief := w.app(t, "wiki"), w.app(t, "thief")
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := a.code(t, b)
	wantFault(t, thief.exchange(t, code), 400, "invalid_grant")
	if n := w.events(t, latchkey.TokenRefused, "wrong_client"); n != 1 {
		t.Errorf("%d events", n)
	}
	if got := a.exchange(t, code); got.status != 200 {
		t.Errorf("its own client got %d %s", got.status, got.body)
	}
}

func TestCodeOfADisabledClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	if err := w.db.PollCaches(t.Context()); err != nil { // the node believes its memory
		t.Fatal(err)
	}
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := a.code(t, b)
	w.sql(t, `UPDATE clients SET enabled = false`) // without notice: the statement judges
	wantFault(t, a.exchange(t, code), 400, "invalid_grant")
	if n := w.events(t, latchkey.TokenRefused, "client_disabled"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestCodeGarbage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	for _, code := range []string{"garbage", w.db.NewCode(), w.db.NewCode() + "=", strings.Repeat("A", 44), "%00"} {
		wantFault(t, a.exchange(t, code), 400, "invalid_grant")
	}
	wantFault(t, a.exchange(t, ""), 400, "invalid_request")
}

// The first attempt of its own client spends the code whatever else is wrong
// with it, also when the code is not what the refusal is about.
func TestCodeIsSpentByAWrongAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sql(t, `INSERT INTO groups (id, name, name_key) VALUES ('01a20b62-0000-7000-8000-000000000001', 'staff', 'staff')`)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, c := range []struct {
		name, before, after string
		exchange            []string
		code, reason        string
	}{
		{name: "resource asked for", exchange: []string{"resource", "https://api.example.com"}, code: "invalid_target", reason: "resource_not_allowed"},
		{name: "audience asked for", exchange: []string{"audience", "https://api.example.com"}, code: "invalid_target", reason: "audience"},
		{name: "grant type taken", before: `UPDATE clients SET grant_types = '{client_credentials}'`,
			after: `UPDATE clients SET grant_types = '{authorization_code,refresh_token}'`, code: "unauthorized_client", reason: "grant_type_not_allowed"},
		{name: "person outside of the groups", before: `INSERT INTO client_groups (client_id, group_id) SELECT 'wiki', id FROM groups`,
			after: `DELETE FROM client_groups`, code: "access_denied", reason: "not_allowed"},
		{name: "signed out meanwhile", before: `UPDATE grants SET revoked_at = now(), revoke_reason = 'signed_out' WHERE code_uses = 0`,
			code: "invalid_grant", reason: "revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := a.code(t, b)
			if c.before != "" {
				w.sql(t, c.before)
			}
			before := w.events(t, latchkey.TokenRefused, c.reason)
			wantFault(t, a.exchange(t, code, c.exchange...), 400, c.code)
			if n := w.events(t, latchkey.TokenRefused, c.reason); n != before+1 {
				t.Errorf("%d events of reason %s", n-before, c.reason)
			}
			if c.after != "" {
				w.sql(t, c.after)
			}
			wantFault(t, a.exchange(t, code), 400, "invalid_grant")
			if n := w.count(t, `SELECT count(*) FROM grants WHERE revoked_at IS NULL`); n != 0 {
				t.Errorf("%d grants live", n)
			}
		})
	}
	if n := w.events(t, latchkey.TokenIssued, ""); n != 0 {
		t.Errorf("%d tokens were issued", n)
	}
}

// A scope that was taken from the application since the person allowed it is not
// given any more, to no token.
func TestScopeTakenFromTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	w.sql(t, `UPDATE users SET email_verified_at = now()`)
	code, before := a.code(t, b), a.tokens(t, b)
	if told := w.userinfo(t, before.access).json(t); told["email"] == nil {
		t.Fatalf("userinfo tells %v", told)
	}
	w.sql(t, `UPDATE clients SET scopes = '{openid,profile,offline_access}'`)
	got := a.exchange(t, code)
	if scope := got.json(t)["scope"]; scope != "openid profile offline_access" {
		t.Errorf("exchange gives %v", scope)
	}
	if scope := a.refresh(t, before.refresh).json(t)["scope"]; scope != "openid profile offline_access" {
		t.Errorf("refresh gives %v", scope)
	}
	if told := w.userinfo(t, before.access).json(t); told["email"] != nil || told["groups"] != nil || told["name"] == nil {
		t.Errorf("userinfo tells %v", told)
	}
	if scope := a.call(t, "/oauth2/introspect", url.Values{"token": {before.access}}).json(t)["scope"]; scope != "openid profile offline_access" {
		t.Errorf("introspection tells %v", scope)
	}
	w.sql(t, `UPDATE clients SET scopes = '{openid}'`)
	wantFault(t, a.refresh(t, readTokens(t, got).refresh), 400, "invalid_scope")
	w.sql(t, `UPDATE clients SET scopes = '{profile}'`)
	wantFault(t, w.userinfo(t, before.access), 403, "insufficient_scope")
}
