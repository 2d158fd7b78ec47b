// Package storage is the only place that speaks SQL. It owns the rules that
// need a lock or a row, and it seals, opens and hashes at the column: nobody
// above it sees ciphertext or computes a hash.
//
// It refuses to judge protocols and ceremonies; it judges state: single use,
// expiry by the database's clock, ownership in every WHERE. A change and its
// event commit together (Record). The threat it answers is the stolen dump and
// the race: what is stored is hashed, sealed or public, and what counts once is
// tested and spent in one statement.
package storage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"latchkey"
	"latchkey/seal"
)

// Options say how to reach the database.
type Options struct {
	URL            string        // PostgreSQL connection string; several hosts allowed
	MaxConns       int           // 0 = 15
	MinIdleConns   int           // 0 = 5, at most MaxConns
	ConnectTimeout time.Duration // 0 = 30 s
	IdleTimeout    time.Duration // 0 = 10 min
	MaxLifetime    time.Duration // 0 = 30 min; spread by a tenth
	AcquireTimeout time.Duration // 0 = 2 s: how long a request waits for a connection
	Ring           *seal.Ring    // required: seals and hashes
	Tracer         pgx.QueryTracer
}

// DB is the database through its pool. Its methods and those of Tx are the same
// but where a rule needs its own transaction.
type DB struct {
	queries
	pool     *pgxpool.Pool
	url      string
	wait     time.Duration
	watch    cacheWatch
	clients  *otter.Cache[string, cachedClient]
	public   atomic.Pointer[advertised]
	origins  *otter.Cache[string, cachedOrigin]
	count    tokenCount
	callers  callerNotes
	refusals refusalCount
	pairwise pairwiseKey
	wake     chan struct{} // of whoever delivers notices
}

// Tx is one transaction.
type Tx struct {
	queries
	tx     pgx.Tx
	bumped bool // what nodes keep in memory changed
	queued bool // there are new notices to deliver
}

// querier is what pool connections and transactions have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// queries are the methods that DB and Tx share. do runs f with a connection:
// one of the pool, or that of the transaction.
type queries struct {
	do   func(ctx context.Context, f func(querier) error) error
	ring *seal.Ring
}

// MinimumVersion is the oldest PostgreSQL that latchkey runs on.
const MinimumVersion = 150000

// ErrForeignVersion means a PostgreSQL older than MinimumVersion.
var ErrForeignVersion = errors.New("PostgreSQL 15 or newer is needed")

// CheckURL tells what is wrong with a connection string, without its password.
// It connects nowhere.
func CheckURL(url string) error {
	_, err := pgxpool.ParseConfig(url)
	return err
}

// Open connects to the database and checks that its version will do. The schema
// must be there already (package migrations).
func Open(ctx context.Context, o Options) (*DB, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.MaxConns = int32(orDefault(o.MaxConns, 15))
	config.MinIdleConns = min(int32(orDefault(o.MinIdleConns, 5)), config.MaxConns)
	config.MaxConnIdleTime = orDefault(o.IdleTimeout, 10*time.Minute)
	config.MaxConnLifetime = orDefault(o.MaxLifetime, 30*time.Minute)
	config.MaxConnLifetimeJitter = config.MaxConnLifetime / 10
	config.ConnConfig.ConnectTimeout = orDefault(o.ConnectTimeout, 30*time.Second)
	config.ConnConfig.Tracer = deadline{}
	if o.Tracer != nil {
		config.ConnConfig.Tracer = multitracer.New(o.Tracer, deadline{})
	}
	texts := &rewrites{}
	config.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		c.PgConn().CustomData()[rewritesKey] = texts
		return nil
	}
	for name, value := range sessionSettings {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{pool: pool, url: o.URL, clients: newClientCache(), origins: newOriginCache(), wait: orDefault(o.AcquireTimeout, 2*time.Second),
		wake: make(chan struct{}, 1)}
	db.queries = queries{do: db.withConn, ring: o.Ring}
	if err := db.checkVersion(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// sessionSettings bound what one statement may cost (SECURITY: database
// statement 3 s, lock 2 s, idle in transaction 5 s).
var sessionSettings = map[string]string{
	"application_name":                    "latchkey",
	"statement_timeout":                   "3000",
	"lock_timeout":                        "2000",
	"idle_in_transaction_session_timeout": "5000",
	"timezone":                            "UTC",
}

func (db *DB) checkVersion(ctx context.Context) error {
	return db.withConn(ctx, func(q querier) error {
		version, err := one(ctx, q, "SELECT current_setting('server_version_num')::int", nil, pgx.RowTo[int])
		if err != nil {
			return fmt.Errorf("ask the database for its version: %w", err)
		}
		if version < MinimumVersion {
			return fmt.Errorf("%w: this is %d.%d", ErrForeignVersion, version/10000, version%10000)
		}
		return nil
	})
}

// Close ends all connections.
func (db *DB) Close() { db.pool.Close() }

// URL is the connection string the database was opened with; for the direct
// connections (LISTEN, advisory locks) that must not come from the pool. It may
// hold a password: never print it.
func (db *DB) URL() string { return db.url }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return db.withConn(ctx, func(q querier) error {
		_, err := q.Exec(ctx, "SELECT 1")
		return err
	})
}

// withConn runs f with a connection of the pool. It waits for one no longer than
// the acquire timeout, so that a full pool becomes an answer and not a stall.
func (db *DB) withConn(ctx context.Context, f func(querier) error) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return classify(f(conn))
}

func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, db.wait)
	defer cancel()
	conn, err := db.pool.Acquire(waiting)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", latchkey.ErrUnavailable, err)
	}
	return conn, nil
}

// InTx runs f in one transaction, committed when f returns nil. f must use only
// the Tx: a second connection inside a transaction is a deadlock of the pool.
func (db *DB) InTx(ctx context.Context, f func(*Tx) error) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	t := &Tx{}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		t.tx = tx
		t.queries = queries{ring: db.ring, do: func(_ context.Context, g func(querier) error) error { return g(tx) }}
		return f(t)
	})
	if t.bumped {
		db.watch.distrust()
	}
	if t.queued && err == nil {
		select {
		case db.wake <- struct{}{}:
		default: // it has not been read yet, and stands for this one too
		}
	}
	return classify(err)
}

// classify gives errors of the connection their kind.
func classify(err error) error {
	if err == nil || errors.Is(err, latchkey.ErrUnavailable) {
		return err
	}
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		switch {
		case passing(pg.Code):
			return fmt.Errorf("%w: %w", latchkey.ErrUnavailable, err)
		case pg.Code == "22021": // character_not_in_repertoire: NUL or broken UTF-8, which no text of ours can hold
			return fmt.Errorf("%w: %w", latchkey.ErrInvalid, err)
		}
		return err
	}
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) || pgconn.SafeToRetry(err) || isNetwork(err) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", latchkey.ErrUnavailable, err)
	}
	return err
}

// passing tells whether an error code of PostgreSQL (appendix A of its manual)
// speaks of the database's state and not of the statement: the same may succeed
// in a moment.
func passing(code string) bool {
	switch code[:2] {
	case "08", // connection
		"40", // deadlock, serialization: another transaction went first
		"53", // resources: disk, memory, connections
		"57", // operator intervention: shutdown, cancel
		"58": // system: a disk that does not answer
		return true
	}
	switch code {
	case "55P03", // lock_timeout passed
		"25P03", // idle_in_transaction_session_timeout passed
		"25006": // read-only: after a failover this is the old primary
		return true
	}
	return false
}

func orDefault[T int | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return v
}
