package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage/storagetest"
)

// Tokens that are none, or not any more, each with one thing wrong (SECURITY
// case 49).
func TestTokensThatDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	sign := func(typ string, change func(map[string]any)) string {
		claims := claimsIn(t, a.tokens(t, b).access)
		change(claims)
		token, err := w.keys.Sign(latchkey.ES256, typ, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	nothing := func(map[string]any) {}
	if got := w.userinfo(t, sign(keys.TypeAccessToken, nothing)); got.status != 200 {
		t.Fatalf("the untouched token answered %d", got.status)
	}
	for name, token := range map[string]string{
		"ID token":         a.tokens(t, b).id,
		"refresh token":    a.tokens(t, b).refresh,
		"type of ID token": sign(keys.TypeJWT, nothing),
		"expired":          sign(keys.TypeAccessToken, func(m map[string]any) { m["exp"] = time.Now().Add(-time.Second).Unix() }),
		"no end":           sign(keys.TypeAccessToken, func(m map[string]any) { delete(m, "exp") }),
		"another issuer":   sign(keys.TypeAccessToken, func(m map[string]any) { m["iss"] = "https://evil.example" }),
		"another audience": sign(keys.TypeAccessToken, func(m map[string]any) { m["aud"] = "https://api.example.com" }),
		"audience others":  sign(keys.TypeAccessToken, func(m map[string]any) { m["aud"] = []string{"https://api.example.com", "wiki"} }),
		"another client":   sign(keys.TypeAccessToken, func(m map[string]any) { m["client_id"] = "other" }),
		"no jti":           sign(keys.TypeAccessToken, func(m map[string]any) { delete(m, "jti") }),
		"grant of nobody":  sign(keys.TypeAccessToken, func(m map[string]any) { m["jti"] = strings.Repeat("A", 42) + "E" }),
		"alg none":         "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + strings.Split(a.tokens(t, b).access, ".")[1] + ".",
		"signature cut":    strings.Join(strings.Split(a.tokens(t, b).access, ".")[:2], ".") + ".",
		"empty":            "",
	} {
		before := w.events(t, latchkey.TokenRefused, "")
		got := w.userinfo(t, token)
		wantFault(t, got, 401, "invalid_token")
		if n := w.events(t, latchkey.TokenRefused, ""); n != before+1 {
			t.Errorf("%s: %d events", name, n-before)
		}
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="latchkey", error="invalid_token"`) {
			t.Errorf("%s: WWW-Authenticate is %q", name, got.header.Get("WWW-Authenticate"))
		}
		if token != "" && a.active(t, token) && name != "refresh token" && name != "another audience" {
			t.Errorf("%s: active", name)
		}
	}
}

// TestTokensOfARetiredKey: what a key signed is good as long as the key is
// published, and not a moment longer, also where it was good before.
func TestTokensOfARetiredKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	token := a.tokens(t, b).access
	use := func(when string, status int, active bool) {
		t.Helper()
		for range 2 {
			if got := w.userinfo(t, token); got.status != status {
				t.Errorf("%s: userinfo answered %d, want %d", when, got.status, status)
			}
			if got := a.active(t, token); got != active {
				t.Errorf("%s: active is %v", when, got)
			}
		}
	}
	use("fresh", 200, true)
	kid := storagetest.Value[string](t, w.url, `SELECT kid FROM signing_keys WHERE alg = 'ES256'`)
	if err := w.keys.Rotate(t.Context(), []string{latchkey.ES256}, true); err != nil {
		t.Fatal(err)
	}
	use("after the rotation", 200, true)
	if err := w.keys.Retire(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	use("after the key's end", 401, false)
	token = a.tokens(t, b).access
	use("with the new key", 200, true)
}

// SECURITY cases 49 and 53.
func TestUserinfoWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	tk := a.tokens(t, b, "scope", "openid profile email")
	nobody := w.browser()
	header := func(method string, body url.Values, values ...string) *answer {
		r, err := http.NewRequest(method, w.issuer+"/oauth2/userinfo", nil)
		if body != nil {
			r = w.form(t, "/oauth2/userinfo", body)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = values
		return nobody.do(t, r)
	}
	for name, got := range map[string]*answer{
		"GET":          header("GET", nil, "Bearer "+tk.access),
		"POST, header": header("POST", nil, "Bearer "+tk.access),
		"POST, body":   nobody.post(t, "/oauth2/userinfo", url.Values{"access_token": {tk.access}}),
		"odd case":     header("GET", nil, "bEARER "+tk.access),
	} {
		m := got.json(t)
		if got.status != 200 || m["sub"] != alice.Subject || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered %d %s", name, got.status, got.body)
		}
		// Not verified, so not told.
		if _, told := m["email"]; told {
			t.Errorf("%s: tells an address that nobody verified", name)
		}
		if _, told := m["groups"]; told {
			t.Errorf("%s: tells groups that were not asked for", name)
		}
	}
	wantFault(t, header("GET", nil), 401, "invalid_token")
	wantFault(t, header("GET", nil, "Basic "+tk.access), 401, "invalid_token")
	wantFault(t, header("GET", nil, "Bearer "+tk.access, "Bearer "+tk.access), 400, "invalid_request")
	wantFault(t, header("POST", url.Values{"access_token": {tk.access}}, "Bearer "+tk.access), 400, "invalid_request")
	wantFault(t, nobody.get(t, "/oauth2/userinfo?access_token="+tk.access), 400, "invalid_request")
	plain := a.tokens(t, b, "scope", "profile")
	if plain.id != "" {
		t.Error("an ID token without openid")
	}
	got := w.userinfo(t, plain.access)
	wantFault(t, got, 403, "insufficient_scope")
	w.sql(t, `UPDATE users SET status = 'disabled'`)
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	for reason, want := range map[string]int{"invalid_token": 2, "repeated_parameter": 2, "parameters_in_query": 1, "insufficient_scope": 1, "user_disabled": 1} {
		if n := w.events(t, latchkey.TokenRefused, reason); n != want {
			t.Errorf("%d events of reason %s, want %d", n, reason, want)
		}
	}
	if !strings.Contains(got.header.Get("WWW-Authenticate"), `scope="openid"`) {
		t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
	}
}
