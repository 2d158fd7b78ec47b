package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// SECURITY case 32.
func TestTokenEndpointGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	send := func(r *http.Request) *answer {
		r.SetBasicAuth(a.ID, a.secret)
		return w.browser().do(t, r)
	}
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"code": {"x"}}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"refresh_token", "refresh_token"}}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {"a", "b"}}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"a\x00"}}), 400, "invalid_request")
	for _, grant := range []string{"password", "implicit", "PASSWORD", "Refresh_Token", "refresh_token ", "urn:ietf:params:oauth:grant-type:jwt-bearer", "authorization_code refresh_token"} {
		wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {grant}}), 400, "unsupported_grant_type")
	}
	wantFault(t, a.call(t, "/oauth2/token?grant_type=refresh_token", url.Values{"refresh_token": {"x"}}), 400, "invalid_request")
	r, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, send(r), 405, "invalid_request")
	for media, body := range map[string]string{"application/json": `{"grant_type":"client_credentials"}`,
		"multipart/form-data; boundary=x": "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--\r\n"} {
		r, err := http.NewRequest(http.MethodPost, w.issuer+"/oauth2/token", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", media)
		wantFault(t, send(r), 415, "invalid_request")
	}
	if n := w.events(t, latchkey.TokenRefused, "unsupported_grant_type"); n != 7 {
		t.Errorf("%d events", n)
	}
}

// SECURITY case 35.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	machine := w.app(t, "machine", func(c *latchkey.Client) {
		c.Type, c.GrantTypes, c.ResponseTypes, c.RedirectURIs = "machine", []string{"client_credentials"}, nil, []string{"https://x.example/"}
		c.Scopes = []string{"openid", "offline_access", "jobs:run"}
	})
	public := w.app(t, "public", func(c *latchkey.Client) {
		c.AuthMethod, c.GrantTypes = latchkey.AuthNone, []string{"client_credentials"}
	})
	web := w.app(t, "web")
	ask := func(a *app, scope string) *answer {
		return a.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	}
	wantFault(t, ask(public, ""), 400, "unauthorized_client")
	wantFault(t, ask(web, ""), 400, "unauthorized_client")
	for _, scope := range []string{"openid", "offline_access", "jobs:run openid", "unheard_of", "jobs:run profile"} {
		wantFault(t, ask(machine, scope), 400, "invalid_scope")
	}
	got := ask(machine, "jobs:run")
	m := got.json(t)
	if got.status != 200 || m["id_token"] != nil || m["refresh_token"] != nil || m["scope"] != "jobs:run" {
		t.Fatalf("answered %d %s", got.status, got.body)
	}
	token := m["access_token"].(string)
	claims := claimsIn(t, token)
	if claims["sub"] != "machine" || claims["client_id"] != "machine" || claims["aud"] != w.issuer || claims["auth_time"] != nil {
		t.Errorf("claims %v", claims)
	}
	if !machine.active(t, token) {
		t.Error("the token is not active")
	}
	wantFault(t, w.userinfo(t, token), 403, "insufficient_scope")
	if err := w.db.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, `SELECT (detail->>'count')::bigint FROM audit_pending WHERE kind = 'token.issued' AND reason = 'client_credentials'`); n != 1 {
		t.Errorf("counted %d", n)
	}
	w.sql(t, `UPDATE clients SET tokens_not_before = now() WHERE id = 'machine'`)
	if machine.active(t, token) {
		t.Error("active although all its tokens ended")
	}
	w.sql(t, `UPDATE clients SET tokens_not_before = NULL`)
	if got := machine.call(t, "/oauth2/revoke", url.Values{"token": {token}}); got.status != 200 || machine.active(t, token) {
		t.Errorf("revocation answered %d; active: %v", got.status, machine.active(t, token))
	}
}

func TestGrantTypeTakenFromTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b)
	w.sql(t, `UPDATE clients SET grant_types = '{authorization_code}'`)
	wantFault(t, a.refresh(t, tk.refresh), 400, "unauthorized_client")
	got := a.exchange(t, a.code(t, b))
	if m := got.json(t); m["refresh_token"] != nil || m["scope"] != "openid profile email groups" {
		t.Errorf("answered %s", got.body)
	}
}

// RFC 7636 appendix B.
func TestPKCEVector(t *testing.T) {
	t.Parallel()
	if got := challenge(); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %s", got)
	}
}

func TestClientsOwnLifetimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.AccessTokenTTL, c.IDTokenTTL = 77*time.Second, 99*time.Second })
	b := w.browser().signIn(t, w.user(t, "alice"))
	got := a.exchange(t, a.code(t, b))
	tk := readTokens(t, got)
	access, id := claimsIn(t, tk.access), claimsIn(t, tk.id)
	if got.json(t)["expires_in"] != 77.0 || access["exp"].(float64)-access["iat"].(float64) != 77 || id["exp"].(float64)-id["iat"].(float64) != 99 {
		t.Errorf("%s %v %v", got.body, access, id)
	}
}
