package server

import (
	"net/http"
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
)

// htmlHeaders are those of every page (SECURITY section 3), word by word.
var htmlHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
	"Server":                       "",
	"X-Powered-By":                 "",
	"Access-Control-Allow-Origin":  "",
}

// wantHTMLHeaders judges the headers of a page; a page elsewhere than below
// account, admin and set-up must not have an opener policy, which would cut
// sign-in in a popup.
func wantHTMLHeaders(t *testing.T, name, path string, got reply) {
	t.Helper()
	for header, want := range htmlHeaders {
		if values := got.Header.Values(header); strings.Join(values, ", ") != want {
			t.Errorf("%s: %s is %q, want %q", name, header, values, want)
		}
	}
	policy := got.Header.Get("Permissions-Policy")
	for _, feature := range strings.Split(policy, ", ") {
		own := feature == "publickey-credentials-create=(self)" || feature == "publickey-credentials-get=(self)"
		if !own && !strings.HasSuffix(feature, "=()") {
			t.Errorf("%s: Permissions-Policy allows %q", name, feature)
		}
	}
	if !strings.Contains(policy, "publickey-credentials-get=(self)") || !strings.Contains(policy, "camera=()") {
		t.Errorf("%s: Permissions-Policy is %q", name, policy)
	}
	want := ""
	if below(route{pattern: path}, "/account", "/admin", "/setup") {
		want = "same-origin"
	}
	if opener := got.Header.Get("Cross-Origin-Opener-Policy"); opener != want {
		t.Errorf("%s: Cross-Origin-Opener-Policy is %q, want %q", name, opener, want)
	}
}

// TestEveryPageHasItsHeaders opens every page of the table as administrator and
// as nobody.
func TestEveryPageHasItsHeaders(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	nobody := passkeytest.NewBrowser(t, f.url)
	pages := map[string]bool{}
	for _, r := range f.routes(t, func(r route) bool { return r.method == http.MethodGet }) {
		for name, b := range map[string]*passkeytest.Browser{"the administrator": f.admin, "nobody": nobody} {
			got := f.send(t, b, r, "", "")
			if !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || got.StatusCode == http.StatusSeeOther {
				continue
			}
			if r.pattern == "/oauth2/check_session" { // the frame of session management, which shows nothing
				if csp := got.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors *") || !strings.Contains(csp, "default-src 'none'; script-src 'self'; base-uri") {
					t.Errorf("%s as %s: the policy is %q", r.pattern, name, csp)
				}
				continue
			}
			pages[r.pattern] = true
			wantHTMLHeaders(t, r.pattern+" as "+name, r.path, got)
		}
	}
	for _, page := range []string{"/account/passkeys", "/account/recovery-codes", "/account/sessions", "/account/apps", "/login", "/logout", "/recover", "/oauth2/authorize", "/consent"} {
		if !pages[page] {
			t.Errorf("%s showed no page", page)
		}
	}
}

// TestErrorPagesHaveTheHeadersToo (SECURITY case 80).
func TestErrorPagesHaveTheHeadersToo(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	long := strings.Repeat("a", maxForm+1)
	ask := func(name, method, path, body, kind string, status int) {
		t.Helper()
		got := f.send(t, f.admin, route{method, path, path}, body, kind)
		if got.StatusCode != status || !strings.Contains(got.body, `data-page="error"`) && !strings.Contains(got.body, `data-page="stepup"`) {
			t.Errorf("%s: answered %d, want the page of %d: %.300s", name, got.StatusCode, status, got.body)
		}
		wantHTMLHeaders(t, name, path, got)
	}
	ask("not found", "GET", "/nothing", "", "", 404)
	ask("not found in the account", "GET", "/account/nothing", "", "", 404)
	ask("somebody else's", "GET", "/account/passkeys/x/remove", "", "", 404)
	ask("wrong method", "PUT", "/account/passkeys", "", "", 405)
	ask("too large", "POST", "/account/recovery-codes", long, typeForm, 413)
	ask("too large for the protocol", "POST", "/oauth2/authorize", long, typeForm, 413)
	ask("wrong type", "POST", "/account/recovery-codes", "{}", typeJSON, 415)
	ask("too long an address", "GET", "/account/"+strings.Repeat("a", maxURL), "", "", 414)
	ask("bad request", "POST", "/logout", "decision=no", typeForm, 400)
	f.db.Close()
	ask("unavailable", "GET", "/account/passkeys", "", "", 503)
	ask("unavailable for the protocol", "GET", "/oauth2/authorize?client_id=x", "", "", 503)
	ask("unavailable at sign-in", "GET", "/login", "", "", 503)
}
