package passkey_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
)

// TestTheSetUpPageAndItsToken (SECURITY case 96): the page is there until an
// administrator exists, and each thing that is wrong with a token has its own
// answer and its own line in the record.
func TestTheSetUpPageAndItsToken(t *testing.T) {
	t.Parallel()
	w := start(t)
	token, old := w.setupToken(t), w.setupToken(t)
	w.exec(t, "UPDATE one_time_links SET expires_at = now() - interval '1 second' WHERE id = (SELECT id FROM one_time_links ORDER BY created_at DESC, id DESC LIMIT 1)")
	page := func() *passkeytest.Answer { return w.browser(t, nil).Get("/setup") }
	wantStatus(t, page(), 200)
	ask := func(token string, status int, code string) {
		t.Helper()
		before := w.snapshot(t)
		w.wantRefused(t, w.browser(t, nil).RegistrationOptions("setup", token, person("eve")), status, code)
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, code)
	}
	wrong := []byte(token) // of the right form, and nobody's
	if wrong[10]++; token[10] == 'Z' || token[10] == 'z' || token[10] == '9' || token[10] == '_' || token[10] == '-' {
		wrong[10] = 'A'
	}
	ask("", 401, "invalid_token")
	ask(string(wrong), 401, "invalid_token")
	ask(old, 410, "token_expired")
	wantStatus(t, w.browser(t, nil).Register("setup", token, person("alice")), 201)
	ask(token, 409, "setup_done")
	ask(string(wrong), 409, "setup_done")
	if got := page(); got.Status != 404 || !strings.Contains(string(got.Raw), `data-code="setup_done"`) {
		t.Errorf("the page answered %d after set-up, want 404 setup_done", got.Status)
	}
}

// TestGuessingSetUpTokensIsLimited (SECURITY case 96): of a hundred wrong
// tokens the last ones are not even looked at.
func TestGuessingSetUpTokensIsLimited(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	app.SetupToken(t)
	b := passkeytest.NewBrowser(t, app.URL)
	var last *passkeytest.Answer
	for i := range 100 {
		last = b.RegistrationOptions("setup", "nonsense", person("eve"))
		if last.Status != 401 && last.Status != 429 || i < 10 && last.Status != 401 {
			t.Fatalf("guess %d answered %d %s", i, last.Status, last.Code)
		}
	}
	if last.Status != 429 || last.Code != "rate_limited" || last.Header.Get("Retry-After") == "" {
		t.Errorf("the last guess answered %d %s, Retry-After %q", last.Status, last.Code, last.Header.Get("Retry-After"))
	}
	if n := app.Text(t, "SELECT count(*) FROM users"); n != "0" {
		t.Errorf("%s people", n)
	}
}

// TestOfManySetUpsOneMakesAnAdministrator (SECURITY case 97): the same link in
// several browsers at once and links side by side, and then all once more.
func TestOfManySetUpsOneMakesAnAdministrator(t *testing.T) {
	t.Parallel()
	w := start(t)
	shared, other := w.setupToken(t), w.setupToken(t)
	tokens := []string{shared, shared, shared, other, other, other}
	setUp := func() []*passkeytest.Answer {
		var calls []func() *passkeytest.Answer
		for i, token := range tokens {
			b, who := w.browser(t, nil), person("admin"+string(rune('a'+i)))
			calls = append(calls, func() *passkeytest.Answer { return b.Register("setup", token, who) })
		}
		return race(calls...)
	}
	got := setUp()
	if got[0].Status != 201 {
		t.Fatalf("nobody set up: %d %s", got[0].Status, got[0].Raw)
	}
	for _, a := range append(got[1:], setUp()...) {
		if a.Status != 401 && a.Status != 409 && a.Status != 410 {
			t.Errorf("another set-up answered %d %s", a.Status, a.Code)
		}
	}
	if n := w.count(t, "SELECT count(*) FROM users"); n != 1 {
		t.Errorf("%d people, want 1", n)
	}
	if n := len(w.events(t, "user.registered")); n != 1 {
		t.Errorf("%d events of a registration, want 1", n)
	}
}

// TestAScannerSpendsNoLink (SECURITY case 102): what opens the links of a mail
// beforehand neither spends them nor takes them for its own browser.
func TestAScannerSpendsNoLink(t *testing.T) {
	t.Parallel()
	w := start(t)
	scan := func(path string) {
		t.Helper()
		scanner := w.browser(t, nil)
		for range 3 {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				for _, address := range []string{path, path + "?utm_source=mail"} {
					wantStatus(t, scanner.Do(method, address, nil), 200)
				}
			}
		}
	}
	setup := w.setupToken(t)
	scan("/setup")
	wantStatus(t, w.browser(t, nil).Register("setup", setup, person("alice")), 201)
	invite := w.invite(t)
	recovery := w.app.RecoveryToken(t, w.text(t, "SELECT id FROM users"))
	scan("/invite")
	scan("/recover")
	if n := w.count(t, "SELECT count(*) FROM one_time_links WHERE used_at IS NULL AND first_browser IS NULL"); n != 2 {
		t.Errorf("%d links are as they were, want 2", n)
	}
	wantStatus(t, w.browser(t, nil).Register("invite", invite, person("bob")), 201)
	wantStatus(t, w.browser(t, nil).Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": recovery}), 200)
}

// TestCookiesOfAnHTTPSIssuer (SECURITY case 76): what every step of a person's
// way sets, as it goes over the wire, and that the session has another name
// after each change of privilege.
func TestCookiesOfAnHTTPSIssuer(t *testing.T) {
	t.Parallel()
	w := startAt(t, "https://id.example.com")
	held := ""
	step := func(name string, got *passkeytest.Answer, status int) {
		t.Helper()
		wantStatus(t, got, status)
		set := got.Header.Values("Set-Cookie")
		before := held
		for _, line := range set {
			c, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || c.Path != "/" {
				t.Errorf("%s sets %q", name, line)
			}
			if c.Name == "__Host-latchkey" {
				held = c.Value
			}
		}
		if held == before || held == "" && name != "sign-out" {
			t.Errorf("%s left the session its token: %q", name, set)
		}
	}
	b := w.browser(t, nil)
	step("set-up", b.Register("setup", w.setupToken(t), person("alice")), 201)
	planted := w.browser(t, nil)
	w.copyCookies(t, b, planted)
	step("step-up", b.Reauth(""), 200)
	w.wantRefused(t, planted.AuthenticationOptions("reauth", ""), 401, "session_required")
	step("sign-in", b.SignIn(""), 200)
	codes := b.Post("/api/v1/me/recovery-codes", nil)
	wantStatus(t, codes, 201)
	lost := w.browser(t, nil)
	step("recovery", lost.Post("/api/v1/recovery/redeem", passkeytest.Fields{"username": "alice", "code": codesOf(t, codes)[0]}), 200)
	w.copyCookies(t, lost, planted)
	step("recovered", lost.Register("recover", "", nil), 201)
	w.wantRefused(t, planted.RegistrationOptions("recover", "", nil), 401, "session_required")
	step("invitation", w.browser(t, nil).Register("invite", w.app.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser}), person("bob")), 201)
	for _, path := range []string{"/login", "/setup", "/invite", "/recover"} {
		for _, line := range w.browser(t, nil).Get(path).Header.Values("Set-Cookie") {
			if !strings.HasPrefix(line, "__Host-latchkey-pre=") || !strings.HasSuffix(line, "; Path=/; HttpOnly; Secure; SameSite=Lax") {
				t.Errorf("%s sets %q", path, line)
			}
		}
	}
	step("sign-out", lost.Post("/api/v1/session/logout", nil), 200)
}
