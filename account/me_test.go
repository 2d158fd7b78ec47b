package account_test

import (
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestMe: who is signed in, and how.
func TestMe(t *testing.T) {
	t.Parallel()
	w := start(t)
	bob := w.enroll(t, "bob")
	got := bob.Get("/api/v1/me")
	wantStatus(t, got, 200)
	me := decode[struct {
		ID, Subject, Username, Email, Role string
		DisplayName                        string `json:"display_name"`
		EmailVerified                      bool   `json:"email_verified"`
		Groups                             []string
		Passkeys                           int
		RecoveryCodesLeft                  int `json:"recovery_codes_left"`
		Session                            struct {
			ID, ACR    string
			AMR        []string
			FreshUntil string `json:"fresh_until"`
		}
	}](t, got)
	if me.ID != w.user(t, "bob") || me.Subject == "" || me.Username != "bob" || me.DisplayName != "Bob" || me.Email != "bob@example.com" || me.EmailVerified ||
		me.Role != "user" || me.Groups == nil || me.Passkeys != 1 || me.RecoveryCodesLeft != 8 {
		t.Errorf("me is %+v", me)
	}
	if me.Session.ID != sessionOf(t, bob).ID || me.Session.ACR != "phr" || len(me.Session.AMR) == 0 || me.Session.FreshUntil == "" {
		t.Errorf("my session is %+v", me.Session)
	}
	wantRefused(t, passkeytest.NewBrowser(t, w.URL).Get("/api/v1/me"), 401, "session_required")
}
