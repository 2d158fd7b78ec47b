package storage_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/storage"
)

func codes(t testing.TB, db *testDB, u *latchkey.User) (made []string) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		made, err = tx.NewRecoveryCodes(t.Context(), u.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func redeem(t testing.TB, db *testDB, name, code string) (userID string, err error) {
	t.Helper()
	err = db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		userID, err = tx.RedeemCode(t.Context(), name, code)
		return err
	})
	return userID, err
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	made := codes(t, db, u)
	if len(made) != 8 {
		t.Errorf("%d codes, want 8", len(made))
	}
	for _, code := range made {
		if !regexp.MustCompile(`^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$`).MatchString(code) {
			t.Errorf("code %q", code)
		}
	}
	for i, typed := range []string{made[0], strings.ToLower(made[1]), strings.ReplaceAll(made[2], "-", ""), " " + strings.ReplaceAll(made[3], "-", " ")} {
		if got, err := redeem(t, db, "ALICE", typed); err != nil || got != u.ID {
			t.Errorf("code %d: %q, %v", i, got, err)
		}
	}
	if n, err := db.RecoveryCodes(t.Context(), u.ID); n.Left != 4 || n.Total != 8 || n.MadeAt.IsZero() || n.LastUsedAt.IsZero() || err != nil {
		t.Errorf("the codes stand at %+v, %v", n, err)
	}
	codes(t, db, u)
	if _, err := redeem(t, db, "alice", made[5]); !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("an old code works after new ones were made: %v", err)
	}
}

func TestARecoveryCodeIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		bend func(db *testDB, name, code string) (string, string)
	}{
		{"used", func(db *testDB, name, code string) (string, string) {
			_, _ = redeem(t, db, name, code)
			return name, code
		}},
		{"another person's", func(_ *testDB, _, code string) (string, string) { return "bob", code }},
		{"of nobody", func(_ *testDB, _, code string) (string, string) { return "nobody", code }},
		{"without a name", func(_ *testDB, _, code string) (string, string) { return "", code }},
		{"wrong", func(_ *testDB, name, _ string) (string, string) { return name, "AAAA-AAAA-AAAA-AAAA" }},
		{"empty", func(_ *testDB, name, _ string) (string, string) { return name, "" }},
		{"of a disabled person", func(db *testDB, name, code string) (string, string) {
			db.Exec(t, "UPDATE users SET status = 'disabled'")
			return name, code
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			u, _ := person(t, db, "alice", latchkey.RoleUser)
			person(t, db, "bob", latchkey.RoleUser)
			name, code := c.bend(db, "alice", codes(t, db, u)[0])
			if _, err := redeem(t, db, name, code); !errors.Is(err, latchkey.ErrNotFound) {
				t.Errorf("redeemed: %v", err)
			}
		})
	}
}

func TestOfTwentyTriesWithOneCodeOneWins(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	code := codes(t, db, u)[0]
	won := 0
	for _, err := range parallel(20, func(int) error { _, err := redeem(t, db, "alice", code); return err }) {
		if err == nil {
			won++
		} else if !errors.Is(err, latchkey.ErrNotFound) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of 20 won, want 1", won)
	}
}

func TestRecoveryEndsAllElse(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	var s *latchkey.Session
	var token string
	err := f.db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		s, token, err = tx.StartRecovery(t.Context(), f.alice.ID, "code")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.look(t); len(got.Sessions) != 1 || len(got.Refresh) != 4 {
		t.Errorf("left are %+v, want only what is Bob's", got)
	}
	found, err := f.db.FindSession(t.Context(), token, time.Hour)
	if err != nil || found.Kind != latchkey.SessionRecovery || found.ExpiresAt.Sub(found.CreatedAt) != 15*time.Minute || s.ID != found.ID {
		t.Errorf("recovery session %+v, %v", found, err)
	}
}

func link(t testing.TB, db *testDB, l latchkey.Link) (token string, made latchkey.Link) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		token, err = tx.CreateLink(t.Context(), &l, time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return token, l
}

func TestALinkBindsToTheFirstBrowser(t *testing.T) {
	t.Parallel()
	db := open(t)
	token, made := link(t, db, latchkey.Link{Purpose: latchkey.LinkInvite, Invite: latchkey.Invite{Username: "bob", Groups: []string{"staff"}}})
	for range 2 {
		got, err := db.OpenLink(t.Context(), latchkey.LinkInvite, token, "first")
		if err != nil || got.ID != made.ID || got.Invite.Username != "bob" || got.Invite.Groups[0] != "staff" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	_, err := db.OpenLink(t.Context(), latchkey.LinkInvite, token, "second")
	wantCode(t, err, latchkey.ErrUnauthorized, "invalid_token")
	_, err = db.OpenLink(t.Context(), latchkey.LinkRecover, token, "first")
	wantCode(t, err, latchkey.ErrUnauthorized, "invalid_token")
	_, err = db.OpenLink(t.Context(), latchkey.LinkInvite, token[1:], "first")
	wantCode(t, err, latchkey.ErrUnauthorized, "invalid_token")
	_, err = db.OpenLink(t.Context(), latchkey.LinkInvite, token, "")
	wantCode(t, err, latchkey.ErrUnauthorized, "invalid_token")
	use := func() error {
		return db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.UseLink(t.Context(), made.ID, "") })
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, use(), latchkey.ErrExpired, "token_expired")
	_, err = db.OpenLink(t.Context(), latchkey.LinkInvite, token, "first")
	wantCode(t, err, latchkey.ErrExpired, "token_expired")
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind IN ('link.created', 'user.invited', 'link.used')"); n != 3 {
		t.Errorf("%d events, want one each", n)
	}
}

func TestAnOldLinkIsOver(t *testing.T) {
	t.Parallel()
	db := open(t)
	token, made := link(t, db, latchkey.Link{Purpose: latchkey.LinkSetup})
	db.Exec(t, "UPDATE one_time_links SET expires_at = now()")
	_, err := db.OpenLink(t.Context(), latchkey.LinkSetup, token, "first")
	wantCode(t, err, latchkey.ErrExpired, "token_expired")
	err = db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.UseLink(t.Context(), made.ID, "") })
	wantCode(t, err, latchkey.ErrExpired, "token_expired")
}

func TestOfTwoSetUpsOneMakesAnAdministrator(t *testing.T) {
	t.Parallel()
	db := open(t)
	ids := make([]string, 2)
	for i := range ids {
		_, l := link(t, db, latchkey.Link{Purpose: latchkey.LinkSetup})
		ids[i] = l.ID
	}
	errs := parallel(2, func(i int) error {
		return db.InTx(t.Context(), func(tx *storage.Tx) error {
			if err := tx.BeginSetup(t.Context()); err != nil {
				return err
			}
			if err := tx.UseLink(t.Context(), ids[i], ""); err != nil {
				return err
			}
			u := &latchkey.User{Username: []string{"alice", "bob"}[i], DisplayName: "x", Role: latchkey.RoleAdmin}
			if err := tx.CreateUser(t.Context(), u); err != nil {
				return err
			}
			if err := tx.EndSetupLinks(t.Context()); err != nil {
				return err
			}
			return tx.FreezeRPID(t.Context(), "localhost")
		})
	})
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("set-ups answered %v, want one success", errs)
	}
	for _, err := range errs {
		if err != nil {
			wantCode(t, err, latchkey.ErrConflict, "setup_done")
		}
	}
	if n := db.Count(t, "SELECT count(*) FROM one_time_links WHERE used_at IS NULL"); n != 0 {
		t.Errorf("%d set-up links are left", n)
	}
	if rpID, err := db.FrozenRPID(t.Context()); rpID != "localhost" || err != nil {
		t.Errorf("frozen RP ID %q, %v", rpID, err)
	}
}

func TestSweepersLeaveWhatLives(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	signIn(t, db, u, p, 0)
	link(t, db, latchkey.Link{Purpose: latchkey.LinkSetup})
	db.Exec(t, `
		INSERT INTO challenges (id_hash, challenge_type, purpose, binding_hash, challenge_data, expires_at)
		SELECT decode(lpad(to_hex(n), 66, '0'), 'hex'), 'authentication', 'login', decode(repeat('00', 33), 'hex'), '',
		       now() + CASE WHEN n <= 2500 THEN interval '-1 second' ELSE interval '1 minute' END
		FROM generate_series(1, 2503) n`)
	deleted := map[string]int{}
	for _, s := range storage.Sweepers() {
		n, err := db.Sweep(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		deleted[s.Name] = n
	}
	for name, n := range deleted {
		if want := map[string]int{"challenges": 2500}[name]; n != want {
			t.Errorf("%s: %d swept, want %d", name, n, want)
		}
	}
	if n := db.Count(t, "SELECT (SELECT count(*) FROM challenges) + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM one_time_links)"); n != 5 {
		t.Errorf("%d rows live on, want 3 challenges, a session and a link", n)
	}
}
