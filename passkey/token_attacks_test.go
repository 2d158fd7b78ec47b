package passkey_test

import (
	"encoding/json"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
)

// The links that let people in: set-up, invitation, recovery. Each is attack 46.

// TestALinkThatIsNoneIsRefused covers unknown tokens and those of another kind.
func TestALinkThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	setup := w.setupToken(t)
	invite := w.invite(t)
	for _, c := range []struct{ name, purpose, token string }{
		{"no token", "invite", ""},
		{"no token at set-up", "setup", ""},
		{"nonsense", "invite", "nonsense"},
		{"a token cut short", "invite", invite[:len(invite)-1]},
		{"a token with a letter more", "invite", invite + "A"},
		{"an invitation at set-up", "setup", invite},
		{"a set-up link as an invitation", "invite", setup},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.snapshot(t)
			w.wantRefused(t, w.browser(t, nil).RegistrationOptions(c.purpose, c.token, person("eve")), 401, "invalid_token")
			w.wantUnchanged(t, before)
			w.wantReasons(t, before, "invalid_token")
		})
	}
	// What no link can open says what it wants instead.
	before := w.snapshot(t)
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("signup", invite, person("eve")), 403, "policy_restricted")
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("recover", invite, nil), 401, "session_required")
	w.wantUnchanged(t, before)
}

// TestAUsedLinkIsRefused: one link, one person.
func TestAUsedLinkIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("invitation", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		token := w.invite(t)
		b := w.browser(t, nil)
		wantStatus(t, b.Register("invite", token, person("bob")), 201)
		before := w.snapshot(t)
		w.wantRefused(t, b.RegistrationOptions("invite", token, person("eve")), 410, "token_expired")
		w.wantRefused(t, w.browser(t, nil).RegistrationOptions("invite", token, person("eve")), 410, "token_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "token_expired", "token_expired")
	})
	t.Run("invitation, used since the ceremony began", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		token := w.invite(t)
		b := w.browser(t, nil)
		options := b.RegistrationOptions("invite", token, person("eve"))
		wantStatus(t, b.Register("invite", token, person("bob")), 201)
		before := w.snapshot(t)
		w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 410, "token_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "token_expired")
	})
	t.Run("set-up link", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		token := w.setupToken(t)
		w.exec(t, "UPDATE one_time_links SET used_at = now()")
		before := w.snapshot(t)
		w.wantRefused(t, w.browser(t, nil).RegistrationOptions("setup", token, person("eve")), 410, "token_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "token_expired")
	})
}

// TestAnOldLinkIsRefused: its time is over, also when the ceremony began before.
func TestAnOldLinkIsRefused(t *testing.T) {
	t.Parallel()
	const age = "UPDATE one_time_links SET expires_at = now() - interval '1 second'"
	for _, purpose := range []string{"invite", "setup"} {
		t.Run(purpose, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			token := map[string]func(testing.TB) string{"invite": w.invite, "setup": w.setupToken}[purpose](t)
			b := w.browser(t, nil)
			options := b.RegistrationOptions(purpose, token, person("bob"))
			wantStatus(t, options, 200)
			w.exec(t, age)
			before := w.snapshot(t)
			w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 410, "token_expired")
			w.wantRefused(t, b.RegistrationOptions(purpose, token, person("bob")), 410, "token_expired")
			w.wantUnchanged(t, before)
			w.wantReasons(t, before, "token_expired", "token_expired")
		})
	}
}

// TestAnInvitationVouchesForItsOwnAddressOnly: whoever was invited at one
// address and types another is that person, and has not proven the other.
func TestAnInvitationVouchesForItsOwnAddressOnly(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"bob@example.com": "true", "": "true", "alice@example.com": "false", "bob@example.com.evil.example": "false"} {
		t.Run("typed "+typed, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			token := w.app.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser, Email: "bob@example.com"})
			wantStatus(t, w.browser(t, nil).Register("invite", token, passkeytest.Fields{"username": "bob", "email": typed}), 201)
			if got := w.text(t, "SELECT email_verified_at IS NOT NULL FROM users WHERE username = 'bob'"); got != want {
				t.Errorf("the address counts as verified: %s, want %s", got, want)
			}
		})
	}
}

// TestALinkTellsWhatItKnows to its first browser only, as long as it works, and
// is not spent by that.
func TestALinkTellsWhatItKnows(t *testing.T) {
	t.Parallel()
	w := start(t)
	token := w.app.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser, Username: "bob", DisplayName: "Bob Roe", Email: "bob@example.com"})
	b := w.browser(t, nil)
	look := func(b *passkeytest.Browser, purpose, token string) *passkeytest.Answer {
		return b.Post("/api/v1/webauthn/registration/link", passkeytest.Fields{"purpose": purpose, "token": token})
	}
	for range 2 {
		got := look(b, "invite", token)
		wantStatus(t, got, 200)
		var known map[string]any
		if err := json.Unmarshal(got.Raw, &known); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"username": "bob", "display_name": "Bob Roe", "email": "bob@example.com"} {
			if known[name] != want {
				t.Errorf("the link says %s %q, want %q", name, known[name], want)
			}
		}
	}
	before := w.snapshot(t)
	for name, got := range map[string]*passkeytest.Answer{
		"in another browser": look(w.browser(t, nil), "invite", token),
		"as a set-up link":   look(b, "setup", token),
		"cut short":          look(b, "invite", token[:len(token)-1]),
	} {
		if got.Status != 401 || got.Code != "invalid_token" || strings.Contains(string(got.Raw), "Roe") {
			t.Errorf("%s: answered %d %s", name, got.Status, got.Raw)
		}
	}
	w.wantUnchanged(t, before)
	wantStatus(t, b.Register("invite", token, nil), 201)
	w.wantRefused(t, look(b, "invite", token), 410, "token_expired")
}

// TestALinkBelongsToItsFirstBrowser: whoever reads the link later, in a mail
// archive or a chat, finds it taken.
func TestALinkBelongsToItsFirstBrowser(t *testing.T) {
	t.Parallel()
	w := start(t)
	token := w.invite(t)
	first := w.browser(t, nil)
	options := first.RegistrationOptions("invite", token, person("bob"))
	wantStatus(t, options, 200)
	before := w.snapshot(t)
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("invite", token, person("eve")), 401, "invalid_token")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "invalid_token")
	wantStatus(t, first.VerifyRegistration(options.ChallengeID, create(t, first.Device, options), nil), 201)
}

// TestOfTwoCeremoniesWithOneLinkOneWins: two open challenges, one invitation.
func TestOfTwoCeremoniesWithOneLinkOneWins(t *testing.T) {
	t.Parallel()
	w := start(t)
	token := w.invite(t)
	b := w.browser(t, nil)
	one, two := b.RegistrationOptions("invite", token, person("bob")), b.RegistrationOptions("invite", token, person("eve"))
	first, second := create(t, b.Device, one), create(t, passkeytest.New(b.Device.RPID, b.Device.Origin), two)
	before := w.snapshot(t)
	got := race(func() *passkeytest.Answer { return b.VerifyRegistration(one.ChallengeID, first, nil) },
		func() *passkeytest.Answer { return b.VerifyRegistration(two.ChallengeID, second, nil) })
	if got[0].Status != 201 || got[1].Status != 410 || got[1].Code != "token_expired" {
		t.Errorf("answers are %d and %d %s, want one 201 and one 410 token_expired", got[0].Status, got[1].Status, got[1].Code)
	}
	w.wantReasons(t, before, "token_expired")
	if n := w.count(t, "SELECT count(*) FROM users WHERE username IN ('bob', 'eve')"); n != 1 {
		t.Errorf("%d people came of one invitation", n)
	}
}

// TestSetUpHappensOnce: with an administrator there, every set-up link is over,
// also one that was never used.
func TestSetUpHappensOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	token, spare := w.setupToken(t), w.setupToken(t)
	early := w.browser(t, nil)
	options := early.RegistrationOptions("setup", spare, person("eve"))
	wantStatus(t, options, 200)
	wantStatus(t, w.browser(t, nil).Register("setup", token, person("alice")), 201)
	before := w.snapshot(t)
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("setup", token, person("eve")), 409, "setup_done")
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("setup", spare, person("eve")), 409, "setup_done")
	w.wantRefused(t, early.VerifyRegistration(options.ChallengeID, create(t, early.Device, options), nil), 409, "setup_done")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "setup_done", "setup_done", "setup_done")
}

// TestAddingNeedsASession: without one there is nobody to add a passkey to.
func TestAddingNeedsASession(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("add", "", nil), 401, "session_required")
}

// TestAddingNeedsAFreshSession: an unlocked laptop must not be enough to plant
// a passkey that outlives it.
func TestAddingNeedsAFreshSession(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.admin(t)
	w.exec(t, "UPDATE sessions SET auth_time = auth_time - interval '10 minutes 1 second'")
	w.wantRefused(t, b.RegistrationOptions("add", "", nil), 403, "reauthentication_required")
	wantStatus(t, b.Reauth(""), 200)
	wantStatus(t, b.RegistrationOptions("add", "", nil), 200)
}

// TestASessionThatEndedCannotFinishAdding: it ended between options and verify.
func TestASessionThatEndedCannotFinishAdding(t *testing.T) {
	t.Parallel()
	w := start(t)
	b, options := w.registering(t, "add")
	w.exec(t, "DELETE FROM sessions")
	before := w.snapshot(t)
	w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 401, "session_required")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "session_ended")
}
