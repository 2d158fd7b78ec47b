package admin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/server"
)

// newToken makes an initial access token on the page and returns it.
func (c *console) newToken(form url.Values) string {
	c.t.Helper()
	p := c.submit(c.open("/admin/registration").want(http.StatusOK, "admin-registration"), "/admin/registration/tokens", form)
	p.want(http.StatusOK, "admin-token-done")
	return textOf(p.find("output", "id", "secret"))
}

// register registers an application by the protocol.
func (c *console) register(token, document string) (status int, answer map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.App.URL+"/oauth2/register", strings.NewReader(document))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, answer
}

const wikiDocument = `{"client_name":"Wiki","redirect_uris":["https://wiki.example.com/callback"]}`

// TestAnAdministratorHandsOutATokenForRegistration: it is shown once, works as
// often as was said, stands at the application that came with it, and ends.
func TestAnAdministratorHandsOutATokenForRegistration(t *testing.T) {
	t.Parallel()
	c := open(t)
	token := c.newToken(url.Values{"name": {"Partners"}, "max_uses": {"2"}, "days": {"30"}, "scope": {"openid email"}, "profile": {"oauth21"}})
	status, answer := c.register(token, wikiDocument)
	if status != http.StatusCreated || answer["scope"] != "openid email" {
		t.Fatalf("registration answered %d %v", status, answer)
	}
	shown := c.open("/admin/registration")
	if !shown.shows("Partners", "1 of 2 applications", "OAuth 2.1, openid email") || strings.Contains(shown.body, token) {
		t.Errorf("the page says %s", shown.text())
	}
	if list := c.open("/admin/clients"); !list.shows("Wiki", "Registered itself") {
		t.Errorf("the list says %s", list.text())
	}
	id := answer["client_id"].(string)
	if one := c.open("/admin/clients/" + id); !one.shows("By itself, with the initial access token", "Partners") {
		t.Errorf("the application says %s", one.text())
	}
	tokenID := c.Text(t, "SELECT id FROM initial_tokens")
	path := "/admin/registration/tokens/" + tokenID + "/revoke"
	ask := c.open(path).want(http.StatusOK, "admin-confirm")
	if !ask.shows("Partners", "1 application") {
		t.Errorf("the question says %s", ask.text())
	}
	c.submit(ask, path, nil).wantRedirect("/admin/registration?done=token-revoked")
	if status, _ := c.register(token, wikiDocument); status != http.StatusUnauthorized {
		t.Errorf("a revoked token answers %d", status)
	}
	if again := c.open("/admin/registration"); !again.shows("Revoked") || again.find("a", "href", path) != nil {
		t.Errorf("afterwards the page says %s", again.text())
	}
	for _, gone := range []*page{c.open(path), c.post(path, nil), c.open(strings.Replace(path, tokenID, "x", 1)), c.post(strings.Replace(path, tokenID, "x", 1), nil)} {
		if gone.status != http.StatusNotFound {
			t.Errorf("a token that is over answers %d", gone.status)
		}
	}
	for kind, want := range map[latchkey.EventKind]string{latchkey.InitialTokenCreated: "1", latchkey.InitialTokenRevoked: "1"} {
		if got := c.Text(t, "SELECT count(*) FROM audit_log WHERE event_type = '"+string(kind)+"' AND success"); got != want {
			t.Errorf("%s events %s, want %s", got, kind, want)
		}
	}
}

// TestTokensForRegistrationThatAreRefused: each wrong field alone comes back with
// what was typed, and nothing is made.
func TestTokensForRegistrationThatAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	good := url.Values{"name": {"Partners"}, "max_uses": {"2"}, "days": {"30"}, "scope": {""}, "profile": {"oidc"}}
	for _, wrong := range []struct{ field, value, at string }{
		{"name", "", "name"}, {"name", "a\u202eb", "name"}, {"max_uses", "", "max_uses"}, {"max_uses", "0", "max_uses"}, {"max_uses", "many", "max_uses"},
		{"max_uses", "100001", "max_uses"}, {"days", "0", "days"}, {"days", "366", "days"}, {"scope", `a"b`, "scope"}, {"profile", "fapi2", "profile"},
	} {
		form := url.Values{}
		for name, value := range good {
			form[name] = value
		}
		form.Set(wrong.field, wrong.value)
		p := c.post("/admin/registration/tokens", form).want(http.StatusUnprocessableEntity, "admin-registration")
		if p.problem(wrong.at) == "" || p.alert() != "validation_failed" {
			t.Errorf("%s = %q: nothing stands at %s: %s", wrong.field, wrong.value, wrong.at, p.text())
		}
	}
	if n := c.Text(t, "SELECT count(*) FROM initial_tokens"); n != "0" {
		t.Errorf("%s tokens were made", n)
	}
}

// TestThePageSaysWhoMayRegister by the setting of the server.
func TestThePageSaysWhoMayRegister(t *testing.T) {
	t.Parallel()
	for mode, words := range map[latchkey.RegistrationMode]string{
		"": "shows an initial access token", latchkey.RegistrationOff: "cannot register themselves", latchkey.RegistrationOpen: "Everybody may register",
	} {
		c := open(t, func(o *server.Options) { o.Registration = mode })
		if p := c.open("/admin/registration"); !p.shows(words) {
			t.Errorf("with %q it says %s", mode, p.text())
		}
		if mode != latchkey.RegistrationOpen {
			continue
		}
		_, answer := c.register("", wikiDocument)
		if p := c.open("/admin/clients/" + answer["client_id"].(string)); !p.shows("By itself: registration was open") {
			t.Errorf("the application says %s", p.text())
		}
	}
}

// TestAnAdministratorBoundsWhatRegisteredItself: what was taken on the page does
// not come back by the application's own hand.
func TestAnAdministratorBoundsWhatRegisteredItself(t *testing.T) {
	t.Parallel()
	c := open(t, func(o *server.Options) { o.Registration = latchkey.RegistrationOpen })
	_, answer := c.register("", wikiDocument)
	id := answer["client_id"].(string)
	path := "/admin/clients/" + id
	c.submit(c.open(path), path, url.Values{"scope": {"openid"}}).wantRedirect(path + "?done=saved")
	if got := c.Text(t, "SELECT registration->'scopes' FROM clients"); got != `["openid"]` {
		t.Errorf("its bounds are %s", got)
	}
	c.submit(c.open(path), path, url.Values{"name": {"Wiki of ours"}}).wantRedirect(path + "?done=saved")
	if got := c.Text(t, "SELECT registration->'scopes' FROM clients"); got != `["openid"]` {
		t.Errorf("after another change its bounds are %s", got)
	}
}

// TestThePagesOfRegistrationAreForAdministrators: a user is refused, nobody signs
// in first, another site and an old sign-in are refused; nothing changes.
func TestThePagesOfRegistrationAreForAdministrators(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.newToken(url.Values{"name": {"Partners"}, "max_uses": {"2"}})
	revoke := "/admin/registration/tokens/" + c.Text(t, "SELECT id FROM initial_tokens") + "/revoke"
	changing := map[string]url.Values{"/admin/registration/tokens": {"name": {"Mine"}, "max_uses": {"1"}, "days": {"1"}, "profile": {"oidc"}}, revoke: nil}
	eve, nobody := c.as("eve"), c.nobody()
	tokens := func() string { return c.Text(t, "SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM initial_tokens t") }
	before := tokens()
	check := func(method, path string, form url.Values) {
		t.Helper()
		if p := eve.ask(method, path, form); p.status != http.StatusForbidden || p.alert() != "forbidden" {
			t.Errorf("%s %s as a user answered %d %s, want 403", method, path, p.status, p.alert())
		}
		if p := nobody.ask(method, path, form); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/login?return=") {
			t.Errorf("%s %s as nobody answered %d", method, path, p.status)
		}
	}
	for _, path := range []string{"/admin/registration", revoke} {
		check(http.MethodGet, path, nil)
	}
	for path, form := range changing {
		check(http.MethodPost, path, form)
		foreign := &console{c.App, c.For(t), t}
		foreign.Header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
		if p := foreign.post(path, form); p.status != http.StatusForbidden || p.alert() != "cross_origin_request" {
			t.Errorf("POST %s from another site answered %d %s, want 403", path, p.status, p.alert())
		}
	}
	c.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '11 minutes'")
	for path, form := range changing {
		c.post(path, form).want(http.StatusForbidden, "stepup")
	}
	if tokens() != before {
		t.Error("something changed")
	}
}
