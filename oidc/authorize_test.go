package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

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

// SECURITY case 5.
func TestAuthorizeRepeatedParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, name := range []string{"response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "client_id", "redirect_uri",
		"prompt", "max_age", "id_token_hint", "login_hint", "acr_values", "ui_locales", "display", "claims", "registration", "request_uri", "unheard_of"} {
		q := a.params()
		q.Add(name, "x")
		q.Add(name, "x")
		page := name == "client_id" || name == "redirect_uri"
		before := w.events(t, latchkey.AuthorizationRefused, "repeated_parameter")
		refused := 0
		check := func(how string, got *answer) {
			t.Helper()
			refused++
			if n := w.events(t, latchkey.AuthorizationRefused, "repeated_parameter"); n != before+refused {
				t.Errorf("%s %s: %d events, want %d", name, how, n-before, refused)
			}
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
	if code == "login_required" || code == "consent_required" {
		want.Set("session_state", q.Get("session_state"))
	}
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

// What is wrong with a request of a known application goes back to it, the
// values of max_age that are none among it (SECURITY case 10).
func TestAuthorizeRefusedByRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.Scopes = []string{"openid", "profile"} })
	machine := w.app(t, "machine", func(c *latchkey.Client) { c.GrantTypes = []string{"client_credentials"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	nobody := w.browser()
	for _, c := range []struct{ what, code, name, value string }{
		{"response_type missing", "invalid_request", "response_type", ""},
		{"response_type in capitals", "unsupported_response_type", "response_type", "CODE"},
		{"response_mode unknown", "invalid_request", "response_mode", "web_message"},
		{"unsigned request object", "request_not_supported", "request", "eyJhbGciOiJub25lIn0.e30."},
		{"request_uri not registered", "invalid_request_uri", "request_uri", "https://wiki.example.com/r"},
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
	before := w.events(t, latchkey.AuthorizationRefused, "max_age")
	w.wantRedirect(t, "max_age empty", b.get(t, "/oauth2/authorize?"+empty.Encode()), "invalid_request")
	if n := w.events(t, latchkey.AuthorizationRefused, "max_age"); n != before+1 {
		t.Errorf("max_age empty: %d events", n-before)
	}
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

func TestAllowedGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	w.sql(t, `INSERT INTO groups (id, name, name_key) VALUES ('01a20b62-0000-7000-8000-000000000001', 'staff', 'staff')`)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} })
	b := w.browser().signIn(t, alice)
	got := b.get(t, a.request())
	if !strings.Contains(got.body, "You may not use \u2068App wiki\u2069<") {
		t.Error("the name is not set off from the sentence around it")
	}
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
