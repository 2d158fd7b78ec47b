package storage_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

func TestSignInStartsASession(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	ctx := latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorNobody, Address: netip.MustParseAddr("192.0.2.7"), Agent: "Firefox on Linux"})
	s, token, err := db.SignIn(ctx, storage.Assertion{UserID: u.ID, PasskeyID: p.ID, ACR: "phr", AMR: []string{"pop", "user"}}, times)
	if err != nil {
		t.Fatal(err)
	}
	if s.ExpiresAt.Sub(s.AuthTime) != 12*time.Hour || s.IdleExpiresAt.Sub(s.AuthTime) != time.Hour || s.Address != "192.0.2.7" {
		t.Errorf("session is %+v", s)
	}
	got, err := db.FindSession(ctx, token, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.FoundAt, s.Username, s.DisplayName, s.Role, s.Subject = got.FoundAt, "alice", "ALICE", latchkey.RoleUser, u.Subject
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("session (-started +found):\n%s", diff)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind IN ('passkey.used', 'session.started') AND session_id = $1 AND subject = $2 AND passkey_id = $3", s.ID, u.ID, p.ID); n != 2 {
		t.Errorf("%d events tell of the sign-in, want 2", n)
	}
}

func TestSessionsThatAreNotFound(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"idle":            "UPDATE sessions SET idle_expires_at = now() - interval '1 second'",
		"expired":         "UPDATE sessions SET expires_at = now() - interval '1 second'",
		"person disabled": "UPDATE users SET status = 'disabled'",
		"ended":           "DELETE FROM sessions",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			u, p := person(t, db, "alice", latchkey.RoleUser)
			_, token := signIn(t, db, u, p, 0)
			if _, err := db.FindSession(t.Context(), token, time.Hour); err != nil {
				t.Fatal(err)
			}
			db.Exec(t, end)
			if _, err := db.FindSession(t.Context(), token, time.Hour); !errors.Is(err, latchkey.ErrNotFound) {
				t.Errorf("the session was found: %v", err)
			}
		})
	}
	db := open(t)
	for _, token := range []string{"", "x", strings.Repeat("A", 44)} {
		if _, err := db.FindSession(t.Context(), token, time.Hour); !errors.Is(err, latchkey.ErrNotFound) {
			t.Errorf("token %q: %v, want not found", token, err)
		}
	}
}

func TestUseMovesTheIdleEndOnceAMinute(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	_, token := signIn(t, db, u, p, 0)
	const left = "SELECT extract(epoch FROM idle_expires_at - now())::int / 60 FROM sessions"
	db.Exec(t, "UPDATE sessions SET last_activity = now() - interval '50 seconds', idle_expires_at = now() + interval '20 minutes'")
	find := func() {
		t.Helper()
		if _, err := db.FindSession(t.Context(), token, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	find()
	if n := db.Count(t, left); n > 20 {
		t.Errorf("the idle end moved to %d minutes within a minute of the last use", n)
	}
	db.Exec(t, "UPDATE sessions SET last_activity = now() - interval '61 seconds'")
	find()
	if n := db.Count(t, left); n < 59 {
		t.Errorf("the idle end is in %d minutes, want an hour", n)
	}
	db.Exec(t, "UPDATE sessions SET last_activity = now() - interval '2 minutes', expires_at = now() + interval '5 minutes'")
	find()
	if n := db.Count(t, left); n > 5 {
		t.Errorf("the idle end is in %d minutes, after the absolute one", n)
	}
}

func TestACounterThatDoesNotGrowIsSuspected(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	for _, step := range []struct{ reported, kept, suspected int }{{0, 0, 0}, {5, 5, 0}, {6, 6, 0}, {6, 6, 1}, {3, 6, 2}, {7, 7, 2}, {0, 7, 3}} {
		signIn(t, db, u, p, uint32(step.reported))
		if n := db.Count(t, "SELECT sign_count FROM credentials"); n != step.kept {
			t.Errorf("after %d the counter is %d, want %d", step.reported, n, step.kept)
		}
		if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'passkey.clone_suspected'"); n != step.suspected {
			t.Errorf("after %d, %d clones are suspected, want %d", step.reported, n, step.suspected)
		}
	}
}

func TestADisabledPersonCannotSignIn(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	db.Exec(t, "UPDATE users SET status = 'disabled'")
	_, _, err := db.SignIn(t.Context(), storage.Assertion{UserID: u.ID, PasskeyID: p.ID}, times)
	wantCode(t, err, latchkey.ErrForbidden, "account_disabled")
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind IN ('passkey.used', 'session.started')"); n != 0 {
		t.Errorf("%d events tell of a sign-in that was refused", n)
	}
}

func TestStepUpRotatesTheToken(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	s, old := signIn(t, db, u, p, 0)
	db.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '1 hour'")
	token, err := db.StepUp(t.Context(), s, storage.Assertion{UserID: u.ID, PasskeyID: p.ID, ACR: "phrh", AMR: []string{"hwk"}}, times)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.FindSession(t.Context(), old, time.Hour); !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("the old token still works: %v", err)
	}
	got, err := db.FindSession(t.Context(), token, time.Hour)
	if err != nil || got.ID != s.ID || got.ACR != "phrh" || time.Since(got.AuthTime) > time.Minute {
		t.Errorf("the new token finds %+v, %v", got, err)
	}
	db.Exec(t, "DELETE FROM sessions")
	_, err = db.StepUp(t.Context(), s, storage.Assertion{UserID: u.ID, PasskeyID: p.ID}, times)
	wantCode(t, err, latchkey.ErrUnauthorized, "session_required")
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'passkey.used'"); n != 2 {
		t.Errorf("%d uses recorded, want those of sign-in and step-up", n)
	}
}

func TestStepUpWithAnotherPersonsPasskeyDoesNothing(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	s, _ := signIn(t, db, u, p, 0)
	other, key := person(t, db, "mallory", latchkey.RoleUser)
	for _, as := range []storage.Assertion{{UserID: u.ID, PasskeyID: key.ID}, {UserID: other.ID, PasskeyID: key.ID}} {
		if _, err := db.StepUp(t.Context(), s, as, times); err == nil {
			t.Errorf("stepped up with %+v", as)
		}
	}
}

func TestChallengesAreTakenOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	put := func() string {
		t.Helper()
		id, _, err := db.PutChallenge(t.Context(), storage.Challenge{Type: "authentication", Purpose: "login", Binding: "mine", Data: []byte("data")}, 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := put()
	for _, c := range []struct{ name, id, kind, binding string }{
		{"another id", id[:43] + "A", "authentication", "mine"}, {"another kind", id, "registration", "mine"},
		{"another browser", id, "authentication", "yours"}, {"no browser", id, "authentication", ""},
	} {
		if c.id == id && c.name == "another id" {
			continue
		}
		if _, err := db.TakeChallenge(t.Context(), c.id, c.kind, c.binding); !errors.Is(err, latchkey.ErrNotFound) {
			t.Errorf("%s took it: %v", c.name, err)
		}
	}
	won := 0
	for _, err := range parallel(8, func(int) error {
		c, err := db.TakeChallenge(t.Context(), id, "authentication", "session", "mine")
		if err == nil && (string(c.Data) != "data" || c.Purpose != "login") {
			t.Errorf("took %+v", c)
		}
		return err
	}) {
		if err == nil {
			won++
		} else if !errors.Is(err, latchkey.ErrNotFound) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of 8 took it, want 1", won)
	}
	old := put()
	db.Exec(t, "UPDATE challenges SET expires_at = now()")
	if _, err := db.TakeChallenge(t.Context(), old, "authentication", "mine"); !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("an old one was taken: %v", err)
	}
}

func TestABrowserHoldsTwentyChallenges(t *testing.T) {
	t.Parallel()
	db := open(t)
	var last string
	for range 25 {
		id, _, err := db.PutChallenge(t.Context(), storage.Challenge{Type: "authentication", Purpose: "login", Binding: "mine", Data: []byte("x")}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		last = id
	}
	if n := db.Count(t, "SELECT count(*) FROM challenges"); n != 20 {
		t.Errorf("%d challenges are open, want 20", n)
	}
	if _, err := db.TakeChallenge(t.Context(), last, "authentication", "mine"); err != nil {
		t.Errorf("the newest is gone: %v", err)
	}
}
