package passkeytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Fields are members of a JSON request.
type Fields map[string]any

// Browser is one browser at a latchkey: a cookie jar, a device, and the JSON
// API of the ceremonies. It follows no redirect by itself. A call that gets no
// answer at all marks the test as failed and returns an Answer with status 0.
type Browser struct {
	// BaseURL is the issuer, for example http://localhost:8080.
	BaseURL string
	// Device answers the ceremonies.
	Device *Authenticator
	// HTTP holds the cookies. Its CheckRedirect stops at the first answer.
	HTTP *http.Client
	// Header is sent with every request; a test puts Origin or
	// Sec-Fetch-Site here. nil sends neither, as a tool would.
	Header http.Header

	t testing.TB
}

// NewBrowser opens a fresh browser with no cookies. The RP ID of its device is
// the host of the base URL.
func NewBrowser(t testing.TB, baseURL string) *Browser {
	t.Helper()
	base, err := url.Parse(baseURL)
	if err != nil {
		t.Fatalf("base URL: %v", err)
	}
	return NewBrowserWith(t, baseURL, New(base.Hostname(), strings.TrimSuffix(baseURL, "/")))
}

// NewBrowserWith opens a fresh browser for a device that exists already.
func NewBrowserWith(t testing.TB, baseURL string, device *Authenticator) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("cookie jar: %v", err)
	}
	return &Browser{
		BaseURL: strings.TrimSuffix(baseURL, "/"),
		Device:  device,
		HTTP: &http.Client{
			Jar:           jar,
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		t: t,
	}
}

// For returns the same browser, cookies and device included, reporting to
// another test: to a subtest, or inside a fuzz target.
func (b *Browser) For(t testing.TB) *Browser {
	same := *b
	same.t = t
	return &same
}

// Via makes the browser reach its base URL at another address, such as that of
// a test server behind an https issuer. Host header and cookies stay those of
// the base URL.
func (b *Browser) Via(serverURL string) *Browser {
	b.t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		b.t.Fatalf("server URL: %v", err)
	}
	b.HTTP.Transport = via{u}
	return b
}

// via sends every request to one server.
type via struct{ server *url.URL }

// RoundTrip implements http.RoundTripper.
func (v via) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.Host = req.URL.Host
	sent.URL.Scheme, sent.URL.Host = v.server.Scheme, v.server.Host
	res, err := http.DefaultTransport.RoundTrip(sent)
	if res != nil {
		res.Request = req // or the jar files the cookies under the server's address
	}
	return res, err
}

// Answer is what the server said. The members of problems and of the
// ceremonies are decoded; Raw is the whole body.
type Answer struct {
	Status int         `json:"-"`
	Header http.Header `json:"-"`
	Raw    []byte      `json:"-"`

	// Of a problem (application/problem+json).
	Code   string          `json:"code"`
	Title  string          `json:"title"`
	Detail string          `json:"detail"`
	Signal json.RawMessage `json:"signal"`

	// Of options.
	ChallengeID string          `json:"challenge_id"`
	ExpiresAt   string          `json:"expires_at"`
	Mediation   string          `json:"mediation"`
	PublicKey   json.RawMessage `json:"publicKey"`

	// Of a finished ceremony.
	User          User            `json:"user"`
	Session       Session         `json:"session"`
	Passkey       Passkey         `json:"passkey"`
	RecoveryCodes []string        `json:"recovery_codes"`
	RedirectTo    string          `json:"redirect_to"`
	Signals       json.RawMessage `json:"signals"`
}

// User is the person that a finished ceremony names.
type User struct {
	ID          string `json:"id"`
	Username    string `json:"username"`
	DisplayName string `json:"display_name"`
}

// Session is the session that a finished ceremony started.
type Session struct {
	Kind      string   `json:"kind"`
	AuthTime  string   `json:"auth_time"`
	ACR       string   `json:"acr"`
	AMR       []string `json:"amr"`
	ExpiresAt string   `json:"expires_at"`
}

// Passkey is the passkey that a finished ceremony made or used. ID is the
// server's uuid, not the credential id.
type Passkey struct {
	ID         string `json:"id"`
	DeviceName string `json:"device_name"`
}

// OK tells whether the status is in the 200s.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Do sends a request. body nil sends none; []byte and string are sent as they
// are, anything else as JSON.
func (b *Browser) Do(method, path string, body any) *Answer {
	b.t.Helper()
	var raw []byte
	switch v := body.(type) {
	case nil:
	case []byte:
		raw = v
	case string:
		raw = []byte(v)
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			b.t.Errorf("write %s %s: %v", method, path, err)
			return &Answer{}
		}
		raw = encoded
	}
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	return b.send(method, path, raw, kind)
}

// Get asks for a page or a resource.
func (b *Browser) Get(path string) *Answer {
	b.t.Helper()
	return b.Do(http.MethodGet, path, nil)
}

// Post sends JSON.
func (b *Browser) Post(path string, body any) *Answer {
	b.t.Helper()
	return b.Do(http.MethodPost, path, body)
}

// Form sends a form as a page does; nil is a form that is only a button.
func (b *Browser) Form(path string, fields url.Values) *Answer {
	b.t.Helper()
	return b.send(http.MethodPost, path, []byte(fields.Encode()), "application/x-www-form-urlencoded")
}

func (b *Browser) send(method, path string, body []byte, kind string) *Answer {
	b.t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = b.BaseURL + path
	}
	// Not the test's own context: a browser may still be asked in a Cleanup.
	req, err := http.NewRequestWithContext(context.Background(), method, target, bytes.NewReader(body))
	if err != nil {
		b.t.Errorf("%s %s: %v", method, path, err)
		return &Answer{}
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	maps.Copy(req.Header, b.Header)
	res, err := b.HTTP.Do(req)
	if err != nil {
		b.t.Errorf("%s %s: %v", method, path, err)
		return &Answer{}
	}
	defer res.Body.Close()
	a := &Answer{Status: res.StatusCode, Header: res.Header}
	if a.Raw, err = io.ReadAll(io.LimitReader(res.Body, 4<<20)); err != nil {
		b.t.Errorf("%s %s: read the answer: %v", method, path, err)
		return &Answer{}
	}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(a.Raw) > 0 {
		// The body may be JSON of another shape, such as an array: then the
		// decoded members stay empty, and Raw has it.
		var shape *json.UnmarshalTypeError
		if err := json.Unmarshal(a.Raw, a); err != nil && !errors.As(err, &shape) {
			b.t.Errorf("%s %s answered %d with broken JSON: %v: %.200s", method, path, a.Status, err, a.Raw)
		}
	}
	return a
}

// Cookies returns the cookies that the browser would send to the server.
func (b *Browser) Cookies() []*http.Cookie {
	u, err := url.Parse(b.BaseURL)
	if err != nil {
		return nil
	}
	return b.HTTP.Jar.Cookies(u)
}
