package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"latchkey/demo"
	"latchkey/server/servertest/chrome"
)

// sample is the sample application, which stands on go-oidc. It has an address
// before anybody registered it; connect starts it with what the page says.
func (j *journey) sample(t *testing.T) (address string, connect func(id, secret string)) {
	t.Helper()
	var app *demo.App
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	return server.URL, func(id, secret string) {
		t.Helper()
		var err error
		app, err = demo.New(t.Context(), demo.Options{
			Issuer: j.URL, ClientID: id, ClientSecret: secret, BaseURL: server.URL, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatalf("start the application: %v", err)
		}
	}
}

// clientIDOn is the client ID among the settings that a page shows.
func clientIDOn(t *testing.T, p *chrome.Page) string {
	t.Helper()
	found := regexp.MustCompile(`client_id\s+= (\S+)`).FindStringSubmatch(p.Text("main pre"))
	if found == nil {
		t.Fatalf("no client ID among the settings: %s", p.Text("main pre"))
	}
	return found[1]
}

// TestJourneyConnect registers an application on the page, with one mistake on
// the way, and somebody signs in to it with nothing but what the page showed.
func TestJourneyConnect(t *testing.T) {
	j := begin(t)
	address, connect := j.sample(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Click(".switch [href='/admin']")
	p.Want("admin-clients")
	p.WantText(".empty", "No applications yet")
	p.Click("main .head a.primary")
	p.Want("admin-client-new")
	p.Fill("#name", "Sample")
	p.Click("main button.primary")
	p.WantAlert("validation_failed")
	p.Expect("422")
	p.WantFocus("[role=alert]")
	p.WantText("#redirect_uris-error", "at least one")
	p.Want("admin-client-new")
	p.Fill("#redirect_uris", address+"/callback")
	p.Fill("#post_logout_redirect_uris", address+"/")
	p.Click("main button.primary")
	p.Want("admin-client-done")
	p.WantText(".secret", "Shown only now")
	secret := p.Text("#secret")
	connect(clientIDOn(t, p), secret)
	p.Click(".secret [data-copy]")
	p.WantStatus("Copied")
	p.Click("main .head a")
	p.Want("admin-client-detail")
	if body := chrome.Eval[string](p, `document.documentElement.outerHTML`); len(secret) < 40 || regexp.MustCompile(regexp.QuoteMeta(secret)).MatchString(body) {
		t.Errorf("the secret %q is shown once more", secret)
	}

	bob, a := j.open(t, j.person(t, "bob"))
	bob.Goto(address)
	bob.Want("demo")
	bob.Click("#sign-in")
	bob.Await("login")
	bob.WantText("main", "to continue to Sample")
	press(bob, a, "#sign-in")
	bob.Await("consent")
	bob.WantText("h1", "Sample wants to use your account")
	bob.Click("#consent [value=allow]")
	bob.Want("demo-session")
	bob.WantText("h1", "Hello, Bob")
	bob.WantText("td code", j.Text(t, "SELECT subject FROM users WHERE username = 'bob'"))
	bob.Click("#refresh")
	bob.WantText("#token-refresh-token", "Yes")
	bob.Click("#sign-out")
	bob.WantText("h1", "You are signed out")
	bob.WantURL(address + "/")
	j.wantEvents(t, "client.registered", "1")
}

// TestJourneyClientLife: an application gets a new secret while the old one
// works, is turned off and on, and ends. At each step somebody tries it.
func TestJourneyClientLife(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	w := j.wiki(t, firstParty)
	p, _ := j.signedIn(t, device)
	visitor, a := j.open(t, device)
	visitor.Goto(w.authorize())
	visitor.Await("login")
	press(visitor, a, "#sign-in")
	w.wantSignedIn(t, visitor, "ines")

	p.Goto(j.URL + "/admin/clients")
	p.Want("admin-clients")
	p.Click("td a")
	p.Want("admin-client-detail")
	p.Click("form[action$='/secrets'] button")
	p.Want("admin-client-done")
	old, added := w.secret, p.Text("#secret")
	for _, secret := range []string{added, old} {
		w.secret = secret
		visitor.Goto(w.authorize())
		w.wantSignedIn(t, visitor, "ines")
	}
	p.Click("main .head a")
	p.Await("admin-client-detail")
	p.Click("a[aria-label^='Revoke secret " + old[:8] + "']")
	p.Want("admin-confirm")
	p.Click("main button.danger")
	p.WantStatus("The secret ended.")
	visitor.Goto(w.authorize())
	visitor.WantText("main", "no ID token: invalid_client")
	w.secret = added
	visitor.Goto(w.authorize())
	w.wantSignedIn(t, visitor, "ines")

	p.Click("a[href$='/disable']")
	p.Await("admin-confirm")
	p.Click("main .btn-row a") // the safe one
	p.Await("admin-client-detail")
	p.Click("a[href$='/disable']")
	p.Click("main button.danger")
	p.WantText("main .head .badge", "Turned off")
	p.Want("admin-client-detail")
	visitor.Goto(w.authorize())
	visitor.Expect("400")
	visitor.Want("error")
	visitor.WantText("h1", "This application is not known here")
	p.Click("form[action$='/enable'] button")
	p.WantNone("main .head .badge")
	visitor.Goto(w.authorize())
	w.wantSignedIn(t, visitor, "ines")

	p.Click("a[href$='/delete']")
	p.Await("admin-confirm")
	p.Click("main button.danger")
	p.WantText(".empty", "No applications yet")
	p.Await("admin-clients")
	visitor.Goto(w.authorize())
	visitor.Expect("400")
	visitor.Await("error")
}
