package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"latchkey"
)

// FuzzAuthorize sends strangers' parameters to the real address, by GET and as a
// form, from a browser that is signed in: the answer is a page, a step of ours,
// or a redirect to the registered address; never a fault.
func FuzzAuthorize(f *testing.F) {
	w := newWorld(f)
	a := w.app(f, "wiki")
	w.app(f, "phone", func(c *latchkey.Client) {
		c.Type, c.AuthMethod, c.Profile = latchkey.TypeNative, latchkey.AuthNone, latchkey.ProfileOAuth21
		c.RedirectURIs = []string{"http://127.0.0.1/cb", "com.example.app:/cb"}
	})
	b := w.browser().signIn(f, w.user(f, "alice"))
	good := a.params().Encode()
	for _, more := range []string{"", "&state=", "&state=a&state=b", "&prompt=none", "&prompt=login+consent", "&max_age=0", "&max_age=18446744073709551615",
		"&id_token_hint=x.y.z", "&redirect_uri=https://evil.example", "&client_id=phone", "&request=x", "&a=%00", "&a=%ff", "&%zz", "&scope=openid+openid", "&login_hint=" + strings.Repeat("é", 400)} {
		f.Add(good+more, "", false)
		f.Add(good, strings.TrimPrefix(more, "&"), true)
	}
	f.Add("client_id=phone&response_type=code&scope=openid&redirect_uri=http://127.0.0.1:1/cb&code_challenge="+challenge()+"&code_challenge_method=S256", "", false)
	f.Add("request="+strings.Repeat("A", 43), "", false)
	f.Add("", good, true)
	f.Fuzz(func(t *testing.T, query, body string, post bool) {
		method := http.MethodGet
		if post {
			method = http.MethodPost
		}
		r, err := http.NewRequest(method, w.issuer+"/oauth2/authorize", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.URL.RawQuery = query; strings.ContainsFunc(query, func(c rune) bool { return c <= ' ' || c == 0x7f }) || len(query) > 8000 {
			return // no HTTP request
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got := b.do(t, r)
		switch got.status {
		case http.StatusBadRequest:
			if !strings.HasPrefix(got.body, "page ") || got.header.Get("Location") != "" {
				t.Fatalf("%s ?%q %q: 400 %s", method, query, body, got.body)
			}
		case http.StatusSeeOther:
			wantOwnAddress(t, w, got)
		default:
			t.Fatalf("%s ?%q %q: %d %s", method, query, body, got.status, got.body)
		}
	})
}

// wantOwnAddress checks that an answer leads to a step of ours, or with all it
// has to have to an address that is registered.
func wantOwnAddress(t *testing.T, w *world, got *answer) {
	t.Helper()
	to := got.location(t)
	if !to.IsAbs() && to.Host == "" {
		if !slices.Contains([]string{"/login", "/consent", "/oauth2/authorize"}, to.Path) || to.Query().Get("request") == "" {
			t.Fatalf("the answer leads to %v", to)
		}
		return
	}
	q := to.Query()
	wiki := to.Scheme == "https" && to.Host == "wiki.example.com" && to.Path == "/callback" && q.Get("keep") == "1"
	phone := to.Scheme == "http" && to.Hostname() == "127.0.0.1" && to.Path == "/cb" || to.Scheme == "com.example.app" && to.Host == "" && to.Path == "/cb"
	if !wiki && !phone || to.User != nil || to.Fragment != "" {
		t.Fatalf("the answer leads to %v", to)
	}
	if len(q["iss"]) != 1 || q.Get("iss") != w.issuer || len(q["code"])+len(q["error"]) != 1 || len(q["state"]) > 1 {
		t.Fatalf("the answer is %v", q)
	}
}

// FuzzToken sends strangers' headers and forms to the token endpoint and its
// neighbours: they are refused in the words of the RFCs, and nothing is given.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	a := w.app(f, "wiki")
	public := w.app(f, "phone", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	tk := a.tokens(f, w.browser().signIn(f, w.user(f, "alice")))
	known := []string{a.secret, tk.access, tk.refresh, tk.id}
	for _, body := range []string{"grant_type=authorization_code&code=x", "grant_type=refresh_token&refresh_token=lk_rt_x", "grant_type=client_credentials",
		"token=x&token_type_hint=refresh_token", "token=eyJhbGciOiJub25lIn0.e30.", "grant_type=a&grant_type=b", "grant_type=%00", "client_secret=x", "a=;b", "%zz", ""} {
		for _, path := range []string{"token", "introspect", "revoke", "userinfo"} {
			f.Add(path, "Basic d2lraTp4", body)
			f.Add(path, "", "client_id="+public.ID+"&"+body)
			f.Add(path, "Bearer x", body)
		}
	}
	f.Fuzz(func(t *testing.T, path, authorization, body string) {
		if !slices.Contains([]string{"token", "introspect", "revoke", "userinfo"}, path) || strings.ContainsFunc(authorization, func(c rune) bool { return c < ' ' || c > '~' }) {
			return
		}
		for _, secret := range known {
			if strings.Contains(authorization+body, secret) {
				return // no stranger
			}
		}
		r, err := http.NewRequest(http.MethodPost, w.issuer+"/oauth2/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		got := w.browser().do(t, r)
		form, _ := url.ParseQuery(body)
		if path == "revoke" && got.status == http.StatusOK && form.Get("client_id") == public.ID && form.Get("token") != "" {
			return // what nobody knows is revoked already (RFC 7009 §2.2)
		}
		if code, _ := got.json(t)["error"].(string); got.status < 400 || got.status > 499 || code == "" {
			t.Fatalf("%s %q %q: %d %s", path, authorization, body, got.status, got.body)
		}
	})
}
