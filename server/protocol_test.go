package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/server/servertest"
)

// ask sends one request without following anything; headers come in pairs.
func ask(t *testing.T, method, address, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}

const formType = "application/x-www-form-urlencoded"

// CONTRACT 5.11 and SECURITY cases 32 and 106: the wrong method, kind or size
// of body is refused before anything is looked at, in the words of OAuth.
func TestProtocolAddressesTakeWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	registerClient(t, app, callback)
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
		many := strings.Repeat("a=1&", 200) + "a=1"
		for name, c := range map[string]struct {
			method, query, kind, body string
			status                    int
		}{
			"GET":              {method: "GET", query: "?grant_type=client_credentials", status: 405},
			"PUT":              {method: "PUT", kind: formType, body: "a=1", status: 405},
			"JSON":             {method: "POST", kind: "application/json", body: `{"grant_type":"client_credentials"}`, status: 415},
			"multipart":        {method: "POST", kind: "multipart/form-data; boundary=x", body: "--x--\r\n", status: 415},
			"text":             {method: "POST", kind: "text/plain", body: "grant_type=client_credentials", status: 415},
			"no type":          {method: "POST", body: "grant_type=client_credentials", status: 415},
			"another charset":  {method: "POST", kind: formType + "; charset=utf-16", body: "a=1", status: 415},
			"64 KiB and one":   {method: "POST", kind: formType, body: "a=" + strings.Repeat("x", 64<<10-1), status: 413},
			"too many":         {method: "POST", kind: formType, body: many, status: 400},
			"unreadable":       {method: "POST", kind: formType, body: "a=%zz", status: 400},
			"in the query":     {method: "POST", query: "?client_id=wiki", kind: formType, body: "grant_type=client_credentials", status: 400},
			"token in a query": {method: "POST", query: "?access_token=x", kind: formType, body: "token=x", status: 400},
			"doubled":          {method: "POST", kind: formType, body: "client_id=wiki&client_id=wiki", status: 400},
		} {
			res, body := ask(t, c.method, app.URL+path+c.query, c.body, "Content-Type", c.kind)
			if res.StatusCode != c.status || !strings.Contains(body, `"error":"invalid_request"`) {
				t.Errorf("%s, %s: answered %d %s, want %d", path, name, res.StatusCode, body, c.status)
			}
			if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s, %s: headers %v", path, name, res.Header)
			}
			if c.status == 405 && !strings.Contains(res.Header.Get("Allow"), "POST") {
				t.Errorf("%s, %s: Allow is %q", path, name, res.Header.Get("Allow"))
			}
		}
		// One byte less goes as far as asking who it is.
		res, body := ask(t, "POST", app.URL+path, "a="+strings.Repeat("x", 64<<10-2), "Content-Type", formType+"; charset=UTF-8")
		if res.StatusCode != 401 || !strings.Contains(body, `"error":"invalid_client"`) {
			t.Errorf("%s, 64 KiB: answered %d %s", path, res.StatusCode, body)
		}
	}
}

// CONTRACT 4: an address that is not built answers 404 and is not advertised.
func TestAddressesThatAreNotBuilt(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	_, discovery := ask(t, "GET", app.URL+"/.well-known/openid-configuration", "")
	for _, path := range []string{"/oauth2/device_authorization", "/oauth2/bc-authorize", "/device"} {
		for _, method := range []string{"GET", "POST"} {
			if res, _ := ask(t, method, app.URL+path, ""); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s answered %d", method, path, res.StatusCode)
			}
		}
		if strings.Contains(discovery, path+`"`) {
			t.Errorf("%s is advertised", path)
		}
	}
}

// CONTRACT 5.12 and SECURITY case 82.
func TestCORSOfApplications(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	client := func(id, kind, redirect string, change ...func(*latchkey.Client)) {
		registerClient(t, app, redirect, append([]func(*latchkey.Client){func(c *latchkey.Client) {
			c.ID, c.Type, c.AuthMethod = id, kind, latchkey.AuthNone
		}}, change...)...)
	}
	client("spa", "spa", "https://spa.example.com/callback")
	client("bare", "spa", "https://bare.example.com?x=1")
	client("local", "spa", "http://127.0.0.1:5173/callback")
	client("listed", "spa", "https://listed.example.com/callback", func(c *latchkey.Client) { c.AllowedCORSOrigins = []string{"https://cdn.example.com"} })
	client("web", "web", "https://web.example.com/callback")
	client("off", "spa", "https://off.example.com/callback", func(c *latchkey.Client) { c.Enabled = false })
	trusted, foreign := []string{"https://spa.example.com", "https://bare.example.com", "http://127.0.0.1:5173", "https://listed.example.com", "https://cdn.example.com"},
		[]string{"https://web.example.com", "https://off.example.com", "https://evil.example", "null", "https://spa.example.com.evil.example", "https://spa.example.co",
			"http://spa.example.com", "https://SPA.example.com", "https://spa.example.com:443", "http://127.0.0.1:5174", "http://127.0.0.1", "https:", "https:/", "https://", "https://x@spa.example.com"}
	want := map[string]string{}
	for _, origin := range trusted {
		want[origin] = origin
	}
	for _, origin := range append(trusted, foreign...) {
		for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"} {
			for _, method := range []string{"OPTIONS", "POST"} {
				res, _ := ask(t, method, app.URL+path, "", "Origin", origin, "Content-Type", formType)
				if got := res.Header.Get("Access-Control-Allow-Origin"); got != want[origin] {
					t.Errorf("%s %s from %s: allows %q", method, path, origin, got)
				}
				if res.Header.Get("Access-Control-Allow-Credentials") != "" || res.Header.Get("Vary") != "Origin" {
					t.Errorf("%s %s from %s: headers %v", method, path, origin, res.Header)
				}
			}
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			res, _ := ask(t, method, app.URL+path, "", "Origin", "https://anybody.example")
			if res.StatusCode >= 300 || res.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s %s: %d, allows %q", method, path, res.StatusCode, res.Header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
	for _, path := range []string{"/oauth2/authorize", "/oauth2/introspect", "/oauth2/logout", "/consent", "/login", "/api/v1/openapi.json", "/api/v1/session/logout"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			if res, _ := ask(t, method, app.URL+path, "", "Origin", "https://spa.example.com"); res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s allows %q", method, path, res.Header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
	// What is remembered follows the applications.
	if err := app.DB.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	allowed := func() string {
		res, _ := ask(t, "OPTIONS", app.URL+"/oauth2/token", "", "Origin", "https://spa.example.com")
		return res.Header.Get("Access-Control-Allow-Origin")
	}
	for range 2 {
		if allowed() == "" {
			t.Error("not allowed from memory")
		}
	}
	app.Exec(t, `UPDATE clients SET enabled = false WHERE id = 'spa'`)
	app.Exec(t, `UPDATE cache_version SET version = version + 1 WHERE name = 'clients'`)
	if err := app.DB.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := allowed(); got != "" {
		t.Errorf("allowed after it was switched off: %q", got)
	}
}

// CONTRACT 5.13: what never changes is known by its tag, and may be kept.
func TestDocumentsAreKnownByTheirTag(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
		res, body := ask(t, "GET", app.URL+path, "")
		tag := res.Header.Get("ETag")
		if res.StatusCode != 200 || tag == "" || res.Header.Get("Cache-Control") != "public, max-age=3600" || body == "" {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
		for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200} {
			again, rest := ask(t, "GET", app.URL+path, "", "If-None-Match", header)
			if again.StatusCode != status || status == 304 && rest != "" || again.Header.Get("ETag") != tag || again.Header.Get("Cache-Control") != "public, max-age=3600" {
				t.Errorf("%s, If-None-Match %s: %d %v", path, header, again.StatusCode, again.Header)
			}
		}
		if head, rest := ask(t, "HEAD", app.URL+path, ""); head.StatusCode != 200 || rest != "" || head.Header.Get("ETag") != tag {
			t.Errorf("HEAD %s: %d %v", path, head.StatusCode, head.Header)
		}
		if post, _ := ask(t, "POST", app.URL+path, ""); post.StatusCode != 405 {
			t.Errorf("POST %s: %d", path, post.StatusCode)
		}
	}
}

// SECURITY case 53: a token in an address is refused, and stands in no log.
func TestTokenInAnAddress(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	for _, path := range []string{"/oauth2/userinfo?access_token=x", "/oauth2/userinfo?access_token=", "/oauth2/userinfo?a=1&access_token=x"} {
		for _, method := range []string{"GET", "POST"} {
			res, body := ask(t, method, app.URL+path, "")
			if res.StatusCode != 400 || !strings.Contains(body, "invalid_request") || !strings.Contains(res.Header.Get("WWW-Authenticate"), `error="invalid_request"`) {
				t.Errorf("%s %s answered %d %s", method, path, res.StatusCode, body)
			}
		}
	}
	for _, c := range []struct{ kind, body string }{{"application/json", `{"access_token":"x"}`}, {"multipart/form-data; boundary=x", "--x--\r\n"}} {
		if res, body := ask(t, "POST", app.URL+"/oauth2/userinfo", c.body, "Content-Type", c.kind); res.StatusCode != 415 {
			t.Errorf("%s: answered %d %s", c.kind, res.StatusCode, body)
		}
	}
	form := url.Values{"access_token": {"x", "x"}}.Encode()
	if res, body := ask(t, "POST", app.URL+"/oauth2/userinfo", form, "Content-Type", formType); res.StatusCode != 400 {
		t.Errorf("doubled: answered %d %s", res.StatusCode, body)
	}
	if res, _ := ask(t, "DELETE", app.URL+"/oauth2/userinfo", ""); res.StatusCode != 405 || !strings.Contains(fmt.Sprint(res.Header["Allow"]), "POST") {
		t.Errorf("DELETE answered %d %v", res.StatusCode, res.Header["Allow"])
	}
}

// members are those of a JSON object.
func members(t *testing.T, body string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("not JSON: %s", body)
	}
	return m
}
