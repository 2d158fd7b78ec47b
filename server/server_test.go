package server_test

import (
	"testing"

	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
)

// TestFromSetUpToSignIn goes the whole way over the wire: the set-up link makes
// the first administrator, whose passkey then signs in from a new browser.
func TestFromSetUpToSignIn(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	first := passkeytest.NewBrowser(t, app.URL)
	answer := first.Register("setup", app.SetupToken(t), passkeytest.Fields{
		"username": "alice", "display_name": "Alice", "email": "alice@example.com",
	})
	if answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	if role := app.Text(t, "SELECT role FROM users WHERE username = 'alice'"); role != "admin" {
		t.Errorf("the first person's role is %q, want admin", role)
	}
	second := passkeytest.NewBrowser(t, app.URL)
	second.Device = first.Device
	if answer := second.SignIn(""); answer.Status != 200 {
		t.Fatalf("sign-in answered %d %s", answer.Status, answer.Raw)
	}
	if n := app.Text(t, "SELECT count(*) FROM sessions"); n != "2" {
		t.Errorf("%s sessions, want 2: one of the set-up, one of the sign-in", n)
	}
	if n := app.Text(t, "SELECT count(*) FROM audit_log WHERE event_type IN ('user.registered', 'passkey.registered', 'passkey.used')"); n != "3" {
		t.Errorf("%s events of three kinds, want 3", n)
	}
}

// TestSetUpEndsWithTheFirstSuccess: the link is good once, and so are all others.
func TestSetUpEndsWithTheFirstSuccess(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	token, other := app.SetupToken(t), app.SetupToken(t)
	fields := passkeytest.Fields{"username": "alice", "display_name": "Alice", "email": "alice@example.com"}
	if answer := passkeytest.NewBrowser(t, app.URL).Register("setup", token, fields); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	fields["username"] = "mallory"
	for name, token := range map[string]string{"the same link": token, "another link": other} {
		if answer := passkeytest.NewBrowser(t, app.URL).Register("setup", token, fields); answer.Status != 409 || answer.Code != "setup_done" {
			t.Errorf("%s after set-up answered %d %s, want 409 setup_done", name, answer.Status, answer.Code)
		}
	}
	if n := app.Text(t, "SELECT count(*) FROM users"); n != "1" {
		t.Errorf("%s people, want 1", n)
	}
}
