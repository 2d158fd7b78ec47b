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
		{"nonsense", "invite", "nonsense"},
		{"a token cut short", "invite", invite[:len(invite)-1]},
		{"an invitation at set-up", "setup", invite},
		{"a set-up link as an invitation", "invite", setup},
		{"an invitation as a sign-up", "signup", invite},
		{"an invitation as a recovery", "recover", invite},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.snapshot(t)
			got := w.browser(t, nil).RegistrationOptions(c.purpose, c.token, person("eve"))
			if got.OK() || got.Status >= 500 {
				t.Errorf("options answered %d %s, want a refusal", got.Status, got.Code)
			}
			w.wantUnchanged(t, before)
		})
	}
}

// TestAUsedLinkIsRefused: one link, one person.
func TestAUsedLinkIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	token := w.invite(t)
	b := w.browser(t, nil)
	wantStatus(t, b.Register("invite", token, person("bob")), 201)
	before := w.snapshot(t)
	w.wantRefused(t, w.browser(t, nil).RegistrationOptions("invite", token, person("eve")), 410, "token_expired")
	w.wantUnchanged(t, before)
}

// TestAnOldLinkIsRefused: its time is over, also when the ceremony began before.
func TestAnOldLinkIsRefused(t *testing.T) {
	t.Parallel()
	const age = "UPDATE one_time_links SET expires_at = now() - interval '1 second'"
	w := start(t)
	token := w.invite(t)
	b := w.browser(t, nil)
	options := b.RegistrationOptions("invite", token, person("bob"))
	wantStatus(t, options, 200)
	w.exec(t, age)
	before := w.snapshot(t)
	w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 410, "token_expired")
	w.wantRefused(t, b.RegistrationOptions("invite", token, person("bob")), 410, "token_expired")
	w.wantUnchanged(t, before)
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
	if got := w.browser(t, nil).RegistrationOptions("invite", token, person("eve")); got.OK() || got.Status >= 500 {
		t.Errorf("a second browser got %d %s, want a refusal", got.Status, got.Code)
	}
	w.wantUnchanged(t, before)
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
	got := race(func() *passkeytest.Answer { return b.VerifyRegistration(one.ChallengeID, first, nil) },
		func() *passkeytest.Answer { return b.VerifyRegistration(two.ChallengeID, second, nil) })
	if got[0].Status != 201 || got[1].Status < 400 || got[1].Status >= 500 {
		t.Errorf("answers are %d and %d %s, want one 201 and one refusal", got[0].Status, got[1].Status, got[1].Code)
	}
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
	for _, got := range []*passkeytest.Answer{
		w.browser(t, nil).RegistrationOptions("setup", token, person("eve")),
		w.browser(t, nil).RegistrationOptions("setup", spare, person("eve")),
		early.VerifyRegistration(options.ChallengeID, create(t, early.Device, options), nil),
	} {
		if got.Status != 409 && got.Status != 410 && got.Status != 401 {
			t.Errorf("set-up was answered %d %s once more, want a refusal", got.Status, got.Code)
		}
	}
	w.wantUnchanged(t, before)
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
	got := b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil)
	if got.Status != 401 && got.Status != 410 {
		t.Errorf("verify answered %d %s, want 401 session_required or 410 challenge_expired", got.Status, got.Code)
	}
	w.wantUnchanged(t, before)
}
