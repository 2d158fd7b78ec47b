package faults_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// SECURITY 123: after SIGTERM readiness says no at once, what is under way is
// answered, what is only counted is written, and the exit code is 0.
func TestStopUnderWay(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	w := newWorld(t, newProgramOn(t, d), 1)
	someone := w.people[0]
	g := someone.authorize(someone.sessions[0], w.apps.wiki, "")
	someone.exchange(g)

	release := holdGrants(t, d)
	answered := make(chan *answer, 1)
	go func() {
		someone.rotate(g)
		answered <- someone.line.answer
	}()
	machine := newPerson(t, w.program, w.apps)
	waitForLock(t, d)
	for range 20 { // within the second that may not have been written yet
		machine.robot()
	}
	if err := w.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.waitReady(t, http.StatusServiceUnavailable, 500*time.Millisecond)
	release()
	if got := <-answered; got.status != http.StatusOK {
		t.Errorf("the refresh under way was answered %s", got)
	}
	if code := w.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if len(machine.robots) != 20 {
		t.Fatalf("%d tokens were given out, want 20", len(machine.robots))
	}
	if n := ask(t, d.server.URL(), `SELECT count(*) FROM audit_pending`, pgx.RowTo[int64])[0]; n != 0 {
		t.Errorf("%d events still wait for the sequencer", n)
	}
	w.people = append(w.people, machine)
	w.counts()
	w.start(t)
	w.check()
}

// holdGrants locks the table until the returned function is called: whoever
// needs it waits, two seconds at most.
func holdGrants(t *testing.T, d *database) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE grants IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// waitForLock waits until somebody waits.
func waitForLock(t *testing.T, d *database) {
	t.Helper()
	for began := time.Now(); time.Since(began) < startLimit; time.Sleep(5 * time.Millisecond) {
		waiting := ask(t, d.server.URL(), `SELECT count(*) FROM pg_locks WHERE NOT granted`, pgx.RowTo[int64])[0]
		if waiting > 0 {
			return
		}
	}
	t.Fatal("nobody waits for the table")
}

// The private database is stopped with serve, and both start again.
func TestStopWithNothingUnderWay(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.start(t)
	began := time.Now()
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %s, want 10 s at most", took)
	}
	// And nothing is in the way of the next start.
	p.start(t)
	if got := newPerson(t, p, apps{}).signInOptions(); got.status != http.StatusOK {
		t.Errorf("after a restart sign-in options answered %s", got)
	}
}
