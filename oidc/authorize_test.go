package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// noGrant fails when anything was issued.
func (w *world) noGrant(t *testing.T) {
	t.Helper()
	if n := w.count(t, `SELECT count(*) FROM grants`); n != 0 {
		t.Errorf("%d grants were made", n)
	}
}

func wantPage(t *testing.T, got *answer, status int, code string) {
	t.Helper()
	if got.status != status || got.body != "page "+code || got.header.Get("Location") != "" {
		t.Errorf("answered %d %q to %q, want a page %d %s", got.status, got.body, got.header.Get("Location"), status, code)
	}
}

// SECURITY case 1.
func TestAuthorizeUnknownOrDisabledClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	off := w.app(t, "off", func(c *latchkey.Client) { c.Enabled = false })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for name, path := range map[string]string{
		"unknown":   a.request("client_id", "nobody"),
		"disabled":  off.request(),
		"missing":   a.request("client_id", ""),
		"malformed": a.request("client_id", "wiki' OR 1=1"),
		"NUL":       a.request("client_id", "wiki\x00"),
	} {
		before := w.events(t, latchkey.AuthorizationRefused, "")
		got := b.get(t, path)
		if got.status != 400 || got.header.Get("Location") != "" {
			t.Errorf("%s: answered %d %s", name, got.status, got.body)
		}
		if n := w.events(t, latchkey.AuthorizationRefused, ""); n != before+1 {
			t.Errorf("%s: %d events", name, n-before)
		}
	}
	w.noGrant(t)
}

// SECURITY case 2.
func TestAuthorizeRedirectURIIsComparedByteByByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	two := w.app(t, "two", func(c *latchkey.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://two.example.com/") })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for name, uri := range map[string]string{
		"case":            "https://wiki.example.com/Callback?keep=1",
		"case of host":    "https://WIKI.example.com/callback?keep=1",
		"final slash":     "https://wiki.example.com/callback/?keep=1",
		"extra query":     callback + "&x=1",
		"other query":     "https://wiki.example.com/callback?keep=2",
		"no query":        "https://wiki.example.com/callback",
		"port":            "https://wiki.example.com:443/callback?keep=1",
		"encoding":        "https://wiki.example.com/%63allback?keep=1",
		"dots":            "https://wiki.example.com/x/../callback?keep=1",
		"user info":       "https://evil@wiki.example.com/callback?keep=1",
		"fragment":        callback + "#f",
		"prefix":          "https://wiki.example.com.evil.example/callback?keep=1",
		"white space":     callback + " ",
		"empty":           "",
		"not web":         "javascript:alert(1)",
		"loopback of web": "http://127.0.0.1:9/callback",
	} {
		path := a.request("redirect_uri", uri)
		if uri == "" {
			path = "/oauth2/authorize?" + func() string { q := a.params(); q.Set("redirect_uri", ""); return q.Encode() }()
		}
		if got := b.get(t, path); got.status != 400 || got.body != "page bad_redirect_uri" || got.header.Get("Location") != "" {
			t.Errorf("%s: answered %d %s %s", name, got.status, got.header.Get("Location"), got.body)
		}
	}
	wantPage(t, b.get(t, two.request("redirect_uri", "")), 400, "bad_redirect_uri")
	if n := w.events(t, latchkey.AuthorizationRefused, "bad_redirect_uri"); n != 17 {
		t.Errorf("%d events", n)
	}
	w.noGrant(t)
	// The only registered one may stay away; then it does at the token endpoint too.
	code := a.code(t, b, "redirect_uri", "")
	if got := a.exchange(t, code, "redirect_uri", ""); got.status != 200 {
		t.Errorf("without redirect_uri: %d %s", got.status, got.body)
	}
}

func TestAuthorizeLoopbackOfNativeClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	native := w.app(t, "native", func(c *latchkey.Client) {
		c.Type, c.AuthMethod, c.Profile = "native", latchkey.AuthNone, latchkey.ProfileOAuth21
		c.RedirectURIs = []string{"http://127.0.0.1/cb", "http://[::1]/cb?x=1", "http://localhost/cb", "https://127.0.0.1/cb", "com.example.app:/cb"}
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	for uri, ok := range map[string]bool{
		"http://127.0.0.1:49152/cb":       true,
		"http://127.0.0.1/cb":             true,
		"http://[::1]:7/cb?x=1":           true,
		"com.example.app:/cb":             true,
		"http://[::1]:7/cb":               false,
		"http://127.0.0.1:49152/cb?x=1":   false,
		"http://127.0.0.1:49152/other":    false,
		"http://127.0.0.1:x/cb":           false,
		"http://127.0.0.1:/cb":            false,
		"http://127.0.0.1:99999/cb":       false,
		"http://127.0.0.1:080/cb":         false,
		"http://127.0.0.1:1@evil.test/cb": false,
		"http://user@127.0.0.1:1/cb":      false,
		"http://127.0.0.1.evil.test/cb":   false,
		"http://127.0.0.2:1/cb":           false,
		"http://localhost:1/cb":           false,
		"https://127.0.0.1:1/cb":          false,
		"http://127.0.0.1:1\\@evil/cb":    false,
	} {
		got := b.get(t, native.request("redirect_uri", uri))
		if redirected := got.status == http.StatusSeeOther; redirected != ok {
			t.Errorf("%s: answered %d %s", uri, got.status, got.body)
		}
	}
}

// SECURITY case 5.
func TestAuthorizeRepeatedParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, name := range []string{"response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "client_id", "redirect_uri", "unheard_of"} {
		q := a.params()
		q.Add(name, "x")
		q.Add(name, "x")
		page := name == "client_id" || name == "redirect_uri"
		check := func(how string, got *answer) {
			t.Helper()
			switch {
			case page && (got.status != 400 || got.header.Get("Location") != ""):
				t.Errorf("%s %s: answered %d %s", name, how, got.status, got.header.Get("Location"))
			case !page && (got.status != 303 || got.location(t).Query().Get("error") != "invalid_request"):
				t.Errorf("%s %s: answered %d %s %s", name, how, got.status, got.header.Get("Location"), got.body)
			}
		}
		check("in the query", b.get(t, "/oauth2/authorize?"+q.Encode()))
		once := a.params()
		check("in query and body", b.post(t, "/oauth2/authorize?"+url.Values{name: {"x"}}.Encode(), changed(once, name, "x")))
	}
	w.noGrant(t)
}

// wantRedirect checks an error that goes back to the application.
func (w *world) wantRedirect(t *testing.T, what string, got *answer, code string) {
	t.Helper()
	if got.status != http.StatusSeeOther {
		t.Errorf("%s: answered %d %s", what, got.status, got.body)
		return
	}
	back := got.location(t)
	q := back.Query()
	want := url.Values{"keep": {"1"}, "error": {code}, "error_description": q["error_description"], "state": {"s t&ate"}, "iss": {w.issuer}}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	for _, r := range q.Get("error_description") {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			t.Errorf("%s: description holds %q", what, r)
		}
	}
	if back.Scheme+"://"+back.Host+back.Path != "https://wiki.example.com/callback" {
		t.Errorf("%s: went to %s", what, back)
	}
}

// SECURITY case 6.
func TestAuthorizePKCE(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod, c.Type = latchkey.AuthNone, "spa" })
	strict := w.app(t, "strict", func(c *latchkey.Client) { c.Profile = latchkey.ProfileOAuth21 })
	lax := w.app(t, "lax")
	nobody := w.browser() // refused before any login page
	for what, pairs := range map[string][]string{
		"no challenge":   {"code_challenge", "", "code_challenge_method", ""},
		"method only":    {"code_challenge", ""},
		"no method":      {"code_challenge_method", ""},
		"plain":          {"code_challenge_method", "plain"},
		"unknown method": {"code_challenge_method", "S512"},
		"lower case":     {"code_challenge_method", "s256"},
		"42 characters":  {"code_challenge", strings.Repeat("a", 42)},
		"129 characters": {"code_challenge", strings.Repeat("a", 129)},
		"bad alphabet":   {"code_challenge", strings.Repeat("a", 42) + "="},
	} {
		for _, a := range []*app{public, strict} {
			w.wantRedirect(t, a.ID+": "+what, nobody.get(t, a.request(pairs...)), "invalid_request")
		}
		if what != "no challenge" {
			w.wantRedirect(t, "sent without need: "+what, nobody.get(t, lax.request(pairs...)), "invalid_request")
		}
	}
	// A confidential client of profile oidc needs neither PKCE nor nonce.
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := lax.code(t, b, "code_challenge", "", "code_challenge_method", "", "nonce", "")
	if got := lax.exchange(t, code, "code_verifier", ""); got.status != 200 {
		t.Errorf("without PKCE: %d %s", got.status, got.body)
	}
}

func TestAuthorizeRefusedByRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.Scopes = []string{"openid", "profile"} })
	machine := w.app(t, "machine", func(c *latchkey.Client) { c.GrantTypes = []string{"client_credentials"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	nobody := w.browser()
	for _, c := range []struct{ what, code, name, value string }{
		{"response_type missing", "invalid_request", "response_type", ""},
		{"response_type token", "unsupported_response_type", "response_type", "token"},
		{"response_type in capitals", "unsupported_response_type", "response_type", "CODE"},
		{"response_type hybrid", "unsupported_response_type", "response_type", "code id_token"},
		{"response_mode fragment", "invalid_request", "response_mode", "fragment"},
		{"response_mode form_post", "invalid_request", "response_mode", "form_post"},
		{"request object", "request_not_supported", "request", "eyJhbGciOiJub25lIn0.e30."},
		{"request_uri", "request_uri_not_supported", "request_uri", "https://wiki.example.com/r"},
		{"registration", "registration_not_supported", "registration", "{}"},
		{"resource", "invalid_target", "resource", "https://api.example.com"},
		{"scope not allowed", "invalid_scope", "scope", "openid email"},
		{"scope missing", "invalid_scope", "scope", ""},
		{"scope unknown", "invalid_scope", "scope", "unheard_of"},
		{"nonce too long", "invalid_request", "nonce", strings.Repeat("n", 4097)},
		{"nonce with NUL", "invalid_request", "nonce", "a\x00b"},
		{"nonce no UTF-8", "invalid_request", "nonce", "a\xffb"},
		{"prompt unknown", "invalid_request", "prompt", "dance"},
		{"prompt create", "invalid_request", "prompt", "create"},
		{"prompt none and login", "invalid_request", "prompt", "none login"},
		{"max_age negative", "invalid_request", "max_age", "-1"},
		{"max_age huge", "invalid_request", "max_age", "1e20"},
		{"max_age fraction", "invalid_request", "max_age", "1.5"},
		{"max_age signed", "invalid_request", "max_age", "+1"},
		{"max_age 2^63", "invalid_request", "max_age", "9223372036854775808"},
		{"hint garbage", "invalid_request", "id_token_hint", "garbage"},
	} {
		before := w.events(t, latchkey.AuthorizationRefused, "")
		for _, who := range []*browser{b, nobody} {
			q := changed(a.params("scope", "openid profile"), c.name, c.value)
			w.wantRedirect(t, c.what, who.get(t, "/oauth2/authorize?"+q.Encode()), c.code)
		}
		w.wantRedirect(t, c.what+" by POST", nobody.post(t, "/oauth2/authorize", changed(a.params("scope", "openid profile"), c.name, c.value)), c.code)
		if n := w.events(t, latchkey.AuthorizationRefused, ""); n != before+3 {
			t.Errorf("%s: %d events", c.what, n-before)
		}
	}
	empty := a.params("scope", "openid")
	empty.Set("max_age", "")
	w.wantRedirect(t, "max_age empty", b.get(t, "/oauth2/authorize?"+empty.Encode()), "invalid_request")
	w.wantRedirect(t, "grant type not allowed", b.get(t, machine.request()), "unauthorized_client")
	w.noGrant(t)
	if n := w.count(t, `SELECT count(*) FROM interactions`); n != 0 {
		t.Errorf("%d requests wait", n)
	}
	// What nobody knows is ignored, and a request without state gets none back.
	got := b.get(t, a.request("scope", "openid unheard_of", "extra", "foobar", "display", "popup", "ui_locales", "se", "claims", "{}",
		"acr_values", "phr 2", "state", "", "login_hint", "buffy@host.example"))
	if q := got.location(t).Query(); q.Get("code") == "" || q.Has("state") {
		t.Errorf("answered %v", q)
	}
}

// SECURITY case 8.
func TestPromptNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.FirstParty = false })
	alice := w.user(t, "alice")
	state := strings.Repeat("x", 128)
	got := w.browser().get(t, a.request("prompt", "none", "state", state))
	if q := got.location(t).Query(); q.Get("error") != "login_required" || q.Get("state") != state {
		t.Errorf("without session: %v", q)
	}
	b := w.browser().signIn(t, alice)
	w.wantRedirect(t, "without consent", b.get(t, a.request("prompt", "none")), "consent_required")
	b.allow(t, b.get(t, a.request()))
	if got := b.get(t, a.request("prompt", "none")); got.location(t).Query().Get("code") == "" {
		t.Errorf("with remembered consent: %v", got.location(t))
	}
	w.sql(t, `UPDATE sessions SET auth_time = now() - interval '1 hour'`)
	w.wantRedirect(t, "max_age passed", b.get(t, a.request("prompt", "none", "max_age", "60")), "login_required")
	w.sql(t, `UPDATE sessions SET idle_expires_at = now()`)
	w.wantRedirect(t, "session over", b.get(t, a.request("prompt", "none")), "login_required")
	if n := w.events(t, latchkey.AuthorizationRefused, "login_required"); n != 3 {
		t.Errorf("%d events", n)
	}
}

// waitingFor takes the id out of a redirect to a page of ours.
func waitingFor(t *testing.T, got *answer, page string) string {
	t.Helper()
	if got.status != http.StatusSeeOther || got.location(t).Path != page {
		t.Fatalf("answered %d %q %s, want %s", got.status, got.header.Get("Location"), got.body, page)
	}
	return got.location(t).Query().Get("request")
}

// confirm is a passkey used again in the same session.
func (b *browser) confirm(t *testing.T) {
	t.Helper()
	b.w.sql(t, `UPDATE sessions SET auth_time = clock_timestamp() WHERE id = $1`, b.session.ID)
}

// SECURITY case 9.
func TestMaxAgeZeroAndPromptLoginAskAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	for _, pair := range [][2]string{{"prompt", "login"}, {"max_age", "0"}, {"prompt", "select_account"}, {"max_age", "30"}} {
		b := w.browser().signIn(t, w.user(t, "alice"+pair[0]+pair[1]))
		w.sql(t, `UPDATE sessions SET auth_time = now() - interval '1 minute' WHERE id = $1`, b.session.ID)
		id := waitingFor(t, b.get(t, a.request(pair[0], pair[1])), "/login")
		// Coming back without having used the passkey is no way around.
		if again := waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/login"); again != id {
			t.Errorf("%v: another request waits", pair)
		}
		asked := time.Now().Add(-time.Second)
		b.confirm(t)
		got := b.get(t, "/oauth2/authorize?request="+id)
		tk := readTokens(t, a.exchange(t, got.location(t).Query().Get("code")))
		if at := claimsIn(t, tk.id)["auth_time"].(float64); time.Unix(int64(at), 0).Before(asked.Truncate(time.Second)) {
			t.Errorf("%v: auth_time %v is before the request", pair, at)
		}
		wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	}
}

func TestMaxAgeThatHasNotPassedAsksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	first := claimsIn(t, a.tokens(t, b, "max_age", "15000").id)["auth_time"]
	second := claimsIn(t, a.tokens(t, b, "max_age", "10000").id)["auth_time"]
	if first == nil || first != second {
		t.Errorf("auth_time %v, then %v", first, second)
	}
}

func TestRequestWaitsForSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request("login_hint", "alice")), "/login")
	in, err := w.db.FindInteraction(t.Context(), id, b.pre(t))
	if err != nil || in.Needs.Reason != "login" || in.Needs.Hint != "alice" || in.ClientID != "wiki" {
		t.Fatalf("waits %+v %v", in, err)
	}
	// Another browser with the id is told nothing.
	thief := w.browser().signIn(t, w.user(t, "mallory"))
	wantPage(t, thief.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	b.signIn(t, w.user(t, "alice"))
	got := b.get(t, "/oauth2/authorize?request="+id)
	if q := got.location(t).Query(); q.Get("code") == "" || q.Get("state") != "s t&ate" || q.Get("iss") != w.issuer {
		t.Errorf("answered %v", q)
	}
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	if n := w.events(t, latchkey.AuthorizationGranted, ""); n != 1 {
		t.Errorf("%d events", n)
	}
}

// pre is the value that names the browser before sign-in.
func (b *browser) pre(t *testing.T) string {
	t.Helper()
	for name, value := range b.cookies {
		if strings.Contains(name, "-pre") {
			return value
		}
	}
	t.Fatal("the browser has no pre-session cookie")
	return ""
}

func TestRequestWaitsNoLongerThanItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request()), "/login")
	w.sql(t, `UPDATE interactions SET expires_at = now()`)
	b.signIn(t, w.user(t, "alice"))
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	wantPage(t, b.get(t, "/oauth2/authorize?request=garbage"), 400, "request_expired")
	w.noGrant(t)
}

func TestApplicationDisabledWhileTheRequestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request()), "/login")
	w.sql(t, `UPDATE clients SET enabled = false`)
	b.signIn(t, w.user(t, "alice"))
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "unknown_client")
	w.noGrant(t)
}

// SECURITY cases 17 and 78: an application's form brings no cookies; what it
// asks goes on as a GET.
func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	signedIn := w.browser().signIn(t, w.user(t, "alice"))
	got := w.browser().post(t, "/oauth2/authorize", a.params()) // no cookie comes along
	id := waitingFor(t, got, "/oauth2/authorize")
	w.noGrant(t)
	got = signedIn.get(t, "/oauth2/authorize?request="+id)
	if q := got.location(t).Query(); q.Get("code") == "" || q.Get("state") != "s t&ate" {
		t.Errorf("answered %d %v", got.status, q)
	}
}

func TestIDTokenHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other")
	alice, bob := w.user(t, "alice"), w.user(t, "bob")
	b := w.browser().signIn(t, alice)
	hint := a.tokens(t, b).id
	if got := b.get(t, a.request("prompt", "none", "id_token_hint", hint)); got.location(t).Query().Get("code") == "" {
		t.Errorf("own hint: %v", got.location(t))
	}
	w.wantRedirect(t, "hint of another application", b.get(t, other.request("prompt", "none", "id_token_hint", hint)), "invalid_request")
	w.wantRedirect(t, "access token as hint", b.get(t, a.request("prompt", "none", "id_token_hint", a.tokens(t, b).access)), "invalid_request")
	bobs := w.browser().signIn(t, bob)
	w.wantRedirect(t, "hint of somebody else", bobs.get(t, a.request("prompt", "none", "id_token_hint", hint)), "login_required")
	id := waitingFor(t, bobs.get(t, a.request("id_token_hint", hint)), "/login")
	bobs.confirm(t) // bob insists
	w.wantRedirect(t, "somebody else signed in", bobs.get(t, "/oauth2/authorize?request="+id), "login_required")
	// The name under which a proven hint is kept proves nothing from outside.
	if got := bobs.get(t, a.request("prompt", "none", "hinted_subject", alice.Subject)); got.location(t).Query().Get("code") == "" {
		t.Errorf("kept name from outside: %v", got.location(t))
	}
}

func TestAllowedGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	w.sql(t, `INSERT INTO groups (id, name, name_key) VALUES ('01a20b62-0000-7000-8000-000000000001', 'staff', 'staff')`)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} })
	b := w.browser().signIn(t, alice)
	got := b.get(t, a.request())
	if got.status != 403 || !strings.Contains(got.body, `data-code="not_allowed"`) || !strings.Contains(got.body, "error=access_denied") {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	w.wantRedirect(t, "prompt=none", b.get(t, a.request("prompt", "none")), "access_denied")
	if n := w.events(t, latchkey.AuthorizationRefused, "not_allowed"); n != 2 {
		t.Errorf("%d events", n)
	}
	w.noGrant(t)
	w.sql(t, `INSERT INTO memberships (group_id, user_id) VALUES ('01a20b62-0000-7000-8000-000000000001', $1)`, alice.ID)
	tk := a.tokens(t, b)
	if got := w.userinfo(t, tk.access).json(t); !cmp.Equal(got["groups"], []any{"staff"}) {
		t.Errorf("groups are %v", got["groups"])
	}
	w.sql(t, `DELETE FROM memberships`)
	wantFault(t, a.refresh(t, tk.refresh), 400, "access_denied")
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	if a.active(t, tk.access) {
		t.Error("the access token is active")
	}
}
