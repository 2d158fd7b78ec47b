package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// Engine is what a look at a database server tells before any key is needed.
type Engine struct {
	Version int           // as server_version_num: 150004 is 15.4
	Ahead   time.Duration // of its clock before this machine's, to half a round trip
}

// TooOld tells whether latchkey cannot run on it.
func (e Engine) TooOld() bool { return e.Version < MinimumVersion }

// Name is such as "PostgreSQL 15.4".
func (e Engine) Name() string {
	return fmt.Sprintf("PostgreSQL %d.%d", e.Version/10000, e.Version%10000)
}

// Look connects once, asks, and changes nothing. A server that cannot be
// reached is ErrUnavailable.
func Look(ctx context.Context, url string) (Engine, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return Engine{}, fmt.Errorf("%w: %w", latchkey.ErrUnavailable, err)
	}
	defer conn.Close(ctx)
	var e Engine
	var now time.Time
	before := time.Now()
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, clock_timestamp()`).Scan(&e.Version, &now)
	if err != nil {
		return Engine{}, fmt.Errorf("ask the database for its version: %w", classify(err))
	}
	e.Ahead = now.Sub(before.Add(time.Since(before) / 2))
	return e, nil
}

// Inspection is what doctor wants to know of an installation.
type Inspection struct {
	RPID         string        // frozen at set-up; "" before it
	Passkeys     int           // in all
	AuditWaiting time.Duration // age of the oldest event that is not in the tree yet
	AuditHalted  string        // why the sequencer stopped; "" = it did not
}

// Inspect looks and changes nothing.
func (qs *queries) Inspect(ctx context.Context) (in Inspection, err error) {
	if in.RPID, err = qs.FrozenRPID(ctx); err != nil {
		return in, err
	}
	err = qs.do(ctx, func(q querier) error {
		in, err = one(ctx, q, `
			SELECT @rp_id::text, (SELECT count(*)::int FROM credentials),
			       coalesce((SELECT now() - min(created_at) FROM audit_pending), '0'),
			       (SELECT halted FROM audit_head)`,
			args{"rp_id": in.RPID}, pgx.RowToStructByPos[Inspection])
		return err
	})
	if err != nil {
		return in, fmt.Errorf("inspect the installation: %w", err)
	}
	return in, nil
}

// CountPasskeys tells how many passkeys there are in all.
func (qs *queries) CountPasskeys(ctx context.Context) (int, error) {
	in, err := qs.Inspect(ctx)
	return in.Passkeys, err
}

// CheckSchema tells whether the tables are there, by the one that every node
// reads all the time.
func (db *DB) CheckSchema(ctx context.Context) error {
	err := db.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `SELECT 1 FROM cache_version LIMIT 1`, nil, pgx.RowTo[int])
		return err
	})
	if err != nil {
		return fmt.Errorf("look at the schema: %w", err)
	}
	return nil
}
