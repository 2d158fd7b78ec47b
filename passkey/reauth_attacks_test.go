package passkey_test

import (
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestStepUpByAnotherPersonIsRefused is attacks 70 and 71: Mallory sits down at
// Alice's unlocked browser and confirms with her own passkey.
func TestStepUpByAnotherPersonIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice, mallory := w.admin(t), w.enroll(t, "mallory")
	options := alice.AuthenticationOptions("reauth", "")
	wantStatus(t, options, 200)
	before := w.snapshot(t)
	mallory.Device.IgnoreAllow = true
	w.wantRefused(t, alice.VerifyAuthentication(options.ChallengeID, get(t, mallory.Device, options)), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "other_person")
}

// TestStepUpByAnotherPersonInTheListIsRefused is attack 70 with nothing else
// wrong: the list names a passkey that Alice removed since, and Mallory made one
// of her own with the same id.
func TestStepUpByAnotherPersonInTheListIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	mallory := w.enroll(t, "mallory")
	b, options := w.registering(t, "add")
	wantStatus(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 201)
	reauth := b.AuthenticationOptions("reauth", "")
	listed := b.Device.Credential().ID
	w.exec(t, "DELETE FROM credentials WHERE created_at = (SELECT max(created_at) FROM credentials)")

	options = mallory.RegistrationOptions("add", "", nil)
	mallory.Device.IgnoreExclude = true
	mallory.Device.Bend.AuthData = func(d *passkeytest.AuthData) { d.CredentialID = listed }
	mallory.Device.Bend.Wire = func(v *passkeytest.Wire) { v.ID, v.RawID = listed, listed }
	wantStatus(t, mallory.VerifyRegistration(options.ChallengeID, create(t, mallory.Device, options), nil), 201)
	mallory.Device.Bend = passkeytest.Bend{}
	mallory.Device.Credential().ID = listed

	before := w.snapshot(t)
	w.wantRefused(t, b.VerifyAuthentication(reauth.ChallengeID, get(t, mallory.Device, reauth)), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "other_person")
}

// TestStepUpWithAPasskeyOutsideTheListIsRefused is attack 71: the person's own
// passkey, added after the list was made.
func TestStepUpWithAPasskeyOutsideTheListIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	b, options := w.registering(t, "add")
	reauth := b.AuthenticationOptions("reauth", "")
	wantStatus(t, reauth, 200)
	wantStatus(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 201)
	before := w.snapshot(t)
	b.Device.IgnoreAllow = true
	w.wantRefused(t, b.VerifyAuthentication(reauth.ChallengeID, get(t, b.Device, reauth)), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantRefusal(t, before)
}

// TestStepUpNamesThePersonsPasskeys: the list holds the person's passkeys and
// nobody else's.
func TestStepUpNamesThePersonsPasskeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	w.enroll(t, "bob")
	options := alice.AuthenticationOptions("reauth", "")
	wantStatus(t, options, 200)
	o := optionsOf(t, options)
	if len(o.AllowCredentials) != 1 || o.AllowCredentials[0].ID != encoded(alice.Device.Credential().ID) {
		t.Errorf("the list is %+v, want Alice's one passkey", o.AllowCredentials)
	}
}

// TestStepUpNeedsASession: there is nobody to confirm.
func TestStepUpNeedsASession(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	w.wantRefused(t, w.browser(t, nil).AuthenticationOptions("reauth", ""), 401, "session_required")
}

// TestStepUpRenewsTheSession is the honest way: a new cookie, a new time, the
// same session.
func TestStepUpRenewsTheSession(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.admin(t)
	w.exec(t, "UPDATE sessions SET auth_time = auth_time - interval '1 hour'")
	id, token := w.text(t, "SELECT id::text FROM sessions"), w.text(t, "SELECT encode(token_hash, 'hex') FROM sessions")
	wantStatus(t, b.Reauth(""), 200)
	if got := w.text(t, "SELECT id::text FROM sessions"); got != id {
		t.Errorf("the session became %s, want still %s", got, id)
	}
	if got := w.text(t, "SELECT encode(token_hash, 'hex') FROM sessions"); got == token {
		t.Error("the session kept its token")
	}
	if n := w.count(t, "SELECT count(*) FROM sessions WHERE auth_time > now() - interval '1 minute'"); n != 1 {
		t.Errorf("%d sessions have a fresh time of sign-in, want 1", n)
	}
}

// TestAStolenOldCookieDiesWithTheStepUp: whoever copied the cookie before has
// nothing after.
func TestAStolenOldCookieDiesWithTheStepUp(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.admin(t)
	thief := w.browser(t, nil)
	w.copyCookies(t, b, thief)
	wantStatus(t, thief.AuthenticationOptions("reauth", ""), 200)
	wantStatus(t, b.Reauth(""), 200)
	w.wantRefused(t, thief.AuthenticationOptions("reauth", ""), 401, "session_required")
	wantStatus(t, b.AuthenticationOptions("reauth", ""), 200)
}

// TestASignInAsSomebodyElseIsAnotherSession: purpose login in a browser that is
// signed in must not upgrade the session that is there.
func TestASignInAsSomebodyElseIsAnotherSession(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice, mallory := w.admin(t), w.enroll(t, "mallory")
	old := alice.Device
	alice.Device = mallory.Device.Clone()
	got := alice.SignIn("")
	wantStatus(t, got, 200)
	if got.User.Username != "mallory" {
		t.Errorf("signed in as %q, want mallory", got.User.Username)
	}
	if n := w.count(t, "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.username <> 'mallory'"); n != 0 {
		t.Errorf("%d sessions live on whose cookie was overwritten: nobody could end them", n)
	}
	options := alice.AuthenticationOptions("reauth", "")
	wantStatus(t, options, 200)
	if _, err := old.Get(options.PublicKey); err != passkeytest.ErrNoCredential {
		t.Errorf("the former person's passkey still fits the step-up: %v", err)
	}
}
