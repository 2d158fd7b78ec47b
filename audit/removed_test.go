package audit_test

import (
	"errors"
	"strings"
	"testing"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage/storagetest"
)

// TestWhatIsTakenAway: an insider with all rights on the database, but without
// the key file, removes things and leaves the rest fitting together. What the
// log finds by itself and what only a checkpoint from elsewhere finds is what
// SECURITY.md tells people; "" = nothing is found.
func TestWhatIsTakenAway(t *testing.T) {
	t.Parallel()
	w := grown(t, 300)
	kept := w.checkpointKept(t)
	past := storagetest.Value[string](t, w.url, `SELECT format('size = %s, root = %L, edge = %L', size, root, edge) FROM audit_head`)
	w.record(t, 50)
	w.sequence(t)
	w.checkpointKept(t)
	outside := w.checkpoint(t)
	w.wantFine(t)
	w.keep(t)
	const cut = "DELETE FROM audit_leaf WHERE index >= 300"
	for _, attack := range []struct {
		name           string
		statements     []string
		inside, beyond string
	}{
		{"all checkpoints", []string{"DELETE FROM audit_checkpoint"}, "", ""},
		{"the newest checkpoint", []string{"DELETE FROM audit_checkpoint WHERE size > 300"}, "", ""},
		{"the last events", []string{cut}, "leaf 300 is missing", "leaf 300 is missing"},
		{"the last events and their checkpoint", []string{cut, "DELETE FROM audit_checkpoint WHERE size > 300"}, "leaf 300 is missing", "leaf 300 is missing"},
		{"the last events, the head set back", []string{cut, "UPDATE audit_head SET " + past}, "log shrank: the checkpoint kept", "log shrank"},
		{"the last events and their checkpoint, the head set back", []string{cut, "DELETE FROM audit_checkpoint WHERE size > 300", "UPDATE audit_head SET " + past}, "", "log shrank: the checkpoint given"},
		{"the last events and all checkpoints, the head set back", []string{cut, "DELETE FROM audit_checkpoint", "UPDATE audit_head SET " + past}, "", "log shrank: the checkpoint given"},
		{"all events and checkpoints", []string{"DELETE FROM audit_leaf", "DELETE FROM audit_tile", "DELETE FROM audit_checkpoint", `UPDATE audit_head SET size = 0, edge = '', root = sha256('')`}, "", "log shrank: the checkpoint given"},
		{"the months of all events", []string{"DELETE FROM audit_checkpoint", "DELETE FROM audit_leaf WHERE sequenced_at < now() + interval '1 day'"}, "leaf 0 is missing", "leaf 0 is missing"},
		{"events that wait", []string{"INSERT INTO audit_pending (id, kind, actor_kind, success) VALUES (gen_random_uuid(), 'user.updated', 'system', true)", "DELETE FROM audit_pending"}, "", ""},
		{"the keys of all people", []string{"DELETE FROM person_keys"}, "does not open", "does not open"},
		{"what opens the keys of all people", []string{"UPDATE person_keys SET key = NULL, destroyed_at = now()"}, "", ""},
		{"the personal parts", []string{"UPDATE audit_leaf SET personal = NULL"}, "personal part is gone", "personal part is gone"},
		{"the key of checkpoints", []string{"DELETE FROM audit_key"}, "key that signs checkpoints is gone", "key that signs checkpoints is gone"},
		{"the key of checkpoints, and all of them", []string{"DELETE FROM audit_key", "DELETE FROM audit_checkpoint"}, "key that signs checkpoints is gone", "key that signs checkpoints is gone"},
		{"a byte of the key of checkpoints", []string{"UPDATE audit_key SET seed = set_byte(seed, 30, 255 - get_byte(seed, 30))"}, "key that signs checkpoints does not open", "key that signs checkpoints does not open"},
		{"what refuses changes of leaves", []string{"DROP TRIGGER audit_leaf_no_update ON audit_leaf", "DROP TRIGGER audit_leaf_no_truncate ON audit_leaf"}, "", ""},
	} {
		t.Run(attack.name, func(t *testing.T) {
			w.restore(t)
			w.tamper(t, attack.statements...)
			w.finds(t, audit.VerifyOptions{}, attack.inside)
			w.finds(t, audit.VerifyOptions{Checkpoint: outside.Note}, attack.beyond)
			if attack.beyond == "" {
				w.finds(t, audit.VerifyOptions{Checkpoint: kept.Note}, "")
			}
		})
	}
}

// checkpointKept keeps a checkpoint as if the last one were old enough.
func (w *world) checkpointKept(t testing.TB) *audit.Checkpoint {
	t.Helper()
	storagetest.SQL(t, w.url, `UPDATE audit_checkpoint SET created_at = created_at - interval '2 hours'`)
	c := w.checkpoint(t)
	if err := w.Keep(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// finds demands a verdict: "" = fine.
func (w *world) finds(t testing.TB, o audit.VerifyOptions, words string) {
	t.Helper()
	v := w.verify(t, o)
	problem := ""
	if v.Problem != nil {
		problem = *v.Problem
	}
	if v.OK != (words == "") || !strings.Contains(problem, words) {
		t.Errorf("verdict %t %q, want %q (checkpoint from elsewhere: %t)", v.OK, problem, words, o.Checkpoint != "")
	}
}

// TestALostKeyIsNotMadeAgain once anything stands in the tree, whatever else is
// gone; and an installation that lost all of its log at once signs with another
// key, which a checkpoint from elsewhere shows.
func TestALostKeyIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	w.checkpointKept(t)
	outside := w.checkpoint(t)
	w.keep(t)
	for name, gone := range map[string][]string{
		"the key":                                 nil,
		"and checkpoints":                         {"DELETE FROM audit_checkpoint"},
		"and leaves":                              {"DELETE FROM audit_leaf"},
		"and leaves, and the head":                {"DELETE FROM audit_leaf", `UPDATE audit_head SET size = 0, edge = '', root = sha256('')`},
		"and checkpoints and leaves":              {"DELETE FROM audit_checkpoint", "DELETE FROM audit_leaf"},
		"and checkpoints, and the head":           {"DELETE FROM audit_checkpoint", `UPDATE audit_head SET size = 0, edge = '', root = sha256('')`},
		"checkpoints alone, but it does not open": {"INSERT INTO audit_key SELECT singleton, set_byte(seed, 30, 255 - get_byte(seed, 30)), created_at FROM kept_audit_key"},
	} {
		w.restore(t)
		w.tamper(t, append([]string{"DELETE FROM audit_key"}, gone...)...)
		err := w.Prepare(t.Context())
		if !audit.KeyLost(err) {
			t.Errorf("%s: %v, want the key to be lost", name, err)
		}
		if n := storagetest.Value[int64](t, w.url, `SELECT count(*) FROM audit_key WHERE seed = (SELECT seed FROM kept_audit_key)`); n != 0 {
			t.Errorf("%s: the key came back", name)
		}
	}
	w.restore(t)
	w.tamper(t, "DELETE FROM audit_key", "DELETE FROM audit_checkpoint", "DELETE FROM audit_leaf", "DELETE FROM audit_tile", "DELETE FROM audit_pending", `UPDATE audit_head SET size = 0, edge = '', root = sha256('')`)
	if err := w.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sequence(t)
	w.wantFine(t)
	w.finds(t, audit.VerifyOptions{Checkpoint: outside.Note}, "not signed by this installation")
}

// TestNothingIsSignedWithoutTheKey: that is trouble of the service, not a wrong
// address.
func TestNothingIsSignedWithoutTheKey(t *testing.T) {
	t.Parallel()
	w := grown(t, 3)
	w.tamper(t, "DELETE FROM audit_key")
	if _, err := w.Checkpoint(t.Context()); !errors.Is(err, latchkey.ErrUnavailable) || errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("signed without a key: %v", err)
	}
}
