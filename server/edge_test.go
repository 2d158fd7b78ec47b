package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// logBuffer is a log that a test may read while the server writes.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lines returns the records with the given message.
func (b *logBuffer) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(b.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("log line is not JSON: %v: %.200q", err, line)
		}
		if record["msg"] == msg {
			out = append(out, record)
		}
	}
	return out
}

// newTestEdge makes a shell with an https issuer whose log can be read.
func newTestEdge(t *testing.T, change ...func(*edgeOptions)) (*edge, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	logger, err := NewLogger(log, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	o := edgeOptions{Issuer: &url.URL{Scheme: "https", Host: "id.example.com"}, Log: logger, RateLimits: true}
	for _, f := range change {
		f(&o)
	}
	e, err := newEdge(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e, log
}

func fine(c *gin.Context) error {
	c.Data(http.StatusOK, "text/html; charset=utf-8", []byte("<!doctype html>fine"))
	return nil
}

// serve starts a real server in front of the shell with these routes.
func serve(t *testing.T, e *edge, routes func(*gin.Engine)) *httptest.Server {
	t.Helper()
	r := e.engine()
	routes(r)
	s := httptest.NewUnstartedServer(e.handler(r))
	s.Config.MaxHeaderBytes = headerBytes
	s.Config.ErrorLog = serverLog(e.log)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// reply is an answer read whole.
type reply struct {
	*http.Response
	body string
}

func (r reply) problem(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("answer %d is not JSON: %v: %.300s", r.StatusCode, err, r.body)
	}
	return out
}

func send(t *testing.T, s *httptest.Server, method, path, body string, headers ...string) reply {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, s.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	client := *s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %.80s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res, string(b)}
}

func TestNewEdgeRefuses(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	for name, o := range map[string]edgeOptions{
		"no issuer": {Log: logger},
		"no host":   {Log: logger, Issuer: &url.URL{Scheme: "https"}},
		"no log":    {Issuer: &url.URL{Scheme: "https", Host: "id.example.com"}},
	} {
		if _, err := newEdge(o); err == nil {
			t.Errorf("%s: newEdge accepted it", name)
		}
	}
}

func TestRateLimitsOffIsSaidLoudly(t *testing.T) {
	_, log := newTestEdge(t, func(o *edgeOptions) { o.RateLimits = false })
	if got := log.String(); !strings.Contains(got, "RATE LIMITS ARE OFF") || !strings.Contains(got, `"ERROR"`) {
		t.Errorf("log says %q", got)
	}
}

// bigRoutes has a route for every way to be refused.
func bigRoutes(e *edge) func(*gin.Engine) {
	return func(r *gin.Engine) {
		r.GET("/", e.page(fine))
		r.GET("/account", e.page(fine))
		r.GET("/admin/clients", e.page(fine))
		r.GET("/setup", e.page(fine))
		r.GET("/login", e.page(fine))
		r.GET("/oauth2/authorize", e.page(fine))
		r.POST("/account/name", e.origin, e.form, e.page(fine))
		r.GET("/broken", e.page(func(*gin.Context) error { return errors.New("secret inner text") }))
		r.GET("/away", e.page(func(*gin.Context) error { return fmt.Errorf("read: %w", latchkey.ErrUnavailable) }))
		r.GET("/panic", e.page(func(*gin.Context) error { panic("a bad index") }))
		r.GET("/limited", e.page(func(*gin.Context) error { return tooMany(1500000000) }))
		r.GET("/healthz", e.healthz)
		r.GET("/readyz", e.readyz)
		r.GET("/static/app.css", func(c *gin.Context) { c.Header("Cache-Control", "public"); c.String(200, "body{}") })
		r.GET("/api/v1/me", e.page(fine))
		r.POST("/api/v1/me", e.origin, e.json, e.page(fine))
		r.POST("/oauth2/token", e.form, e.page(fine))
	}
}

func TestHeadersOnEveryHTMLAnswer(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	want := map[string]string{
		"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
		"Strict-Transport-Security":    "max-age=31536000",
		"Server":                       "",
		"X-Powered-By":                 "",
		"Content-Type":                 "text/html; charset=utf-8",
	}
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"page", "GET", "/", "", nil, 200, ""},
		{"missing", "GET", "/nothing/here", "", nil, 404, "not_found"},
		{"method", "DELETE", "/login", "", nil, 405, "method_not_allowed"},
		{"too large", "POST", "/account/name", strings.Repeat("a", maxForm+1), []string{"Content-Type", typeForm}, 413, "body_too_large"},
		{"type", "POST", "/account/name", "{}", []string{"Content-Type", typeJSON}, 415, "unsupported_media_type"},
		{"cross site", "POST", "/account/name", "a=b", []string{"Content-Type", typeForm, "Sec-Fetch-Site", "cross-site"}, 403, "cross_origin_request"},
		{"long address", "GET", "/" + strings.Repeat("a", maxURL), "", nil, 414, "uri_too_long"},
		{"headers", "GET", "/", "", []string{"X-Long", strings.Repeat("a", maxHeaders)}, 431, "headers_too_large"},
		{"cookies", "GET", "/", "", []string{"Cookie", strings.Repeat("a=b; ", maxCookies) + "c=d"}, 400, "malformed_request"},
		{"control characters", "GET", "/a%0d%0ab", "", nil, 400, "malformed_request"},
		{"broken UTF-8", "GET", "/a%ff", "", nil, 400, "malformed_request"},
		{"limited", "GET", "/limited", "", nil, 429, "rate_limited"},
		{"fault", "GET", "/broken", "", nil, 500, "internal"},
		{"panic", "GET", "/panic", "", nil, 500, "internal"},
		{"database away", "GET", "/away", "", nil, 503, "unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := send(t, s, c.method, c.path, c.body, c.headers...)
			if got.StatusCode != c.status {
				t.Errorf("status is %d, want %d", got.StatusCode, c.status)
			}
			for name, value := range want {
				if g := got.Header.Get(name); g != value {
					t.Errorf("%s is %q, want %q", name, g, value)
				}
			}
			if p := got.Header.Get("Permissions-Policy"); !strings.Contains(p, "publickey-credentials-get=(self)") || !strings.Contains(p, "camera=()") {
				t.Errorf("Permissions-Policy is %q", p)
			}
			id := got.Header.Get("X-Request-Id")
			if len(id) != 36 {
				t.Errorf("X-Request-Id is %q", id)
			}
			if c.code == "" {
				return
			}
			for _, part := range []string{`<main data-page="error">`, `data-code="` + c.code + `"`, id} {
				if !strings.Contains(got.body, part) {
					t.Errorf("the page has no %s:\n%s", part, got.body)
				}
			}
			if strings.Contains(got.body, "secret inner text") || strings.Contains(got.body, "bad index") {
				t.Errorf("the page shows the inside:\n%s", got.body)
			}
		})
	}
}

func TestRetryAfterWhereItIsDue(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	for path, want := range map[string]string{"/away": "2", "/limited": "2", "/broken": "", "/": ""} {
		if got := send(t, s, "GET", path, "").Header.Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After is %q, want %q", path, got, want)
		}
	}
}

func TestOpenerPolicyOnlyWherePopupsAreNotUsed(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	for path, want := range map[string]string{
		"/account": "same-origin", "/account/nothing": "same-origin", "/admin/clients": "same-origin", "/setup": "same-origin",
		"/login": "", "/oauth2/authorize": "", "/": "", "/accountant": "", "/api/v1/me": "",
	} {
		if got := send(t, s, "GET", path, "").Header.Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("%s: Cross-Origin-Opener-Policy is %q, want %q", path, got, want)
		}
	}
}

func TestNoStrictTransportSecurityOverHTTP(t *testing.T) {
	e, _ := newTestEdge(t, func(o *edgeOptions) { o.Issuer = &url.URL{Scheme: "http", Host: "localhost:8080"} })
	s := serve(t, e, bigRoutes(e))
	if got := send(t, s, "GET", "/", "").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
}

func TestStaticAndDataHeaders(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	css := send(t, s, "GET", "/static/app.css", "")
	if got := css.Header.Get("Cache-Control"); got != "public" {
		t.Errorf("static Cache-Control is %q", got)
	}
	for _, path := range []string{"/static/app.css", "/healthz", "/api/v1/nothing"} {
		if got := send(t, s, "GET", path, "").Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; base-uri") || strings.Contains(got, "self") {
			t.Errorf("%s: Content-Security-Policy is %q", path, got)
		}
	}
	if got := send(t, s, "GET", "/static/nothing.css", "").Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a missing file is cached: %q", got)
	}
}

func TestShapeOfErrors(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	for _, c := range []struct {
		method, path, accept, contentType string
		status                            int
	}{
		{"GET", "/api/v1/nothing", "text/html", "application/problem+json", 404},
		{"DELETE", "/api/v1/me", "", "application/problem+json", 405},
		{"GET", "/nothing", "application/json", "application/problem+json", 404},
		{"GET", "/nothing", "application/json, text/html", "text/html; charset=utf-8", 404},
		{"GET", "/nothing", "*/*", "text/html; charset=utf-8", 404},
		{"GET", "/oauth2/nothing", "text/html", "application/json", 404},
		{"GET", "/oauth2/token", "", "application/json", 405},
		{"DELETE", "/oauth2/authorize", "application/json", "text/html; charset=utf-8", 405},
		{"GET", "/.well-known/nothing", "", "application/problem+json", 404},
		{"GET", "/.well-known/nothing", "text/html", "text/html; charset=utf-8", 404},
	} {
		got := send(t, s, c.method, c.path, "", "Accept", c.accept)
		if got.StatusCode != c.status || got.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s %s (%s) answers %d %s, want %d %s", c.method, c.path, c.accept,
				got.StatusCode, got.Header.Get("Content-Type"), c.status, c.contentType)
		}
	}
	oauth := send(t, s, "POST", "/oauth2/token", "{}", "Content-Type", "application/json")
	body := oauth.problem(t)
	if oauth.StatusCode != 415 || body["error"] != "invalid_request" || body["request_id"] != oauth.Header.Get("X-Request-Id") {
		t.Errorf("token endpoint answers %d %v", oauth.StatusCode, body)
	}
}

func TestProblemMembers(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		r.GET("/api/gone", e.page(func(*gin.Context) error {
			return &latchkey.Problem{
				Kind: latchkey.ErrExpired, Code: "challenge_expired", Message: "Start again.",
				Extra: map[string]any{"signal": map[string]string{"rpId": "id.example.com"}, "status": 200},
			}
		}))
		r.GET("/api/fields", e.page(func(*gin.Context) error {
			return fmt.Errorf("save: %w", latchkey.InvalidFields(map[string]string{"email": "is no address"}))
		}))
		r.GET("/api/strange", e.page(func(*gin.Context) error {
			return latchkey.Refuse(errors.New("no kind"), "strange", "inner words")
		}))
	})
	got := send(t, s, "GET", "/api/gone", "")
	body := got.problem(t)
	want := map[string]any{
		"type": "about:blank", "title": "Gone", "status": 410.0, "code": "challenge_expired", "detail": "Start again.",
		"request_id": got.Header.Get("X-Request-Id"), "retryable": false,
	}
	for name, value := range want {
		if body[name] != value {
			t.Errorf("%s is %v, want %v", name, body[name], value)
		}
	}
	if signal, _ := body["signal"].(map[string]any); signal["rpId"] != "id.example.com" {
		t.Errorf("signal is %v", body["signal"])
	}
	fields := send(t, s, "GET", "/api/fields", "")
	if m, _ := fields.problem(t)["fields"].(map[string]any); fields.StatusCode != 422 || m["email"] != "is no address" {
		t.Errorf("fields: %d %s", fields.StatusCode, fields.body)
	}
	if strange := send(t, s, "GET", "/api/strange", ""); strange.StatusCode != 500 || strings.Contains(strange.body, "inner words") {
		t.Errorf("a problem of no known kind answers %d %s", strange.StatusCode, strange.body)
	}
}

func TestKindsOfError(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{latchkey.ErrNotFound, 404, "not_found"},
		{latchkey.ErrConflict, 409, "conflict"},
		{latchkey.ErrForbidden, 403, "forbidden"},
		{latchkey.ErrInvalid, 400, "malformed_request"},
		{latchkey.ErrExpired, 410, "token_expired"},
		{latchkey.ErrUnauthorized, 401, "session_required"},
		{latchkey.ErrUnavailable, 503, "unavailable"},
		{latchkey.ErrLimited, 429, "rate_limited"},
		{latchkey.ErrSealMismatch, 500, "internal"},
		{fmt.Errorf("%w: %w", latchkey.ErrNotFound, latchkey.ErrUnavailable), 503, "unavailable"},
		{errors.New("anything else"), 500, "internal"},
	} {
		if got := answerOf(fmt.Errorf("somewhere: %w", c.err)); got.Status != c.status || got.Code != c.code {
			t.Errorf("%v becomes %d %s, want %d %s", c.err, got.Status, got.Code, c.status, c.code)
		}
	}
}

func TestMethods(t *testing.T) {
	e, log := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"DELETE", "/login", "GET, HEAD", 405},
		{"GET", "/account/name", "POST", 405},
		{"OPTIONS", "/api/v1/me", "GET, POST, HEAD", 405},
		{"FOO", "/login", "GET, POST, HEAD", 404},
		{"HEAD", "/login", "", 200},
		{"HEAD", "/nothing", "", 404},
		{"GET", "/login/", "", 404},
		{"GET", "//login", "", 404},
		{"GET", "/LOGIN", "", 404},
		{"GET", "/a/../login", "", 404},
		{"GET", "/%6cogin", "", 404},
	} {
		got := send(t, s, c.method, c.path, "")
		want := c.status
		if c.method == "FOO" {
			want = 405 // the path exists
			c.allow = "GET, HEAD"
		}
		if got.StatusCode != want || got.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s answers %d, Allow %q; want %d, %q", c.method, c.path, got.StatusCode, got.Header.Get("Allow"), want, c.allow)
		}
		if c.method == "HEAD" && got.body != "" {
			t.Errorf("HEAD %s has a body", c.path)
		}
	}
	heads := 0
	for _, line := range log.lines(t, "request") {
		if line["method"] == "HEAD" {
			heads++
		}
	}
	if heads != 2 {
		t.Errorf("the log names %d HEAD requests, want 2", heads)
	}
}

func TestTemplateFaultLeavesThePlainPage(t *testing.T) {
	e, log := newTestEdge(t, func(o *edgeOptions) {
		o.ErrorPage = func(p ErrorPage) ([]byte, error) {
			if p.Status == 404 {
				return []byte("rendered " + p.Code), nil
			}
			return nil, errors.New("template is broken")
		}
	})
	s := serve(t, e, bigRoutes(e))
	if got := send(t, s, "GET", "/nothing", ""); got.body != "rendered not_found" {
		t.Errorf("page is %q", got.body)
	}
	if got := send(t, s, "GET", "/away", ""); got.StatusCode != 503 || !strings.Contains(got.body, `data-code="unavailable"`) {
		t.Errorf("page is %d %q", got.StatusCode, got.body)
	}
	if n := len(log.lines(t, "error page could not be rendered")); n != 1 {
		t.Errorf("%d lines about the template, want 1", n)
	}
}

func TestPanicIsLoggedOnceAndCutsHalfAnswers(t *testing.T) {
	e, log := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		r.GET("/panic", e.page(func(*gin.Context) error { panic("a bad index") }))
		r.GET("/half", e.page(func(c *gin.Context) error {
			c.String(200, "half")
			c.Writer.Flush()
			panic("in the middle")
		}))
	})
	got := send(t, s, "GET", "/panic", "")
	lines := log.lines(t, "panic in a handler")
	if len(lines) != 1 || lines[0]["panic"] != "a bad index" || lines[0]["request_id"] != got.Header.Get("X-Request-Id") ||
		!strings.Contains(fmt.Sprint(lines[0]["stack"]), "edge_test.go") {
		t.Errorf("log of the panic: %v", lines)
	}
	res, err := s.Client().Get(s.URL + "/half")
	if err == nil {
		defer res.Body.Close()
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("half an answer arrived as a whole one")
		}
	}
	if again := send(t, s, "GET", "/panic", ""); again.StatusCode != 500 {
		t.Errorf("the server answers %d after a panic", again.StatusCode)
	}
}

func TestTrustedProxies(t *testing.T) {
	prefixes, err := ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, peer   string
		forwardedFor []string
		proto        string
		address      string
		scheme       string
	}{
		{"no proxy", "203.0.113.9:4711", nil, "", "203.0.113.9", "http"},
		{"a stranger's word", "203.0.113.9:4711", []string{"198.51.100.1"}, "https", "203.0.113.9", "http"},
		{"one proxy", "127.0.0.1:1", []string{"198.51.100.1"}, "https", "198.51.100.1", "https"},
		{"client forges the left", "127.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, "", "198.51.100.1", "http"},
		{"client forges a trusted address", "127.0.0.1:1", []string{"10.1.1.1, 198.51.100.1"}, "", "198.51.100.1", "http"},
		{"two proxies", "127.0.0.1:1", []string{"198.51.100.1, 10.2.3.4"}, "", "198.51.100.1", "http"},
		{"two headers", "127.0.0.1:1", []string{"1.1.1.1", "198.51.100.1"}, "", "198.51.100.1", "http"},
		{"garbage at the right", "127.0.0.1:1", []string{"198.51.100.1, unknown"}, "", "127.0.0.1", "http"},
		{"garbage behind a proxy", "127.0.0.1:1", []string{"x, 10.2.3.4"}, "", "10.2.3.4", "http"},
		{"all trusted", "127.0.0.1:1", []string{"10.2.3.4"}, "", "10.2.3.4", "http"},
		{"IPv6 with port", "[fd00::1]:1", []string{"[2001:db8::7]:99"}, "", "2001:db8::7", "http"},
		{"mapped IPv4", "[::ffff:127.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "", "198.51.100.1", "http"},
		{"last proto counts", "127.0.0.1:1", []string{"198.51.100.1"}, "https, http", "198.51.100.1", "http"},
		{"strange proto", "127.0.0.1:1", []string{"198.51.100.1"}, "gopher", "198.51.100.1", "http"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, v := range c.forwardedFor {
			r.Header.Add("X-Forwarded-For", v)
		}
		if c.proto != "" {
			r.Header.Set("X-Forwarded-Proto", c.proto)
		}
		got := proxies(prefixes).client(r)
		if got.address != netip.MustParseAddr(c.address) || got.scheme != c.scheme {
			t.Errorf("%s: %v %s, want %s %s", c.name, got.address, got.scheme, c.address, c.scheme)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "proxy.example.com", "*"} {
		if _, err := ParseProxies([]string{bad}); err == nil {
			t.Errorf("ParseProxies accepts %q", bad)
		}
	}
}

func TestRequestIDOnlyFromATrustedProxy(t *testing.T) {
	actor := func(e *edge) *httptest.Server {
		return serve(t, e, func(r *gin.Engine) {
			r.GET("/", e.page(func(c *gin.Context) error {
				a := latchkey.ActorFrom(c.Request.Context())
				c.String(200, "%s %s %s", a.Kind, a.Address, a.RequestID)
				return nil
			}))
		})
	}
	e, _ := newTestEdge(t)
	got := send(t, actor(e), "GET", "/", "", "X-Request-Id", "chosen-by-a-stranger", "X-Forwarded-For", "198.51.100.1")
	if id := got.Header.Get("X-Request-Id"); id == "chosen-by-a-stranger" || got.body != "nobody 127.0.0.1 "+id {
		t.Errorf("actor is %q", got.body)
	}
	e, _ = newTestEdge(t, func(o *edgeOptions) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	s := actor(e)
	if got := send(t, s, "GET", "/", "", "X-Request-Id", "chosen-by-our-proxy", "X-Forwarded-For", "198.51.100.1"); got.body != "nobody 198.51.100.1 chosen-by-our-proxy" {
		t.Errorf("actor is %q", got.body)
	}
	for _, bad := range []string{"short", "has a space", strings.Repeat("a", 65), "semi;colon-long"} {
		if got := send(t, s, "GET", "/", "", "X-Request-Id", bad).Header.Get("X-Request-Id"); got == bad {
			t.Errorf("request id %q was taken", bad)
		}
	}
}
