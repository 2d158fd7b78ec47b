package server_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"latchkey"
	"latchkey/outbound/outboundtest"
	"latchkey/server"
	"latchkey/server/servertest"
)

// TestTheSignInPageShowsTheApplication is the conformance suite's modules
// oidcc-registration-logo-uri, -policy-uri and -tos-uri: an application registers
// itself, and at once the sign-in page that its request leads to shows its logo
// and links to its policy and its terms.
func TestTheSignInPageShowsTheApplication(t *testing.T) {
	t.Parallel()
	var logo bytes.Buffer
	if err := png.Encode(&logo, image.NewNRGBA(image.Rect(0, 0, 40, 20))); err != nil {
		t.Fatal(err)
	}
	host := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(logo.Bytes()) })
	app := servertest.Start(t, func(o *server.Options) {
		o.Registration, o.Outbound = latchkey.RegistrationOpen, outboundtest.Client(t, nil, outboundtest.Home)
	})
	document := `{"redirect_uris":["https://suite.example/callback"],"client_name":"Suite","logo_uri":"` + host + `/images/logo.png",
		"policy_uri":"https://suite.example/login.html","tos_uri":"https://openid.net/","contacts":["certification@suite.example"]}`
	res, body := registration(t, app, "POST", "/oauth2/register", inJSON, document)
	var made struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("registration answered %d %s, %v", res.StatusCode, body, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	open := func(address string) (*http.Response, string) {
		t.Helper()
		res, err := browser.Get(address)
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
	request := url.Values{"client_id": {made.ClientID}, "response_type": {"code"}, "redirect_uri": {"https://suite.example/callback"}, "scope": {"openid"}, "state": {"s"}}
	res, page := open(app.URL + "/oauth2/authorize?" + request.Encode())
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/login" {
		t.Fatalf("the request leads to %s: %d", res.Request.URL, res.StatusCode)
	}
	for _, want := range []string{`href="https://suite.example/login.html"`, `href="https://openid.net/"`, "certification@suite.example"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	shown := regexp.MustCompile(`<img src="(/logos/[0-9a-f]{64}\.png)"`).FindStringSubmatch(page)
	if shown == nil || strings.Contains(page, host) {
		t.Fatalf("the page shows no logo of ours: %s", page)
	}
	res, body = open(app.URL + shown[1])
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/png" || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(res.Header.Get("Cache-Control"), "immutable") || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the logo answers %d %v", res.StatusCode, res.Header)
	}
	if _, err := png.Decode(strings.NewReader(body)); err != nil {
		t.Error(err)
	}
	if res, _ := open(app.URL + "/logos/" + strings.Repeat("0", 64) + ".png"); res.StatusCode != http.StatusNotFound || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("an unknown logo answers %d %v", res.StatusCode, res.Header)
	}
}
