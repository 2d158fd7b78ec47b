package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/server/servertest/chrome"
)

// TestJourneyCallbackRedirectsOnce more to another origin. form-action would
// forbid that after a form; the hand-over page keeps it out of the way.
func TestJourneyCallbackRedirectsOnce(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /done", w.done)
	mux.HandleFunc("GET /bye", func(rw http.ResponseWriter, _ *http.Request) { page(rw, "bye", "You left for good") })
	mux.HandleFunc("GET /", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	other := httptest.NewServer(mux)
	t.Cleanup(other.Close)
	w.landing = other.URL
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	p.Click("#cancel button")
	p.WantURL(other.URL + "/done?")
	p.WantText("main", "The wiki was refused: access_denied")
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.Want("consent")
	p.Click("#consent [value=allow]")
	p.WantURL(other.URL + "/done?")
	p.WantText("main", "The wiki knows you as ")
	hint := w.hint()
	j.Exec(t, "UPDATE sessions SET id = gen_random_uuid()") // that token no longer signs out unasked
	p.Goto(w.signOut(hint))
	p.Await("logout")
	p.Click("#logout [value=yes]")
	p.WantURL(other.URL + "/bye?state=so+long")
	p.WantText("main", "You left for good")
}

// TestJourneyPopup signs in beside the application's page; the window can still
// talk to the one that opened it.
func TestJourneyPopup(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	device := j.admin(t)
	p := chrome.Open(t)
	p.Goto(w.url)
	popup := p.Popup(func() { p.Click("#popup") })
	a := popup.Device()
	a.Presence(false)
	a.Hold(device)
	popup.Want("login")
	press(popup, a, "#sign-in")
	popup.Want("consent")
	popup.Click("#consent [value=allow]")
	p.WantText("main", "From the popup: The wiki knows you as ")
}

// TestJourneyPopupCancelled: the opener learns of a refusal as well.
func TestJourneyPopupCancelled(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	j.admin(t)
	p := chrome.Open(t)
	p.Goto(w.url)
	popup := p.Popup(func() { p.Click("#popup") })
	popup.Await("login")
	popup.Click("#cancel button")
	p.WantText("main", "From the popup: The wiki was refused: access_denied")
}

// TestJourneyNativeApp: the answer leaves by a scheme of its own, which no
// redirect after a form could do, and the page stays with a link for whoever
// comes back.
func TestJourneyNativeApp(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, func(c *latchkey.Client) {
		c.Type, c.Profile, c.AuthMethod = "native", latchkey.ProfileOAuth21, latchkey.AuthNone
		c.RedirectURIs = []string{"com.example.wiki:/callback"}
	})
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	p.Forgive("com.example.wiki") // no such application on this machine
	press(p, a, "#sign-in")
	p.Want("consent")
	p.WantText(".lead", "com.example.wiki")
	p.Click("#consent [value=allow]")
	p.Want("hand-over")
	left, err := url.Parse(chrome.Eval[string](p, `document.getElementById("continue").href`))
	if err != nil || left.Scheme != "com.example.wiki" || left.Query().Get("code") == "" || left.Query().Get("state") != "a state" {
		t.Errorf("the way on is %s", left)
	}
	if meta := chrome.Eval[string](p, `document.querySelector("meta[http-equiv=refresh]").content`); !strings.HasPrefix(meta, "0;url=com.example.wiki:/callback?") {
		t.Errorf("the page leads on to %s", meta)
	}
	other := p.Tab()
	other.Forgive("com.example.wiki")
	other.Goto(w.authorize("prompt", "consent"))
	other.Await("consent")
	other.Click("#consent [value=deny]")
	other.Await("hand-over")
	if left := chrome.Eval[string](other, `document.getElementById("continue").href`); !strings.HasPrefix(left, "com.example.wiki:/callback?error=access_denied") {
		t.Errorf("after Cancel the way on is %s", left)
	}
}
