package audit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// erase destroys a person's key, as erasing the person does.
func (w *world) erase(t testing.TB, where string) {
	t.Helper()
	if n := storagetest.SQL(t, w.url, `UPDATE person_keys SET key = NULL, destroyed_at = now() WHERE `+where); n != 1 {
		t.Fatalf("%d keys were destroyed, want 1", n)
	}
}

// personal lists the personal part of every event of a kind, by actor kind.
func (w *world) personal(t testing.TB, kind latchkey.EventKind) map[string]map[string]string {
	t.Helper()
	page, err := w.List(t.Context(), storage.EventQuery{Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, e := range page.Items {
		found[e.ActorKind+" about "+map[string]string{alice: "alice", bob: "bob", "": "nobody"}[textOf(e.Subject)]] = e.Personal
	}
	return found
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestEachPersonIsErasedAlone: what an event says of whoever acted goes with
// them, what it says of whom it is about goes with those. Proofs and the tree
// stay valid.
func TestEachPersonIsErasedAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := func(kind latchkey.ActorKind, actor, subject string) {
		t.Helper()
		ctx := latchkey.WithActor(t.Context(), latchkey.Actor{Kind: kind, UserID: actor, UserAgent: "agent of " + string(kind), Name: map[bool]string{true: "root@host"}[kind == latchkey.ActorOperator]})
		if err := w.db.Record(ctx, latchkey.Event{Kind: latchkey.UserUpdated, Subject: subject, Personal: map[string]string{"username": "name"}}); err != nil {
			t.Fatal(err)
		}
	}
	record(latchkey.ActorUser, bob, alice)
	record(latchkey.ActorUser, alice, bob)
	record(latchkey.ActorNobody, "", alice)
	record(latchkey.ActorOperator, "", alice)
	record(latchkey.ActorSystem, "", "")
	type people = map[string]map[string]string
	before := people{
		"user about alice":     {"user_agent": "agent of user", "username": "name"},
		"user about bob":       {"user_agent": "agent of user", "username": "name"},
		"nobody about alice":   {"user_agent": "agent of nobody", "username": "name"},
		"operator about alice": {"user_agent": "agent of operator", "operator": "root@host", "username": "name"},
		"system about nobody":  {"user_agent": "agent of system", "username": "name"},
	}
	if diff := cmp.Diff(before, w.personal(t, latchkey.UserUpdated)); diff != "" {
		t.Errorf("while pending (-want +got):\n%s", diff)
	}
	w.sequence(t)
	if diff := cmp.Diff(before, w.personal(t, latchkey.UserUpdated)); diff != "" {
		t.Errorf("in the tree (-want +got):\n%s", diff)
	}
	checkpoint := w.checkpoint(t)
	w.erase(t, `user_id = '`+alice+`'`)
	if diff := cmp.Diff(people{
		"user about alice":     {"user_agent": "agent of user"},
		"user about bob":       {"username": "name"},
		"nobody about alice":   {},
		"operator about alice": {"user_agent": "agent of operator", "operator": "root@host"},
		"system about nobody":  {"user_agent": "agent of system", "username": "name"},
	}, w.personal(t, latchkey.UserUpdated)); diff != "" {
		t.Errorf("alice erased (-want +got):\n%s", diff)
	}
	w.erase(t, `month IS NOT NULL`)
	if diff := cmp.Diff(people{
		"user about alice": {"user_agent": "agent of user"}, "user about bob": {"username": "name"},
		"nobody about alice": {}, "operator about alice": {}, "system about nobody": {},
	}, w.personal(t, latchkey.UserUpdated)); diff != "" {
		t.Errorf("the month gone (-want +got):\n%s", diff)
	}
	if v := w.verify(t, audit.VerifyOptions{Checkpoint: checkpoint.Note}); !v.OK {
		t.Errorf("after erasing: %s", *v.Problem)
	}
	for index := range int64(6) {
		id := storagetest.Value[string](t, w.url, `SELECT id::text FROM audit_leaf WHERE index = $1`, index)
		p, err := w.ProveEvent(t.Context(), id)
		if err != nil || tlog.CheckRecord(p.Proof, p.Size, p.Root, p.Index, p.LeafHash) != nil {
			t.Errorf("proof of %d after erasing: %v", index, err)
		}
	}
}

// TestErasedStaysErased: an event that was pending when its person was erased
// comes into the tree without its personal part, and no new key is made.
func TestErasedStaysErased(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	w.record(t, 1)
	w.erase(t, `user_id = '`+alice+`'`)
	w.sequence(t)
	if n := storagetest.Value[int64](t, w.url, `SELECT count(*) FROM audit_leaf WHERE index = 3 AND personal IS NULL AND subject = $1`, alice); n != 1 {
		t.Error("the personal part was kept")
	}
	if n := storagetest.Value[int64](t, w.url, `SELECT count(*) FROM person_keys WHERE user_id = $1`, alice); n != 1 {
		t.Errorf("%d keys of somebody erased", n)
	}
	w.wantFine(t)
}

// TestPersonalPartsNeedTheKeyFile: the database alone says nothing of people.
func TestPersonalPartsNeedTheKeyFile(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	for _, word := range []string{"Alice's key", "203.0.113.77", "Mozilla"} {
		if n := storagetest.Value[int64](t, w.url, `SELECT count(*) FROM audit_leaf l WHERE position(convert_to($1, 'UTF8') IN leaf) > 0 OR position(convert_to($1, 'UTF8') IN personal) > 0 OR row_to_json(l)::text LIKE '%'||$1||'%'`, word); n != 0 {
			t.Errorf("%q stands in %d leaves", word, n)
		}
	}
}

// TestAPendingPartThatDoesNotOpen keeps nothing from its place: the event comes
// into the tree without it, another event says so, and somebody is told.
func TestAPendingPartThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	w.record(t, 2)
	id := storagetest.Value[string](t, w.url, `SELECT id::text FROM audit_pending ORDER BY pos LIMIT 1`)
	w.tamper(t, `UPDATE audit_pending SET personal = set_byte(personal, 30, 255 - get_byte(personal, 30)) WHERE id = '`+id+`'`)
	step, err := w.Sequence(t.Context(), false)
	if err != nil || step.Taken != 2 || step.Unsealed != 1 {
		t.Fatalf("step %+v, %v", step, err)
	}
	w.sequence(t)
	w.wantWhole(t, 6)
	if n := storagetest.Value[int64](t, w.url, `SELECT count(*) FROM audit_leaf WHERE kind = 'seal.mismatch' AND NOT success AND actor_kind = 'system' AND detail->>'object' = $1`, id); n != 1 {
		t.Errorf("%d events say so, want 1", n)
	}
}
