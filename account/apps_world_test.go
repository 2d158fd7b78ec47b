package account_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/storage"
)

// app is a registered application.
type app struct {
	*latchkey.Client
	w      *world
	secret string
}

const callback = "https://wiki.example.com/callback"

// app registers a web application that asks for consent, unless changed.
func (w *world) app(t testing.TB, id string, change ...func(*latchkey.Client)) *app {
	t.Helper()
	scopes := []string{"openid", "profile", "email", "groups", "offline_access"}
	a := &app{w: w, secret: w.DB.NewClientSecret(), Client: &latchkey.Client{
		ID: id, Name: strings.ToUpper(id[:1]) + id[1:], Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true,
		RedirectURIs: []string{callback}, GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken},
		ResponseTypes: []string{"code"}, Scopes: scopes, AuthMethod: latchkey.AuthPost,
		IDTokenAlg: latchkey.RS256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt", RefreshWithoutOffline: true,
	}}
	for _, f := range change {
		f(a.Client)
	}
	if err := w.DB.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), a.Client, a.secret) }); err != nil {
		t.Fatal(err)
	}
	return a
}

func firstParty(c *latchkey.Client) { c.FirstParty = true }

// tokens are what an application holds of one sign-in.
type tokens struct {
	a       *app
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signIn takes the person of b through the application's sign-in, allows what it
// asks for where consent is needed, and returns the tokens.
func (a *app) signIn(t testing.TB, b *passkeytest.Browser, scope string, claims ...string) *tokens {
	t.Helper()
	got := b.Get("/oauth2/authorize?" + url.Values{
		"client_id": {a.ID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {scope}, "state": {"s"}, "claims": claims,
	}.Encode())
	target := got.Header.Get("Location")
	if strings.HasPrefix(strings.TrimPrefix(target, a.w.URL), "/consent?") {
		page := b.Get(target)
		wantPage(t, page, 200, "consent")
		handed := submit(t, b, page, "/consent", url.Values{"decision": {"allow"}})
		wantStatus(t, handed, 200)
		target = attrOf(t, handed, "continue", "href")
	}
	back, err := url.Parse(target)
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("authorize led to %q: %d %.600s", target, got.Status, got.Raw)
	}
	status, raw := a.call(t, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback},
	})
	out := &tokens{a: a}
	if err := json.Unmarshal(raw, out); err != nil || status != 200 || out.Access == "" {
		t.Fatalf("token answered %d %s", status, raw)
	}
	return out
}

// call posts to a protocol address with the application's credentials.
func (a *app) call(t testing.TB, path string, form url.Values) (int, []byte) {
	t.Helper()
	form.Set("client_id", a.ID)
	form.Set("client_secret", a.secret)
	machine := passkeytest.NewBrowser(t, a.w.URL)
	got := machine.Form(path, form)
	return got.Status, got.Raw
}

// life is what still works of tokens.
type life struct{ Access, Refresh bool }

// look tries the tokens: introspection for the access token, an exchange for the
// refresh token.
func (k *tokens) look(t testing.TB) life {
	t.Helper()
	_, raw := k.a.call(t, "/oauth2/introspect", url.Values{"token": {k.Access}})
	var seen struct{ Active bool }
	if err := json.Unmarshal(raw, &seen); err != nil {
		t.Fatalf("introspection: %s", raw)
	}
	reader := passkeytest.NewBrowser(t, k.a.w.URL)
	reader.Header = http.Header{"Authorization": {"Bearer " + k.Access}}
	if info := reader.Get("/oauth2/userinfo"); (info.Status == 200) != seen.Active {
		t.Errorf("userinfo answers %d, introspection says active: %v", info.Status, seen.Active)
	}
	status, raw := k.a.call(t, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.Refresh}})
	if status != 200 && !strings.Contains(string(raw), "invalid_grant") {
		t.Errorf("the refresh answered %d %s", status, raw)
	}
	return life{Access: seen.Active, Refresh: status == 200}
}

func wantLife(t testing.TB, name string, k *tokens, want life) {
	t.Helper()
	if got := k.look(t); got != want {
		t.Errorf("%s: alive are %+v, want %+v", name, got, want)
	}
}

var (
	alive = life{Access: true, Refresh: true}
	dead  = life{}
)
