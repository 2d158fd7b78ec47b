package storage

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// HashSize is the length of the hashes of the tree, in bytes.
const HashSize = sha256.Size

// AuditHead is how far the tree has grown.
type AuditHead struct {
	Size   int64
	Root   [HashSize]byte
	Edge   []byte // hashes right of the last full tile of each level; its shape is the tree's business
	Floor  int64  // pending rows up to this position were taken more than a minute ago
	Halted string // why the sequencer stopped; empty = it runs
}

const auditHeadColumns = ` size, root, edge, floor, halted `

func scanAuditHead(row pgx.CollectableRow) (AuditHead, error) {
	var h AuditHead
	var root []byte
	if err := row.Scan(&h.Size, &root, &h.Edge, &h.Floor, &h.Halted); err != nil {
		return h, err
	}
	copy(h.Root[:], root) // its length is a constraint
	return h, nil
}

// AuditHead reads how far the tree has grown.
func (qs *queries) AuditHead(ctx context.Context) (h AuditHead, err error) {
	err = qs.do(ctx, func(q querier) error {
		h, err = one(ctx, q, `SELECT`+auditHeadColumns+`FROM audit_head`, nil, scanAuditHead)
		return err
	})
	if err != nil {
		return h, fmt.Errorf("read the head of the audit tree: %w", err)
	}
	return h, nil
}

// AuditRoot reads the size of the tree and its root, and nothing else of the
// head.
func (qs *queries) AuditRoot(ctx context.Context) (size int64, root [HashSize]byte, err error) {
	err = qs.do(ctx, func(q querier) error {
		h, err := one(ctx, q, `SELECT size, root FROM audit_head`, nil, func(row pgx.CollectableRow) (h AuditHead, err error) {
			var stored []byte
			err = row.Scan(&h.Size, &stored)
			copy(h.Root[:], stored) // its length is a constraint
			return h, err
		})
		size, root = h.Size, h.Root
		return err
	})
	if err != nil {
		return 0, root, fmt.Errorf("read the root of the audit tree: %w", err)
	}
	return size, root, nil
}

// AuditLeaf is one leaf as it stands in the database, with what the columns
// beside it say.
type AuditLeaf struct {
	Index        int64
	SequencedAt  time.Time
	Bytes        []byte                 // what the tree hashes
	Hash         []byte                 // of the leaf, as its column says
	Event        latchkey.RecordedEvent // by the columns; Personal is not filled
	PersonalHash [HashSize]byte         // of the personal part's ciphertext
	PersonalErr  error                  // the key lives, but the part does not open: ErrSealMismatch
	personal     []byte
}

// Times that no leaf has, such as infinity, are read as the zero time.
const auditEventColumns = `
	id, CASE WHEN isfinite(created_at) THEN created_at END, kind, actor_kind, actor_id, subject, client_id,
	passkey_id, session_id, success, reason, request_id, address_prefix, agent, detail::text `

// scanEvent scans auditEventColumns, led by further columns.
func scanEvent(row pgx.CollectableRow, e *latchkey.RecordedEvent, before ...any) error {
	var subject, passkey, session *string
	var success bool
	err := row.Scan(append(before, &e.ID, orZero{&e.Time}, &e.Kind, &e.ActorKind, &e.ActorID, &subject, &e.ClientID,
		&passkey, &session, &success, &e.Reason, &e.RequestID, &e.Prefix, &e.Agent, &e.Detail)...)
	e.Subject, e.PasskeyID, e.SessionID, e.Outcome = textOf(subject), textOf(passkey), textOf(session), latchkey.Failure
	if success {
		e.Outcome = latchkey.Success
	}
	return err
}

func scanAuditLeaf(row pgx.CollectableRow) (l AuditLeaf, err error) {
	err = scanEvent(row, &l.Event, &l.Index, orZero{&l.SequencedAt}, &l.Bytes, &l.Hash, &l.personal)
	l.Event.Index = &l.Index
	return l, err
}

// LeafCursor is a place between leaves. Two rows may claim one index; the time
// tells them apart.
type LeafCursor struct {
	Index       int64
	SequencedAt time.Time
}

// AuditLeaves reads leaves in order: those after a place, nil for all, at most
// limit. Each comes with the hash of its personal part, and was tried to open.
func (qs *queries) AuditLeaves(ctx context.Context, after *LeafCursor, limit int) ([]AuditLeaf, error) {
	where, a := "", args{"limit": limit}
	if after != nil {
		where = `WHERE (index, sequenced_at) > (@index, @at)`
		a["index"], a["at"] = after.Index, after.SequencedAt
	}
	return qs.auditLeaves(ctx, where, a)
}

// AuditLeavesFrom reads the leaves from one index up to before another.
func (qs *queries) AuditLeavesFrom(ctx context.Context, from, to int64) ([]AuditLeaf, error) {
	return qs.auditLeaves(ctx, `WHERE index >= @from AND index < @to`, args{"from": from, "to": to, "limit": to - from + 1})
}

func (qs *queries) auditLeaves(ctx context.Context, where string, a args) (leaves []AuditLeaf, err error) {
	err = qs.do(ctx, func(q querier) error {
		leaves, err = list(ctx, q, `
			SELECT index, CASE WHEN isfinite(sequenced_at) THEN sequenced_at END, leaf, leaf_hash, personal,`+auditEventColumns+`
			FROM audit_leaf `+where+`
			ORDER BY index, sequenced_at
			LIMIT @limit`, a, scanAuditLeaf)
		if err != nil {
			return err
		}
		return qs.openLeaves(ctx, q, leaves)
	})
	if err != nil {
		return nil, fmt.Errorf("read leaves: %w", err)
	}
	return leaves, nil
}

// openLeaves hashes and tries to open the personal part of each leaf.
func (qs *queries) openLeaves(ctx context.Context, q querier, leaves []AuditLeaf) error {
	ids := map[string]struct{}{}
	for i := range leaves {
		l := &leaves[i]
		l.PersonalHash = personalHash(l.personal)
		parts, err := splitPersonal(l.personal)
		if err != nil {
			continue // found again by openPersonal
		}
		for _, part := range parts {
			ids[part.keyID] = struct{}{}
		}
	}
	keys, err := qs.personKeysByID(ctx, q, slices.Collect(maps.Keys(ids)))
	if err != nil {
		return err
	}
	for i := range leaves {
		leaves[i].Event.Personal, leaves[i].PersonalErr = openPersonal(leaves[i].Event.ID, leaves[i].personal, keys)
	}
	return nil
}

// FindLeaf reads the leaf of an event; without one, because there is no such
// event or because it is pending, latchkey.ErrNotFound.
func (qs *queries) FindLeaf(ctx context.Context, eventID string) (*AuditLeaf, error) {
	// The index first: asked for the first leaf with an id, the planner may read
	// the whole log in order.
	leaves, err := qs.auditLeaves(ctx, `WHERE index = (SELECT index FROM audit_leaf WHERE id = @id LIMIT 1) AND id = @id`,
		args{"id": eventID, "limit": 1})
	if err != nil {
		return nil, err
	}
	if len(leaves) == 0 {
		return nil, latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no event with this id.")
	}
	return &leaves[0], nil
}

// AuditExtent is what the tables of the log hold, all at one moment.
type AuditExtent struct {
	Size  int64 // of the tree, by its head
	Last  int64 // highest index of any leaf; -1 without leaves
	Tiles int64 // how many are stored, of all levels
}

// AuditExtent measures the tables of the log.
func (qs *queries) AuditExtent(ctx context.Context) (e AuditExtent, err error) {
	err = qs.do(ctx, func(q querier) error {
		e, err = one(ctx, q, `
			SELECT size, coalesce((SELECT max(index) FROM audit_leaf), -1), (SELECT count(*) FROM audit_tile)
			FROM audit_head`, nil, pgx.RowToStructByPos[AuditExtent])
		return err
	})
	if err != nil {
		return e, fmt.Errorf("measure the audit log: %w", err)
	}
	return e, nil
}

// AuditTile is a full tile of the tree.
type AuditTile struct {
	Level  int
	Number int64
	Data   []byte
}

// AuditTiles reads the tiles with the levels and numbers of want. One that is
// not there is left out.
func (qs *queries) AuditTiles(ctx context.Context, want []AuditTile) (tiles []AuditTile, err error) {
	levels, numbers := make([]int, len(want)), make([]int64, len(want))
	for i, t := range want {
		levels[i], numbers[i] = t.Level, t.Number
	}
	err = qs.do(ctx, func(q querier) error {
		tiles, err = list(ctx, q, `
			SELECT t.level, t.number, t.data
			FROM audit_tile t JOIN unnest(@levels::int[], @numbers::bigint[]) AS want (level, number) USING (level, number)`,
			args{"levels": levels, "numbers": numbers}, pgx.RowToStructByPos[AuditTile])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tiles: %w", err)
	}
	return tiles, nil
}
