package server_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"latchkey/server/servertest/chrome"
)

// A browser tells no page whether a prompt was dismissed, took too long or had
// no finger that fits: it is NotAllowedError for all of them. Here the finger
// does not fit.

// TestJourneySetUpDismissed: the link is not spent, and what was typed stays.
func TestJourneySetUpDismissed(t *testing.T) {
	j := begin(t)
	p := chrome.Open(t)
	a := p.Device()
	a.Verifies(false)
	p.Goto(j.URL + "/setup#token=" + j.SetupToken(t))
	p.WantText("#create-passkey", "Create your passkey")
	p.Fill("#display_name", "Ines")
	p.Fill("#username", "ines")
	p.Press(kb.Enter)
	p.WantAlert("cancelled")
	p.WantFocus("[role=alert]")
	p.Want("setup")
	if n := j.Text(t, "SELECT count(*) FROM users"); n != "0" {
		t.Errorf("%s people without a passkey, want none", n)
	}
	a.Verifies(true)
	p.Click("#create-passkey")
	p.Await("recovery-codes")
	p.WantNone("[role=alert]")
}

// TestJourneyAddDismissed leaves the list as it was.
func TestJourneyAddDismissed(t *testing.T) {
	j := begin(t)
	p, a := j.signedIn(t, j.admin(t))
	a.Remove()
	key := p.SecurityKey()
	key.Verifies(false)
	p.TabTo("#add-passkey")
	p.Press(kb.Enter)
	p.WantAlert("cancelled")
	p.WantFocus("[role=alert]")
	p.Want("account-passkeys")
	if got := p.Texts("#passkeys > li"); len(got) != 1 {
		t.Errorf("the list holds %q", got)
	}
	key.Verifies(true)
	p.Click("#add-passkey")
	p.WantStatus("Passkey added.")
}

// TestJourneyConfirmDismissed: nothing happens before the passkey was used, on
// the account page and for an application, and trying again goes on.
func TestJourneyConfirmDismissed(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p, a := j.signedIn(t, j.admin(t))
	p.Goto(j.URL + "/account/recovery-codes")
	p.Await("account-recovery")
	before := j.Text(t, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM recovery_codes")
	j.stale(t)
	a.Verifies(false)
	p.Click("main form button")
	p.Expect("403")
	p.Await("stepup")
	p.TabTo("#confirm")
	p.Press(kb.Enter)
	p.WantAlert("cancelled")
	p.WantFocus("[role=alert]")
	p.Want("stepup")
	if got := j.Text(t, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM recovery_codes"); got != before {
		t.Error("the codes changed before the confirmation")
	}
	a.Verifies(true)
	p.Click("#confirm")
	p.Await("recovery-codes")
	p.WantText("#recovery-codes li", "-")

	a.Verifies(false)
	p.Goto(w.authorize("max_age", "0"))
	p.Await("stepup")
	p.Click("#confirm")
	p.WantAlert("cancelled")
	a.Verifies(true)
	p.Click("#confirm")
	w.wantSignedIn(t, p, "ines")
	j.wantEvents(t, "session.stepped_up", "2")
}
