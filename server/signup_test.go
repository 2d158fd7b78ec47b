package server_test

import (
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
)

// TestSignUpOff: an invitation that was made before lets nobody in; set-up and
// sign-in go on.
func TestSignUpOff(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t, func(o *server.Options) { o.NoInvites = true })
	alice := passkeytest.NewBrowser(t, app.URL)
	if answer := alice.Register("setup", app.SetupToken(t), passkeytest.Fields{"username": "alice"}); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	if answer := passkeytest.NewBrowserWith(t, app.URL, alice.Device).SignIn(""); answer.Status != 200 {
		t.Errorf("sign-in answered %d %s", answer.Status, answer.Raw)
	}
	token := app.InviteToken(t, latchkey.Invite{Username: "bob"})
	bob := passkeytest.NewBrowser(t, app.URL)
	if answer := bob.Get("/invite"); answer.Status != 403 || !strings.Contains(string(answer.Raw), `data-code="sign_up_off"`) {
		t.Errorf("the page of the invitation answered %d, want 403 sign_up_off", answer.Status)
	}
	if answer := bob.Register("invite", token, passkeytest.Fields{"username": "bob"}); answer.Status != 403 || answer.Code != "sign_up_off" {
		t.Errorf("the invitation answered %d %s, want 403 sign_up_off", answer.Status, answer.Code)
	}
	if n := app.Text(t, "SELECT count(*) FROM users"); n != "1" {
		t.Errorf("%s people, want 1", n)
	}
}

// TestSignUpSwitchedOffMeanwhile: a ceremony that began while invitations were
// allowed ends on a node that refuses them.
func TestSignUpSwitchedOffMeanwhile(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	bob := passkeytest.NewBrowser(t, app.URL)
	options := bob.RegistrationOptions("invite", app.InviteToken(t, latchkey.Invite{}), passkeytest.Fields{"username": "bob"})
	if options.Status != 200 {
		t.Fatalf("options answered %d %s", options.Status, options.Raw)
	}
	credential, err := bob.Device.Create(options.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := server.New(server.Options{Issuer: issuer, RPID: "localhost", DB: app.DB, Log: slog.New(slog.DiscardHandler), NoInvites: true})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(closed)
	t.Cleanup(listener.Close)
	if answer := bob.Via(listener.URL).VerifyRegistration(options.ChallengeID, credential, nil); answer.Status != 403 || answer.Code != "sign_up_off" {
		t.Errorf("verify answered %d %s, want 403 sign_up_off", answer.Status, answer.Raw)
	}
	if n := app.Text(t, "SELECT count(*) FROM users"); n != "0" {
		t.Errorf("%s people, want none", n)
	}
}
