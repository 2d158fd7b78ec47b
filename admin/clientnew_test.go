package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"latchkey/passkey/passkeytest"
)

// connect sends the form for a new application as it stands, with these fields.
func (c *console) connect(with url.Values) *page {
	c.t.Helper()
	return c.submit(c.open("/admin/clients/new").want(http.StatusOK, "admin-client-new"), "/admin/clients", with)
}

// clientID is the id of the application of a name.
func (c *console) clientID(name string) string {
	c.t.Helper()
	id := c.Text(c.t, "SELECT id FROM clients WHERE name = '"+name+"'")
	if id == "" {
		c.t.Fatalf("there is no application %s", name)
	}
	return id
}

// secretOn is the secret that a page shows, once and nowhere else.
func secretOn(p *page) string {
	p.t.Helper()
	secret := textOf(p.find("output", "id", "secret"))
	if len(secret) < 40 || strings.Count(p.body, secret) != 1 || p.header.Get("Cache-Control") != "no-store" {
		p.t.Errorf("the page shows the secret %q %d times, with Cache-Control %q", secret, strings.Count(p.body, secret), p.header.Get("Cache-Control"))
	}
	return secret
}

// TestConnectedOnThePage: what the page shows is all that an application, here
// one on go-oidc, needs for a sign-in.
func TestConnectedOnThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, typ := range []string{"web", "spa", "native"} {
		p := c.connect(url.Values{"type": {typ}, "name": {"My " + typ}, "redirect_uris": {callback + "\r\n\r\n https://more.example.com/cb \r\n"},
			"post_logout_redirect_uris": {"https://more.example.com/"}, "who": {"everyone"}, "first_party": {"yes"}}).want(http.StatusOK, "admin-client-done")
		id := c.clientID("My " + typ)
		config := oauth2.Config{ClientID: id, RedirectURL: callback, Scopes: []string{"openid", "profile", "offline_access"}}
		settings := textOf(p.find("pre"))
		for _, must := range []string{"issuer        = " + c.App.URL + "\n", c.App.URL + "/.well-known/openid-configuration", "client_id     = " + id, callback, "https://more.example.com/cb", "offline_access"} {
			if !strings.Contains(settings, must) {
				t.Errorf("%s: the settings do not say %q:\n%s", typ, must, settings)
			}
		}
		style := oauth2.AuthStyleInHeader
		if typ == "web" {
			config.ClientSecret = secretOn(p)
		} else if style = oauth2.AuthStyleInParams; p.find("output", "id", "secret") != nil || !p.shows("PKCE protects its sign-in") {
			t.Errorf("%s: the page shows %s", typ, p.text())
		}
		provider, err := goidc.NewProvider(t.Context(), c.App.URL)
		if err != nil {
			t.Fatal(err)
		}
		config.Endpoint = provider.Endpoint()
		config.Endpoint.AuthStyle = style
		tokens := (&app{c, config}).signIn(c.Browser)
		raw, _ := tokens.Extra("id_token").(string)
		if _, err := provider.Verifier(&goidc.Config{ClientID: id}).Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	p := c.connect(url.Values{"type": {"machine"}, "name": {"Nightly"}}).want(http.StatusOK, "admin-client-done")
	machine := clientcredentials.Config{ClientID: c.clientID("Nightly"), ClientSecret: secretOn(p), TokenURL: c.App.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader}
	if _, err := machine.Token(t.Context()); err != nil {
		t.Errorf("machine: %v", err)
	}
	if settings := textOf(p.find("pre")); !strings.Contains(settings, "client_credentials") || strings.Contains(settings, "authorize") {
		t.Errorf("machine: the settings say\n%s", settings)
	}
	if got := c.events("client.registered"); got != "4" {
		t.Errorf("%s events, want 4", got)
	}
	if n := c.Text(t, "SELECT count(*) FROM audit_pending WHERE kind = 'client.registered' AND actor_kind = 'user' AND actor_id = (SELECT id::text FROM users)"); n != "4" {
		t.Errorf("%s events name the administrator, want 4", n)
	}
}

// TestAFormSentTwiceConnectsOneApplication, as by a reload of the answer, and
// the secret is not shown again.
func TestAFormSentTwiceConnectsOneApplication(t *testing.T) {
	t.Parallel()
	c := open(t)
	form := c.open("/admin/clients/new").form("/admin/clients")
	form.Set("name", "Wiki")
	form.Set("redirect_uris", callback)
	secret := secretOn(c.post("/admin/clients", form))
	path := "/admin/clients/" + c.clientID("Wiki")
	if again := c.done(c.post("/admin/clients", form), path, "twice", "counted once"); strings.Contains(again.body, secret) {
		t.Error("the secret is shown again")
	}
	if n := c.Text(t, "SELECT count(*) FROM clients"); n != "1" {
		t.Errorf("%s applications, want 1", n)
	}
	form.Set("once", "../../etc")
	c.post("/admin/clients", form).want(http.StatusOK, "admin-client-done")
	if n := c.Text(t, "SELECT count(*) FROM clients WHERE id ~ '^wiki-[a-z2-7]{8}$'"); n != "2" {
		t.Errorf("%s applications with ids of ours, want 2", n)
	}
}

// TestNewApplicationsThatNeedAnotherLook: each alone is refused above its field,
// with everything as it was typed, and nothing is registered.
func TestNewApplicationsThatNeedAnotherLook(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.group("staff")
	before := c.changes()
	for _, wrong := range []struct{ name, field, typed, says string }{
		{"no name", "name", "", "Enter a name"},
		{"a name that runs backwards", "name", "Wi\u202eki", "cannot be seen"},
		{"no redirect URI", "redirect_uris", "", "at least one"},
		{"http", "redirect_uris", "https://right.example/\nhttp://wiki.example.com/cb", "http://wiki.example.com/cb: use https"},
		{"a wildcard", "redirect_uris", "https://*.example.com/", "no wildcards"},
		{"an address after sign-out", "post_logout_redirect_uris", "wiki", "not a full address"},
		{"an unknown type", "type", "server", "web, spa, native or machine"},
		{"no group", "who", "groups", "Choose at least one group"},
		{"an unknown group", "group", "nobody", "no group with the name nobody"},
	} {
		form := url.Values{
			"type": {"web"}, "name": {"Wiki <b>"}, "redirect_uris": {"https://wiki.example.com/cb"}, "post_logout_redirect_uris": {"https://wiki.example.com/"},
			"who": {"groups"}, "group": {"staff"}, "first_party": {"yes"}, "once": {"abcdefgh"},
		}
		form.Set(wrong.field, wrong.typed)
		field := wrong.field
		if wrong.field == "who" {
			form.Del("group")
			field = "group"
		}
		p := c.post("/admin/clients", form).want(http.StatusUnprocessableEntity, "admin-client-new")
		if got := p.problem(field); !strings.Contains(got, wrong.says) || p.alert() != "validation_failed" {
			t.Errorf("%s: above %s it says %q, want %q (%s)", wrong.name, field, got, wrong.says, p.alert())
		}
		if !strings.HasPrefix(textOf(p.find("title")), "Error:") {
			t.Errorf("%s: the title is %q", wrong.name, textOf(p.find("title")))
		}
		shown := p.form("/admin/clients")
		for name, values := range form {
			if name == "group" && wrong.field == "group" || name == "type" && wrong.field == "type" {
				continue // it cannot be chosen
			}
			if got := strings.TrimPrefix(shown.Get(name), "\n"); got != values[0] {
				t.Errorf("%s: %s comes back as %q, want %q", wrong.name, name, got, values[0])
			}
		}
	}
	if p := c.post("/admin/clients", url.Values{"type": {"web"}, "name": {"Wiki"}, "redirect_uris": {callback}}); p.status != http.StatusUnprocessableEntity || p.problem("group") == "" {
		t.Errorf("a form that does not say who may sign in answered %d", p.status)
	}
	if c.changes() != before {
		t.Error("a refused form changed something")
	}
}

// TestAStaleSignInKeepsTheForm: the administrator confirms by passkey, and the
// form goes on as it was.
func TestAStaleSignInKeepsTheForm(t *testing.T) {
	t.Parallel()
	c := open(t)
	form := c.open("/admin/clients/new").form("/admin/clients")
	form.Set("name", "Wiki")
	form.Set("redirect_uris", callback)
	c.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '11 minutes'")
	p := c.post("/admin/clients", form).want(http.StatusForbidden, "stepup")
	if answer := c.Reauth(""); answer.Status != http.StatusOK {
		t.Fatalf("the confirmation answered %d %s", answer.Status, answer.Raw)
	}
	secretOn(c.post("/admin/clients", p.form("/admin/clients")).want(http.StatusOK, "admin-client-done"))
	c.clientID("Wiki")
}

// TestASecretIsNowhereElse: not in any column of the database, and not on the
// page of the application.
func TestASecretIsNowhereElse(t *testing.T) {
	t.Parallel()
	c := open(t)
	first := secretOn(c.connect(url.Values{"name": {"Wiki"}, "redirect_uris": {callback}}))
	path := "/admin/clients/" + c.clientID("Wiki")
	second := secretOn(c.submit(c.open(path), path+"/secrets", nil))
	dump := c.Text(t, "SELECT database_to_xml(true, false, '')")
	for _, secret := range []string{first, second} {
		if strings.Contains(dump, strings.TrimPrefix(secret, "lk_cs_")) {
			t.Error("a secret stands in the database")
		}
		if !strings.Contains(dump, secret[:12]) {
			t.Error("the dump does not hold the prefixes: it is the wrong one")
		}
		if p := c.open(path); strings.Contains(p.body, secret) || !p.shows(secret[:12]+"…") {
			t.Errorf("the page of the application shows %s", p.text())
		}
	}
}

// TestIDsOfApplications begin like their names, in letters that every system
// takes.
func TestIDsOfApplications(t *testing.T) {
	t.Parallel()
	c := open(t)
	for name, begins := range map[string]string{"Wiki": "wiki-", "Вики": "app-", "  A & B -- c ": "a-b-c-", strings.Repeat("long ", 20): "long-long-long-long-long-"} {
		p := c.connect(url.Values{"name": {name}, "redirect_uris": {callback}}).want(http.StatusOK, "admin-client-done")
		id := strings.TrimSpace(strings.SplitN(strings.SplitN(textOf(p.find("pre")), "client_id     = ", 2)[1], "\n", 2)[0])
		if tail, found := strings.CutPrefix(id, begins); !found || len(tail) != 8 {
			t.Errorf("%q gets the id %q", name, id)
		}
	}
}

// signInTo takes somebody through the code flow of an application.
func (c *console) signInTo(id, secret string, b *passkeytest.Browser) *oauth2.Token {
	c.t.Helper()
	return c.appOf(id, secret).signIn(b)
}

func (c *console) appOf(id, secret string) *app {
	return &app{c, oauth2.Config{
		ClientID: id, ClientSecret: secret, RedirectURL: callback, Scopes: []string{"openid", "profile", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: c.App.URL + "/oauth2/authorize", TokenURL: c.App.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader},
	}}
}
