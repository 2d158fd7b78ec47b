package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"latchkey/storage/storagetest"
)

const sampleLeaf = `
	INSERT INTO audit_leaf (index, sequenced_at, id, leaf, leaf_hash, created_at, kind, actor_kind, actor_id, client_id,
	                        success, reason, request_id, address_prefix, agent, detail)
	VALUES (0, '2026-03-15 12:00:00Z', gen_random_uuid(), '\x01', sha256('\x0001'), '2026-03-15 12:00:00Z', 'sample', 'system', '', '',
	        true, '', '', '', '', '{}')`

// TestLeavesAreWrittenOnce also as the owner of the tables: through the parent
// and through the partition of the month.
func TestLeavesAreWrittenOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	url := storagetest.URL(t)
	storagetest.SQL(t, url, `SELECT audit_ensure_month('2026-03-15 12:00:00Z')`)
	storagetest.SQL(t, url, sampleLeaf)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	for _, statement := range []string{
		`UPDATE audit_leaf SET reason = 'other'`,
		`DELETE FROM audit_leaf`,
		`TRUNCATE audit_leaf`,
		`UPDATE audit_leaf_202603 SET reason = 'other'`,
		`DELETE FROM audit_leaf_202603`,
		`TRUNCATE audit_leaf_202603`,
	} {
		_, err := conn.Exec(ctx, statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: got %v, want it refused with 42501", statement, err)
		}
	}
	if got := storagetest.Value[int64](t, url, `SELECT count(*) FROM audit_leaf WHERE reason = ''`); got != 1 {
		t.Errorf("leaves left as written: got %d, want 1", got)
	}
}
