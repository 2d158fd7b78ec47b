package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
)

const callback = "http://127.0.0.1:9/callback"

// authorizeRequest is a good authorization request of the client wiki; pairs
// add to it.
func authorizeRequest(pairs ...string) string {
	q := url.Values{"client_id": {"wiki"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/oauth2/authorize?" + q.Encode()
}

// enroll makes alice, the first administrator, in a browser of her own.
func enroll(t *testing.T, app *servertest.App) *passkeytest.Browser {
	t.Helper()
	b := passkeytest.NewBrowser(t, app.URL)
	if got := b.Register("setup", app.SetupToken(t), passkeytest.Fields{"username": "alice", "display_name": "Alice"}); got.Status != 201 {
		t.Fatalf("set-up answered %d %s", got.Status, got.Raw)
	}
	return b
}

// waiting takes the id out of a redirect to a page of ours.
func waiting(t *testing.T, got *passkeytest.Answer, page string) string {
	t.Helper()
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil || got.Status != http.StatusSeeOther || to.Path != page {
		t.Fatalf("answered %d %q %.300s, want %s", got.Status, got.Header.Get("Location"), got.Raw, page)
	}
	return to.Query().Get("request")
}

// Whoever is asked to confirm, or to allow, can go on as somebody else.
func TestSwitchAccountWhileARequestWaits(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	browser := enroll(t, app)
	registerClient(t, app, callback, func(c *latchkey.Client) { c.FirstParty = false })
	alices := browser.Device.Credential()
	other := passkeytest.NewBrowserWith(t, app.URL, browser.Device)
	if got := other.Register("invite", app.InviteToken(t, latchkey.Invite{Username: "bob"}), passkeytest.Fields{"username": "bob", "display_name": "Bob"}); got.Status != 201 {
		t.Fatalf("the invitation answered %d %s", got.Status, got.Raw)
	}
	bobs := browser.Device.Credential()
	for _, c := range []struct{ prompt, page, hook string }{
		{"login", "/login", `data-page="stepup"`},
		{"select_account", "/login", `data-page="login"`},
		{"consent", "/consent", `data-page="consent"`},
	} {
		browser.Device.Use = alices
		if got := browser.SignIn(""); got.Status != 200 {
			t.Fatalf("sign-in answered %d %s", got.Status, got.Raw)
		}
		id := waiting(t, browser.Get(authorizeRequest("prompt", c.prompt)), c.page)
		page := string(browser.Get(c.page + "?request=" + id).Raw)
		if !strings.Contains(page, c.hook) {
			t.Fatalf("%s: the page is %.600s", c.prompt, page)
		}
		if c.prompt != "select_account" {
			path := "/login?request=" + id + "&amp;switch=1"
			if !strings.Contains(page, `href="`+path+`"`) {
				t.Errorf("%s: no link leads to another account", c.prompt)
			}
			if login := string(browser.Get(strings.ReplaceAll(path, "&amp;", "&")).Raw); !strings.Contains(login, `data-page="login"`) || !strings.Contains(login, `data-request="`+id+`"`) {
				t.Errorf("%s: the link leads to %.600s", c.prompt, login)
			}
		}
		browser.Device.Use = bobs
		signedIn := browser.SignIn(id)
		if signedIn.User.Username != "bob" || signedIn.RedirectTo != "/oauth2/authorize?request="+id {
			t.Fatalf("%s: sign-in as bob answered %d %s", c.prompt, signedIn.Status, signedIn.Raw)
		}
		waiting(t, browser.Get(signedIn.RedirectTo), "/consent")
		if page := string(browser.Get("/consent?request=" + id).Raw); !strings.Contains(page, "Bob") || strings.Contains(page, "Alice") {
			t.Errorf("%s: the consent page is for %.600s", c.prompt, page)
		}
	}
}

// Anonymous requests are limited by address, 300 a minute; whoever is signed in
// shares an address with the whole office and is not.
func TestAuthorizeIsLimitedForStrangers(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	alice := enroll(t, app)
	registerClient(t, app, callback)
	stranger := passkeytest.NewBrowser(t, app.URL)
	for i := range 300 {
		if got := stranger.Get(authorizeRequest("prompt", "none")); got.Status != http.StatusSeeOther {
			t.Fatalf("request %d answered %d %s", i, got.Status, got.Raw)
		}
	}
	refused := 0
	for range 20 { // the bucket fills by five a second meanwhile
		if got := stranger.Get(authorizeRequest()); got.Status == http.StatusTooManyRequests {
			refused++
			if got.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	for range 10 {
		if got := alice.Get(authorizeRequest()); got.Status != http.StatusSeeOther {
			t.Fatalf("signed in: answered %d", got.Status)
		}
	}
}

// CONTRACT 5.14 and 7: what has no safe redirect is a page with its hooks.
func TestAuthorizeErrorPages(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	registerClient(t, app, callback)
	b := passkeytest.NewBrowser(t, app.URL)
	for name, c := range map[string]struct{ path, code string }{
		"unknown client":       {authorizeRequest("client_id", "nobody"), "unknown_client"},
		"foreign redirect URI": {authorizeRequest("redirect_uri", "https://evil.example/"), "bad_redirect_uri"},
		"doubled client":       {authorizeRequest() + "&client_id=wiki", "invalid_request"},
		"unreadable address":   {"/oauth2/authorize?client_id=%zz", "invalid_request"},
		"request that is over": {"/oauth2/authorize?request=gone", "request_expired"},
		"consent that is over": {"/consent?request=gone", "request_expired"},
	} {
		got := b.Get(c.path)
		page := string(got.Raw)
		if got.Status != 400 || got.Header.Get("Location") != "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: answered %d %v", name, got.Status, got.Header)
		}
		for _, hook := range []string{`data-page="error"`, `role="alert"`, fmt.Sprintf("data-code=%q", c.code), got.Header.Get("X-Request-Id")} {
			if !strings.Contains(page, hook) {
				t.Errorf("%s: the page lacks %s", name, hook)
			}
		}
		if got.Header.Get("Cache-Control") != "no-store" || !strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", name, got.Header)
		}
	}
}
