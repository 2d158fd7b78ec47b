package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// sequencerLock is the advisory lock of whoever makes the tree grow. It belongs
// to the transaction, so that it goes with a node that hangs. It only saves
// work: what makes two sequencers safe is the condition on the head.
const sequencerLock = 0x6c6b6175_01

// AuditState is what the sequencer has to do.
type AuditState struct {
	Size    int64
	Pending bool          // events wait
	Late    time.Duration // for how long the first of them has
	Halted  string        // why the sequencer stopped; empty = it runs
}

// AuditState looks whether events wait above the floor.
func (qs *queries) AuditState(ctx context.Context) (s AuditState, err error) {
	err = qs.do(ctx, func(q querier) error {
		s, err = one(ctx, q, `
			SELECT h.size, p.created_at IS NOT NULL, coalesce(greatest(now() - p.created_at, '0'), '0'), h.halted
			FROM audit_head h
			LEFT JOIN LATERAL (SELECT created_at FROM audit_pending WHERE pos > h.floor ORDER BY pos LIMIT 1) p ON true`,
			nil, pgx.RowToStructByPos[AuditState])
		return err
	})
	if err != nil {
		return s, fmt.Errorf("look for pending events: %w", err)
	}
	return s, nil
}

// PendingSince counts the events that still wait although they were there at a
// time of the database, given by DatabaseTime, wherever they stand.
func (qs *queries) PendingSince(ctx context.Context, at time.Time) (pending int64, err error) {
	err = qs.do(ctx, func(q querier) error {
		pending, err = one(ctx, q, `SELECT count(*) FROM audit_pending WHERE created_at <= @at`, args{"at": at}, pgx.RowTo[int64])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look for pending events: %w", err)
	}
	return pending, nil
}

// DatabaseTime is the database's time at this moment.
func (qs *queries) DatabaseTime(ctx context.Context) (now time.Time, err error) {
	err = qs.do(ctx, func(q querier) error {
		now, err = one(ctx, q, `SELECT clock_timestamp()`, nil, pgx.RowTo[time.Time])
		return err
	})
	return now.UTC(), err
}

// Claim is a batch of pending events with the tree they come into.
type Claim struct {
	Head       AuditHead
	At         time.Time // when they are sequenced
	Events     []ClaimedEvent
	Stragglers int // how many of them stand at or below the floor
	Unsealed   int // how many came with a personal part that did not open
}

// ClaimedEvent is one of them, its personal part under its people's keys.
type ClaimedEvent struct {
	Event        latchkey.RecordedEvent
	PersonalHash [HashSize]byte
	pos          int64
	personal     []byte
}

// ClaimEvents takes pending events in the order they were written: those above
// the floor, or with full from the beginning. It gives nil when another
// sequencer is at work.
func (tx *Tx) ClaimEvents(ctx context.Context, limit int, full bool) (*Claim, error) {
	claim := &Claim{}
	mine := false
	b := &pgx.Batch{}
	b.Queue(`SELECT pg_try_advisory_xact_lock(@lock)`, args{"lock": sequencerLock}).QueryRow(func(row pgx.Row) error { return row.Scan(&mine) })
	b.Queue(`SELECT` + auditHeadColumns + `FROM audit_head`).Query(func(rows pgx.Rows) (err error) {
		claim.Head, err = pgx.CollectExactlyOneRow(rows, scanAuditHead)
		return err
	})
	// After the head, so that no batch is older than the one before it.
	b.Queue(`SELECT clock_timestamp()`).QueryRow(func(row pgx.Row) error { return row.Scan(orZero{&claim.At}) })
	b.Queue(`
		SELECT pos, personal,`+auditEventColumns+`
		FROM audit_pending
		WHERE pos > CASE WHEN @full THEN '-9223372036854775808' ELSE (SELECT floor FROM audit_head) END
		ORDER BY pos
		LIMIT @limit`, args{"full": full, "limit": limit}).Query(func(rows pgx.Rows) (err error) {
		claim.Events, err = pgx.CollectRows(rows, scanClaimed)
		return err
	})
	if err := send(ctx, tx.tx, b); err != nil {
		return nil, fmt.Errorf("claim events: %w", err)
	}
	if !mine {
		return nil, nil
	}
	for _, e := range claim.Events {
		if e.pos <= claim.Head.Floor {
			claim.Stragglers++
		}
	}
	return claim, tx.resealClaim(ctx, claim)
}

func scanClaimed(row pgx.CollectableRow) (c ClaimedEvent, err error) {
	err = scanEvent(row, &c.Event, &c.pos, &c.personal)
	return c, err
}

// resealClaim moves the personal parts from the general key to those of their
// people.
func (tx *Tx) resealClaim(ctx context.Context, claim *Claim) error {
	parts := make([]map[string]map[string]string, len(claim.Events))
	everybody := map[string]struct{}{}
	for i := range claim.Events {
		e := &claim.Events[i]
		var err error
		if parts[i], err = tx.pendingParts(e); err != nil {
			// Nobody can read it any more: the rest of the log must not wait for
			// ever for that.
			claim.Unsealed++
			if err := tx.recordUnsealed(ctx, e.Event.ID); err != nil {
				return err
			}
		}
		for owner := range parts[i] {
			everybody[owner] = struct{}{}
		}
	}
	keys, err := tx.ensurePersonKeys(ctx, slices.Sorted(maps.Keys(everybody)))
	if err != nil {
		return err
	}
	for i := range claim.Events {
		e := &claim.Events[i]
		if e.personal, err = resealPersonal(&e.Event, parts[i], keys); err != nil {
			return fmt.Errorf("seal the personal part of event %s: %w", e.Event.ID, err)
		}
		e.PersonalHash = personalHash(e.personal)
	}
	return nil
}

// pendingParts opens the personal part of a pending event, by owner.
func (tx *Tx) pendingParts(e *ClaimedEvent) (map[string]map[string]string, error) {
	personal, err := tx.openParts(e.Event.ID, e.personal)
	return personal.byOwner(&e.Event), err
}

func (tx *Tx) recordUnsealed(ctx context.Context, eventID string) error {
	acting := latchkey.WithActor(ctx, latchkey.Actor{Kind: latchkey.ActorSystem})
	return tx.Record(acting, latchkey.Event{Kind: latchkey.SealMismatch, Outcome: latchkey.Failure, Reason: "personal_part_lost", Object: eventID})
}

// Growth is what a claim makes of the tree.
type Growth struct {
	Leaves [][]byte // the bytes of each claimed event, in order
	Hashes [][HashSize]byte
	Tiles  []AuditTile // that became full
	Root   [HashSize]byte
	Edge   []byte
}

// AppendLeaves writes the growth of the tree and takes the events out of
// audit_pending. It is ErrConflict when the tree is no longer the one that was
// claimed for, or the sequencer was stopped: another was first.
func (tx *Tx) AppendLeaves(ctx context.Context, claim *Claim, g *Growth) error {
	n := len(claim.Events)
	positions := make([]int64, n)
	for i, e := range claim.Events {
		positions[i] = e.pos
	}
	var grown, taken int64
	count := func(to *int64) func(rows pgx.Rows) error {
		return func(rows pgx.Rows) error {
			all, err := pgx.CollectRows(rows, pgx.RowTo[int])
			*to = int64(len(all))
			return err
		}
	}
	b := &pgx.Batch{}
	b.Queue(`
		UPDATE audit_head SET size = @new, root = @root, edge = @edge, updated_at = now(),
			floor     = CASE WHEN marked_at < now() - interval '1 minute' THEN greatest(floor, mark) ELSE floor END,
			mark      = CASE WHEN marked_at < now() - interval '1 minute' THEN @last ELSE mark END,
			marked_at = CASE WHEN marked_at < now() - interval '1 minute' THEN now() ELSE marked_at END
		WHERE size = @old AND halted = ''
		RETURNING 1`,
		args{"old": claim.Head.Size, "new": claim.Head.Size + int64(n), "root": g.Root[:], "edge": g.Edge, "last": positions[n-1]}).Query(count(&grown))
	b.Queue(`DELETE FROM audit_pending WHERE pos = ANY(@positions) RETURNING 1`, args{"positions": positions}).Query(count(&taken))
	b.Queue(`SELECT audit_ensure_month(@at)`, args{"at": claim.At})
	for _, t := range g.Tiles {
		b.Queue(`INSERT INTO audit_tile (level, number, data) VALUES (@level, @number, @data)`,
			args{"level": t.Level, "number": t.Number, "data": t.Data})
	}
	if err := send(ctx, tx.tx, b); err != nil {
		return fmt.Errorf("grow the audit tree: %w", err)
	}
	if grown != 1 || taken != int64(n) {
		return fmt.Errorf("grow the audit tree: %w: another sequencer was first", latchkey.ErrConflict)
	}
	return tx.insertLeaves(ctx, claim, g)
}

var leafColumns = []string{
	"index", "sequenced_at", "leaf", "leaf_hash", "personal", "id", "created_at", "kind", "actor_kind", "actor_id", "subject", "client_id",
	"passkey_id", "session_id", "success", "reason", "request_id", "address_prefix", "agent", "detail",
}

func (tx *Tx) insertLeaves(ctx context.Context, claim *Claim, g *Growth) error {
	rows := pgx.CopyFromSlice(len(claim.Events), func(i int) ([]any, error) {
		c := &claim.Events[i]
		e := &c.Event
		return []any{
			claim.Head.Size + int64(i), claim.At, g.Leaves[i], g.Hashes[i][:], c.personal, e.ID, e.Time, string(e.Kind), string(e.ActorKind), e.ActorID,
			orNull(e.Subject), e.ClientID, orNull(e.PasskeyID), orNull(e.SessionID), e.Outcome == latchkey.Success, e.Reason, e.RequestID, e.Prefix, e.Agent, e.Detail,
		}, nil
	})
	if _, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"audit_leaf"}, leafColumns, rows); err != nil {
		return fmt.Errorf("write leaves: %w", err)
	}
	return nil
}

// HaltAudit stops every sequencer and keeps why; the first reason stays.
func (qs *queries) HaltAudit(ctx context.Context, why string) error {
	return qs.do(ctx, func(q querier) error {
		if _, err := exec(ctx, q, `UPDATE audit_head SET halted = @why WHERE halted = ''`, args{"why": why}); err != nil {
			return fmt.Errorf("halt the sequencer: %w", err)
		}
		return nil
	})
}

// ResumeAudit lets the sequencers go on.
func (qs *queries) ResumeAudit(ctx context.Context) error {
	return qs.do(ctx, func(q querier) error {
		if _, err := exec(ctx, q, `UPDATE audit_head SET halted = ''`, nil); err != nil {
			return fmt.Errorf("resume the sequencer: %w", err)
		}
		return nil
	})
}
