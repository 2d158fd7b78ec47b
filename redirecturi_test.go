package latchkey_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestRedirectURIs: which are right for whom, and what is said of the others.
// The text begins with the address and says what to write instead.
func TestRedirectURIs(t *testing.T) {
	t.Parallel()
	const everyone, device, nobody = "everyone", "native", ""
	for _, uri := range []struct{ uri, whom, says string }{
		{"https://app.example.com/callback", everyone, ""},
		{"https://app.example.com", everyone, ""},
		{"https://app.example.com:8443/cb?tenant=a&x=%20", everyone, ""},
		{"https://192.0.2.7/cb", everyone, ""},
		{"https://[2001:db8::1]:8443/cb", everyone, ""},
		{"https://xn--bcher-kva.example/cb", everyone, ""},
		{"http://localhost:3000/cb", everyone, ""},
		{"http://127.0.0.1/cb", everyone, ""},
		{"http://[::1]:8000/cb", everyone, ""},
		{"com.example.app:/callback", device, "native"},
		{"com.example.app://callback", device, "native"},

		{"", nobody, "An empty line"},
		{"/callback", nobody, "full address"},
		{"app.example.com/callback", nobody, "full address"},
		{"//app.example.com/cb", nobody, "full address"},
		{"http://app.example.com/cb", nobody, "use https"},
		{"http://localhost.example.com/cb", nobody, "use https"},
		{"http://127.0.0.2/cb", nobody, "use https"},
		{"http://[::2]/cb", nobody, "use https"},
		{"javascript:alert(1)", nobody, "never allowed"},
		{"JavaScript:alert(1)", nobody, "lower case"},
		{"data:text/html,hello", nobody, "never allowed"},
		{"vbscript:x", nobody, "never allowed"},
		{"myapp:/callback", nobody, ""},
		{"urn:ietf:wg:oauth:2.0:oob", nobody, ""},
		{"file:///etc/passwd", nobody, ""},
		{"com.example.app:callback", nobody, ""},
		{"com.example.app://", nobody, ""},
		{"com.example.app://?x=1", nobody, ""},
		{"com.example.app://me@callback", nobody, ""},
		{"https://app.example.com/cb#top", nobody, "fragment"},
		{"https://app.example.com/cb#", nobody, "fragment"},
		{"https://me@app.example.com/cb", nobody, "user name"},
		{"https://me:you@app.example.com/cb", nobody, "user name"},
		{"https://@app.example.com/cb", nobody, "user name"},
		{"https://*.example.com/cb", nobody, "wildcards"},
		{"https://app.example.com/*", nobody, "wildcards"},
		{"https:///cb", nobody, "no host"},
		{"https:cb", nobody, "no host"},
		{"https://:8443/cb", nobody, "no host"},
		{"https://App.example.com/cb", nobody, "lower case: app.example.com"},
		{"HTTPS://app.example.com/cb", nobody, "lower case: https://app.example.com/cb"},
		{"https://app.example.com:0/cb", nobody, "port"},
		{"https://app.example.com:65536/cb", nobody, "port"},
		{"https://app.example.com:/cb", nobody, "port"},
		{"https://app.example.com:0443/cb", nobody, "port"},
		{"https://app.example.com:x/cb", nobody, "full address"},
		{"https://bücher.example/cb", nobody, "xn--"},
		{"https://b%C3%BCcher.example/cb", nobody, "xn--"},
		{"https://app.example.com;evil.example/cb", nobody, "looked up"},
		{"https://app.example.com\\@evil.example/cb", nobody, "%XX"},
		{"https://app.example.com/c b", nobody, "space"},
		{" https://app.example.com/cb", nobody, "space"},
		{"https://app.example.com/cb\x00", nobody, "control"},
		{"https://app.example.com/c\tb", nobody, "control"},
		{"https://app.example.com/<b>", nobody, "%XX"},
		{"https://app.example.com/cb?code=1", nobody, "code"},
		{"https://app.example.com/cb?a=b&state=1", nobody, "state"},
		{"https://app.example.com/cb?iss=x", nobody, "iss"},
		{"https://app.example.com/cb?%65rror=x", nobody, "error"},
		{"https://app.example.com/" + strings.Repeat("a", 2000), nobody, "2000"},
	} {
		for typ, right := range map[string]bool{"web": uri.whom == everyone, "spa": uri.whom == everyone, "native": uri.whom != nobody} {
			c := wiki(typ)
			c.RedirectURIs = []string{uri.uri}
			err := c.Check()
			what := fields(t, err)["redirect_uris"]
			switch {
			case right && err != nil:
				t.Errorf("%q of %s: refused: %v", uri.uri, typ, fields(t, err))
			case !right && (what == "" || !strings.Contains(what, uri.says)):
				t.Errorf("%q of %s: got %q, want a refusal with %q", uri.uri, typ, what, uri.says)
			}
		}
	}
}

// TestAWrongAddressIsNamed: of several, each wrong one is named with what to
// write, and the right ones are not.
func TestAWrongAddressIsNamed(t *testing.T) {
	t.Parallel()
	c := wiki(latchkey.TypeWeb)
	c.RedirectURIs = []string{"http://one.example/cb", "https://right.example/cb", "https://two.example/cb#x"}
	what := fields(t, c.Check())["redirect_uris"]
	if !strings.Contains(what, "http://one.example/cb: use https") || !strings.Contains(what, "https://two.example/cb#x: an address with a fragment") || strings.Contains(what, "right.example") {
		t.Errorf("the refusal says %q", what)
	}
}

func TestAddressesAfterSignOut(t *testing.T) {
	t.Parallel()
	for uri, right := range map[string]bool{
		"https://app.example.com/": true, "http://localhost:3000": true, "https://app.example.com/bye?code=1": true,
		"http://app.example.com/": false, "https://app.example.com/#": false, "com.example.app:/bye": false, "https://*.example.com/": false,
	} {
		c := wiki(latchkey.TypeWeb)
		c.PostLogoutRedirectURIs = []string{uri}
		if got := fields(t, c.Check()); (got == nil) != right || got != nil && got["post_logout_redirect_uris"] == "" {
			t.Errorf("%s: got %v, want right = %v", uri, got, right)
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for origin, says := range map[string]string{
		"https://app.example.com":       "",
		"https://app.example.com:8443":  "",
		"http://localhost:3000":         "",
		"https://app.example.com/":      "https://app.example.com",
		"https://app.example.com/x":     "https://app.example.com",
		"https://app.example.com:443":   "https://app.example.com",
		"https://app.example.com?x":     "https://app.example.com",
		"http://app.example.com":        "use https",
		"https://APP.example.com":       "lower case",
		"*":                             "wildcards",
		"https://*.example.com":         "wildcards",
		"null":                          "scheme and host",
		"com.example.app:/":             "scheme and host",
		"https://me@app.example.com":    "user name",
		"app.example.com":               "scheme and host",
		"https://app.example.com#":      "fragment",
		"https://app.example.com:99999": "port",
	} {
		c := wiki(latchkey.TypeWeb)
		c.AllowedCORSOrigins = []string{origin}
		got := fields(t, c.Check())
		if says == "" && got != nil || says != "" && !strings.Contains(got["allowed_cors_origins"], says) {
			t.Errorf("%s: got %v, want %q", origin, got, says)
		}
	}
	c := wiki(latchkey.TypeSPA)
	c.RedirectURIs = []string{"https://app.example.com:443/cb", "http://localhost:3000/cb", "https://app.example.com/other"}
	c.AllowedCORSOrigins = []string{"https://more.example.com"}
	if diff := cmp.Diff([]string{"https://more.example.com", "https://app.example.com", "http://localhost:3000"}, c.Origins()); diff != "" {
		t.Errorf("origins of a browser app:\n%s", diff)
	}
	c.Type = latchkey.TypeWeb
	if diff := cmp.Diff([]string{"https://more.example.com"}, c.Origins()); diff != "" {
		t.Errorf("origins of a server app:\n%s", diff)
	}
}

// FuzzRedirectURI: whatever is let through begins as a browser expects it, and
// holds nothing that software reads in two ways.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{"https://app.example.com/cb", "http://127.0.0.1:9/cb", "com.example.app:/cb", "https://a@b/#", "javascript:x", "http:\\\\a",
		"https://a.example/%zz", "https://a.example:443?", "https://[::1%25eth0]/", "com.example.app:///cb", "https://a.example/;x=1?a=b&a=b"} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, uri string, native bool) {
		if latchkey.RedirectURIProblem(uri, native) != "" {
			return
		}
		web := strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://localhost") ||
			strings.HasPrefix(uri, "http://127.0.0.1") || strings.HasPrefix(uri, "http://[::1]")
		scheme, rest, _ := strings.Cut(uri, ":")
		if !web && !(native && strings.Contains(scheme, ".") && strings.HasPrefix(rest, "/")) {
			t.Errorf("%q was let through", uri)
		}
		u, err := url.Parse(uri)
		if err != nil || u.String() != uri || latchkey.RedirectURIProblem(u.String(), native) != "" {
			t.Errorf("%q was let through and is %v in another spelling: %v", uri, u, err)
		}
		authority, _, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "/")
		if strings.ContainsAny(uri, "#*\\ \r\n") || web && strings.Contains(strings.SplitN(authority, "?", 2)[0], "@") {
			t.Errorf("%q was let through", uri)
		}
	})
}
