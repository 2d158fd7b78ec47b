package server_test

import (
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest/chrome"
)

// TestJourneyInvitation: the link knows who it is for; one passkey later they
// are in, and in their groups.
func TestJourneyInvitation(t *testing.T) {
	j := begin(t)
	j.admin(t)
	token := j.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser, Username: "bob", DisplayName: "Bob Roe", Email: "bob@example.com"})
	p := chrome.Open(t)
	device := p.Device()
	p.Goto(j.URL + "/invite#token=" + token)
	p.Want("invite")
	for field, want := range map[string]string{"username": "bob", "display_name": "Bob Roe", "email": "bob@example.com"} {
		if got := chrome.Eval[string](p, `document.getElementById("`+field+`").value`); got != want {
			t.Errorf("%s begins as %q, want %q", field, got, want)
		}
	}
	p.Click("#create-passkey")
	p.Want("recovery-codes")
	p.Click("[name=saved]")
	p.Click("#continue")
	p.Want("account-passkeys")
	if held := device.Credentials(); len(held) != 1 || held[0].DisplayName != "Bob Roe" {
		t.Errorf("the device holds %+v", held)
	}
	if verified := j.Text(t, "SELECT email_verified_at IS NOT NULL FROM users WHERE username = 'bob'"); verified != "true" {
		t.Errorf("the address of the invitation is verified: %s", verified)
	}
	// The link is used up, and says so.
	other := chrome.Open(t)
	other.Forgive("410 (Gone)")
	other.Goto(j.URL + "/invite#token=" + token)
	other.WantAlert("token_expired")
	other.Want("invite")
	other.WantNone("#create-passkey")
}

// TestJourneyInvitationNameTaken: the form stays as it is, with the fault beside
// the field.
func TestJourneyInvitationNameTaken(t *testing.T) {
	j := begin(t)
	j.admin(t)
	p := chrome.Open(t)
	p.Device()
	p.Goto(j.URL + "/invite#token=" + j.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser}))
	p.Want("invite")
	p.Fill("#display_name", "Another Ines")
	p.Fill("#username", "ines")
	p.Click("#create-passkey")
	p.WantAlert("username_taken")
	p.Expect("409")
	p.Want("invite")
	p.Fill("#username", "ines2")
	p.Click("#create-passkey")
	p.Want("recovery-codes")
}

// codes makes a person beside the browser and returns their recovery codes.
func (j *journey) codes(t *testing.T, username string) []string {
	t.Helper()
	b := passkeytest.NewBrowserWith(t, j.URL, j.device())
	answer := b.Register("invite", j.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser}), passkeytest.Fields{"username": username, "display_name": "Bob"})
	if answer.Status != 201 {
		t.Fatalf("join answered %d %s", answer.Status, answer.Raw)
	}
	return answer.RecoveryCodes
}

// TestJourneyRecoveryCode: all passkeys are lost; a code and the username lead
// to a new one, and to nothing else before it.
func TestJourneyRecoveryCode(t *testing.T) {
	j := begin(t)
	j.admin(t)
	codes := j.codes(t, "bob")
	w := j.wiki(t, firstParty)
	p, a := j.open(t, nil)
	p.Goto(j.URL + "/login")
	p.Want("login")
	p.Click("#recover")
	p.Want("recover")
	p.Fill("#username", "bob")
	p.Fill("#code", "AAAA-AAAA-AAAA-AAAA")
	p.Click("#redeem")
	p.WantAlert("recovery_failed")
	p.Expect("401")
	p.Want("recover")
	p.Fill("#code", codes[0])
	p.Click("#redeem")
	p.WantText("h1", "Create a new passkey")
	p.Want("recover")
	// With no more than that nobody gets anywhere.
	p.Goto(w.authorize())
	p.Want("login")
	p.Goto(j.URL + "/recover")
	press(p, a, "#create-passkey")
	p.WantStatus("You are back in, and everything else is signed out.")
	p.Want("account-passkeys")
	if got := len(a.Credentials()); got != 1 {
		t.Errorf("the device holds %d passkeys", got)
	}
	p.Goto(w.authorize())
	w.wantSignedIn(t, p, "bob")
	j.wantEvents(t, "recovery.refused", "1")
}

// TestJourneyRecoveryLink: an administrator's link does the same, and works once.
func TestJourneyRecoveryLink(t *testing.T) {
	j := begin(t)
	j.admin(t)
	j.codes(t, "bob")
	link := j.URL + "/recover#token=" + j.RecoveryToken(t, j.Text(t, "SELECT id FROM users WHERE username = 'bob'"))
	p, a := j.open(t, nil)
	p.Goto(link)
	p.Want("recover")
	p.WantText("#create-passkey", "Create your passkey")
	press(p, a, "#create-passkey")
	p.Want("account-passkeys")
	other, _ := j.open(t, nil)
	other.Goto(link)
	other.Want("recover")
	other.Click("#create-passkey")
	other.WantAlert("recovery_link_failed")
	other.Expect("401")
	other.Want("recover")
}

// TestJourneyRecoveryCancelled: the dialog can be closed and tried again; the
// code is not lost.
func TestJourneyRecoveryCancelled(t *testing.T) {
	j := begin(t)
	j.admin(t)
	codes := j.codes(t, "bob")
	p, a := j.open(t, nil)
	p.Goto(j.URL + "/recover")
	p.Want("recover")
	p.Fill("#username", "bob")
	p.Fill("#code", codes[0])
	p.Click("#redeem")
	p.WantText("h1", "Create a new passkey")
	a.Verifies(false)
	press(p, a, "#create-passkey")
	p.WantAlert("cancelled")
	p.Want("recover")
	a.Verifies(true)
	p.Click("#create-passkey")
	p.Want("account-passkeys")
}
