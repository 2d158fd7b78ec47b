package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey"
	"latchkey/storage"
)

// batchSize is how many events one transaction takes into the tree.
const batchSize = 4000

// Step is what one attempt to sequence did.
type Step struct {
	Taken      int  // events that came into the tree
	Busy       bool // another sequencer is at work
	Stragglers int  // of those taken, how many were committed more than a minute late
	Unsealed   int  // of those taken, how many lost their personal part because it did not open
}

// alarms are what somebody must know of a step that went well.
func (s Step) alarms() (all []error) {
	if s.Stragglers > 0 {
		all = append(all, &Alarm{"stragglers", fmt.Sprintf("%d events came more than a minute after their place; a transaction lived too long", s.Stragglers)})
	}
	if s.Unsealed > 0 {
		all = append(all, &Alarm{"personal_part_lost", fmt.Sprintf("%d events had a personal part that did not open; seal.mismatch events name them", s.Unsealed)})
	}
	return all
}

// Sequence takes one batch of pending events into the tree: those above the
// floor, or with full all there are. Leaves, tiles and head are one transaction,
// which fails when another sequencer was first; that is no error. Then it reads
// the leaves again and hashes them again. On a difference it stops every
// sequencer and returns an *Alarm.
func (l *Log) Sequence(ctx context.Context, full bool) (Step, error) {
	var claim *storage.Claim
	var growth *storage.Growth
	err := l.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		claim, err = tx.ClaimEvents(ctx, batchSize, full)
		if err != nil || claim == nil || len(claim.Events) == 0 && claim.Head.Halted == "" {
			return err
		}
		if growth, err = grow(claim); err != nil {
			return err
		}
		return tx.AppendLeaves(ctx, claim, growth)
	})
	switch {
	case errors.Is(err, latchkey.ErrConflict):
		return Step{Busy: true}, nil
	case err != nil:
		return Step{}, l.halt(ctx, err)
	case claim == nil:
		return Step{Busy: true}, nil
	case growth == nil:
		return Step{}, nil
	}
	step := Step{Taken: len(claim.Events), Stragglers: claim.Stragglers, Unsealed: claim.Unsealed}
	return step, l.halt(ctx, l.recheck(ctx, claim, growth))
}

// halted makes the alarm that stops the sequencers.
func halted(why string) *Alarm { return &Alarm{"halted", why} }

// halt stops every sequencer when err is the alarm that says so.
func (l *Log) halt(ctx context.Context, err error) error {
	if alarm := (*Alarm)(nil); errors.As(err, &alarm) && alarm.What == "halted" {
		return errors.Join(err, l.db.HaltAudit(context.WithoutCancel(ctx), alarm.Text))
	}
	return err
}

// grow computes what the claimed events make of the tree. It goes on from no
// head that is not right in itself.
func grow(claim *storage.Claim) (*storage.Growth, error) {
	if claim.Head.Halted != "" {
		return nil, halted(claim.Head.Halted)
	}
	t, err := newTree(claim.Head.Size, claim.Head.Edge)
	if err != nil {
		return nil, halted(err.Error())
	}
	if root, err := t.root(); err != nil || root != claim.Head.Root {
		return nil, halted(fmt.Sprintf("the edge of the tree at size %d does not have the root that stands beside it", claim.Head.Size))
	}
	g := &storage.Growth{}
	for i := range claim.Events {
		e := &claim.Events[i]
		bytes, err := (&Leaf{SequencedAt: claim.At, Event: e.Event, PersonalHash: e.PersonalHash}).encode()
		if err != nil {
			return nil, err
		}
		h := tlog.RecordHash(bytes)
		g.Leaves, g.Hashes, g.Tiles = append(g.Leaves, bytes), append(g.Hashes, h), append(g.Tiles, t.add(h)...)
	}
	if g.Root, err = t.root(); err != nil {
		return nil, err
	}
	g.Edge = t.edgeBytes()
	return g, nil
}

// recheck reads what was committed and compares it with what was meant.
func (l *Log) recheck(ctx context.Context, claim *storage.Claim, g *storage.Growth) error {
	from := claim.Head.Size
	rows, err := l.db.AuditLeavesFrom(ctx, from, from+int64(len(g.Leaves)))
	if err != nil {
		return err
	}
	if len(rows) != len(g.Leaves) {
		return halted(fmt.Sprintf("of %d leaves written from %d on, %d are there", len(g.Leaves), from, len(rows)))
	}
	for i := range rows {
		wrong := inspect(&rows[i])
		if h := tlog.RecordHash(rows[i].Bytes); wrong == "" && (rows[i].Index != from+int64(i) || h != g.Hashes[i]) {
			wrong = "it is not the leaf that was written"
		}
		if wrong != "" {
			return halted(fmt.Sprintf("leaf %d, just written: %s", from+int64(i), wrong))
		}
	}
	return l.recheckTiles(ctx, g)
}

func (l *Log) recheckTiles(ctx context.Context, g *storage.Growth) error {
	if len(g.Tiles) == 0 {
		return nil
	}
	tiles, err := l.db.AuditTiles(ctx, g.Tiles)
	if err != nil {
		return err
	}
	type place struct {
		level  int
		number int64
	}
	stored := map[place][]byte{}
	for _, t := range tiles {
		stored[place{t.Level, t.Number}] = t.Data
	}
	for _, t := range g.Tiles {
		if !bytes.Equal(stored[place{t.Level, t.Number}], t.Data) {
			return halted(fmt.Sprintf("tile %d of level %d, just written, is not as it was written", t.Number, t.Level))
		}
	}
	return nil
}

// patience is how long somebody waits for a log that gets no more complete.
const patience = 30 * time.Second

// CatchUp waits until everything that was committed before is in the tree, as
// long as less and less of it is left. It sequences itself whenever no other
// does. Alarms about stragglers are handed to report; a halted sequencer is its
// error.
func (l *Log) CatchUp(ctx context.Context, report func(error)) error {
	asked, err := l.db.DatabaseTime(ctx)
	if err != nil {
		return err
	}
	fewest, moved := int64(math.MaxInt64), time.Now()
	for {
		pending, err := l.db.PendingSince(ctx, asked)
		if err != nil || pending == 0 {
			return err
		}
		if pending < fewest {
			fewest, moved = pending, time.Now()
		}
		if time.Since(moved) > l.patience {
			return fmt.Errorf("%w: %d events wait for the audit log's sequencer, none was taken for %v", latchkey.ErrUnavailable, pending, l.patience)
		}
		step, err := l.Sequence(ctx, true)
		if err != nil {
			return err
		}
		for _, alarm := range step.alarms() {
			report(alarm)
		}
		if step.Taken > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
