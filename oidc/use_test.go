package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
)

// SECURITY case 47.
func TestIntrospectionNeedsAConfidentialClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	tk := a.tokens(t, w.browser().signIn(t, w.user(t, "alice")))
	form := url.Values{"token": {tk.access}}
	anonymous := w.browser().post(t, "/oauth2/introspect", form)
	wantFault(t, anonymous, 401, "invalid_client")
	wantFault(t, public.call(t, "/oauth2/introspect", form), 401, "invalid_client")
	wrong := *a
	wrong.secret = "x"
	wantFault(t, wrong.call(t, "/oauth2/introspect", form), 401, "invalid_client")
	if strings.Contains(anonymous.body, "active") || strings.Contains(anonymous.body, "alice") {
		t.Errorf("it says something: %s", anonymous.body)
	}
	wantFault(t, a.call(t, "/oauth2/introspect", url.Values{}), 400, "invalid_request")
}

func TestIntrospectionAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other")
	gateway := w.app(t, "gateway", func(c *latchkey.Client) { c.Introspects = true })
	alice := w.user(t, "alice")
	tk := a.tokens(t, w.browser().signIn(t, alice))
	got := a.call(t, "/oauth2/introspect", url.Values{"token": {tk.access}, "token_type_hint": {"refresh_token"}}).json(t)
	claims := claimsIn(t, tk.access)
	want := map[string]any{"active": true, "sub": alice.Subject, "client_id": "wiki", "token_type": "Bearer", "aud": w.issuer, "iss": w.issuer,
		"scope": "openid profile email groups offline_access", "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"],
		"acr": "phr", "amr": []any{"pop", "user", "mfa"}, "auth_time": claims["auth_time"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !gateway.active(t, tk.access) || !gateway.active(t, tk.refresh) || !a.active(t, tk.refresh) {
		t.Error("who may know does not")
	}
	for _, token := range []string{tk.access, tk.refresh} {
		if got := other.call(t, "/oauth2/introspect", url.Values{"token": {token}}); got.body != `{"active":false}` {
			t.Errorf("another client learns %s", got.body)
		}
	}
	for _, token := range []string{tk.id, "garbage", "lk_rt_x", strings.Repeat("a.", 9000), tk.access[:len(tk.access)-4] + "AAAA"} {
		if got := gateway.call(t, "/oauth2/introspect", url.Values{"token": {token}}); got.status != 200 || got.body != `{"active":false}` {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
}

// bearerTokens are tokens that are none, or not any more.
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
		"another client":   sign(keys.TypeAccessToken, func(m map[string]any) { m["client_id"] = "other" }),
		"no jti":           sign(keys.TypeAccessToken, func(m map[string]any) { delete(m, "jti") }),
		"grant of nobody":  sign(keys.TypeAccessToken, func(m map[string]any) { m["jti"] = strings.Repeat("A", 42) + "E" }),
		"alg none":         "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + strings.Split(a.tokens(t, b).access, ".")[1] + ".",
		"signature cut":    strings.Join(strings.Split(a.tokens(t, b).access, ".")[:2], ".") + ".",
		"empty":            "",
	} {
		got := w.userinfo(t, token)
		wantFault(t, got, 401, "invalid_token")
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="latchkey", error="invalid_token"`) {
			t.Errorf("%s: WWW-Authenticate is %q", name, got.header.Get("WWW-Authenticate"))
		}
		if token != "" && a.active(t, token) && name != "refresh token" {
			t.Errorf("%s: active", name)
		}
	}
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
	if !strings.Contains(got.header.Get("WWW-Authenticate"), `scope="openid"`) {
		t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
	}
}

// SECURITY case 50.
func TestRevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other")
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	b := w.browser().signIn(t, w.user(t, "alice"))
	node := connect(t, w)
	revoke := func(a *app, token string) *answer {
		return a.call(t, "/oauth2/revoke", url.Values{"token": {token}, "token_type_hint": {"whatever"}})
	}
	tk := a.tokens(t, b)
	for _, token := range []string{"garbage", tk.id, "lk_rt_garbage"} {
		if got := revoke(a, token); got.status != 200 || got.body != "" {
			t.Errorf("unknown token answered %d %s", got.status, got.body)
		}
	}
	wantFault(t, revoke(other, tk.access), 400, "unauthorized_client")
	wantFault(t, revoke(other, tk.refresh), 400, "unauthorized_client")
	if !a.active(t, tk.access) || !a.active(t, tk.refresh) {
		t.Error("another client's attempt changed something")
	}
	if n := w.events(t, latchkey.TokenRefused, "wrong_client"); n != 2 {
		t.Errorf("%d events", n)
	}
	// An access token goes alone.
	if got := revoke(a, tk.access); got.status != 200 || a.active(t, tk.access) || !a.active(t, tk.refresh) {
		t.Errorf("revoking the access token answered %d", got.status)
	}
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	// A refresh token takes its access tokens along, on every node at once.
	second := readTokens(t, a.refresh(t, tk.refresh))
	if got := revoke(a, second.refresh); got.status != 200 {
		t.Errorf("answered %d", got.status)
	}
	if node(second.access) == storage.IsActive || a.active(t, second.access) {
		t.Error("an access token outlived its refresh token")
	}
	wantFault(t, a.refresh(t, second.refresh), 400, "invalid_grant")
	for range 2 {
		if got := revoke(a, second.refresh); got.status != 200 {
			t.Errorf("again answered %d", got.status)
		}
	}
	if n := w.events(t, latchkey.TokenRevoked, ""); n != 2 {
		t.Errorf("%d events", n)
	}
	ofPublic := public.tokens(t, b)
	if got := revoke(public, ofPublic.refresh); got.status != 200 {
		t.Errorf("public client: %d %s", got.status, got.body)
	}
	wantFault(t, w.userinfo(t, ofPublic.access), 401, "invalid_token")
	wantFault(t, w.browser().post(t, "/oauth2/revoke", url.Values{"token": {tk.refresh}}), 401, "invalid_client")
}

func TestEndsReachAccessTokensAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	end := func(e storage.Ending) func(*testing.T, *browser) {
		return func(t *testing.T, b *browser) {
			e.UserID, e.SessionID = alice.ID, b.session.ID
			err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
				_, err := tx.EndSessions(t.Context(), e)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name    string
		do      func(*testing.T, *browser)
		access  bool // lives on
		refresh bool
	}{
		{"sign-out spares offline refresh", end(storage.Ending{Cause: storage.SignedOut}), false, true},
		{"sign out everywhere", end(storage.Ending{Cause: storage.SignedOutAll}), false, false},
		{"session expires", func(t *testing.T, b *browser) {
			w.sql(t, `UPDATE sessions SET expires_at = now() WHERE id = $1`, b.session.ID)
		}, true, true},
		{"person disabled", func(t *testing.T, _ *browser) { w.sql(t, `UPDATE users SET status = 'disabled'`) }, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := w.browser().signIn(t, alice)
			tk := a.tokens(t, b)
			c.do(t, b)
			if got := a.active(t, tk.access); got != c.access {
				t.Errorf("access token active: %v", got)
			}
			if got := w.userinfo(t, tk.access).status == 200; got != c.access {
				t.Errorf("userinfo answers: %v", got)
			}
			if got := a.refresh(t, tk.refresh).status == 200; got != c.refresh {
				t.Errorf("refresh works: %v", got)
			}
		})
	}
}
