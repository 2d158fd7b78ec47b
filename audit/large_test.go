package audit_test

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey/audit"
	"latchkey/storage/storagetest"
)

// TestALargeTree has full tiles on two levels: proofs go across them, and a tile
// of the second level is compared too.
func TestALargeTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, 65_999)
	w.sequence(t)
	early := w.checkpoint(t)
	w.record(t, 10)
	w.sequence(t)
	w.wantFine(t)
	late := w.checkpoint(t)
	grew, err := w.ProveGrowth(t.Context(), early.Size, late.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(grew.Proof, late.Size, late.Root, early.Size, early.Root); err != nil {
		t.Errorf("from %d to %d: %v", early.Size, late.Size, err)
	}
	for _, index := range []int64{0, 40_000, 65_535, 65_536, 65_999, 66_005} {
		id := storagetest.Value[string](t, w.url, `SELECT id::text FROM audit_leaf WHERE index = $1`, index)
		p, err := w.ProveEvent(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(p.Proof, p.Size, late.Root, index, p.LeafHash); err != nil {
			t.Errorf("event %d: %v", index, err)
		}
	}
	w.tamper(t, `UPDATE audit_tile SET data = set_byte(data, 100 * 32, 255 - get_byte(data, 100 * 32)) WHERE level = 1`)
	w.wantWrong(t, audit.VerifyOptions{}, 100*256, "tile 0 of level 1")
	w.tamper(t, `DELETE FROM audit_tile WHERE level = 1`)
	w.wantWrong(t, audit.VerifyOptions{}, 0, "tile 0 of level 1")
}
