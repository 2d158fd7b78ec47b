package audit

import (
	"context"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"latchkey/storage"
)

// check is one verification under way: it grows the tree again and compares.
type check struct {
	*Log
	head     storage.AuditHead
	edge     *tree            // as the head says
	tree     *tree            // as recomputed so far
	tiles    map[int]fullTile // the stored one of each level that was looked at last
	promises []promise        // not reached yet
	vouched  int64            // size of the last one that was kept
	until    time.Time        // when the last good leaf was sequenced
	fresh    []node           // hashes that came into the tree with the last leaf
}

// fullTile is a stored tile, without hashes when there is none or it is cut.
type fullTile struct {
	number int64
	hashes []tlog.Hash
}

func readTile(t storage.AuditTile) fullTile {
	if len(t.Data) != tileWidth*tlog.HashSize {
		return fullTile{number: t.Number}
	}
	return fullTile{t.Number, hashesOf(t.Data)}
}

// node is a hash of the tree.
type node struct {
	level int // of tiles
	n     int64
	hash  tlog.Hash
}

func (l *Log) newCheck(head storage.AuditHead, promises []promise) (*check, error) {
	edge, err := newTree(head.Size, head.Edge)
	if err != nil {
		return nil, wrongAt(head.Size, "%s", err)
	}
	c := &check{Log: l, head: head, edge: edge, tree: &tree{}, tiles: map[int]fullTile{}, promises: promises}
	c.tree.seen = func(level int, n int64, h tlog.Hash) { c.fresh = append(c.fresh, node{level, n, h}) }
	return c, nil
}

// chunkSize is how many leaves are read at once.
const chunkSize = 16 * tileWidth

// chunk is what is read at once: leaves, what is wrong with each in itself, and
// the stored tiles of their hashes. A chunk with an error is the last.
type chunk struct {
	rows  []storage.AuditLeaf
	wrong []string
	tiles []storage.AuditTile
	err   error
}

// leaves reads all leaves up to the head, inspects each and grows the tree by
// them. Reading goes ahead of checking.
func (c *check) leaves(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	chunks := make(chan chunk, 1)
	group.Go(func() error {
		defer close(chunks)
		c.read(ctx, chunks)
		return nil
	})
	group.Go(func() error {
		for next := range chunks {
			if err := c.take(ctx, next); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.tree.size < c.head.Size {
			return wrongAt(c.tree.size, "leaf %d is missing, and all after it", c.tree.size)
		}
		return nil
	})
	return group.Wait()
}

// read sends chunk after chunk, up to the head.
func (c *check) read(ctx context.Context, chunks chan<- chunk) {
	var after *storage.LeafCursor
	for more := true; more; {
		var next chunk
		next.rows, next.err = c.db.AuditLeaves(ctx, after, chunkSize)
		more = next.err == nil && len(next.rows) == chunkSize
		if more {
			last := &next.rows[len(next.rows)-1]
			after = &storage.LeafCursor{Index: last.Index, SequencedAt: last.SequencedAt}
		}
		// What lies beyond was sequenced since, or is found in the end.
		if beyond := slices.IndexFunc(next.rows, func(row storage.AuditLeaf) bool { return row.Index >= c.head.Size }); beyond >= 0 {
			next.rows, more = next.rows[:beyond], false
		}
		if next.err == nil {
			next.tiles, next.err = c.tilesOf(ctx, next.rows)
			next.wrong = inspectAll(next.rows)
		}
		select {
		case chunks <- next:
		case <-ctx.Done():
			return
		}
	}
}

// tilesOf reads the stored tiles that hold the hashes of rows.
func (c *check) tilesOf(ctx context.Context, rows []storage.AuditLeaf) ([]storage.AuditTile, error) {
	var want []storage.AuditTile
	for i := range rows {
		number := rows[i].Index >> tileHeight
		if rows[i].Index < 0 || number >= c.edge.fullTiles(0) || len(want) > 0 && want[len(want)-1].Number == number {
			continue
		}
		want = append(want, storage.AuditTile{Number: number})
	}
	if len(want) == 0 {
		return nil, nil
	}
	return c.db.AuditTiles(ctx, want)
}

// inspectAll inspects rows on all processors, and says what is wrong by row.
func inspectAll(rows []storage.AuditLeaf) []string {
	const parts = 4
	wrong := make([]string, len(rows))
	var group errgroup.Group
	for part := range parts {
		group.Go(func() error {
			for i := part; i < len(rows); i += parts {
				wrong[i] = inspect(&rows[i])
			}
			return nil
		})
	}
	_ = group.Wait() // none of them fails
	return wrong
}

// take grows the tree by the leaves of a chunk.
func (c *check) take(ctx context.Context, next chunk) error {
	if next.err != nil {
		return next.err
	}
	tiles := map[int64]fullTile{}
	for _, t := range next.tiles {
		tiles[t.Number] = readTile(t)
	}
	for i := range next.rows {
		row, index := &next.rows[i], c.tree.size
		switch {
		case row.Index > index:
			return wrongAt(index, "leaf %d is missing", index)
		case row.Index < index:
			return wrongAt(max(row.Index, 0), "there is a second leaf %d", row.Index)
		case next.wrong[i] != "":
			return wrongAt(index, "leaf %d: %s", index, next.wrong[i])
		}
		if number := index >> tileHeight; number < c.edge.fullTiles(0) {
			c.tiles[0] = tiles[number]
		}
		if err := c.grow(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// grow puts one leaf into the tree and compares every hash that comes from it
// with the stored one.
func (c *check) grow(ctx context.Context, row *storage.AuditLeaf) error {
	c.fresh = c.fresh[:0]
	c.tree.add(tlog.RecordHash(row.Bytes))
	for _, got := range c.fresh {
		first := got.n << (tileHeight * got.level)
		stored, err := c.stored(ctx, got.level, got.n)
		switch {
		case err != nil:
			return err
		case stored == nil:
			return wrongAt(first, "tile %d of level %d of the tree is missing or cut", got.n>>tileHeight, got.level)
		case *stored != got.hash && got.level == 0:
			return wrongAt(first, "leaf %d is not the one in the tree", first)
		case *stored != got.hash:
			return wrongAt(first, "the tree above leaf %d does not follow from the leaves (tile %d of level %d)", first, got.n>>tileHeight, got.level)
		}
	}
	c.until = row.SequencedAt
	return c.keepPromises()
}

// stored is what the database holds of one hash of the tree; nil = nothing.
func (c *check) stored(ctx context.Context, level int, n int64) (*tlog.Hash, error) {
	number, place := n>>tileHeight, int(n%tileWidth)
	if number >= c.edge.fullTiles(level) {
		return &c.edge.edge[level][place], nil
	}
	if t, ok := c.tiles[level]; level > 0 && (!ok || t.number != number) {
		found, err := c.db.AuditTiles(ctx, []storage.AuditTile{{Level: level, Number: number}})
		if err != nil {
			return nil, err
		}
		c.tiles[level] = fullTile{number: number}
		if len(found) == 1 {
			c.tiles[level] = readTile(found[0])
		}
	}
	if hashes := c.tiles[level].hashes; hashes != nil {
		return &hashes[place], nil
	}
	return nil, nil
}

// keepPromises compares the tree as it has grown so far with the checkpoints of
// its size.
func (c *check) keepPromises() error {
	for len(c.promises) > 0 && c.promises[0].size == c.tree.size {
		p := c.promises[0]
		root, err := c.tree.root()
		if err != nil {
			return err
		}
		if root != p.root {
			return wrongAt(c.vouched, "fork: %s has another root at size %d than the leaves", p.from, p.size)
		}
		c.vouched, c.promises = p.size, c.promises[1:]
	}
	return nil
}

// end judges what only shows when all leaves were seen.
func (c *check) end(ctx context.Context) error {
	root, err := c.tree.root()
	if err != nil {
		return err
	}
	if root != c.head.Root {
		return wrongAt(c.vouched, "the root beside the head is not that of the leaves")
	}
	has, err := c.db.AuditExtent(ctx)
	if err != nil {
		return err
	}
	tiles := int64(0)
	for level := range 8 {
		tiles += (&tree{size: has.Size}).fullTiles(level)
	}
	switch {
	case has.Size < c.head.Size:
		return wrongAt(has.Size, "the head went back from %d to %d meanwhile", c.head.Size, has.Size)
	case has.Last >= has.Size:
		return wrongAt(has.Size, "leaves stand beyond the head: it was set back to %d, or they were inserted", has.Size)
	case len(c.promises) > 0:
		p := c.promises[0]
		return wrongAt(c.head.Size, "log shrank: %s is of size %d, the log has %d", p.from, p.size, c.head.Size)
	case has.Tiles != tiles:
		return wrongAt(c.head.Size, "%d tiles are stored, the tree has %d", has.Tiles, tiles)
	}
	return nil
}
