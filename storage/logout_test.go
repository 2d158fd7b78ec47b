package storage_test

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// signOut ends a session and returns who has to hear of it.
func (f *endings) signOut(t *testing.T, s *latchkey.Session) []storage.Told {
	t.Helper()
	var counts storage.Ended
	err := f.db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		counts, err = tx.EndSessions(t.Context(), storage.Ending{Cause: storage.SignedOut, UserID: s.UserID, SessionID: s.ID})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts.Told
}

func claim(t *testing.T, db *storage.DB, c storage.LogoutClaim) []storage.DueLogout {
	t.Helper()
	if c.Limit == 0 {
		c.Limit = 10
	}
	if c.Each == 0 {
		c.Each = 10
	}
	if c.Lease == 0 {
		c.Lease = time.Minute
	}
	due, err := db.ClaimLogouts(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return due
}

// TestWhoHearsOfASignOut: every application that got anything in the session
// and registered an address of either kind, once.
func TestWhoHearsOfASignOut(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.db.Exec(t, `UPDATE clients SET protocol = '{"frontchannel_logout_uri": "https://blog.example/out"}' WHERE id = 'blog'`)
	wiki := storage.Told{ClientID: "wiki", App: "Wiki", SessionID: f.phone.ID}
	blog := storage.Told{ClientID: "blog", App: "Blog", SessionID: f.phone.ID, FrontchannelURI: "https://blog.example/out"}
	told := f.signOut(t, f.phone)
	if len(told) == 2 {
		wiki.NoticeID = told[1].NoticeID
	}
	if diff := cmp.Diff([]storage.Told{blog, wiki}, told); diff != "" || wiki.NoticeID == "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	due := claim(t, f.db.DB, storage.LogoutClaim{})
	want := []storage.DueLogout{{ID: wiki.NoticeID, Attempt: 1, LogoutJob: storage.LogoutJob{
		ClientID: "wiki", UserID: f.alice.ID, Subject: f.alice.Subject, SessionID: f.phone.ID}}}
	for i := range due {
		if time.Since(due[i].At) > time.Minute {
			t.Errorf("claimed at %v", due[i].At)
		}
		due[i].At = time.Time{}
	}
	if diff := cmp.Diff(want, due); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	if n := f.db.Count(t, `SELECT (detail->>'told')::bigint FROM audit_pending WHERE kind = 'session.ended'`); n != 1 {
		t.Errorf("the event counts %d notices", n)
	}
}

// TestAnApplicationWhoseTokensEndedBeforeHearsOfTheSignOut: whatever ended them,
// it may have signed the person in by them. One whose consent was withdrawn
// heard of the session then.
func TestAnApplicationWhoseTokensEndedBeforeHearsOfTheSignOut(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]int{
		"code_reused": 1, "refresh_reused": 1, "revoked": 1, "client_disabled": 1, "session_expired": 1, "consent_withdrawn": 0,
	} {
		f := newEndings(t)
		f.db.Exec(t, `UPDATE grants SET revoked_at = now(), revoke_reason = $1 WHERE session_id = $2`, reason, f.laptop.ID)
		if told := f.signOut(t, f.laptop); len(told) != want {
			t.Errorf("%s: %d are told, want %d", reason, len(told), want)
		}
	}
}

// TestClaimsAreFair: a few of each application at a time, so that no
// application waits behind the backlog of another.
func TestClaimsAreFair(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.backlog(t, "dead", 50)
	f.backlog(t, "live", 1)
	f.backlog(t, "busy", 3)
	f.backlog(t, "slow", 3)
	count := func(due []storage.DueLogout) map[string]int {
		n := map[string]int{}
		for _, d := range due {
			n[d.ClientID]++
		}
		return n
	}
	first := claim(t, f.db.DB, storage.LogoutClaim{Limit: 20, Each: 4, Busy: []string{"busy"}, Slow: []string{"slow"}})
	if diff := cmp.Diff(map[string]int{"dead": 4, "live": 1, "slow": 1}, count(first)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := count(claim(t, f.db.DB, storage.LogoutClaim{Limit: 5, Each: 4})); n["dead"]+n["busy"]+n["slow"] != 5 {
		t.Errorf("with a limit of 5: %v", n)
	}
}

// backlog queues notices of an application by hand. Their payload does not open.
func (f *endings) backlog(t *testing.T, client string, n int) {
	t.Helper()
	f.db.Exec(t, `
		INSERT INTO jobs (id, kind, key, payload, expires_at)
		SELECT gen_random_uuid(), 'logout', $1, '\x00', now() + interval '1 day' FROM generate_series(1, $2)`, client, n)
}

// TestEachNoticeIsClaimedOnce by any number of nodes, until its lease is over.
func TestEachNoticeIsClaimedOnce(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.backlog(t, "wiki", 60)
	var mu sync.Mutex
	var claimed []string
	var nodes sync.WaitGroup
	for range 6 {
		db := storagetest.Connect(t, f.db.url)
		nodes.Go(func() {
			for range 20 {
				due, err := db.ClaimLogouts(t.Context(), storage.LogoutClaim{Limit: 3, Each: 3, Lease: time.Minute})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, d := range due {
					claimed = append(claimed, d.ID)
				}
				mu.Unlock()
			}
		})
	}
	nodes.Wait()
	slices.Sort(claimed)
	if n := len(claimed); n != 60 || len(slices.Compact(claimed)) != 60 {
		t.Errorf("%d claims", n)
	}
	if due := claim(t, f.db.DB, storage.LogoutClaim{Limit: 100, Each: 100}); len(due) != 0 {
		t.Errorf("%d were claimed within their lease", len(due))
	}
	// Nothing was heard of their workers.
	f.db.Exec(t, `UPDATE jobs SET next_at = next_at - interval '1 minute'`)
	due := claim(t, f.db.DB, storage.LogoutClaim{Limit: 100, Each: 100})
	if len(due) != 60 || due[0].Attempt != 2 || !due[0].Broken {
		t.Errorf("%d were claimed after their lease: %+v", len(due), due[:1])
	}
}

// TestWhatAnAttemptLeaves: state, reason, next attempt, and the events of the
// delivery, of the first failure and of the last.
func TestWhatAnAttemptLeaves(t *testing.T) {
	t.Parallel()
	type step struct {
		aged    string // by which interval before
		outcome storage.LogoutOutcome
		state   latchkey.NoticeState
		events  string // delivered, failed, given up so far
	}
	failed := storage.LogoutOutcome{Reason: latchkey.NoticeNoAnswer, Pause: time.Hour}
	for name, steps := range map[string][]step{
		"delivered at once": {{"0", storage.LogoutOutcome{}, latchkey.NoticeDelivered, "1 0 0"}},
		"delivered at last": {
			{"0", failed, latchkey.NoticePending, "0 1 0"},
			{"1 hour", failed, latchkey.NoticePending, "0 1 0"},
			{"1 hour", storage.LogoutOutcome{}, latchkey.NoticeDelivered, "1 1 0"},
		},
		"given up": {
			{"0", failed, latchkey.NoticePending, "0 1 0"},
			{"22 hours 30 minutes", failed, latchkey.NoticePending, "0 1 0"},
			{"1 hour", failed, latchkey.NoticeFailed, "0 2 1"},
		},
		"hopeless": {{"0", storage.LogoutOutcome{Reason: latchkey.NoticeNoAddress, Final: true, Pause: time.Second}, latchkey.NoticeFailed, "0 1 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newEndings(t)
			id := f.signOut(t, f.laptop)[0].NoticeID
			for i, s := range steps {
				f.db.Exec(t, `UPDATE jobs SET next_at = least(next_at - $1::interval, now()), expires_at = expires_at - $1::interval, created_at = created_at - $1::interval`, s.aged)
				due := claim(t, f.db.DB, storage.LogoutClaim{})
				if len(due) != 1 || due[0].Attempt != i+1 {
					t.Fatalf("step %d: claimed %+v", i, due)
				}
				state, err := f.db.SettleLogout(t.Context(), due[0], s.outcome)
				if err != nil || state != s.state {
					t.Fatalf("step %d: %s, %v; want %s", i, state, err, s.state)
				}
				n := f.notice(t, id)
				if n.State != s.state || n.Reason != s.outcome.Reason || n.Attempts != i+1 || n.App != "Wiki" || n.DoneAt.IsZero() != (s.state == latchkey.NoticePending) || n.NextAt.IsZero() == (s.state == latchkey.NoticePending) {
					t.Errorf("step %d: %+v", i, n)
				}
				events := ""
				for _, kind := range []string{`kind = 'logout.delivered' AND success`, `kind = 'logout.failed' AND NOT success`, `kind = 'logout.failed' AND detail->>'given_up' = 'true'`} {
					events += " " + strconv.Itoa(f.db.Count(t, `SELECT count(*) FROM audit_pending WHERE `+kind+` AND subject = $1 AND client_id = 'wiki' AND session_id = $2`, f.alice.ID, f.laptop.ID))
				}
				if events[1:] != s.events {
					t.Errorf("step %d: events %s, want %s", i, events, s.events)
				}
				if s.state == latchkey.NoticePending {
					continue
				}
				if _, err := f.db.SettleLogout(t.Context(), due[0], storage.LogoutOutcome{}); !errors.Is(err, latchkey.ErrNotFound) {
					t.Errorf("settled twice: %v", err)
				}
			}
		})
	}
}

func (f *endings) notice(t *testing.T, id string) latchkey.Notice {
	t.Helper()
	found, err := f.db.Notices(t.Context(), []string{id})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0]
}

// TestNoticesAreLookedUp by the person and by the administrator.
func TestNoticesAreLookedUp(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.signOut(t, f.ofBob)
	first := f.signOut(t, f.laptop)[0].NoticeID
	f.db.Exec(t, `UPDATE jobs SET created_at = created_at - interval '1 minute' WHERE id = $1`, first)
	last := f.signOut(t, f.phone)[0].NoticeID
	mine, err := f.db.LastNotices(t.Context(), f.alice.ID)
	if err != nil || len(mine) != 1 || mine[0].ID != last {
		t.Errorf("of the person: %+v, %v", mine, err)
	}
	due := claim(t, f.db.DB, storage.LogoutClaim{})
	for i, o := range []storage.LogoutOutcome{{}, {Reason: "status_400", Pause: time.Minute}} {
		if _, err := f.db.SettleLogout(t.Context(), due[i], o); err != nil {
			t.Fatal(err)
		}
	}
	newest, counts, err := f.db.ClientNotices(t.Context(), "wiki", 2)
	if err != nil || len(newest) != 2 || newest[0].ID != last || counts != (storage.NoticeCount{Pending: 2, Delivered: 1}) {
		t.Errorf("of the application: %+v %+v, %v", newest, counts, err)
	}
	// An application that is gone keeps its notices, under its id.
	f.db.Exec(t, `DELETE FROM clients WHERE id = 'wiki'`)
	if n := f.notice(t, first); n.App != "wiki" {
		t.Errorf("%+v", n)
	}
}

// TestNoticesStayForAWeek after their last attempt, then they are swept.
func TestNoticesStayForAWeek(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.signOut(t, f.laptop)
	for _, c := range []struct {
		age  string
		left int
	}{{"7 days 23 hours", 1}, {"2 hours", 0}} {
		f.db.Exec(t, `UPDATE jobs SET expires_at = expires_at - $1::interval`, c.age)
		for _, s := range storage.Sweepers() {
			if _, err := f.db.Sweep(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if n := f.db.Count(t, `SELECT count(*) FROM jobs`); n != c.left {
			t.Errorf("after another %s: %d notices, want %d", c.age, n, c.left)
		}
	}
}

// TestQueuedNoticesWakeTheWorker once they are committed, and only then.
func TestQueuedNoticesWakeTheWorker(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	woken := func() bool {
		select {
		case <-f.db.Queued():
			return true
		default:
			return false
		}
	}
	undone := errors.New("undone")
	err := f.db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.EndSessions(t.Context(), storage.Ending{Cause: storage.SignedOut, UserID: f.alice.ID, SessionID: f.laptop.ID})
		return errors.Join(err, undone)
	})
	if !errors.Is(err, undone) || woken() {
		t.Errorf("what was not committed woke the worker: %v", err)
	}
	f.signOut(t, f.laptop)
	if !woken() {
		t.Error("nobody was woken")
	}
	f.db.Exec(t, `UPDATE clients SET protocol = '{}'`)
	if f.signOut(t, f.phone); woken() {
		t.Error("nobody has to be told, and the worker was woken")
	}
}
