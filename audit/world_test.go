package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// world is one installation with its log.
type world struct {
	*audit.Log
	db  *storage.DB
	url string
}

const issuer = "https://id.example.com"

func newWorld(t testing.TB, change ...func(*storage.Options)) *world {
	t.Helper()
	w := &world{url: storagetest.URL(t)}
	w.db = storagetest.Connect(t, w.url, change...)
	w.Log = newLog(t, w.db)
	if err := w.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func newLog(t testing.TB, db *storage.DB) *audit.Log {
	t.Helper()
	l, err := audit.New(audit.Options{DB: db, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// People of the tests. The log needs no rows of theirs.
const (
	alice = "01890a5d-ac96-774b-bcce-b302099a8057"
	bob   = "01890a5d-ac96-774b-bcce-b302099a8058"
)

// ctxOf is what somebody does from somewhere.
func ctxOf(ctx context.Context, kind latchkey.ActorKind, id string) context.Context {
	return latchkey.WithActor(ctx, latchkey.Actor{
		Kind: kind, UserID: id, ClientID: "wiki", Address: netip.MustParseAddr("203.0.113.77"),
		UserAgent: "Mozilla/5.0 (X11)", Agent: "Firefox on Linux", RequestID: "req-1",
	})
}

// record writes n events of alice.
func (w *world) record(t testing.TB, n int) {
	t.Helper()
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		for i := range n {
			err := tx.Record(ctxOf(t.Context(), latchkey.ActorUser, alice), latchkey.Event{
				Kind: latchkey.PasskeyRenamed, Subject: alice, PasskeyID: bob, ClientID: "wiki", SessionID: alice, Object: fmt.Sprint(i), Reason: "chosen",
				Detail: map[string]any{"n": i, "text": "ä\u2028</script>"}, Personal: map[string]string{"device_name": "Alice's key"},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sequence takes everything into the tree.
func (w *world) sequence(t testing.TB) {
	t.Helper()
	if err := w.CatchUp(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
}

// grown is a world whose tree has n leaves.
func grown(t testing.TB, n int) *world {
	t.Helper()
	w := newWorld(t)
	w.sequence(t)
	w.record(t, n-int(w.size(t)))
	w.sequence(t)
	return w
}

func (w *world) size(t testing.TB) int64 {
	t.Helper()
	return storagetest.Value[int64](t, w.url, `SELECT size FROM audit_head`)
}

func (w *world) verify(t testing.TB, o audit.VerifyOptions) *audit.Verdict {
	t.Helper()
	v, err := w.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *world) wantFine(t testing.TB) {
	t.Helper()
	if v := w.verify(t, audit.VerifyOptions{}); !v.OK {
		t.Fatalf("first bad index %v: %s", deref(v.FirstBadIndex), *v.Problem)
	}
}

func deref(n *int64) any {
	if n == nil {
		return "none"
	}
	return *n
}

// tamper runs SQL as somebody who may do everything, triggers or not.
func (w *world) tamper(t testing.TB, statements ...string) {
	t.Helper()
	all := "SET session_replication_role = replica;"
	for _, s := range statements {
		all += s + ";"
	}
	storagetest.SQL(t, w.url, all)
}

// isHalted tells whether err is the alarm that stops the sequencers.
func isHalted(err error) bool {
	alarm := (*audit.Alarm)(nil)
	return errors.As(err, &alarm) && alarm.What == "halted"
}
