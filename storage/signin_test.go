package storage_test

import (
	"sync"
	"testing"

	"latchkey"
	"latchkey/storage"
)

// TestAUseIsWrittenOnceAMinute: a passkey without a counter that was just used
// is not written again, so that its sign-ins do not wait for one another; each
// is an event all the same.
func TestAUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	version := func() int { return db.Count(t, "SELECT xmin::text::int FROM credentials") }
	use := func(backedUp bool) (written bool) {
		t.Helper()
		before := version()
		_, _, err := db.SignIn(t.Context(), storage.Assertion{UserID: u.ID, PasskeyID: p.ID, BackupState: backedUp}, times)
		if err != nil {
			t.Fatal(err)
		}
		return version() != before
	}
	if !use(true) {
		t.Error("the first use was not written")
	}
	if use(true) {
		t.Error("a second use in the same minute was written")
	}
	if !use(false) {
		t.Error("a backup that is gone was not written")
	}
	db.Exec(t, "UPDATE credentials SET last_used_at = now() - interval '61 seconds'")
	if !use(false) {
		t.Error("a use after a minute was not written")
	}
	if n := db.Count(t, "SELECT count(*) FROM credentials WHERE last_used_at > now() - interval '10 seconds' AND NOT backup_state"); n != 1 {
		t.Error("the last use is not in the row")
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'passkey.used'"); n != 4 {
		t.Errorf("%d events tell of four uses", n)
	}
}

// TestTwoDevicesWithOneCounter: of uses at the same moment that report the same
// count only one can be right.
func TestTwoDevicesWithOneCounter(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, p := person(t, db, "alice", latchkey.RoleUser)
	const devices = 6
	var uses sync.WaitGroup
	for range devices {
		uses.Go(func() {
			_, _, err := db.SignIn(t.Context(), storage.Assertion{UserID: u.ID, PasskeyID: p.ID, SignCount: 5}, times)
			if err != nil {
				t.Error(err)
			}
		})
	}
	uses.Wait()
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'passkey.clone_suspected'"); n != devices-1 {
		t.Errorf("%d of %d uses are suspected, want all but one", n, devices)
	}
}
