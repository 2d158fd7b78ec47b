package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// sweepBatch is how many rows one transaction of a sweeper deletes.
const sweepBatch = 1000

// Sweeper deletes what is over, to save space: whether something is still valid
// is judged at use, never by its absence.
type Sweeper struct {
	Name  string
	Every time.Duration
	lock  int64
	batch string // deletes at most @limit rows and returns one row for each
}

// sweep is the usual batch: rows of a table that are past a time, in its own
// index, without waiting for rows that somebody works on.
func sweep(table, past string) string {
	return `
		DELETE FROM ` + table + ` WHERE ctid = ANY(ARRAY(
			SELECT ctid FROM ` + table + ` WHERE ` + past + ` LIMIT @limit FOR UPDATE SKIP LOCKED))
		RETURNING 1`
}

// Sweepers are all there are; the server runs each at its interval.
func Sweepers() []Sweeper {
	const old = `expires_at < now()`
	// A pushed request is spent when the sign-in that it began is over, which may
	// be long after it could begin one.
	const longOver = `expires_at < now() - interval '` + interactionTTL + `'`
	return []Sweeper{
		{Name: "challenges", Every: time.Minute, lock: 0x6c6b7377_01, batch: sweep("challenges", old)},
		{Name: "interactions", Every: 5 * time.Minute, lock: 0x6c6b7377_02, batch: sweep("interactions", longOver)},
		{Name: "spent", Every: 5 * time.Minute, lock: 0x6c6b7377_03, batch: sweep("spent", old)},
		{Name: "sessions", Every: time.Hour, lock: 0x6c6b7377_04, batch: sweepSessions},
		{Name: "grants", Every: time.Hour, lock: 0x6c6b7377_05, batch: sweep("grants", old)},
		{Name: "idempotency", Every: time.Hour, lock: 0x6c6b7377_06, batch: sweep("idempotency", old)},
		{Name: "jobs", Every: time.Hour, lock: 0x6c6b7377_07, batch: sweep("jobs", `expires_at < now() - interval '`+noticeLife+`'`)},
		{Name: "client_callers", Every: 24 * time.Hour, lock: 0x6c6b7377_0b, batch: sweep("client_callers", old)},
		{Name: "jwks_fetches", Every: 24 * time.Hour, lock: 0x6c6b7377_0c, batch: sweep("jwks_fetches", old)},
		{Name: "encryption_keys", Every: 24 * time.Hour, lock: 0x6c6b7377_0d, batch: sweep("encryption_keys", `delete_at < now() - interval '1 hour'`)},
		{Name: "signing_keys", Every: 24 * time.Hour, lock: 0x6c6b7377_09, batch: sweep("signing_keys", `delete_at < now() - interval '1 hour'`)},
		// Initial access tokens stay listed for a while after their end.
		{Name: "initial_tokens", Every: 24 * time.Hour, lock: 0x6c6b7377_0a, batch: sweep("initial_tokens", `expires_at < now() - interval '90 days'`)},
		// Used links stay a week past their end, so that whoever opens one again
		// is told what happened to it.
		{Name: "one_time_links", Every: 24 * time.Hour, lock: 0x6c6b7377_08, batch: sweep("one_time_links", `expires_at < now() - interval '7 days'`)},
	}
}

// sweepSessions deletes sessions past their idle or absolute end and, in the
// same statement, revokes those of their grants that cannot outlive them. Their
// access tokens live to their end.
const sweepSessions = `
	WITH gone AS (
		DELETE FROM sessions WHERE ctid = ANY(ARRAY(
			SELECT ctid FROM sessions
			WHERE expires_at < now() OR idle_expires_at < now()
			LIMIT @limit FOR UPDATE SKIP LOCKED))
		RETURNING id
	), ended AS (
		UPDATE grants g SET revoked_at = now(), revoke_reason = 'session_expired'
		FROM gone
		WHERE g.session_id = gone.id AND g.revoked_at IS NULL AND NOT 'offline_access' = ANY(g.scopes)
	)
	SELECT 1 FROM gone`

// Sweep runs a sweeper until nothing is left to delete, and returns how many
// rows went. When another node sweeps the same, it does nothing.
func (db *DB) Sweep(ctx context.Context, s Sweeper) (deleted int, err error) {
	for {
		n, err := db.sweepOnce(ctx, s)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		if n < sweepBatch {
			return deleted, nil
		}
	}
}

func (db *DB) sweepOnce(ctx context.Context, s Sweeper) (n int, err error) {
	err = db.InTx(ctx, func(tx *Tx) error {
		return tx.do(ctx, func(q querier) error {
			mine, err := one(ctx, q, `SELECT pg_try_advisory_xact_lock(@lock)`, args{"lock": s.lock}, pgx.RowTo[bool])
			if err != nil || !mine {
				return err
			}
			rows, err := list(ctx, q, s.batch, args{"limit": sweepBatch}, pgx.RowTo[int])
			n = len(rows)
			return err
		})
	})
	return n, err
}
