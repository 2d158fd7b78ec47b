package audit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// running is a node's sequencer and what it reported.
type running struct {
	mu     sync.Mutex
	alarms []string
}

func (r *running) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.alarms)
}

// run sequences until the test ends.
func (w *world) run(t *testing.T) *running {
	t.Helper()
	r := &running{}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		w.Run(ctx, func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			alarm := (*audit.Alarm)(nil)
			if !errors.As(err, &alarm) {
				t.Error(err)
				return
			}
			r.alarms = append(r.alarms, alarm.What)
		})
	})
	t.Cleanup(func() { cancel(); wait.Wait() })
	return r
}

// eventually waits for a query to give true.
func (w *world) eventually(t *testing.T, query string) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !storagetest.Value[bool](t, w.url, query); {
		if time.Now().After(deadline) {
			t.Fatalf("never true: %s", query)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const nothingPending = `SELECT NOT EXISTS (SELECT FROM audit_pending)`

// TestRunSequencesByItself, and keeps a checkpoint.
func TestRunSequencesByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(t)
	w.eventually(t, nothingPending)
	w.record(t, 5)
	w.eventually(t, nothingPending)
	w.eventually(t, `SELECT EXISTS (SELECT FROM audit_checkpoint)`)
	w.wantFine(t)
	if got := r.all(); len(got) != 0 {
		t.Errorf("alarms %v", got)
	}
}

// TestRunFindsStragglersAtTheStart: nobody has to wait ten minutes after one.
func TestRunFindsStragglersAtTheStart(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	storagetest.SQL(t, w.url, `UPDATE audit_head SET floor = 1000`)
	w.record(t, 1)
	if step, err := w.Sequence(t.Context(), false); err != nil || step.Taken != 0 {
		t.Fatalf("above the floor: %+v, %v", step, err)
	}
	r := w.run(t)
	w.eventually(t, nothingPending)
	if got := r.all(); !slices.Equal(got, []string{"stragglers"}) {
		t.Errorf("alarms %v", got)
	}
}

// TestRunTellsOfLateAndHalted, each once a minute and not with every look.
func TestRunTellsOfLateAndHalted(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	w.record(t, 1)
	storagetest.SQL(t, w.url, `UPDATE audit_pending SET created_at = created_at - interval '31 seconds'`)
	r := w.run(t)
	w.eventually(t, nothingPending)
	storagetest.SQL(t, w.url, `UPDATE audit_head SET halted = 'for a test'`)
	w.record(t, 1)
	time.Sleep(3 * time.Second)
	if got := r.all(); !slices.Equal(got, []string{"late", "halted"}) {
		t.Errorf("alarms %v, want late and halted once each", got)
	}
	if n := w.size(t); n != 4 {
		t.Errorf("a halted sequencer went on to %d", n)
	}
}

// TestFlushTakesWhatIsLeft at the end of a node.
func TestFlushTakesWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(t, 7)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantWhole(t, 8)
}

// TestCatchUpTakesAllThatWasCommitted, however busy the writers are and whoever
// else sequences: what anybody could see before is in the tree afterwards
// (CONTRACT: shapes of --json).
func TestCatchUpTakesAllThatWasCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(t)
	stop := w.beside(t, 3)
	seen := 0
	for range 10 {
		committed := storagetest.Value[[]string](t, w.url, `SELECT coalesce(array_agg(id::text), '{}') FROM audit_pending`)
		seen += len(committed)
		w.sequence(t)
		if n := storagetest.Value[int64](t, w.url, `
			SELECT count(*) FROM unnest($1::uuid[]) c (id) WHERE NOT EXISTS (
				SELECT FROM audit_leaf l WHERE l.id = c.id AND l.index < (SELECT size FROM audit_head))`, committed); n != 0 {
			t.Errorf("%d of %d events that were committed are not in the tree", n, len(committed))
		}
	}
	if wrote := stop(); seen == 0 || wrote == 0 {
		t.Errorf("%d events were written, %d of them seen while they waited", wrote, seen)
	}
	w.sequence(t)
	w.wantFine(t)
}

// beside lets others write until the returned function is called, which tells
// how many events they wrote. Their transactions take their time, so that
// events are committed in another order than they were written.
func (w *world) beside(t *testing.T, writers int) (stop func() int) {
	t.Helper()
	done := make(chan struct{})
	written := make(chan int)
	for range writers {
		db := storagetest.Connect(t, w.url)
		go func() {
			n := 0
			defer func() { written <- n }()
			for ; ; n++ {
				err := db.InTx(t.Context(), func(tx *storage.Tx) error {
					defer time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
					return tx.Record(ctxOf(t.Context(), latchkey.ActorUser, alice), latchkey.Event{Kind: latchkey.SessionStarted, Subject: alice})
				})
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	return func() (all int) {
		close(done)
		for range writers {
			all += <-written
		}
		return all
	}
}
