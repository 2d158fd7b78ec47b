package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey"
	"latchkey/storage"
)

// Verdict is what a verification found. Its JSON is that of `audit verify`.
type Verdict struct {
	OK            bool      `json:"ok"`
	Size          int64     `json:"size"`
	Root          tlog.Hash `json:"root"`
	VerifiedUntil *string   `json:"verified_until"`  // when the last good leaf before any bad one was sequenced
	FirstBadIndex *int64    `json:"first_bad_index"` // from here on nothing is vouched for
	Problem       *string   `json:"problem"`
}

// problem is something wrong in the log, as against a failure to look.
type problem struct {
	index *int64
	text  string
}

func (p *problem) Error() string { return p.text }

func wrongAt(index int64, format string, a ...any) error {
	return &problem{index: &index, text: fmt.Sprintf(format, a...)}
}

// VerifyOptions say what else a verification does.
type VerifyOptions struct {
	Checkpoint string // signed note from elsewhere that the tree must go on from; "" = none
	Resume     bool   // lets a halted sequencer go on when nothing is wrong
}

// Verify recomputes the hash of every leaf from the stored bytes, compares the
// columns and the sealed part with the leaf, the tree with its tiles, its head
// and every checkpoint that was kept, and with the one given. It records what
// it found. An error is a failure to look; what is wrong in the log is in the
// verdict.
func (l *Log) Verify(ctx context.Context, o VerifyOptions) (*Verdict, error) {
	head, err := l.db.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	v := &Verdict{OK: true, Size: head.Size, Root: head.Root}
	err = l.verify(ctx, head, o.Checkpoint, v)
	if err == nil && head.Halted != "" {
		err = &problem{text: "nothing is wrong with the tree, but the sequencer is halted: " + head.Halted}
		if o.Resume {
			err = l.db.ResumeAudit(ctx)
		}
	}
	if wrong := (*problem)(nil); errors.As(err, &wrong) {
		v.OK, v.Problem, v.FirstBadIndex = false, &wrong.text, wrong.index
	} else if err != nil {
		return nil, err
	}
	return v, l.recordVerdict(ctx, v)
}

func (l *Log) recordVerdict(ctx context.Context, v *Verdict) error {
	ev := latchkey.Event{Kind: latchkey.AuditVerified, Detail: map[string]any{"size": v.Size}}
	if !v.OK {
		ev.Outcome, ev.Reason = latchkey.Failure, "tampered"
		if v.FirstBadIndex != nil {
			ev.Detail["first_bad_index"] = *v.FirstBadIndex
		}
	}
	return l.db.Record(ctx, ev)
}

func (l *Log) verify(ctx context.Context, head storage.AuditHead, outside string, v *Verdict) error {
	promises, err := l.promises(ctx, outside)
	if err != nil {
		return err
	}
	c, err := l.newCheck(head, promises)
	if err != nil {
		return err
	}
	defer func() {
		if !c.until.IsZero() {
			until := spell(c.until)
			v.VerifiedUntil = &until
		}
	}()
	if err := c.keepPromises(); err != nil { // those of the empty tree
		return err
	}
	if err := c.leaves(ctx); err != nil {
		return err
	}
	return c.end(ctx)
}

// promise is a checkpoint: the tree of this size had this root.
type promise struct {
	size int64
	root tlog.Hash
	from string
}

// promises reads every checkpoint that was kept, and the one from elsewhere,
// and checks their signatures. The smallest stands first.
func (l *Log) promises(ctx context.Context, outside string) ([]promise, error) {
	key, err := l.db.AuditKey(ctx)
	switch {
	case errors.Is(err, latchkey.ErrNotFound):
		return nil, &problem{text: "the key that signs checkpoints is gone"}
	case errors.Is(err, latchkey.ErrSealMismatch):
		return nil, &problem{text: "the key that signs checkpoints does not open, although the key file is right"}
	case err != nil:
		return nil, err
	}
	public := key.Public().(ed25519.PublicKey)
	kept, err := l.keptPromises(ctx, public)
	if err != nil || outside == "" {
		return kept, err
	}
	_, size, root, err := openCheckpoint(outside, public)
	if err != nil {
		return nil, &problem{text: "the checkpoint given: " + err.Error()}
	}
	all := append(kept, promise{size: size, root: root, from: "the checkpoint given"})
	slices.SortStableFunc(all, func(a, b promise) int { return int(min(max(a.size-b.size, -1), 1)) })
	return all, nil
}

func (l *Log) keptPromises(ctx context.Context, public ed25519.PublicKey) (all []promise, err error) {
	const page = 1000
	last := int64(-1)
	for {
		rows, err := l.db.AuditCheckpoints(ctx, last, page)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			_, size, root, err := openCheckpoint(row.Note, public)
			if err != nil {
				return nil, wrongAt(row.Size, "the checkpoint kept at size %d: %s", row.Size, err)
			}
			if size != row.Size || !slices.Equal(root[:], row.Root) {
				return nil, wrongAt(row.Size, "the checkpoint kept at size %d is not as it was signed", row.Size)
			}
			all = append(all, promise{size: size, root: root, from: "the checkpoint kept at " + spell(row.CreatedAt)})
			last = row.Size
		}
		if len(rows) < page {
			return all, nil
		}
	}
}
