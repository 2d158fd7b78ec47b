package passkey_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestSignInRefuses bends one thing of a sign-in per case.
func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	attacks := slices.Concat(clientDataAttacks("webauthn.create"), clientDataShapes(), authDataAttacks(), envelopeAttacks(), assertionAttacks())
	inGroups(t, "sign-in", attacks, func(t *testing.T, w *world, attack attack) {
		b := w.browser(t, w.admin(t).Device)
		w.answering(t, b, "login", attack)
	})
}

// TestStepUpRefuses runs the same attacks on a signed-in person's confirmation,
// which has an allow list and code of its own.
func TestStepUpRefuses(t *testing.T) {
	t.Parallel()
	attacks := slices.Concat(clientDataAttacks("webauthn.create"), authDataAttacks(), assertionAttacks())
	inGroups(t, "step-up", attacks, func(t *testing.T, w *world, attack attack) {
		b := w.sameBrowser(t, w.admin(t))
		b.Device = b.Device.Clone()
		w.answering(t, b, "reauth", attack)
	})
}

// answering answers one ceremony with a bent device and demands the refusal.
func (w *world) answering(t *testing.T, b *passkeytest.Browser, purpose string, attack attack) {
	t.Helper()
	options := b.AuthenticationOptions(purpose, "")
	wantStatus(t, options, 200)
	before := w.snapshot(t)
	attack.bend(b.Device)
	got := b.VerifyAuthentication(options.ChallengeID, get(t, b.Device, options))
	w.wantRefused(t, got, attack.status, attack.code)
	w.wantUnchanged(t, before)
	w.wantRefusal(t, before)
}

// assertionAttacks are the lies that only an assertion can tell.
func assertionAttacks() []attack {
	refused := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 401, "verification_failed"}
	}
	signature := func(change func([]byte) []byte) func(*passkeytest.Authenticator) {
		return func(a *passkeytest.Authenticator) { a.Bend.Signature = change }
	}
	return []attack{
		refused("backup eligibility that went away", func(a *passkeytest.Authenticator) { a.BackupEligible, a.BackupState = false, false }),             // 56
		{"attested data announced but missing", authData(func(d *passkeytest.AuthData) { d.Flags |= passkeytest.FlagAT }), 400, "malformed_credential"}, // 57
		{"attested data in a sign-in", authData(func(d *passkeytest.AuthData) { // 57
			d.Flags |= passkeytest.FlagAT
			d.AAGUID, d.CredentialID, d.Key = make([]byte, 16), make([]byte, 32), []byte{0xa0}
		}), 400, "malformed_credential"},
		refused("a raw signature", signature(passkeytest.RawSignature)),                                           // 58
		refused("the signature of another key", func(a *passkeytest.Authenticator) { a.SignWith = anotherKey() }), // 59
		refused("a bogus signature", signature(func([]byte) []byte { return []byte("signed, Alice") })),           // 60
		{"an empty signature", signature(func([]byte) []byte { return nil }), 400, "malformed_credential"},        // 60
		refused("a bent signature", signature(bent)),                                                              // 60
		refused("a signature with bytes after it", signature(func(b []byte) []byte { return append(b, 0) })),      // 60
		refused("client data changed after signing", wire(func(v *passkeytest.Wire) { v.ClientDataJSON = append(v.ClientDataJSON, ' ') })),
		refused("authenticator data changed after signing", wire(func(v *passkeytest.Wire) { v.AuthData[36]++ })),
		refused("an unknown user handle", wire(func(v *passkeytest.Wire) { v.UserHandle = bytes.Repeat([]byte{7}, 32) })), // 62
	}
}

// TestSignInRefusesWithoutAHandle is attack 63: with no username typed, the
// handle is what says who signs in. A step-up knows that already.
func TestSignInRefusesWithoutAHandle(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string][]byte{"no member": nil, "an empty one": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			b := w.browser(t, w.admin(t).Device)
			b.Device.Bend.Wire = func(v *passkeytest.Wire) { v.UserHandle = handle }
			before := w.snapshot(t)
			w.wantRefused(t, b.SignIn(""), 401, "verification_failed")
			w.wantUnchanged(t, before)
			w.wantRefusal(t, before)
		})
	}
}

// TestAnotherPersonsHandleIsRefused is attack 64: Mallory's own passkey with
// Alice's handle must not sign in as either.
func TestAnotherPersonsHandleIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice, mallory := w.admin(t), w.enroll(t, "mallory")
	b := w.browser(t, mallory.Device)
	b.Device.Bend.Wire = func(v *passkeytest.Wire) { v.UserHandle = alice.Device.Credential().UserHandle }
	before := w.snapshot(t)
	w.wantRefused(t, b.SignIn(""), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantRefusal(t, before)
}

// TestAnUnknownPasskeyIsNamedToItsDevice is attack 61: the answer lets the
// browser hide what does not work, and says nothing of people.
func TestAnUnknownPasskeyIsNamedToItsDevice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		handle func(known []byte) []byte
	}{
		{"with the handle of a known person", func(known []byte) []byte { return known }},
		{"with an unknown handle", func([]byte) []byte { return bytes.Repeat([]byte{7}, 32) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			admin := w.admin(t)
			stranger := passkeytest.New(admin.Device.RPID, admin.Device.Origin)
			held := &passkeytest.Credential{ID: bytes.Repeat([]byte{9}, 32), RPID: stranger.RPID, Algorithm: passkeytest.ES256, Key: anotherKey(),
				UserHandle: c.handle(admin.Device.Credential().UserHandle)}
			stranger.Hold(held)
			before := w.snapshot(t)
			got := w.browser(t, stranger).SignIn("")
			w.wantRefused(t, got, 401, "unknown_credential")
			w.wantUnchanged(t, before)
			w.wantReasons(t, before, "unknown_credential")
			var signal struct {
				RPID         string `json:"rpId"`
				CredentialID string `json:"credentialId"`
			}
			if err := json.Unmarshal(got.Signal, &signal); err != nil {
				t.Fatalf("signal %s: %v", got.Signal, err)
			}
			if signal.RPID != stranger.RPID || signal.CredentialID != encoded(held.ID) {
				t.Errorf("signal is %+v, want this relying party and this credential", signal)
			}
		})
	}
}

// TestACounterThatGoesBackIsFlagged is attack 67: somebody copied the key. The
// person gets in, and it is written down; the highest counter seen stays.
func TestACounterThatGoesBackIsFlagged(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	b := w.enrollWith(t, "bob", func(a *passkeytest.Authenticator) { a.BackupEligible, a.BackupState, a.CounterStep = false, false, 1 })
	thief := w.browser(t, b.Device)
	for range 3 {
		wantStatus(t, b.SignIn(""), 200)
	}
	if n := len(w.events(t, "passkey.clone_suspected")); n != 0 {
		t.Fatalf("%d clones suspected before there was one", n)
	}
	wantStatus(t, thief.SignIn(""), 200)
	if n := len(w.events(t, "passkey.clone_suspected")); n != 1 {
		t.Errorf("%d clones suspected after the copy was used, want 1", n)
	}
	if n := w.count(t, "SELECT sign_count FROM credentials WHERE clone_warning_at IS NOT NULL"); n != 3 {
		t.Errorf("the flagged passkey has counter %d, want 3, the highest seen", n)
	}
	// The flag is history and not a state: the next honest use raises no alarm.
	wantStatus(t, b.SignIn(""), 200)
	if n := len(w.events(t, "passkey.clone_suspected")); n != 1 {
		t.Errorf("%d clones suspected after an honest use, want still 1", n)
	}
}

// TestACounterOfZeroIsNoClone: synced passkeys report zero for ever.
func TestACounterOfZeroIsNoClone(t *testing.T) {
	t.Parallel()
	w := start(t)
	device := w.admin(t).Device
	for range 2 {
		wantStatus(t, w.browser(t, device).SignIn(""), 200)
	}
	if n := len(w.events(t, "passkey.clone_suspected")); n != 0 {
		t.Errorf("%d clones suspected, want none", n)
	}
}

// TestADisabledPersonCannotSignIn is attack 68.
func TestADisabledPersonCannotSignIn(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	bob := w.enroll(t, "bob")
	w.exec(t, "UPDATE users SET status = 'disabled', disabled_at = now() WHERE username = 'bob'")
	before := w.snapshot(t)
	w.wantRefused(t, w.browser(t, bob.Device).SignIn(""), 403, "account_disabled")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "account_disabled")
}

// TestAnErasedPersonCannotSignIn is attack 68.
func TestAnErasedPersonCannotSignIn(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	bob := w.enroll(t, "bob")
	w.exec(t, "DELETE FROM users WHERE username = 'bob'")
	before := w.snapshot(t)
	w.wantRefused(t, w.browser(t, bob.Device).SignIn(""), 401, "unknown_credential")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "unknown_credential")
}

// TestAPasskeyOfAnotherRelyingPartyIsRefused is attack 69: a row that came from
// another RP ID, by import or by a changed setting, signs nobody in.
func TestAPasskeyOfAnotherRelyingPartyIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	w.exec(t, "UPDATE credentials SET rp_id = 'elsewhere.example'")
	before := w.snapshot(t)
	w.wantRefused(t, b.SignIn(""), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "other_rp_id")
}

// TestBackupStateMayChange: only eligibility is for life.
func TestBackupStateMayChange(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	b.Device.BackupState = false
	wantStatus(t, b.SignIn(""), 200)
	if n := w.count(t, "SELECT count(*) FROM credentials WHERE backup_eligible AND NOT backup_state"); n != 1 {
		t.Errorf("%d credentials follow the new backup state, want 1", n)
	}
}

// TestAKeyThatBecomesBackupEligibleIsRefused is the other half of attack 56.
func TestAKeyThatBecomesBackupEligibleIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	bob := w.enrollWith(t, "bob", func(a *passkeytest.Authenticator) { a.BackupEligible, a.BackupState = false, false })
	b := w.browser(t, bob.Device)
	b.Device.BackupEligible = true
	before := w.snapshot(t)
	w.wantRefused(t, b.SignIn(""), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantRefusal(t, before)
}

// TestOfTwoSignInsWithOneChallengeOneWins is attack 47 at sign-in.
func TestOfTwoSignInsWithOneChallengeOneWins(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	options := b.AuthenticationOptions("login", "")
	answer := get(t, b.Device, options)
	verify := func() *passkeytest.Answer { return b.VerifyAuthentication(options.ChallengeID, answer) }
	before, sessions := w.snapshot(t), w.count(t, "SELECT count(*) FROM sessions")
	got := race(verify, verify, verify, verify)
	if got[0].Status != 200 {
		t.Errorf("no attempt succeeded: %d %s", got[0].Status, got[0].Code)
	}
	for _, a := range got[1:] {
		if a.Status != 410 || a.Code != "challenge_expired" {
			t.Errorf("a loser got %d %s, want 410 challenge_expired", a.Status, a.Code)
		}
	}
	if n := w.count(t, "SELECT count(*) FROM sessions"); n != sessions+1 {
		t.Errorf("%d sessions began, want 1", n-sessions)
	}
	w.wantReasons(t, before, "no_challenge", "no_challenge", "no_challenge")
}
