package audit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// TestEventsComeIntoTheTree in order, with an index, and the whole fits.
func TestEventsComeIntoTheTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(t, 3)
	page, err := w.List(t.Context(), storage.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 4 || page.Items[0].Index != nil {
		t.Fatalf("pending: %+v", page.Items)
	}
	w.sequence(t)
	w.record(t, 300)
	w.sequence(t)
	if n := w.size(t); n != 304 {
		t.Fatalf("%d leaves, want 304", n)
	}
	w.wantFine(t)
	w.sequence(t)
	v := w.verify(t, audit.VerifyOptions{})
	if !v.OK || v.Size != 305 || v.VerifiedUntil == nil {
		t.Errorf("verdict %+v", v)
	}
	page, err = w.List(t.Context(), storage.EventQuery{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 || page.Items[1].Index == nil || page.NextCursor == nil {
		t.Errorf("list: %+v", page)
	}
}

// TestTwoSequencersAtOnce lose nothing and double nothing.
func TestTwoSequencersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const writers, each = 4, 60
	var wait sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		node := newLog(t, storagetest.Connect(t, w.url))
		wait.Go(func() {
			for {
				if _, err := node.Sequence(t.Context(), false); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				if err := w.db.Record(ctxOf(t.Context(), latchkey.ActorUser, alice), latchkey.Event{Kind: latchkey.SessionStarted, Subject: alice}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	wait.Wait()
	w.sequence(t)
	w.wantWhole(t, writers*each+1)
}

// wantWhole demands that so many events were recorded, each is in the tree once,
// and nothing is wrong.
func (w *world) wantWhole(t testing.TB, events int64) {
	t.Helper()
	if n := storagetest.Value[int64](t, w.url, `SELECT count(DISTINCT id) FROM audit_leaf`); n != events || w.size(t) != events {
		t.Errorf("%d events in a tree of %d, want %d", n, w.size(t), events)
	}
	w.wantFine(t)
}

// cutter cancels a context when the nth statement or round trip begins.
type cutter struct {
	mu     sync.Mutex
	left   int
	cancel context.CancelFunc
}

func (c *cutter) at(n int, cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.cancel = n, cancel
}

func (c *cutter) step(ctx context.Context) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		if c.left--; c.left == 0 {
			c.cancel()
		}
	}
	return ctx
}

func (c *cutter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return c.step(ctx)
}
func (c *cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (c *cutter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return c.step(ctx)
}
func (c *cutter) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchQueryData) {
	c.step(ctx)
}
func (c *cutter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
func (c *cutter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return c.step(ctx)
}
func (c *cutter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// TestACrashBetweenAnyTwoSteps of a sequencer loses nothing and doubles nothing:
// the next one takes what was not committed.
func TestACrashBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	c := &cutter{}
	w := newWorld(t, func(o *storage.Options) { o.Tracer = c })
	events, finished := int64(1), false
	for n := 1; !finished; n++ {
		if n > 100 {
			t.Fatal("a step never ends")
		}
		w.record(t, 3)
		events += 3
		ctx, cancel := context.WithCancel(t.Context())
		c.at(n, cancel)
		_, err := w.Sequence(ctx, false)
		c.at(0, nil)
		finished = ctx.Err() == nil
		cancel()
		if finished && err != nil {
			t.Errorf("not cut, and yet: %v", err)
		}
		if n < 8 && finished {
			t.Errorf("only %d steps: the cut does not work", n)
		}
	}
	w.sequence(t)
	w.wantWhole(t, events)
}

// TestACommitThatComesLate: a transaction that lived too long gets its place all
// the same, and somebody is told.
func TestACommitThatComesLate(t *testing.T) {
	t.Parallel()
	w := grown(t, 5)
	// Its row has a position below those that are taken while it waits.
	hold, commit := make(chan struct{}), make(chan error)
	go func() {
		commit <- w.db.InTx(t.Context(), func(tx *storage.Tx) error {
			err := tx.Record(ctxOf(t.Context(), latchkey.ActorUser, bob), latchkey.Event{Kind: latchkey.SessionEnded, Subject: bob})
			hold <- struct{}{}
			<-hold
			return err
		})
	}()
	<-hold
	for range 3 { // twice until the floor has passed, and once to see it used
		storagetest.SQL(t, w.url, `UPDATE audit_head SET marked_at = marked_at - interval '61 seconds'`)
		w.record(t, 1)
		if step, err := w.Sequence(t.Context(), false); err != nil || step.Taken != 1 {
			t.Fatalf("step %+v, %v", step, err)
		}
	}
	hold <- struct{}{}
	if err := <-commit; err != nil {
		t.Fatal(err)
	}
	if step, err := w.Sequence(t.Context(), false); err != nil || step.Taken != 0 {
		t.Fatalf("above the floor: %+v, %v", step, err)
	}
	var alarms []error
	if err := w.CatchUp(t.Context(), func(err error) { alarms = append(alarms, err) }); err != nil {
		t.Fatal(err)
	}
	alarm := (*audit.Alarm)(nil)
	if len(alarms) != 1 || !errors.As(alarms[0], &alarm) || alarm.What != "stragglers" {
		t.Errorf("alarms %v, want one about stragglers", alarms)
	}
	w.wantWhole(t, 9)
}

// TestTheFloorStaysBehind: within a minute a late commit is nothing special.
func TestTheFloorStaysBehind(t *testing.T) {
	t.Parallel()
	w := grown(t, 5)
	for range 3 {
		w.record(t, 2)
		w.sequence(t)
	}
	if floor := storagetest.Value[int64](t, w.url, `SELECT floor FROM audit_head`); floor != 0 {
		t.Errorf("floor %d, want 0 within the first minute", floor)
	}
}

// TestABrokenTreeDoesNotGrow: the sequencer stops by itself, says so on every
// node, and goes on only when everything was verified.
func TestABrokenTreeDoesNotGrow(t *testing.T) {
	t.Parallel()
	w := grown(t, 20)
	w.keep(t)
	w.tamper(t, `UPDATE audit_head SET root = sha256('')`)
	w.record(t, 1)
	if _, err := w.Sequence(t.Context(), false); !isHalted(err) {
		t.Fatalf("on a root that is not that of the edge: %v", err)
	}
	if n := w.size(t); n != 20 {
		t.Errorf("the tree grew to %d", n)
	}
	other := newLog(t, storagetest.Connect(t, w.url))
	if _, err := other.Sequence(t.Context(), true); !isHalted(err) {
		t.Errorf("another node goes on: %v", err)
	}
	if err := other.CatchUp(t.Context(), func(error) {}); !isHalted(err) {
		t.Errorf("waiting for it: %v", err)
	}
	w.wantWrong(t, audit.VerifyOptions{Resume: true}, 0, "root beside the head")
	w.tamper(t, `UPDATE audit_head h SET root = k.root FROM kept_audit_head k`)
	w.wantWrong(t, audit.VerifyOptions{}, -1, "halted")
	if v := w.verify(t, audit.VerifyOptions{Resume: true}); !v.OK {
		t.Fatalf("not resumed: %s", *v.Problem)
	}
	w.sequence(t)
	w.wantWhole(t, 20+1+3)
}

// TestWhatWasWrittenIsReadAgain: a database that does not keep what it is given
// is found out at once.
func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a column":          `NEW.reason = 'other'`,
		"the leaf":          `NEW.leaf = set_byte(NEW.leaf, 10, 0)`,
		"the personal part": `NEW.personal = set_byte(NEW.personal, 30, 0)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := grown(t, 5)
			w.tamper(t, `CREATE FUNCTION rot() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+change+`; RETURN NEW; END $$`,
				`CREATE TRIGGER rot BEFORE INSERT ON audit_leaf FOR EACH ROW EXECUTE FUNCTION rot()`)
			w.record(t, 1)
			if _, err := w.Sequence(t.Context(), false); !isHalted(err) || !strings.Contains(err.Error(), "leaf 5, just written") {
				t.Errorf("sequenced: %v", err)
			}
		})
	}
	t.Run("a tile", func(t *testing.T) {
		t.Parallel()
		w := grown(t, 250)
		w.tamper(t, `CREATE FUNCTION rot() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.data = set_byte(NEW.data, 10, 0); RETURN NEW; END $$`,
			`CREATE TRIGGER rot BEFORE INSERT ON audit_tile FOR EACH ROW EXECUTE FUNCTION rot()`)
		w.record(t, 6)
		if _, err := w.Sequence(t.Context(), false); !isHalted(err) || !strings.Contains(err.Error(), "tile 0 of level 0, just written") {
			t.Errorf("sequenced: %v", err)
		}
	})
}
