package audit

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey/storage"
)

// The tree is stored as tiles of 256 hashes (tlog.Tile of height 8): full ones
// in audit_tile, those still growing in the edge of the head.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// tree grows. It holds the edge: for each level of tiles the hashes right of the
// last full tile. From these alone follow the root and all that comes.
type tree struct {
	size int64
	edge [][]tlog.Hash
	seen func(level int, n int64, h tlog.Hash) // told of each hash that comes in; nil = nobody
}

// newTree reads the edge of a tree of some size.
func newTree(size int64, edge []byte) (*tree, error) {
	t := &tree{size: size}
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		n := int(size>>(tileHeight*level)) % tileWidth
		if len(edge) < n*tlog.HashSize {
			return nil, errors.New("the edge of the tree is too short for its size")
		}
		t.edge = append(t.edge, hashesOf(edge[:n*tlog.HashSize]))
		edge = edge[n*tlog.HashSize:]
	}
	if len(edge) > 0 {
		return nil, errors.New("the edge of the tree is too long for its size")
	}
	return t, nil
}

func hashesOf(data []byte) []tlog.Hash {
	hashes := make([]tlog.Hash, len(data)/tlog.HashSize, tileWidth)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	return hashes
}

func bytesOf(hashes []tlog.Hash) []byte {
	data := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		data = append(data, h[:]...)
	}
	return data
}

// edgeBytes spells the edge as newTree reads it: from the leaves up.
func (t *tree) edgeBytes() []byte {
	data := []byte{}
	for _, hashes := range t.edge {
		data = append(data, bytesOf(hashes)...)
	}
	return data
}

// add puts the hash of one more leaf into the tree and returns the tiles that
// became full by it.
func (t *tree) add(h tlog.Hash) (full []storage.AuditTile) {
	t.size++
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]tlog.Hash, 0, tileWidth))
		}
		t.edge[level] = append(t.edge[level], h)
		if t.seen != nil {
			t.seen(level, t.size>>(tileHeight*level)-1, h)
		}
		if len(t.edge[level]) < tileWidth {
			return full
		}
		number := t.size>>(tileHeight*(level+1)) - 1
		full = append(full, storage.AuditTile{Level: level, Number: number, Data: bytesOf(t.edge[level])})
		h = subtree(t.edge[level])
		t.edge[level] = t.edge[level][:0]
	}
}

// subtree is the hash over a power of two of hashes. It uses their place.
func subtree(hashes []tlog.Hash) tlog.Hash {
	for n := len(hashes); n > 1; n /= 2 {
		for i := range n / 2 {
			hashes[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
	}
	return hashes[0]
}

// root is the hash of the whole tree.
func (t *tree) root() (tlog.Hash, error) {
	root, err := tlog.TreeHash(t.size, tlog.HashReaderFunc(t.readEdge))
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("hash the tree: %w", err)
	}
	return root, nil
}

// readEdge reads hashes that lie right of the last full tile of their level,
// which is where those of the root do.
func (t *tree) readEdge(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(tileHeight, index)
		if tile.L >= len(t.edge) || tile.N != t.fullTiles(tile.L) {
			return nil, fmt.Errorf("%s is not at the edge of the tree", tile.Path())
		}
		h, err := tlog.HashFromTile(tile, bytesOf(t.edge[tile.L]), index)
		if err != nil {
			return nil, err
		}
		hashes[i] = h
	}
	return hashes, nil
}

// fullTiles is how many tiles of a level are full.
func (t *tree) fullTiles(level int) int64 { return t.size >> (tileHeight * (level + 1)) }
