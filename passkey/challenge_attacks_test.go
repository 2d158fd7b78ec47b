package passkey_test

import (
	"testing"

	"latchkey/passkey/passkeytest"
)

// A challenge is good once, for ten minutes, for the browser, the person and
// the ceremony that it was made for. Whatever else is tried with it gets the
// same answer, so that nobody learns which challenges exist.

// TestARefusedRegistrationSpendsItsChallenge: the challenge is taken before it
// is verified, or an attacker had as many tries as he likes (attack 4).
func TestARefusedRegistrationSpendsItsChallenge(t *testing.T) {
	t.Parallel()
	w := start(t)
	b, options := w.registering(t, "add")
	good := create(t, b.Device, options)
	b.Device.Bend.ClientData = func(c *passkeytest.ClientData) { c.Challenge = challenge43 }
	wantStatus(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 401)
	before := w.snapshot(t)
	w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, good, nil), 410, "challenge_expired")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "no_challenge")
}

// TestAUsedRegistrationChallengeIsSpent is attack 4.
func TestAUsedRegistrationChallengeIsSpent(t *testing.T) {
	t.Parallel()
	w := start(t)
	b, options := w.registering(t, "add")
	wantStatus(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 201)
	before := w.snapshot(t)
	again := create(t, passkeytest.New(b.Device.RPID, b.Device.Origin), options)
	w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, again, nil), 410, "challenge_expired")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "no_challenge")
}

// TestAReplayedSignInIsRefused is attack 50: the very same bytes once more,
// from the same browser and from the thief's.
func TestAReplayedSignInIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	victim := w.browser(t, w.admin(t).Device)
	options := victim.AuthenticationOptions("login", "")
	wantStatus(t, options, 200)
	answer := get(t, victim.Device, options)
	wantStatus(t, victim.VerifyAuthentication(options.ChallengeID, answer), 200)
	before := w.snapshot(t)
	for _, b := range []*passkeytest.Browser{victim, w.browser(t, nil)} {
		w.wantRefused(t, b.VerifyAuthentication(options.ChallengeID, answer), 410, "challenge_expired")
	}
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "no_challenge", "no_challenge")
	other := victim.AuthenticationOptions("login", "")
	wantStatus(t, other, 200)
	before = w.snapshot(t)
	w.wantRefused(t, victim.VerifyAuthentication(other.ChallengeID, answer), 401, "verification_failed")
	w.wantUnchanged(t, before)
	w.wantRefusal(t, before)
}

// TestAnOldChallengeIsRefused is attack 5: ten minutes are over.
func TestAnOldChallengeIsRefused(t *testing.T) {
	t.Parallel()
	const age = "UPDATE challenges SET created_at = created_at - interval '10 minutes 1 second', expires_at = expires_at - interval '10 minutes 1 second'"
	t.Run("registration", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b, options := w.registering(t, "add")
		before := w.snapshot(t)
		w.exec(t, age)
		w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
	t.Run("sign-in", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b := w.browser(t, w.admin(t).Device)
		options := b.AuthenticationOptions("login", "")
		before := w.snapshot(t)
		w.exec(t, age)
		w.wantRefused(t, b.VerifyAuthentication(options.ChallengeID, get(t, b.Device, options)), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
}

// TestAChallengeLivesTenMinutes is the other side: nine minutes later it works.
func TestAChallengeLivesTenMinutes(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	options := b.AuthenticationOptions("login", "")
	w.exec(t, "UPDATE challenges SET expires_at = expires_at - interval '9 minutes'")
	wantStatus(t, b.VerifyAuthentication(options.ChallengeID, get(t, b.Device, options)), 200)
}

// TestAnotherPersonsChallengeIsRefused is attack 3: Mallory, signed in, takes
// the challenge made for Alice to put a passkey on her own account.
func TestAnotherPersonsChallengeIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	mallory := w.enroll(t, "mallory")
	_, options := w.registering(t, "add")
	before := w.snapshot(t)
	answer := create(t, passkeytest.New(mallory.Device.RPID, mallory.Device.Origin), options)
	w.wantRefused(t, mallory.VerifyRegistration(options.ChallengeID, answer, nil), 410, "challenge_expired")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "no_challenge")
}

// TestAChallengeMadeForAnotherPersonIsRefused is attack 3 with nothing else
// wrong: the browser, its cookie and the passkey are those of the challenge, and
// the session behind the cookie has become somebody else's.
func TestAChallengeMadeForAnotherPersonIsRefused(t *testing.T) {
	t.Parallel()
	const handOver = `UPDATE sessions SET (user_id, credential_id) = (SELECT user_id, id FROM credentials
		WHERE user_id = (SELECT id FROM users WHERE username = 'mallory'))
		WHERE user_id = (SELECT id FROM users WHERE username = 'alice')`
	t.Run("registration", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.enroll(t, "mallory")
		b, options := w.registering(t, "add")
		w.exec(t, handOver)
		before := w.snapshot(t)
		w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 401, "session_required")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "session_ended")
	})
	t.Run("step-up", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b := w.admin(t)
		w.enroll(t, "mallory")
		options := b.AuthenticationOptions("reauth", "")
		wantStatus(t, options, 200)
		w.exec(t, handOver)
		before := w.snapshot(t)
		w.wantRefused(t, b.VerifyAuthentication(options.ChallengeID, get(t, b.Device, options)), 401, "session_required")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "session_ended")
	})
}

// TestAChallengeIsBoundToItsBrowser is attack 7: without the cookie that the
// challenge was made under, it does not exist. This is what stops an attacker
// from signing a victim's browser in as himself.
func TestAChallengeIsBoundToItsBrowser(t *testing.T) {
	t.Parallel()
	t.Run("registration", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b, options := w.registering(t, "invite")
		other := w.browser(t, nil)
		wantStatus(t, other.AuthenticationOptions("login", ""), 200) // a browser with a cookie of its own
		before := w.snapshot(t)
		w.wantRefused(t, other.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
	t.Run("registration without any cookie", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b, options := w.registering(t, "invite")
		before := w.snapshot(t)
		w.wantRefused(t, w.browser(t, nil).VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
	t.Run("sign-in", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		attacker, victim := w.browser(t, w.admin(t).Device), w.browser(t, nil)
		options := attacker.AuthenticationOptions("login", "")
		wantStatus(t, victim.AuthenticationOptions("login", ""), 200) // a browser with a cookie of its own
		before := w.snapshot(t)
		w.wantRefused(t, victim.VerifyAuthentication(options.ChallengeID, get(t, attacker.Device, options)), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
}

// TestAChallengeServesOneCeremony is attack 6, and its mirror.
func TestAChallengeServesOneCeremony(t *testing.T) {
	t.Parallel()
	t.Run("a sign-in's at registration", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b, options := w.registering(t, "add")
		login := b.AuthenticationOptions("login", "")
		wantStatus(t, login, 200)
		before := w.snapshot(t)
		b.Device.Bend.ClientData = func(c *passkeytest.ClientData) { c.Challenge = challengeOf(t, login) }
		w.wantRefused(t, b.VerifyRegistration(login.ChallengeID, create(t, b.Device, options), nil), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
	t.Run("a registration's at sign-in", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		b, options := w.registering(t, "add")
		device := w.admin(t).Device
		login := b.AuthenticationOptions("login", "")
		wantStatus(t, login, 200)
		before := w.snapshot(t)
		device.Bend.ClientData = func(c *passkeytest.ClientData) { c.Challenge = challengeOf(t, options) }
		w.wantRefused(t, b.VerifyAuthentication(options.ChallengeID, get(t, device, login)), 410, "challenge_expired")
		w.wantUnchanged(t, before)
		w.wantReasons(t, before, "no_challenge")
	})
}

// TestAnUnknownChallengeLooksLikeAnOldOne: the answer must not tell apart what
// never was and what is no more.
func TestAnUnknownChallengeLooksLikeAnOldOne(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	options := b.AuthenticationOptions("login", "")
	answer := get(t, b.Device, options)
	before := w.snapshot(t)
	for _, id := range []string{"x", challenge43, options.ChallengeID + "A", options.ChallengeID[1:]} {
		w.wantRefused(t, b.VerifyAuthentication(id, answer), 410, "challenge_expired")
	}
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "no_challenge", "no_challenge", "no_challenge", "no_challenge")
	wantStatus(t, b.VerifyAuthentication(options.ChallengeID, answer), 200)
}

// TestOpenChallengesAreBounded: options is open to everyone and writes, so one
// browser may hold only so many rows.
func TestOpenChallengesAreBounded(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	b := w.browser(t, nil)
	for range 40 {
		b.AuthenticationOptions("login", "")
	}
	if n := w.count(t, "SELECT count(*) FROM challenges"); n > 20 {
		t.Errorf("one browser holds %d open challenges, want at most 20", n)
	}
}

// TestOptionsTellNothingOfPeople: sign-in options never name a credential, so
// that nobody learns who has an account (no account oracle).
func TestOptionsTellNothingOfPeople(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	b := w.browser(t, nil)
	options := b.AuthenticationOptions("login", "")
	wantStatus(t, options, 200)
	if o := optionsOf(t, options); len(o.AllowCredentials) != 0 || o.UserVerification != "required" || o.RPID != b.Device.RPID {
		t.Errorf("options are %+v, want no allow list and user verification required", o)
	}
}
