package audit

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/storage/storagetest"
)

// TestCatchUpWaitsForProgress: another sequencer is given the time it takes, but
// not for doing nothing.
func TestCatchUpWaitsForProgress(t *testing.T) {
	t.Parallel()
	const events, pause = 15, 100 * time.Millisecond
	url := storagetest.URL(t)
	l, err := New(Options{DB: storagetest.Connect(t, url), Issuer: "https://id.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	l.patience = events * pause / 2
	for range events {
		if err := l.db.Record(t.Context(), latchkey.Event{Kind: latchkey.UserUpdated}); err != nil {
			t.Fatal(err)
		}
	}
	// Another has the sequencer's lock, and takes nothing.
	other, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	do := func(sql string) {
		if _, err := other.Exec(t.Context(), sql); err != nil {
			t.Error(err)
		}
	}
	do(`SELECT pg_advisory_lock(x'6c6b617501'::bigint)`)
	catchUp := func() (time.Duration, error) {
		began := time.Now()
		err := l.CatchUp(t.Context(), func(err error) { t.Error(err) })
		return time.Since(began), err
	}
	if took, err := catchUp(); !errors.Is(err, latchkey.ErrUnavailable) || took < l.patience || took > 4*l.patience {
		t.Errorf("with nothing taken it gave up after %s: %v", took, err)
	}
	// Now it takes one event after the other.
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range events {
			time.Sleep(pause)
			do(`DELETE FROM audit_pending WHERE pos = (SELECT min(pos) FROM audit_pending)`)
		}
	}()
	if took, err := catchUp(); err != nil || took < l.patience {
		t.Errorf("with one after the other taken it ended after %s: %v", took, err)
	}
	<-done
}
