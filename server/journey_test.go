package server_test

import (
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/server/servertest/chrome"
)

// journey is one installation that people visit with a real browser.
type journey struct {
	*servertest.App
}

// begin starts an installation for a journey. Nobody is slowed down: limits
// have tests of their own.
func begin(t *testing.T) *journey {
	t.Helper()
	t.Parallel()
	return &journey{servertest.Start(t, func(o *server.Options) { o.NoRateLimits = true })}
}

// device is that of somebody who is about to come: nothing is on it yet.
func (j *journey) device() *passkeytest.Authenticator {
	a := passkeytest.New("localhost", j.URL)
	a.Algorithm = passkeytest.ES256 // the kind that Chromium takes over
	return a
}

// admin makes the first administrator, ines, beside the browser, and returns
// her device.
func (j *journey) admin(t *testing.T) *passkeytest.Authenticator {
	t.Helper()
	return j.join(t, "setup", j.SetupToken(t), "ines")
}

// person makes somebody who was invited, and returns their device.
func (j *journey) person(t *testing.T, username string) *passkeytest.Authenticator {
	t.Helper()
	return j.join(t, "invite", j.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser}), username)
}

func (j *journey) join(t *testing.T, purpose, token, username string) *passkeytest.Authenticator {
	t.Helper()
	b := passkeytest.NewBrowserWith(t, j.URL, j.device())
	answer := b.Register(purpose, token, passkeytest.Fields{
		"username": username, "display_name": strings.ToUpper(username[:1]) + username[1:], "email": username + "@example.com",
	})
	if answer.Status != 201 {
		t.Fatalf("%s of %s answered %d %s", purpose, username, answer.Status, answer.Raw)
	}
	return b.Device
}

// open opens a browser on a machine that holds the passkeys of device (nil =
// none). Nobody touches the authenticator before press, and the browser has no
// autofill: with both, every sign-in page would go on by itself.
func (j *journey) open(t *testing.T, device *passkeytest.Authenticator) (*chrome.Page, *chrome.Authenticator) {
	t.Helper()
	p := chrome.Open(t)
	p.NoAutofill()
	a := p.Device()
	a.Presence(false)
	if device != nil {
		a.Hold(device)
	}
	return p, a
}

// press clicks on what starts a ceremony, and touches the authenticator.
func press(p *chrome.Page, a *chrome.Authenticator, selector string) {
	a.Presence(true)
	p.Click(selector)
}

// signedIn opens a browser and signs its person in with the button.
func (j *journey) signedIn(t *testing.T, device *passkeytest.Authenticator) (*chrome.Page, *chrome.Authenticator) {
	t.Helper()
	p, a := j.open(t, device)
	p.Goto(j.URL + "/login")
	p.Want("login")
	press(p, a, "#sign-in")
	p.Await("account-passkeys")
	return p, a
}

// wantEvents compares how often an event stands in the log.
func (j *journey) wantEvents(t *testing.T, kind, want string) {
	t.Helper()
	if got := j.Text(t, "SELECT count(*) FROM audit_log WHERE event_type = '"+kind+"'"); got != want {
		t.Errorf("the log has %s events %s, want %s", got, kind, want)
	}
}
