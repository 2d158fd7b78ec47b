package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	"latchkey"
)

// What changes between two steps of one request is judged anew at the next.

func TestApplicationChangedWhileTheRequestWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, change string
		check        func(*testing.T, *world, *answer)
	}{
		{"deleted", `DELETE FROM clients`, func(t *testing.T, _ *world, got *answer) { wantPage(t, got, 400, "request_expired") }},
		{"disabled", `UPDATE clients SET enabled = false`, func(t *testing.T, _ *world, got *answer) { wantPage(t, got, 400, "unknown_client") }},
		{"redirect URI taken", `UPDATE clients SET redirect_uris = '{https://elsewhere.example.com/}'`,
			func(t *testing.T, _ *world, got *answer) { wantPage(t, got, 400, "bad_redirect_uri") }},
		{"scope taken", `UPDATE clients SET scopes = '{openid}'`,
			func(t *testing.T, w *world, got *answer) { w.wantRedirect(t, "scope taken", got, "invalid_scope") }},
		{"grant type taken", `UPDATE clients SET grant_types = '{client_credentials}'`,
			func(t *testing.T, w *world, got *answer) {
				w.wantRedirect(t, "grant type taken", got, "unauthorized_client")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.app(t, "wiki", third)
			b := w.browser()
			id := waitingFor(t, b.get(t, a.request()), "/login")
			b.signIn(t, w.user(t, "alice"))
			form := b.ask(t, b.get(t, "/oauth2/authorize?request="+id))
			w.sql(t, c.change)
			for how, got := range map[string]*answer{
				"go on":   b.get(t, "/oauth2/authorize?request="+id),
				"consent": w.browserLike(b).post(t, "/consent", changed(form, "decision", "allow")),
			} {
				if how == "go on" {
					c.check(t, w, got)
				} else if got.status == 200 && got.location(t).Query().Has("code") {
					t.Errorf("%s: a code was handed over", how)
				}
			}
			w.noGrant(t)
		})
	}
}

// browserLike is a second window of the same browser.
func (w *world) browserLike(b *browser) *browser {
	twin := w.browser()
	for name, value := range b.cookies {
		twin.cookies[name] = value
	}
	twin.session, twin.user = b.session, b.user
	return twin
}

func TestPersonDisabledBetweenTheSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	form := b.ask(t, b.get(t, a.request()))
	w.sql(t, `UPDATE users SET status = 'disabled'`)
	got := b.post(t, "/consent", changed(form, "decision", "allow"))
	if id := waitingFor(t, got, "/oauth2/authorize"); waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/login") != id {
		t.Error("another request waits")
	}
	w.noGrant(t)
	if n := w.count(t, `SELECT count(*) FROM consents`); n != 0 {
		t.Errorf("%d consents", n)
	}
}

// A session that ends while the consent page is open asks to sign in again and
// then for the consent again; it is no attack.
func TestSessionEndsWhileConsentIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	form := b.ask(t, b.get(t, a.request()))
	w.sql(t, `UPDATE sessions SET expires_at = now()`)
	id := waitingFor(t, b.post(t, "/consent", changed(form, "decision", "allow")), "/oauth2/authorize")
	if again := waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/login"); again != id {
		t.Fatal("another request waits")
	}
	if n := w.events(t, latchkey.ConsentDenied, ""); n != 0 {
		t.Errorf("%d events of a refused consent", n)
	}
	b.signIn(t, alice)
	if code := b.allow(t, b.get(t, "/oauth2/authorize?request="+id)); code == "" {
		t.Error("no code after all")
	}
	// Cancel needs nobody.
	second := w.browser().signIn(t, alice)
	form = second.ask(t, second.get(t, a.request("prompt", "consent")))
	w.sql(t, `UPDATE sessions SET expires_at = now()`)
	got := second.post(t, "/consent", changed(form, "decision", "deny"))
	if got.location(t).Query().Get("error") != "access_denied" {
		t.Errorf("Cancel answered %d %s", got.status, got.body)
	}
}

// What one person allowed is not allowed by the next in the same browser, also
// when the request itself is the same.
func TestConsentOfOnePersonIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	got := b.get(t, a.request("max_age", "60"))
	id := waitingFor(t, got, "/consent")
	form := b.ask(t, got)
	// Alice allows, but by then has to confirm first; Bob takes over.
	w.sql(t, `UPDATE sessions SET auth_time = now() - interval '2 minutes'`)
	waitingFor(t, b.post(t, "/consent", changed(form, "decision", "allow")), "/oauth2/authorize")
	waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/login")
	b.signIn(t, w.user(t, "bob"))
	for range 2 {
		waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/consent")
	}
	w.noGrant(t)
	if code := b.allow(t, b.get(t, "/oauth2/authorize?request="+id)); code == "" {
		t.Error("Bob may not allow it himself")
	}
}

// Two tabs wait at once; each goes on by itself.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	first := waitingFor(t, b.get(t, a.request("state", "first")), "/login")
	second := waitingFor(t, b.get(t, a.request("state", "second")), "/login")
	b.signIn(t, w.user(t, "alice"))
	for id, state := range map[string]string{second: "second", first: "first"} {
		q := b.get(t, "/oauth2/authorize?request="+id).location(t).Query()
		if q.Get("code") == "" || q.Get("state") != state {
			t.Errorf("%s: answered %v", state, q)
		}
	}
}

// A form by POST finds a browser without any cookie: it gets exactly one.
func TestBrowserGetsOneCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	id := waitingFor(t, w.browser().post(t, "/oauth2/authorize", a.params()), "/oauth2/authorize")
	b := w.browser()
	got := b.get(t, "/oauth2/authorize?request="+id)
	if made := got.header.Values("Set-Cookie"); len(made) != 1 || !strings.Contains(made[0], "-pre") {
		t.Errorf("cookies set: %q", made)
	}
	waitingFor(t, got, "/login")
	b.signIn(t, w.user(t, "alice"))
	if q := b.get(t, "/oauth2/authorize?request="+id).location(t).Query(); q.Get("code") == "" {
		t.Errorf("answered %v", q)
	}
}

// The page for people outside of the groups comes before the question what they
// would allow.
func TestNobodyOutsideTheGroupsIsAskedForConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sql(t, `INSERT INTO groups (id, name, name_key) VALUES ('01a20b62-0000-7000-8000-000000000001', 'staff', 'staff')`)
	a := w.app(t, "wiki", third, func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, prompt := range []string{"", "consent"} {
		got := b.get(t, a.request("prompt", prompt))
		if got.status != 403 || !strings.Contains(got.body, `data-code="not_allowed"`) {
			t.Errorf("prompt %q: answered %d %s", prompt, got.status, got.header.Get("Location"))
		}
	}
	w.noGrant(t)
}

// RFC 6749 §3.1 and §3.2: a parameter without a value was not sent.
func TestParametersWithoutAValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	empty := func(q url.Values, names ...string) url.Values {
		for _, name := range names {
			q[name] = []string{""}
		}
		return q
	}
	q := empty(a.params(), "redirect_uri", "state", "nonce", "prompt", "login_hint", "id_token_hint", "response_mode", "request", "request_uri",
		"registration", "resource", "code_challenge", "code_challenge_method", "display", "unheard_of")
	back := b.get(t, "/oauth2/authorize?"+q.Encode()).location(t).Query()
	if back.Get("code") == "" || back.Has("state") {
		t.Fatalf("answered %v", back)
	}
	got := a.call(t, "/oauth2/token", empty(url.Values{"grant_type": {"authorization_code"}, "code": back["code"]},
		"redirect_uri", "code_verifier", "resource", "scope", "client_secret"))
	tk := readTokens(t, got)
	if claimsIn(t, tk.id)["nonce"] != nil {
		t.Error("a nonce came from nowhere")
	}
	got = a.call(t, "/oauth2/token", empty(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tk.refresh}}, "scope", "resource"))
	if got.status != 200 || got.json(t)["scope"] != "openid profile email groups offline_access" {
		t.Errorf("refresh answered %d %s", got.status, got.body)
	}
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	got = public.call(t, "/oauth2/token", empty(url.Values{"grant_type": {"authorization_code"}, "code": {public.code(t, b)},
		"redirect_uri": {callback}, "code_verifier": {verifier}}, "client_secret"))
	if got.status != 200 {
		t.Errorf("public client with an empty client_secret: %d %s", got.status, got.body)
	}
	// Empty twice is twice, and an empty max_age never means "no limit".
	q = a.params()
	q["unheard_of"] = []string{"", ""}
	w.wantRedirect(t, "twice without a value", b.get(t, "/oauth2/authorize?"+q.Encode()), "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "scope": {"", ""}}), 400, "invalid_request")
}

// What an application puts into state comes back as it was.
func TestStateComesBackAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, state := range []string{`"><script>alert(1)</script>`, "a b+c&d=e#f?g", "%2520%", "ünïcödé \u200b\u202e", "\t\r\n", strings.Repeat("x", 2048), "a;b"} {
		if got := b.get(t, a.request("state", state, "prompt", "none")).location(t).Query().Get("state"); got != state {
			t.Errorf("error: %q came back as %q", state, got)
		}
		form := b.ask(t, b.get(t, a.request("state", state, "prompt", "consent")))
		page := b.post(t, "/consent", changed(form, "decision", "deny"))
		if got := page.location(t).Query().Get("state"); got != state || strings.Contains(page.body, "<script>alert") {
			t.Errorf("hand-over: %q came back as %q", state, got)
		}
	}
	// A bare semicolon is a character like any other (WHATWG URL).
	got := b.get(t, strings.Replace(a.request("prompt", "none"), "state=", "state=a;b", 1))
	if state := got.location(t).Query().Get("state"); state != "a;bs t&ate" {
		t.Errorf("bare semicolon: %q", state)
	}
}
