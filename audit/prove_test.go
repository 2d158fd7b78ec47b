package audit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey"
	"latchkey/audit"
	"latchkey/storage/storagetest"
)

// The functions of RFC 6962 §2.1, written down as they stand there, with nothing
// of ours or of tlog.

func rfcHash(prefix byte, parts ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte{prefix})
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// split is the largest power of two smaller than n.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// mth is the Merkle Tree Hash.
func mth(d [][]byte) []byte {
	switch n := len(d); n {
	case 0:
		empty := sha256.Sum256(nil)
		return empty[:]
	case 1:
		return rfcHash(0, d[0])
	default:
		k := split(n)
		return rfcHash(1, mth(d[:k]), mth(d[k:]))
	}
}

// path is PATH(m, D[n]).
func path(m int, d [][]byte) [][]byte {
	if len(d) == 1 {
		return nil
	}
	k := split(len(d))
	if m < k {
		return append(path(m, d[:k]), mth(d[k:]))
	}
	return append(path(m-k, d[k:]), mth(d[:k]))
}

// subproof is SUBPROOF(m, D[n], b); PROOF(m, D[n]) is with b true.
func subproof(m int, d [][]byte, b bool) [][]byte {
	if m == len(d) {
		if b {
			return nil
		}
		return [][]byte{mth(d)}
	}
	k := split(len(d))
	if m <= k {
		return append(subproof(m, d[:k], b), mth(d[k:]))
	}
	return append(subproof(m-k, d[k:], false), mth(d[:k]))
}

// storedLeaves reads the bytes of all leaves, beside the product.
func (w *world) storedLeaves(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for n := range w.size(t) {
		all = append(all, storagetest.Value[[]byte](t, w.url, `SELECT leaf FROM audit_leaf WHERE index = $1`, n))
	}
	return all
}

func wantHashes(t *testing.T, what string, got []tlog.Hash, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d hashes, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if !bytes.Equal(got[i][:], want[i]) {
			t.Errorf("%s: hash %d is %s, want %x", what, i, got[i], want[i])
		}
	}
}

// TestProofsAreThoseOfRFC6962 by an implementation written from the RFC.
func TestProofsAreThoseOfRFC6962(t *testing.T) {
	t.Parallel()
	w := grown(t, 267) // a full tile and a bit
	leaves := w.storedLeaves(t)
	if c := w.checkpoint(t); !bytes.Equal(c.Root[:], mth(leaves)) {
		t.Fatalf("root %s, want %x", c.Root, mth(leaves))
	}
	for _, index := range []int{0, 1, 100, 255, 256, 257, 266} {
		id := storagetest.Value[string](t, w.url, `SELECT id::text FROM audit_leaf WHERE index = $1`, index)
		p, err := w.ProveEvent(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if p.Index != int64(index) || p.Size != 267 || !bytes.Equal(p.Leaf, leaves[index]) || !bytes.Equal(p.LeafHash[:], rfcHash(0, leaves[index])) {
			t.Errorf("proof of %d: %+v", index, p)
		}
		wantHashes(t, "inclusion", p.Proof, path(index, leaves))
	}
	for _, growth := range [][2]int{{1, 267}, {1, 2}, {5, 9}, {255, 256}, {256, 257}, {256, 267}, {200, 261}, {266, 267}, {267, 267}} {
		from, to := growth[0], growth[1]
		p, err := w.ProveGrowth(t.Context(), int64(from), int64(to))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.FromRoot[:], mth(leaves[:from])) || !bytes.Equal(p.ToRoot[:], mth(leaves[:to])) {
			t.Errorf("%d to %d: roots %s, %s", from, to, p.FromRoot, p.ToRoot)
		}
		wantHashes(t, "consistency", p.Proof, subproof(from, leaves[:to], true))
	}
	p, err := w.ProveGrowth(t.Context(), 0, -1)
	if err != nil || len(p.Proof) != 0 || p.Proof == nil || p.To != 267 || !bytes.Equal(p.FromRoot[:], mth(nil)) {
		t.Errorf("from nothing: %+v, %v", p, err)
	}
}

// TestProofsThatCannotBe are refused.
func TestProofsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := grown(t, 10)
	for _, growth := range [][2]int64{{3, 2}, {-1, 5}, {3, 11}, {11, 11}} {
		if _, err := w.ProveGrowth(t.Context(), growth[0], growth[1]); !errors.Is(err, latchkey.ErrInvalid) {
			t.Errorf("from %d to %d: %v, want ErrInvalid", growth[0], growth[1], err)
		}
	}
	if _, err := w.ProveEvent(t.Context(), bob); !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("an event that is not there: %v, want ErrNotFound", err)
	}
}

// TestNoProofOfATamperedTree: what was changed is not vouched for.
func TestNoProofOfATamperedTree(t *testing.T) {
	t.Parallel()
	w := grown(t, 600)
	id := storagetest.Value[string](t, w.url, `SELECT id::text FROM audit_leaf WHERE index = 300`)
	w.keep(t)
	for name, statement := range map[string]string{
		"leaf": flip("leaf", "40"),
		"tile": "UPDATE audit_tile SET data = set_byte(data, 0, 255 - get_byte(data, 0)) WHERE number = 1",
		"gone": "DELETE FROM audit_tile",
		"cut":  "UPDATE audit_tile SET data = substr(data, 1, 100)",
		"edge": "UPDATE audit_head SET edge = set_byte(edge, 0, 255 - get_byte(edge, 0))",
		"root": "UPDATE audit_head SET root = sha256('')",
		"size": "UPDATE audit_head SET size = 299, edge = substr(edge, 1, 44 * 32)",
	} {
		w.restore(t)
		w.tamper(t, statement)
		if _, err := w.ProveEvent(t.Context(), id); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("%s: %v, want ErrBroken", name, err)
		}
	}
}
