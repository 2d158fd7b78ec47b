package demo_test

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey/demo"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is an application, its provider, and the time they share.
type world struct {
	*provider
	clock *clock
	app   *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := &clock{at: time.Now()}
	p := newProvider(t, c.now)
	server := httptest.NewUnstartedServer(nil)
	app, err := demo.New(t.Context(), demo.Options{
		Issuer: p.URL, ClientID: clientID, ClientSecret: clientSecret, BaseURL: "http://" + server.Listener.Addr().String(),
		HTTPClient: p.Client(), Log: slog.New(slog.DiscardHandler), Now: c.now,
	})
	if err != nil {
		t.Fatalf("start the application: %v", err)
	}
	server.Config.Handler = app
	server.Start()
	t.Cleanup(server.Close)
	return &world{provider: p, clock: c, app: server}
}

// browser keeps cookies and follows no redirect.
type browser struct {
	t      *testing.T
	w      *world
	client *http.Client
}

// page is an answer that was read.
type page struct {
	status int
	header http.Header
	body   string
}

func (w *world) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("make a cookie jar: %v", err)
	}
	return &browser{t, w, &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(method, path string, header ...string) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.w.app.URL+path, nil)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return page{resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do("GET", path) }

// begin presses the button and returns the authorization request.
func (b *browser) begin(path string) url.Values {
	b.t.Helper()
	answer := b.get(path)
	target, err := url.Parse(answer.header.Get("Location"))
	if answer.status != http.StatusSeeOther || err != nil || !strings.HasPrefix(target.String(), b.w.provider.URL+"/authorize?") {
		b.t.Fatalf("sign-in answered %d to %q", answer.status, answer.header.Get("Location"))
	}
	return target.Query()
}

// signIn goes the whole way and returns the answer of the callback.
func (b *browser) signIn(path string) page {
	b.t.Helper()
	return b.get("/callback?" + b.w.allow(b.begin(path)).Encode())
}

// mustSignIn goes the whole way and insists that it works.
func (b *browser) mustSignIn() {
	b.t.Helper()
	if got := b.signIn("/sign-in"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/" {
		b.t.Fatalf("callback answered %d to %q: %s", got.status, got.header.Get("Location"), got.body)
	}
}

func (b *browser) signedIn() bool {
	b.t.Helper()
	return strings.Contains(b.get("/").body, `data-page="demo-session"`)
}

func (p page) wants(t *testing.T, status int, code string) {
	t.Helper()
	if p.status != status || !strings.Contains(p.body, `data-code="`+code+`"`) {
		t.Errorf("answered %d, want %d with data-code %s:\n%s", p.status, status, code, p.body)
	}
}

func TestAuthorizationRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	first, second := b.begin("/sign-in"), b.begin("/sign-in?again=1")
	for name, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": w.app.URL + "/callback",
		"scope": "openid profile email groups offline_access", "code_challenge_method": "S256", "prompt": "",
	} {
		if got := first.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(first.Get(name)) < 43 || first.Get(name) == second.Get(name) {
			t.Errorf("%s is short or not fresh: %q, then %q", name, first.Get(name), second.Get(name))
		}
	}
	if got := second.Get("prompt"); got != "login" {
		t.Errorf("asked to confirm, prompt is %q, want login", got)
	}
}

func TestSignInShowsWhatWasLearned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	b.mustSignIn()
	got := b.get("/").body
	for _, want := range []string{"Hello, <bdi>Alice Example</bdi>", subject, "alice@example.com", "phr", "client_id", `id="refresh"`, `id="sign-out"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestSessionNameChangesWithSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	request, inOtherTab := b.begin("/sign-in"), w.allow(b.begin("/sign-in")).Encode()
	at, _ := url.Parse(w.app.URL)
	before := b.client.Jar.Cookies(at)[0]
	answer := b.get("/callback?" + w.allow(request).Encode())
	after := b.client.Jar.Cookies(at)[0]
	if before.Name != after.Name || before.Value == after.Value {
		t.Errorf("cookie %q kept its value through the sign-in", before.Name)
	}
	cookie := answer.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie lacks %s: %s", want, cookie)
		}
	}
	stale := w.browser(t)
	stale.client.Jar.SetCookies(at, []*http.Cookie{before})
	if stale.signedIn() {
		t.Error("the cookie from before the sign-in is signed in too")
	}
	stale.get("/callback?"+inOtherTab).wants(t, 400, "unknown_state")
	if got := b.get("/callback?" + inOtherTab); got.status != http.StatusSeeOther {
		t.Errorf("the sign-in begun in another tab answered %d", got.status)
	}
}

func TestCallbackRefusesAnswers(t *testing.T) {
	t.Parallel()
	for _, attack := range []struct {
		name   string
		bend   func(w *world, answer url.Values)
		status int
		code   string
	}{
		{"wrong state", func(_ *world, q url.Values) { q.Set("state", "guessed") }, 400, "unknown_state"},
		{"no state", func(_ *world, q url.Values) { q.Del("state") }, 400, "unknown_state"},
		{"too late", func(w *world, _ url.Values) { w.clock.pass(16 * time.Minute) }, 400, "unknown_state"},
		{"another issuer", func(_ *world, q url.Values) { q.Set("iss", "https://evil.example") }, 400, "wrong_issuer"},
		{"no issuer although promised", func(_ *world, q url.Values) { q.Del("iss") }, 400, "wrong_issuer"},
		{"person cancelled", func(_ *world, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, 403, "access_denied"},
		{"error the application does not know", func(_ *world, q url.Values) { q.Set("error", "weird") }, 400, "provider_error"},
		{"unknown code", func(_ *world, q url.Values) { q.Set("code", "guessed") }, 502, "invalid_grant"},
		{"no code", func(_ *world, q url.Values) { q.Del("code") }, 502, "invalid_grant"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser(t)
			answer := w.allow(b.begin("/sign-in"))
			attack.bend(w, answer)
			b.get("/callback?"+answer.Encode()).wants(t, attack.status, attack.code)
			if b.signedIn() {
				t.Error("somebody is signed in")
			}
		})
	}
}

func TestCallbackBelongsToItsBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := w.allow(w.browser(t).begin("/sign-in"))
	stranger := w.browser(t)
	stranger.get("/callback?"+answer.Encode()).wants(t, 400, "unknown_state")
	stranger.begin("/sign-in")
	stranger.get("/callback?"+answer.Encode()).wants(t, 400, "unknown_state")
}

func TestCallbackAnswersOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	answer := w.allow(b.begin("/sign-in"))
	refused := url.Values{"error": {"access_denied"}, "state": answer["state"], "iss": answer["iss"]}
	b.get("/callback?"+refused.Encode()).wants(t, 403, "access_denied")
	b.get("/callback?"+answer.Encode()).wants(t, 400, "unknown_state")
}

func TestErrorTextIsInert(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	answer := w.allow(b.begin("/sign-in"))
	answer.Set("error", "access_denied")
	answer.Set("error_description", "<script>alert(1)</script>")
	if body := b.get("/callback?" + answer.Encode()).body; strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("the description is missing or not escaped:\n%s", body)
	}
}

func TestIDTokenRefused(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	claim := func(name string, value any) func(*world) {
		return func(w *world) { w.bendID = func(claims map[string]any) { claims[name] = value } }
	}
	for _, attack := range []struct {
		name string
		bend func(w *world)
		code string
	}{
		{"wrong nonce", claim("nonce", "of another sign-in"), "wrong_nonce"},
		{"no nonce", func(w *world) { w.bendID = func(c map[string]any) { delete(c, "nonce") } }, "wrong_nonce"},
		{"another audience", claim("aud", "somebody-else"), "id_token_refused"},
		{"a second audience", claim("aud", []string{clientID, "somebody-else"}), "id_token_refused"},
		{"given to another party", claim("azp", "somebody-else"), "id_token_refused"},
		{"another issuer", claim("iss", "https://evil.example"), "id_token_refused"},
		{"expired", func(w *world) {
			w.clock.pass(2 * time.Hour)
			w.bendID = func(c map[string]any) { c["exp"] = w.clock.now().Add(-time.Minute).Unix() }
		}, "id_token_refused"},
		{"hash of another access token", claim("at_hash", halfHash("another")), "id_token_refused"},
		{"signed by a stranger", func(w *world) {
			w.sign = func(t *testing.T, c map[string]any) string { return signRS256(t, other, c) }
		}, "id_token_refused"},
		{"not signed", func(w *world) { w.sign = unsigned }, "id_token_refused"},
		{"signed with the client secret", func(w *world) {
			w.sign = func(t *testing.T, c map[string]any) string {
				return signWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(clientSecret, 2))}, c)
			}
		}, "id_token_refused"},
		{"another algorithm than announced", func(w *world) {
			w.sign = func(t *testing.T, c map[string]any) string {
				return signWith(t, jose.SigningKey{Algorithm: jose.PS256, Key: jose.JSONWebKey{Key: w.key, KeyID: "k1"}}, c)
			}
		}, "id_token_refused"},
		{"missing", func(w *world) {
			w.bendAnswer = func(answer map[string]any) { answer["id_token"] = nil }
		}, "no_id_token"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			attack.bend(w)
			b := w.browser(t)
			got := b.signIn("/sign-in")
			if got.status < 400 || !strings.Contains(got.body, `data-code="`+attack.code+`"`) {
				t.Errorf("answered %d, want a refusal %s:\n%s", got.status, attack.code, got.body)
			}
			if b.signedIn() {
				t.Error("somebody is signed in")
			}
		})
	}
}

func TestConfirmingNeedsAFreshPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	if got := b.signIn("/sign-in?again=1"); got.status != http.StatusSeeOther {
		t.Fatalf("a fresh sign-in answered %d", got.status)
	}
	w.bendID = func(c map[string]any) { c["auth_time"] = w.clock.now().Add(-10 * time.Minute).Unix() }
	b.signIn("/sign-in?again=1").wants(t, 502, "not_fresh")
}

func TestUserinfoOfSomebodyElseIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.userinfo = map[string]any{"sub": "mallory", "name": "Mallory Example"}
	b := w.browser(t)
	b.mustSignIn()
	if body := b.get("/").body; strings.Contains(body, "Mallory") || !strings.Contains(body, subject) {
		t.Error("userinfo of another subject is shown, or the person is not")
	}
}

func TestRefreshChangesTheTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	b.mustSignIn()
	w.clock.pass(time.Minute)
	if got := b.do("POST", "/refresh"); got.status != http.StatusSeeOther {
		t.Fatalf("refresh answered %d: %s", got.status, got.body)
	}
	body := b.get("/").body
	if got := strings.Count(body, `<td data-label="Changed">Yes</td>`); got != 3 || !strings.Contains(body, "The tokens were refreshed at") {
		t.Errorf("%d tokens are said to have changed, want 3", got)
	}
}

func TestRefreshRefused(t *testing.T) {
	t.Parallel()
	for _, attack := range []struct {
		name     string
		bend     func(w *world)
		status   int
		code     string
		signedIn bool
	}{
		{"the line has ended", func(w *world) { w.tokenError = "invalid_grant" }, 401, "session_ended", false},
		{"the provider has a problem", func(w *world) { w.tokenError = "server_error" }, 502, "server_error", true},
		{"the tokens are somebody else's", func(w *world) { w.bendID = func(c map[string]any) { c["sub"] = "mallory" } }, 502, "other_person", true},
		{"the new ID token is for another application", func(w *world) { w.bendID = func(c map[string]any) { c["aud"] = "somebody-else" } }, 502, "id_token_refused", true},
	} {
		t.Run(attack.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser(t)
			b.mustSignIn()
			attack.bend(w)
			b.do("POST", "/refresh").wants(t, attack.status, attack.code)
			if got := b.signedIn(); got != attack.signedIn {
				t.Errorf("signed in afterwards: %v, want %v", got, attack.signedIn)
			}
		})
	}
}

func TestRefreshWithoutRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bendAnswer = func(answer map[string]any) { answer["refresh_token"] = nil }
	b := w.browser(t)
	b.mustSignIn()
	if strings.Contains(b.get("/").body, `id="refresh"`) {
		t.Error("the page offers to refresh")
	}
	b.do("POST", "/refresh").wants(t, 409, "no_refresh_token")
	w.browser(t).do("POST", "/refresh").wants(t, 401, "signed_out")
}

func TestSignOutEndsBothSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	b.mustSignIn()
	answer := b.do("POST", "/sign-out")
	target, err := url.Parse(answer.header.Get("Location"))
	if answer.status != http.StatusSeeOther || err != nil || !strings.HasPrefix(target.String(), w.provider.URL+"/logout?") {
		t.Fatalf("sign-out answered %d to %q", answer.status, answer.header.Get("Location"))
	}
	query := target.Query()
	if got := query.Get("post_logout_redirect_uri"); got != w.app.URL+"/" {
		t.Errorf("post_logout_redirect_uri is %q", got)
	}
	if strings.Count(query.Get("id_token_hint"), ".") != 2 || query.Get("client_id") != clientID {
		t.Errorf("id_token_hint or client_id is missing in %v", query)
	}
	if b.signedIn() {
		t.Error("still signed in here")
	}
	const words = "latchkey has ended your session"
	if strings.Contains(b.get("/?state=guessed").body, words) {
		t.Error("a guessed state claims that the provider signed out")
	}
	if !strings.Contains(b.get("/?state="+query.Get("state")).body, words) {
		t.Error("coming back does not say that the session has ended")
	}
}

func TestSessionEndsAfterAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	b.mustSignIn()
	w.clock.pass(59 * time.Minute)
	if !b.signedIn() {
		t.Error("signed out after 59 minutes")
	}
	w.clock.pass(2 * time.Minute)
	if b.signedIn() {
		t.Error("signed in after an hour")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	oldest := w.browser(t)
	oldest.mustSignIn()
	w.clock.pass(time.Second)
	newest := w.browser(t)
	newest.mustSignIn()
	w.clock.pass(time.Second)
	for range 999 {
		w.browser(t).begin("/sign-in")
	}
	if oldest.signedIn() || !newest.signedIn() {
		t.Error("the oldest session did not make room, or a newer one did")
	}
}

func TestOtherSitesPressNoButtons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	b.mustSignIn()
	for _, path := range []string{"/refresh", "/sign-out"} {
		b.do("POST", path, "Sec-Fetch-Site", "cross-site").wants(t, 403, "cross_origin_request")
		b.do("POST", path, "Origin", "https://evil.example").wants(t, 403, "cross_origin_request")
		if got := b.get(path).status; got != http.StatusMethodNotAllowed && got != http.StatusNotFound {
			t.Errorf("GET %s answered %d", path, got)
		}
	}
	if !b.signedIn() || w.refreshes != 0 {
		t.Error("something happened all the same")
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser(t)
	for _, path := range []string{"/", "/sign-in", "/callback", "/nowhere"} {
		got := b.get(path)
		policy := got.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy is %q", path, policy)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.header.Get(name), want)
			}
		}
		for _, inline := range []string{"<script>", "<style", " style=", "onclick="} {
			if strings.Contains(got.body, inline) {
				t.Errorf("%s: the page has %s, which its policy forbids", path, inline)
			}
		}
	}
	b.get("/nowhere").wants(t, 404, "not_found")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := newProvider(t, time.Now)
	good := demo.Options{Issuer: p.URL, ClientID: clientID, BaseURL: "http://127.0.0.1:8090", HTTPClient: p.Client()}
	if _, err := demo.New(t.Context(), good); err != nil {
		t.Fatalf("good options are refused: %v", err)
	}
	for _, c := range []struct {
		name string
		bend func(*demo.Options)
	}{
		{"a provider by another name", func(o *demo.Options) { o.Issuer += "/" }},
		{"nobody there", func(o *demo.Options) { o.Issuer = "http://127.0.0.1:1" }},
		{"no issuer", func(o *demo.Options) { o.Issuer = "" }},
		{"no client", func(o *demo.Options) { o.ClientID = "" }},
		{"a base with a path", func(o *demo.Options) { o.BaseURL += "/app" }},
		{"a base that is no URL", func(o *demo.Options) { o.BaseURL = "127.0.0.1:8090" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := good
			c.bend(&o)
			if _, err := demo.New(t.Context(), o); err == nil {
				t.Error("accepted")
			}
		})
	}
}
