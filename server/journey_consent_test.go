package server_test

import (
	"testing"
)

// TestJourneyConsentAllow: asked once, remembered afterwards.
func TestJourneyConsentAllow(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.url)
	p.Click("#sign-in")
	p.Want("login")
	press(p, a, "#sign-in")
	p.Want("consent")
	p.WantText("h1", "Wiki wants to use your account")
	p.WantText(".scopes", "Your name and username")
	p.WantText(".person", "Ines")
	p.Click("#consent [value=allow]")
	w.wantSignedIn(t, p, "ines")
	p.Goto(w.url)
	p.Click("#sign-in")
	w.wantSignedIn(t, p, "ines")
	j.wantEvents(t, "consent.granted", "1")
	// Asked again when the application wants it.
	p.Goto(w.authorize("prompt", "consent"))
	p.Want("consent")
}

// TestJourneyConsentDeny: Cancel answers the application, and the next try asks
// again.
func TestJourneyConsentDeny(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.Want("consent")
	p.Click("#consent [value=deny]")
	w.wantRefused(t, p, "access_denied")
	p.Goto(w.authorize())
	p.Want("consent")
	j.wantEvents(t, "consent.denied", "1")
}

// TestJourneyConsentNoScript: consent is a form and needs none.
func TestJourneyConsentNoScript(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.Await("consent")
	p.NoScript()
	p.Reload()
	p.Want("consent")
	p.Click("#consent [value=allow]")
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyConsentTwice: going back and deciding once more says that this was
// decided.
func TestJourneyConsentTwice(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	p.Want("consent")
	address := p.URL()
	p.Click("#consent [value=allow]")
	w.wantSignedIn(t, p, "ines")
	p.Goto(address)
	p.Expect("400 (Bad Request)")
	p.Want("error")
	p.WantText("h1", "This sign-in is over")
}

// TestJourneyStepUp: the application asks for the passkey again, by prompt=login
// or by an age that is over; with a fresh sign-in the second asks nothing.
func TestJourneyStepUp(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	w.wantSignedIn(t, p, "ines")
	a.Presence(false)

	p.Goto(w.authorize("prompt", "login"))
	p.Want("stepup")
	p.WantText("h1", "Confirm it’s you, Ines")
	press(p, a, "#confirm")
	w.wantSignedIn(t, p, "ines")
	a.Presence(false)

	p.Goto(w.authorize("max_age", "600"))
	w.wantSignedIn(t, p, "ines")
	j.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '20 minutes', created_at = created_at - interval '20 minutes'")
	p.Goto(w.authorize("max_age", "600"))
	p.Want("stepup")
	press(p, a, "#confirm")
	w.wantSignedIn(t, p, "ines")
	j.wantEvents(t, "session.stepped_up", "2")
}

// TestJourneyStepUpCancel goes back to the application.
func TestJourneyStepUpCancel(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	w.wantSignedIn(t, p, "ines")
	p.Goto(w.authorize("prompt", "login"))
	p.Want("stepup")
	p.Click("#cancel button")
	w.wantRefused(t, p, "access_denied")
}

// TestJourneySelectAccount: somebody else may sign in; the application gets them.
func TestJourneySelectAccount(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	ines, bob := j.admin(t), j.person(t, "bob")
	p, a := j.open(t, ines)
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	w.wantSignedIn(t, p, "ines")
	a.Remove()
	b := p.Device()
	b.Presence(false)
	b.Hold(bob)
	p.Goto(w.authorize("prompt", "select_account"))
	p.Want("login")
	press(p, b, "#sign-in")
	w.wantSignedIn(t, p, "bob")
}

// TestJourneySwitchAccount: after "Not you?" of the confirmation the
// application's request goes on with whoever signs in next.
func TestJourneySwitchAccount(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	ines, bob := j.admin(t), j.person(t, "bob")
	p, a := j.open(t, ines)
	p.Goto(w.authorize())
	p.Want("login")
	press(p, a, "#sign-in")
	w.wantSignedIn(t, p, "ines")
	a.Remove()
	b := p.Device()
	b.Presence(false)
	b.Hold(bob)
	p.Goto(w.authorize("prompt", "login"))
	p.Want("stepup")
	p.Click("#switch-account")
	p.Want("login")
	press(p, b, "#sign-in")
	w.wantSignedIn(t, p, "bob")
	j.wantEvents(t, "session.ended", "1")
}
