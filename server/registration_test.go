package server_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/storage"
)

// registration asks at an address of registration and returns the answer with
// its body.
func registration(t *testing.T, app *servertest.App, method, path, contentType, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, app.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return readAll(t, req)
}

const (
	wikiRegistration = `{"redirect_uris":["https://wiki.example.com/callback"]}`
	inJSON           = "application/json"
)

// TestRegistrationIsOneOfThree by the setting: without one, a token is needed.
func TestRegistrationIsOneOfThree(t *testing.T) {
	t.Parallel()
	for mode, want := range map[latchkey.RegistrationMode]int{"": 401, latchkey.RegistrationToken: 401, latchkey.RegistrationOpen: 201, latchkey.RegistrationOff: 404} {
		app := servertest.Start(t, func(o *server.Options) { o.Registration = mode })
		res, body := registration(t, app, "POST", "/oauth2/register", inJSON, wikiRegistration)
		if res.StatusCode != want || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != inJSON {
			t.Errorf("with %q it answers %d %v %s, want %d", mode, res.StatusCode, res.Header, body, want)
		}
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			res, body := registration(t, app, method, "/oauth2/register/abc", inJSON, wikiRegistration)
			if want := map[bool]int{true: 404, false: 401}[mode == latchkey.RegistrationOff]; res.StatusCode != want {
				t.Errorf("with %q %s answers %d %s, want %d", mode, method, res.StatusCode, body, want)
			}
		}
		if res, _ := registration(t, app, "GET", "/oauth2/register", "", ""); mode != latchkey.RegistrationOff && res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET answers %d", res.StatusCode)
		}
		if mode == latchkey.RegistrationOff { // what it says needs no database, and is in no record
			if n := app.Text(t, "SELECT count(*) FROM audit_log WHERE event_type = 'registration.refused'"); n != "0" {
				t.Errorf("%s refusals are recorded", n)
			}
		}
	}
}

// TestOpenRegistrationIsLimited: ten from one address in an hour, whatever became
// of them; others are not harmed, and a token has its own limits.
func TestOpenRegistrationIsLimited(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t, func(o *server.Options) {
		o.Registration = latchkey.RegistrationOpen
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	post := func(address, body string, headers ...string) *http.Response {
		res, _ := registration(t, app, "POST", "/oauth2/register", inJSON, body, append(headers, "X-Forwarded-For", address)...)
		return res
	}
	for i := range 10 {
		body, want := wikiRegistration, 201
		if i == 3 {
			body, want = `{}`, 400
		}
		if res := post("198.51.100.7", body); res.StatusCode != want {
			t.Fatalf("number %d answers %d, want %d", i, res.StatusCode, want)
		}
	}
	if res := post("198.51.100.7", wikiRegistration); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("the eleventh answers %d with Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	if res := post("198.51.100.8", wikiRegistration); res.StatusCode != http.StatusCreated {
		t.Errorf("another address answers %d", res.StatusCode)
	}
	token := initialToken(t, app)
	if res := post("198.51.100.7", wikiRegistration, "Authorization", "Bearer "+token); res.StatusCode != http.StatusCreated {
		t.Errorf("with a token it answers %d", res.StatusCode)
	}
	// Guessing a token is a failed authentication.
	for range 20 {
		if res := post("198.51.100.9", wikiRegistration, "Authorization", "Bearer lk_iat_x"); res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("a wrong token answers %d", res.StatusCode)
		}
	}
	if res := post("198.51.100.9", wikiRegistration, "Authorization", "Bearer lk_iat_x"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after 20 wrong tokens the next answers %d", res.StatusCode)
	}
}

// TestBodiesOfRegistration: too large, too deep, of another type (SECURITY case
// 106, CONTRACT 5.11).
func TestBodiesOfRegistration(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t, func(o *server.Options) { o.Registration, o.NoRateLimits = latchkey.RegistrationOpen, true })
	long := `{"redirect_uris":["https://wiki.example.com/callback"],"x":"` + strings.Repeat("a", 64<<10) + `"}`
	deep := `{"redirect_uris":["https://wiki.example.com/callback"],"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`
	for _, line := range [][2]string{{"POST", "/oauth2/register"}, {"PUT", "/oauth2/register/abc"}} {
		for _, c := range []struct {
			name, contentType, body string
			status                  int
		}{
			{"too large", inJSON, long, http.StatusRequestEntityTooLarge},
			{"too deep", inJSON, deep, http.StatusBadRequest},
			{"a form", "application/x-www-form-urlencoded", "redirect_uris=x", http.StatusUnsupportedMediaType},
			{"text", "text/plain", wikiRegistration, http.StatusUnsupportedMediaType},
			{"no type", "", wikiRegistration, http.StatusUnsupportedMediaType},
			{"another charset", "application/json; charset=utf-16", wikiRegistration, http.StatusUnsupportedMediaType},
		} {
			res, body := registration(t, app, line[0], line[1], c.contentType, c.body)
			if res.StatusCode != c.status || !strings.Contains(body, `"error":`) || res.Header.Get("Content-Type") != inJSON {
				t.Errorf("%s, %s: answers %d %s %s, want %d", line[0], c.name, res.StatusCode, res.Header.Get("Content-Type"), body, c.status)
			}
		}
	}
	if res, body := registration(t, app, "POST", "/oauth2/register", "application/json;charset=UTF-8", wikiRegistration); res.StatusCode != http.StatusCreated {
		t.Errorf("with a charset it answers %d %s", res.StatusCode, body)
	}
}

func readAll(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// initialToken makes an initial access token for ten applications.
func initialToken(t *testing.T, app *servertest.App) (raw string) {
	t.Helper()
	err := app.DB.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		raw, err = tx.CreateInitialToken(t.Context(), &latchkey.InitialToken{Name: "CI", Profile: latchkey.ProfileOIDC, MaxUses: 10}, time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
