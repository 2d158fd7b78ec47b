package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey"
	"latchkey/storage"
)

// Inclusion proves that an event is in the tree. Its JSON is that of `audit
// prove ID`.
type Inclusion struct {
	Index      int64       `json:"index"`
	Size       int64       `json:"size"`
	Leaf       []byte      `json:"leaf"` // base64, as the hashes
	LeafHash   tlog.Hash   `json:"leaf_hash"`
	Root       tlog.Hash   `json:"root"`
	Proof      []tlog.Hash `json:"proof"` // RFC 6962 §2.1.1
	Checkpoint string      `json:"checkpoint"`
}

// Consistency proves that the tree of one size is the beginning of another. Its
// JSON is that of `audit prove --from N --to M`.
type Consistency struct {
	From     int64       `json:"from"`
	To       int64       `json:"to"`
	FromRoot tlog.Hash   `json:"from_root"`
	ToRoot   tlog.Hash   `json:"to_root"`
	Proof    []tlog.Hash `json:"proof"` // RFC 6962 §2.1.2; empty when from is 0 or to
}

// ErrBroken means that the stored tree does not fit together: verify says where.
var ErrBroken = errors.New("the stored audit tree does not fit together, run audit verify")

// ProveEvent proves that the event is in the tree as it is now.
func (l *Log) ProveEvent(ctx context.Context, eventID string) (*Inclusion, error) {
	leaf, err := l.db.FindLeaf(ctx, eventID)
	if err != nil {
		return nil, err
	}
	head, err := l.db.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	if leaf.Index < 0 || leaf.Index >= head.Size {
		return nil, fmt.Errorf("%w: leaf %d is not in a tree of %d", ErrBroken, leaf.Index, head.Size)
	}
	proof, err := tlog.ProveRecord(head.Size, leaf.Index, l.hashes(ctx, head))
	if err != nil {
		return nil, broken(err)
	}
	p := &Inclusion{Index: leaf.Index, Size: head.Size, Leaf: leaf.Bytes, LeafHash: tlog.RecordHash(leaf.Bytes), Root: head.Root, Proof: orEmpty(proof)}
	if err := tlog.CheckRecord(proof, p.Size, p.Root, p.Index, p.LeafHash); err != nil {
		return nil, broken(err)
	}
	signed, err := l.sign(ctx, head.Size, head.Root)
	if err != nil {
		return nil, err
	}
	p.Checkpoint = signed.Note
	return p, nil
}

// ProveGrowth proves that the tree of size to goes on from that of size from. A
// negative to is the tree as it is now.
func (l *Log) ProveGrowth(ctx context.Context, from, to int64) (*Consistency, error) {
	head, err := l.db.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	if to < 0 {
		to = head.Size
	}
	if from < 0 || from > to || to > head.Size {
		return nil, latchkey.Refuse(latchkey.ErrInvalid, "invalid_range",
			fmt.Sprintf("A proof goes from one size to a later one, up to %d, the size of the log now.", head.Size))
	}
	hashes := l.hashes(ctx, head)
	c := &Consistency{From: from, To: to}
	if c.FromRoot, err = tlog.TreeHash(from, hashes); err != nil {
		return nil, broken(err)
	}
	if c.ToRoot, err = tlog.TreeHash(to, hashes); err != nil {
		return nil, broken(err)
	}
	if from == 0 {
		c.Proof = orEmpty(nil)
		return c, nil
	}
	proof, err := tlog.ProveTree(to, from, hashes)
	if err != nil {
		return nil, broken(err)
	}
	c.Proof = orEmpty(proof)
	return c, nil
}

func orEmpty(proof []tlog.Hash) []tlog.Hash {
	if proof == nil {
		return []tlog.Hash{}
	}
	return proof
}

// broken keeps what went wrong with the database apart from what is wrong in it.
func broken(err error) error {
	if failed := (*readError)(nil); errors.As(err, &failed) {
		return failed.error
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}

// hashes reads hashes of the tree, each checked against its root.
func (l *Log) hashes(ctx context.Context, head storage.AuditHead) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: head.Root}, &tileReader{
		size: head.Size, edge: head.Edge,
		read: func(want []storage.AuditTile) ([]storage.AuditTile, error) { return l.db.AuditTiles(ctx, want) },
	})
}

// tileReader gives tlog the tiles of a tree: full ones from the database, the
// rest from its edge.
type tileReader struct {
	size int64
	edge []byte
	read func([]storage.AuditTile) ([]storage.AuditTile, error)
}

// readError is a failure to read, as against reading what is wrong.
type readError struct{ error }

// Height implements tlog.TileReader.
func (r *tileReader) Height() int { return tileHeight }

// SaveTiles implements tlog.TileReader; they are saved already.
func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	edge, err := newTree(r.size, r.edge)
	if err != nil {
		return nil, err
	}
	data := make([][]byte, len(tiles))
	missing := map[[2]int64]int{}
	var want []storage.AuditTile
	for i, t := range tiles {
		if t.L < len(edge.edge) && t.N == edge.fullTiles(t.L) {
			data[i] = bytesOf(edge.edge[t.L])
			continue
		}
		missing[[2]int64{int64(t.L), t.N}] = i
		want = append(want, storage.AuditTile{Level: t.L, Number: t.N})
	}
	if len(want) == 0 {
		return data, nil
	}
	found, err := r.read(want)
	if err != nil {
		return nil, &readError{err}
	}
	for _, t := range found {
		data[missing[[2]int64{int64(t.Level), t.Number}]] = t.Data
	}
	return data, nil // tlog refuses a length that is not right
}
