package server_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"latchkey"
	"latchkey/server/servertest/chrome"
)

// TestJourneyAutofill: the page offers passkeys in its field, and goes on by
// itself once one is chosen there.
func TestJourneyAutofill(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	w := j.wiki(t, firstParty)
	p := chrome.Open(t)
	p.Device().Hold(device) // with presence on, whoever is asked chooses at once
	p.Goto(w.url)
	p.Click("#sign-in")
	w.wantSignedIn(t, p, "ines")
	j.wantEvents(t, "passkey.used", "1")
}

// TestJourneyButton presses it while the field waits for a choice: that request
// is ended first, since a browser has one at a time.
func TestJourneyButton(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p := chrome.Open(t)
	p.Before(`{
		const real = CredentialsContainer.prototype.get
		window.asked = []
		CredentialsContainer.prototype.get = function (options) {
			asked.push(options.mediation ?? "dialog")
			const answer = real.call(this, options)
			answer.catch((error) => asked.push(error.name))
			return answer
		}
	}`)
	a := p.Device()
	a.Presence(false)
	a.Hold(j.admin(t))
	p.Goto(w.url)
	p.Click("#sign-in")
	p.Want("login")
	p.WantText("main", "to continue to Wiki")
	p.Until(`asked.join() === "conditional"`, "the request of the field")
	p.Click("#sign-in")
	p.WantStatus("Your device is asking for your fingerprint, face or screen lock.")
	p.Until(`asked.join() === "conditional,AbortError,dialog"`, "the request of the button")
	p.Axe()
	// Touching it now wakes no request that is open already: try again.
	p.Reload()
	p.Until(`asked.join() === "conditional"`, "the request of the field")
	p.Want("login")
	press(p, a, "#sign-in")
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyKeyboard goes through sign-in and consent with Tab and Enter.
func TestJourneyKeyboard(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	if got := chrome.Eval[string](p, `document.activeElement.id`); got != "username" {
		t.Errorf("the focus begins at %q, want the field with the passkeys", got)
	}
	p.TabTo("#sign-in")
	a.Presence(true)
	p.Press(kb.Enter)
	p.Want("consent")
	p.TabTo("#consent [value=allow]")
	p.Press(kb.Enter)
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyAutofillThenButton: whoever chooses a passkey in the field and
// presses the button as well signs in once, not twice.
func TestJourneyAutofillThenButton(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	device := j.admin(t)
	p := chrome.Open(t)
	p.Before(`{
		const real = window.fetch
		window.asked = 0
		window.fetch = async (address, ...rest) => {
			if (String(address).endsWith("/authentication/options")) asked++
			if (String(address).endsWith("/authentication/verify")) await new Promise((goOn) => { window.goOn = goOn })
			return real(address, ...rest)
		}
	}`)
	p.Device().Hold(device)
	p.Goto(w.authorize())
	p.Until("window.goOn", "the choice in the field")
	p.Click("#sign-in")
	p.Click("#other-device")
	if got := chrome.Eval[int](p, `asked`); got != 1 {
		t.Errorf("the page asked for %d challenges, want 1", got)
	}
	p.WantStatus("Checking your passkey")
	chrome.Eval[any](p, `goOn()`)
	w.wantSignedIn(t, p, "ines")
	j.wantEvents(t, "passkey.used", "1")
}

// TestJourneyEnterInTheField is what people do who typed their name.
func TestJourneyEnterInTheField(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.url)
	p.Click("#sign-in")
	p.Want("login")
	p.Fill("#username", "ines")
	a.Presence(true)
	p.Press(kb.Enter)
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyNoPasskeyHere: the browser has none; the page says what to do, and
// works again afterwards.
func TestJourneyNoPasskeyHere(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	device := j.admin(t)
	p, a := j.open(t, nil)
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.WantAlert("cancelled")
	p.Want("login")
	if got := chrome.Eval[string](p, `document.activeElement.dataset.code`); got != "cancelled" {
		t.Errorf("the focus is at %q, want the notice", got)
	}
	a.Hold(device)
	p.Click("#sign-in")
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyWrongFinger: the device asks and does not recognise its user.
func TestJourneyWrongFinger(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p, a := j.open(t, j.admin(t))
	a.Verifies(false)
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.WantAlert("cancelled")
	p.Want("login")
	a.Verifies(true)
	p.Click("#sign-in")
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyUnknownPasskey: the server forgot it, so the device is told and
// forgets it as well.
func TestJourneyUnknownPasskey(t *testing.T) {
	j := begin(t)
	j.admin(t)
	p, a := j.open(t, j.person(t, "bob"))
	j.Exec(t, "DELETE FROM credentials WHERE user_id = (SELECT id FROM users WHERE username = 'bob')")
	p.Goto(j.URL + "/login")
	p.Want("login")
	if got := len(a.Credentials()); got != 1 {
		t.Fatalf("the device begins with %d passkeys", got)
	}
	press(p, a, "#sign-in")
	p.WantAlert("unknown_credential")
	p.Expect("401")
	p.Want("login")
	if got := a.Credentials(); len(got) != 0 {
		t.Errorf("the device still holds %+v", got)
	}
}

// TestJourneyTurnedOff: whoever was disabled is told so, once the passkey has
// proven who they are.
func TestJourneyTurnedOff(t *testing.T) {
	j := begin(t)
	j.admin(t)
	p, a := j.open(t, j.person(t, "bob"))
	j.Exec(t, "UPDATE users SET status = 'disabled', disabled_at = now() WHERE username = 'bob'")
	p.Goto(j.URL + "/login")
	p.Want("login")
	press(p, a, "#sign-in")
	p.WantAlert("account_disabled")
	p.Expect("403 (Forbidden)")
	p.Want("login")
}

// TestJourneyNoScript: passkeys need scripts, and the page says so; what needs
// none is there.
func TestJourneyNoScript(t *testing.T) {
	j := begin(t)
	j.admin(t)
	p := chrome.Open(t)
	p.NoScript()
	p.Goto(j.URL + "/login")
	p.Want("login")
	p.WantText("main", "Passkeys need JavaScript.")
	p.Click("#recover")
	p.Want("recover")
	p.WantText("main", "Passkeys need JavaScript.")
	p.Goto(j.URL + "/invite")
	p.Want("invite")
	p.WantText("main", "Passkeys need JavaScript.")
}

// TestJourneyWrongAddress: at another name of the same server nothing can work,
// and the page says where it does.
func TestJourneyWrongAddress(t *testing.T) {
	j := begin(t)
	j.admin(t)
	p, _ := j.open(t, nil)
	p.Goto("http://127.0.0.1" + j.URL[len("http://localhost"):] + "/login")
	p.Want("login")
	p.WantAlert("wrong_site")
	p.WantText("[role=alert]", "Passkeys work only at "+j.URL)
	p.Click("[role=alert] a")
	p.WantURL(j.URL)
}

// TestJourneyTwoTabs: two requests wait in one browser; each goes on.
func TestJourneyTwoTabs(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	first, a := j.open(t, j.admin(t))
	second := first.Tab()
	first.Goto(w.authorize())
	first.Want("login")
	second.Goto(w.authorize())
	second.Want("login")
	press(first, a, "#sign-in")
	first.Want("consent")
	// The other tab still shows the sign-in; loading it goes on by itself.
	second.Reload()
	second.Want("consent")
	first.Click("#consent [value=allow]")
	w.wantSignedIn(t, first, "ines")
	second.Click("#consent [value=allow]")
	w.wantSignedIn(t, second, "ines")
}

// TestJourneyCancelAtLogin goes back to the application with access_denied.
func TestJourneyCancelAtLogin(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, _ := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	p.Click("#cancel button")
	w.wantRefused(t, p, "access_denied")
}

// TestJourneyGroups: somebody outside of the application's groups is told which
// rule stopped them.
func TestJourneyGroups(t *testing.T) {
	j := begin(t)
	j.admin(t)
	j.Exec(t, "INSERT INTO groups (id, name, name_key) VALUES (gen_random_uuid(), 'staff', 'staff')")
	w := j.wiki(t, func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} })
	p, a := j.open(t, j.person(t, "bob"))
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.WantAlert("not_allowed")
	p.Expect("403")
	p.Want("error")
	p.Click("main .actions a")
	w.wantRefused(t, p, "access_denied")
}
