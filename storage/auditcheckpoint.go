package storage

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// auditKeyLock is the advisory lock of whoever makes the key of checkpoints.
const auditKeyLock = 0x6c6b6175_02

// AuditKey returns the key that signs checkpoints; latchkey.ErrNotFound before
// it was made.
func (qs *queries) AuditKey(ctx context.Context) (key ed25519.PrivateKey, err error) {
	var sealed []byte
	err = qs.do(ctx, func(q querier) error {
		sealed, err = one(ctx, q, `SELECT seed FROM audit_key`, nil, pgx.RowTo[[]byte])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the key of checkpoints: %w", err)
	}
	seed, err := qs.open("audit_key", "seed", "audit", "", sealed)
	if err != nil {
		return nil, fmt.Errorf("open the key of checkpoints: %w", err)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the key of checkpoints: %w", latchkey.ErrSealMismatch)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// EnsureAuditKey makes the key that signs checkpoints, once: nodes that start
// together take turns. It is made before the first event comes into the tree, so
// when it is gone although anything of a tree is left, another is not made
// (ErrConflict): that would hide the loss.
func (db *DB) EnsureAuditKey(ctx context.Context) error {
	return db.InTx(ctx, func(tx *Tx) error {
		if _, err := exec(ctx, tx.tx, `SELECT pg_advisory_xact_lock(@lock)`, args{"lock": auditKeyLock}); err != nil {
			return fmt.Errorf("lock the key of checkpoints: %w", err)
		}
		_, err := tx.AuditKey(ctx)
		if !errors.Is(err, latchkey.ErrNotFound) {
			return err
		}
		begun, err := one(ctx, tx.tx, `
			SELECT EXISTS (SELECT FROM audit_checkpoint) OR EXISTS (SELECT FROM audit_leaf) OR (SELECT size FROM audit_head) > 0`,
			nil, pgx.RowTo[bool])
		if err != nil {
			return fmt.Errorf("look for an audit tree: %w", err)
		}
		if begun {
			return fmt.Errorf("%w: the key that signs the checkpoints of the audit log is gone from the database; bring the table audit_key back from a backup", latchkey.ErrConflict)
		}
		return tx.makeAuditKey(ctx)
	})
}

func (tx *Tx) makeAuditKey(ctx context.Context) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of checkpoints: %w", err)
	}
	sealed, err := tx.seal("audit_key", "seed", "audit", "", key.Seed())
	if err != nil {
		return fmt.Errorf("seal the key of checkpoints: %w", err)
	}
	if _, err := exec(ctx, tx.tx, `INSERT INTO audit_key (seed) VALUES (@seed)`, args{"seed": sealed}); err != nil {
		return fmt.Errorf("store the key of checkpoints: %w", err)
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.KeyRotated, Reason: "checkpoint_key",
		Detail: map[string]any{"alg": "Ed25519", "public_key": []byte(key.Public().(ed25519.PublicKey))}})
}

// AuditCheckpoint is a signed head of the tree as it was kept.
type AuditCheckpoint struct {
	Size      int64
	Root      []byte
	Note      string
	CreatedAt time.Time
}

// KeepCheckpoint stores a signed head unless one was stored within the hour.
func (qs *queries) KeepCheckpoint(ctx context.Context, c AuditCheckpoint) error {
	return qs.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `
			INSERT INTO audit_checkpoint (size, root, note)
			SELECT @size, @root, @note
			WHERE NOT EXISTS (SELECT FROM audit_checkpoint WHERE created_at > now() - interval '1 hour')
			ON CONFLICT (size) DO NOTHING`, args{"size": c.Size, "root": c.Root, "note": c.Note})
		if err != nil {
			return fmt.Errorf("keep a checkpoint: %w", err)
		}
		return nil
	})
}

// CheckpointDue tells whether an hour has passed since the last one was kept.
func (qs *queries) CheckpointDue(ctx context.Context) (due bool, err error) {
	err = qs.do(ctx, func(q querier) error {
		due, err = one(ctx, q, `
			SELECT NOT EXISTS (SELECT FROM audit_checkpoint WHERE created_at > now() - interval '1 hour' OR size = (SELECT size FROM audit_head))`,
			nil, pgx.RowTo[bool])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for checkpoints: %w", err)
	}
	return due, nil
}

// AuditCheckpoints reads kept checkpoints by size: those beyond a size, at most
// limit.
func (qs *queries) AuditCheckpoints(ctx context.Context, beyond int64, limit int) (found []AuditCheckpoint, err error) {
	err = qs.do(ctx, func(q querier) error {
		found, err = list(ctx, q, `
			SELECT size, root, note, created_at FROM audit_checkpoint WHERE size > @beyond ORDER BY size LIMIT @limit`,
			args{"beyond": beyond, "limit": limit}, pgx.RowToStructByPos[AuditCheckpoint])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return found, nil
}
