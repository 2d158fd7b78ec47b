package oidc_test

import (
	"net/http"
	"testing"

	"latchkey"
)

// SECURITY case 2.
func TestAuthorizeRedirectURIIsComparedByteByByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	two := w.app(t, "two", func(c *latchkey.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://two.example.com/") })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for name, uri := range map[string]string{
		"case":            "https://wiki.example.com/Callback?keep=1",
		"case of host":    "https://WIKI.example.com/callback?keep=1",
		"final slash":     "https://wiki.example.com/callback/?keep=1",
		"extra query":     callback + "&x=1",
		"other query":     "https://wiki.example.com/callback?keep=2",
		"no query":        "https://wiki.example.com/callback",
		"port":            "https://wiki.example.com:443/callback?keep=1",
		"encoding":        "https://wiki.example.com/%63allback?keep=1",
		"dots":            "https://wiki.example.com/x/../callback?keep=1",
		"user info":       "https://evil@wiki.example.com/callback?keep=1",
		"fragment":        callback + "#f",
		"prefix":          "https://wiki.example.com.evil.example/callback?keep=1",
		"white space":     callback + " ",
		"not web":         "javascript:alert(1)",
		"loopback of web": "http://127.0.0.1:9/callback",
	} {
		if got := b.get(t, a.request("redirect_uri", uri)); got.status != 400 || got.body != "page bad_redirect_uri" || got.header.Get("Location") != "" {
			t.Errorf("%s: answered %d %s %s", name, got.status, got.header.Get("Location"), got.body)
		}
	}
	wantPage(t, b.get(t, two.request("redirect_uri", "")), 400, "bad_redirect_uri")
	if n := w.events(t, latchkey.AuthorizationRefused, "bad_redirect_uri"); n != 16 {
		t.Errorf("%d events", n)
	}
	w.noGrant(t)
	// The only registered one may stay away; then it does at the token endpoint too.
	code := a.code(t, b, "redirect_uri", "")
	if got := a.exchange(t, code, "redirect_uri", ""); got.status != 200 {
		t.Errorf("without redirect_uri: %d %s", got.status, got.body)
	}
}

func TestAuthorizeLoopbackOfNativeClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	native := w.app(t, "native", func(c *latchkey.Client) {
		c.Type, c.AuthMethod, c.Profile = "native", latchkey.AuthNone, latchkey.ProfileOAuth21
		c.RedirectURIs = []string{"http://127.0.0.1/cb", "http://[::1]/cb?x=1", "http://localhost/cb", "https://127.0.0.1/cb", "com.example.app:/cb"}
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	for uri, ok := range map[string]bool{
		"http://127.0.0.1:49152/cb":       true,
		"http://127.0.0.1/cb":             true,
		"http://[::1]:7/cb?x=1":           true,
		"com.example.app:/cb":             true,
		"http://[::1]:7/cb":               false,
		"http://127.0.0.1:49152/cb?x=1":   false,
		"http://127.0.0.1:49152/other":    false,
		"http://127.0.0.1:x/cb":           false,
		"http://127.0.0.1:/cb":            false,
		"http://127.0.0.1:99999/cb":       false,
		"http://127.0.0.1:080/cb":         false,
		"http://127.0.0.1:1@evil.test/cb": false,
		"http://user@127.0.0.1:1/cb":      false,
		"http://127.0.0.1.evil.test/cb":   false,
		"http://127.0.0.2:1/cb":           false,
		"http://localhost:1/cb":           false,
		"https://127.0.0.1:1/cb":          false,
		"http://127.0.0.1:1\\@evil/cb":    false,
	} {
		got := b.get(t, native.request("redirect_uri", uri))
		if redirected := got.status == http.StatusSeeOther; redirected != ok {
			t.Errorf("%s: answered %d %s", uri, got.status, got.body)
		}
	}
}
