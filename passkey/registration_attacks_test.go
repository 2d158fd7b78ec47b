package passkey_test

import (
	"slices"
	"sync"
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestRegistrationRefuses bends one thing of a registration per case, once for
// a newcomer with an invitation and once for a person who adds a passkey.
func TestRegistrationRefuses(t *testing.T) {
	t.Parallel()
	attacks := slices.Concat(clientDataAttacks("webauthn.get"), clientDataShapes(), authDataAttacks(), envelopeAttacks(), attestationAttacks(), keyAttacks())
	for _, purpose := range []string{"invite", "add"} {
		inGroups(t, purpose, attacks, func(t *testing.T, w *world, attack attack) {
			b, options := w.registering(t, purpose)
			before := w.snapshot(t)
			attack.bend(b.Device)
			got := b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil)
			w.wantRefused(t, got, attack.status, attack.code)
			w.wantUnchanged(t, before)
			w.wantRefusal(t, before)
		})
	}
}

// TestRegistrationAcceptsWhatIsOnlyUnusual keeps the suite honest: each of
// these differs from the honest device as well, and is right.
func TestRegistrationAcceptsWhatIsOnlyUnusual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		bend func(*passkeytest.Authenticator)
	}{
		{"nothing at all", func(*passkeytest.Authenticator) {}},
		{"EdDSA", func(a *passkeytest.Authenticator) { a.Algorithm = passkeytest.EdDSA }},
		{"RS256", func(a *passkeytest.Authenticator) { a.Algorithm = passkeytest.RS256 }},
		{"a self attestation nobody asked for", func(a *passkeytest.Authenticator) { a.Attestation = passkeytest.AttestSelf }},
		{"an attestation nobody asked for", func(a *passkeytest.Authenticator) { a.Attestation = passkeytest.AttestFull }},
		{"no report of credProps", func(a *passkeytest.Authenticator) { a.CredProps = nil }},
		{"an id of 16 bytes", idLength(16)},
		{"an id of 1023 bytes", idLength(1023)},
		{"a transport nobody knows", func(a *passkeytest.Authenticator) { a.Transports = []string{"smell-o-vision"} }},
		{"members of client data nobody knows", clientData(func(c *passkeytest.ClientData) {
			c.Extra = map[string]any{"another": true, "new_keys_may_be_added_here": "do not compare"}
		})},
		{"a key that is not synced", func(a *passkeytest.Authenticator) { a.BackupEligible, a.BackupState = false, false }},
		{"a synced passkey that is not backed up yet", func(a *passkeytest.Authenticator) { a.BackupState = false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			b, options := w.registering(t, "add")
			c.bend(b.Device)
			if got := b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil); got.Status != 201 {
				t.Fatalf("registration answered %d %s, want 201: %s", got.Status, got.Code, got.Raw)
			}
			fresh := w.browser(t, b.Device)
			if got := fresh.SignIn(""); got.Status != 200 {
				t.Errorf("sign-in with it answered %d %s, want 200: %s", got.Status, got.Code, got.Raw)
			}
		})
	}
}

// TestACredentialBelongsToOnePerson is attack 41: whoever knows a credential
// id must not be able to claim it, and a device must not be counted twice.
func TestACredentialBelongsToOnePerson(t *testing.T) {
	t.Parallel()
	for _, whose := range []string{"their own", "another person's"} {
		t.Run(whose, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			admin := w.admin(t)
			b := admin
			if whose != "their own" {
				b = w.enroll(t, "mallory")
			}
			options := b.RegistrationOptions("add", "", nil)
			wantStatus(t, options, 200)
			before := w.snapshot(t)
			thief := b.Device.Clone()
			thief.IgnoreExclude = true
			known := admin.Device.Credential().ID
			thief.IDLength = len(known)
			thief.Bend.AuthData = func(d *passkeytest.AuthData) { d.CredentialID = known }
			thief.Bend.Wire = func(v *passkeytest.Wire) { v.ID, v.RawID = known, known }
			got := b.VerifyRegistration(options.ChallengeID, create(t, thief, options), nil)
			w.wantRefused(t, got, 409, "credential_exists")
			w.wantUnchanged(t, before)
			w.wantReasons(t, before, "credential_exists")
		})
	}
}

// TestOfTwoRegistrationsWithOneChallengeOneWins is attack 47.
func TestOfTwoRegistrationsWithOneChallengeOneWins(t *testing.T) {
	t.Parallel()
	w := start(t)
	b, options := w.registering(t, "add")
	first, second := create(t, b.Device, options), create(t, passkeytest.New(b.Device.RPID, b.Device.Origin), options)
	before := w.snapshot(t)
	got := race(func() *passkeytest.Answer { return b.VerifyRegistration(options.ChallengeID, first, nil) },
		func() *passkeytest.Answer { return b.VerifyRegistration(options.ChallengeID, second, nil) })
	if got[0].Status != 201 || got[1].Status != 410 || got[1].Code != "challenge_expired" {
		t.Errorf("answers are %d %s and %d %s, want one 201 and one 410 challenge_expired", got[0].Status, got[0].Code, got[1].Status, got[1].Code)
	}
	if n := w.count(t, "SELECT count(*) FROM credentials"); n != 2 {
		t.Errorf("%d credentials are stored, want the first one and the new one", n)
	}
	w.wantReasons(t, before, "no_challenge")
}

// race runs calls at the same moment and returns their answers, the lowest
// status first.
func race(calls ...func() *passkeytest.Answer) []*passkeytest.Answer {
	out := make([]*passkeytest.Answer, len(calls))
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() {
			<-gate
			out[i] = call()
		})
	}
	close(gate)
	all.Wait()
	slices.SortFunc(out, func(a, b *passkeytest.Answer) int { return a.Status - b.Status })
	return out
}
