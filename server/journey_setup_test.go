package server_test

import (
	"testing"

	"latchkey/server/servertest/chrome"
)

// TestJourneySetUp goes from the printed link to the account: address checked,
// passkey made, recovery codes kept.
func TestJourneySetUp(t *testing.T) {
	j := begin(t)
	token := j.SetupToken(t)
	p := chrome.Open(t)
	device := p.Device()
	p.Goto(j.URL + "/setup#token=" + token)
	p.Want("setup")
	p.WantText("#check-address", "Secure, and matches the settings")
	if got := p.URL(); got != j.URL+"/setup" {
		t.Errorf("the token stays in the address: %s", got)
	}
	p.Fill("#display_name", "Ines Okafor")
	p.Fill("#username", "ines")
	p.Fill("#email", "ines@example.com")
	p.Click("#create-passkey")
	p.Want("recovery-codes")
	p.WantStatus("Your passkey was created.")
	codes := p.Texts("#recovery-codes li")
	if len(codes) != 8 || len(codes[0]) != len("XXXX-XXXX-XXXX-XXXX") {
		t.Errorf("the recovery codes are %q", codes)
	}
	p.Click("#continue") // not before the box is ticked
	p.Want("recovery-codes")
	p.Click("[name=saved]")
	p.Click("#continue")
	p.Want("account-passkeys")
	held := device.Credentials()
	if len(held) != 1 || held[0].Name != "ines" || held[0].DisplayName != "Ines Okafor" {
		t.Errorf("the device holds %+v", held)
	}
	if role := j.Text(t, "SELECT role FROM users WHERE username = 'ines'"); role != "admin" {
		t.Errorf("the role is %q", role)
	}
}

func TestJourneySetUpWithoutTheLink(t *testing.T) {
	j := begin(t)
	p := chrome.Open(t)
	p.Goto(j.URL + "/setup")
	p.Want("setup")
	p.WantText("#no-token", "Open the set-up link")
	p.WantNone("#create-passkey")
}

// TestJourneySetUpTwice: the page is gone, and a link that is left over says so.
func TestJourneySetUpTwice(t *testing.T) {
	j := begin(t)
	left := j.SetupToken(t)
	p := chrome.Open(t)
	p.Goto(j.URL + "/setup#token=" + left)
	p.Want("setup")
	j.admin(t)
	p.Fill("#display_name", "Mallory")
	p.Fill("#username", "mallory")
	p.Click("#create-passkey")
	p.WantAlert("setup_done")
	p.Expect("409")
	p.Want("setup")
	p.Goto(j.URL + "/setup")
	p.Expect("404")
	p.Want("error")
	p.WantAlert("setup_done")
	p.Click("main a[href='/login']")
	p.Want("login")
}

// TestJourneySetUpSaysWhatIsWrong with a field, beside the field.
func TestJourneySetUpSaysWhatIsWrong(t *testing.T) {
	j := begin(t)
	p := chrome.Open(t)
	p.Device()
	p.Goto(j.URL + "/setup#token=" + j.SetupToken(t))
	p.Want("setup")
	p.Click("#create-passkey")
	p.WantAlert("validation_failed")
	p.WantText("[data-field=username] .error", "")
	p.Fill("#display_name", "Ines")
	p.Fill("#username", "i n e s")
	p.Click("#create-passkey")
	p.WantAlert("validation_failed")
	p.Expect("422")
	p.Want("setup")
	if got := chrome.Eval[string](p, `document.activeElement.id + " " + document.activeElement.getAttribute("aria-invalid")`); got != "username true" {
		t.Errorf("the focus is at %q, want the field that is wrong", got)
	}
	p.Fill("#username", "ines")
	p.Click("#create-passkey")
	p.Want("recovery-codes")
}

// TestJourneyBareAddress: whoever types nothing but the address arrives where
// it goes on: at the set-up, later at their account.
func TestJourneyBareAddress(t *testing.T) {
	j := begin(t)
	p, a := j.open(t, nil)
	p.Goto(j.URL)
	p.Want("setup")
	a.Hold(j.admin(t))
	p.Goto(j.URL)
	p.Want("login")
	press(p, a, "#sign-in")
	p.Want("account-passkeys")
}
