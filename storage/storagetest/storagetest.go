package storagetest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey/seal"
	"latchkey/storage"
)

// databases numbers the databases of this test binary.
var databases atomic.Int64

// URL makes a fresh, migrated database for one test and returns its connection
// string. The database goes when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	r, err := cluster()
	if err != nil {
		t.Fatalf("test database: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	r.admin(t, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY FILE_COPY")
	t.Cleanup(func() { r.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return r.url(name)
}

// Empty makes a database without a schema, for tests of the migrations.
func Empty(t testing.TB) string {
	t.Helper()
	url := URL(t)
	name := url[strings.LastIndex(url, "=")+1:]
	r, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	r.admin(t, "DROP DATABASE "+name)
	r.admin(t, "CREATE DATABASE "+name+" TEMPLATE template0")
	return url
}

// Open opens a fresh database with a ring of keys that all tests share. change
// may set further options, such as a tracer.
func Open(t testing.TB, change ...func(*storage.Options)) *storage.DB {
	t.Helper()
	return Connect(t, URL(t), change...)
}

// Connect opens the database at url once more: another node.
func Connect(t testing.TB, url string, change ...func(*storage.Options)) *storage.DB {
	t.Helper()
	o := storage.Options{URL: url, Ring: Ring(t), MinIdleConns: 1}
	for _, c := range change {
		c(&o)
	}
	db, err := storage.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// SQL runs a statement beside the product, as an intruder or a clock would: to
// age rows, to count them, to tamper.
func SQL(t testing.TB, url, statement string, arguments ...any) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn := dial(ctx, t, url)
	defer conn.Close(ctx)
	tag, err := conn.Exec(ctx, statement, arguments...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return tag.RowsAffected()
}

// Value reads the one value that a query gives.
func Value[T any](t testing.TB, url, query string, arguments ...any) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn := dial(ctx, t, url)
	defer conn.Close(ctx)
	var v T
	if err := conn.QueryRow(ctx, query, arguments...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// keyFile are the keys of all tests.
const keyFile = `{"version":1,"created_at":"2026-01-02T03:04:05Z",
"credential_encryption_key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
"session_signing_key":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=","previous":[]}`

// Ring is the ring of keys that all tests share.
func Ring(t testing.TB) *seal.Ring {
	t.Helper()
	keys, err := seal.Parse([]byte(keyFile))
	if err != nil {
		t.Fatalf("test keys: %v", err)
	}
	ring, err := seal.NewRing(keys)
	if err != nil {
		t.Fatalf("test ring: %v", err)
	}
	return ring
}

func (r *running) admin(t testing.TB, statement string) {
	t.Helper()
	SQL(t, r.url("postgres"), statement)
}

func dial(ctx context.Context, t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect to the test database: %v", err)
	}
	return conn
}
