package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// sealKey is one row of seal_keys.
type sealKey struct {
	Version int
	Canary  []byte
}

// HoldsSealed tells whether anything in the database was ever sealed: then a
// missing key file must stop the start instead of being made anew.
func HoldsSealed(ctx context.Context, url string) (bool, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return false, fmt.Errorf("%w: %w", latchkey.ErrUnavailable, err)
	}
	defer conn.Close(ctx)
	return one(ctx, conn, "SELECT EXISTS (SELECT FROM seal_keys)", nil, pgx.RowTo[bool])
}

// CheckSealKeys compares the ring with the canaries in the database, and leaves
// one for each version that has none yet. A ring that is not the one that sealed
// the data is latchkey.ErrSealMismatch; nothing is written then.
func (db *DB) CheckSealKeys(ctx context.Context) error {
	return db.InTx(ctx, func(tx *Tx) error {
		return tx.do(ctx, func(q querier) error {
			// Two nodes that start on an empty database must not both be first
			// with different keys.
			if _, err := q.Exec(ctx, "LOCK TABLE seal_keys IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return fmt.Errorf("lock seal keys: %w", err)
			}
			known, err := list(ctx, q, "SELECT version, canary FROM seal_keys", nil, pgx.RowToStructByPos[sealKey])
			if err != nil {
				return fmt.Errorf("read seal keys: %w", err)
			}
			return tx.checkCanaries(ctx, q, known)
		})
	})
}

// MatchSealKeys is CheckSealKeys for whoever only looks: it leaves no canary.
func (db *DB) MatchSealKeys(ctx context.Context) error {
	return db.do(ctx, func(q querier) error {
		known, err := list(ctx, q, "SELECT version, canary FROM seal_keys", nil, pgx.RowToStructByPos[sealKey])
		if err != nil {
			return fmt.Errorf("read seal keys: %w", err)
		}
		return db.matchCanaries(known)
	})
}

// matchCanaries opens the canaries whose key version the ring has; one of them
// must be there, if there are any.
func (qs *queries) matchCanaries(known []sealKey) error {
	live := qs.ring.Versions()
	shared := false
	for _, k := range known {
		if !slices.Contains(live, uint32(k.Version)) {
			continue // an older version that this key file no longer has; rows under it will not open
		}
		if err := qs.ring.CheckCanary(uint32(k.Version), k.Canary); err != nil {
			return errors.Join(latchkey.ErrSealMismatch, err)
		}
		shared = true
	}
	if len(known) > 0 && !shared {
		return fmt.Errorf("%w: the database was sealed under key version %d, which the key file does not have",
			latchkey.ErrSealMismatch, known[0].Version)
	}
	return nil
}

func (tx *Tx) checkCanaries(ctx context.Context, q querier, known []sealKey) error {
	if err := tx.matchCanaries(known); err != nil {
		return err
	}
	for _, version := range tx.ring.Versions() {
		if slices.ContainsFunc(known, func(k sealKey) bool { return uint32(k.Version) == version }) {
			continue
		}
		canary, err := tx.ring.Canary(version)
		if err != nil {
			return fmt.Errorf("make a canary: %w", err)
		}
		if _, err := exec(ctx, q, "INSERT INTO seal_keys (version, canary) VALUES (@version, @canary)",
			args{"version": int(version), "canary": canary}); err != nil {
			return fmt.Errorf("store the canary: %w", err)
		}
	}
	return nil
}
