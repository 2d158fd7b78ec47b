package audit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey/storage"
)

// TestTheTreeGrowsAsTlogDoes, tile by tile, past the second level.
func TestTheTreeGrowsAsTlogDoes(t *testing.T) {
	t.Parallel()
	const n = tileWidth*tileWidth + tileWidth + 3
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	own := &tree{}
	var tiles []storage.AuditTile
	for i := range int64(n) {
		leaf := binary.BigEndian.AppendUint64(nil, uint64(i))
		more, err := tlog.StoredHashes(i, leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		tiles = append(tiles, own.add(tlog.RecordHash(leaf))...)
		if i%997 != 0 && i != n-1 && i%tileWidth > 1 {
			continue
		}
		want, err := tlog.TreeHash(i+1, reader)
		if err != nil {
			t.Fatal(err)
		}
		// Whoever goes on from the stored edge gets the same.
		again, err := newTree(own.size, own.edgeBytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, tree := range []*tree{own, again} {
			if got, err := tree.root(); err != nil || got != want {
				t.Fatalf("root at %d: %v, %v; want %v", i+1, got, err, want)
			}
		}
	}
	if len(tiles) != tileWidth+1+1 {
		t.Errorf("%d full tiles, want %d", len(tiles), tileWidth+2)
	}
	for _, tile := range tiles {
		want, err := tlog.ReadTileData(tlog.Tile{H: tileHeight, L: tile.Level, N: tile.Number, W: tileWidth}, reader)
		if err != nil || !bytes.Equal(want, tile.Data) {
			t.Errorf("tile %d of level %d differs (%v)", tile.Number, tile.Level, err)
		}
	}
}

// TestAnEdgeFitsItsSize or is refused.
func TestAnEdgeFitsItsSize(t *testing.T) {
	t.Parallel()
	hash := make([]byte, tlog.HashSize)
	for _, c := range []struct {
		size   int64
		hashes int
		fits   bool
	}{
		{0, 0, true}, {0, 1, false}, {1, 1, true}, {1, 0, false}, {255, 255, true}, {256, 1, true}, {256, 0, false},
		{257, 2, true}, {257, 1, false}, {65536, 1, true}, {65536, 2, false}, {1<<62 + 1, 65, true},
	} {
		if _, err := newTree(c.size, slices.Repeat(hash, c.hashes)); (err == nil) != c.fits {
			t.Errorf("%d hashes at size %d: %v", c.hashes, c.size, err)
		}
	}
	if _, err := newTree(1, hash[:31]); err == nil {
		t.Error("a hash of 31 bytes was accepted")
	}
}
