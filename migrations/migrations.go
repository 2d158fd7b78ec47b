// Package migrations owns the schema: the numbered SQL files and the order in
// which a database gets them. Nothing else changes the schema.
//
// A migration adds now and removes one release later, so that the previous
// release runs on the new schema. schema.sql is the dumped result, compared by
// a test: it is what a reviewer reads.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	// The driver that goose speaks through.
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"latchkey"
)

//go:embed 0*.sql
var files embed.FS

// Schema is the dumped result of all migrations.
//
//go:embed schema.sql
var Schema string

// ErrNewer means that the database was migrated by a newer release: this one
// does not know what stands in it and must not serve.
var ErrNewer = errors.New("the database has a newer schema than this release knows")

// Status is how far a database is.
type Status struct {
	Current int64    `json:"current"`
	Latest  int64    `json:"latest"`
	Pending []string `json:"pending"`
}

// lockID is the advisory lock that a node holds while it looks and migrates.
const lockID = 0x6c61746368 // "latch"

// Up brings the database at url (a PostgreSQL connection string of a role that
// may change the schema) to the newest schema. Several nodes may call it at
// once: an advisory lock lets one work while the others wait for it.
//
// It returns ErrNewer when the database is ahead of this release, and
// latchkey.ErrUnavailable when it cannot be reached.
func Up(ctx context.Context, url string) (Status, error) {
	return with(ctx, url, func(_ *sql.Conn, p *goose.Provider) (Status, error) {
		before, err := status(ctx, p)
		if err != nil || len(before.Pending) == 0 {
			return before, err
		}
		if _, err := p.Up(ctx); err != nil {
			return before, fmt.Errorf("migrate: %w", err)
		}
		return status(ctx, p)
	})
}

// Read tells how far the database at url is, and changes nothing: the library
// would make its table in an empty database only to find nothing in it.
func Read(ctx context.Context, url string) (Status, error) {
	return with(ctx, url, func(conn *sql.Conn, p *goose.Provider) (Status, error) {
		var migrated bool
		if err := conn.QueryRowContext(ctx, "SELECT to_regclass('"+table+"') IS NOT NULL").Scan(&migrated); err != nil {
			return Status{}, fmt.Errorf("look for the table of migrations: %w", err)
		}
		if migrated {
			return status(ctx, p)
		}
		s := Status{Pending: []string{}}
		for _, m := range p.ListSources() {
			s.Pending, s.Latest = append(s.Pending, m.Path), m.Version
		}
		return s, nil
	})
}

// table is where it is written down which migrations were done.
const table = "schema_migrations"

func with(ctx context.Context, url string, do func(*sql.Conn, *goose.Provider) (Status, error)) (s Status, err error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return Status{}, fmt.Errorf("open database for migrations: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("%w: connect for migrations: %w", latchkey.ErrUnavailable, err)
	}
	// The lock goes with the connection, also when this process is killed.
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(lockID)); err != nil {
		return Status{}, fmt.Errorf("wait for the migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(table), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return Status{}, fmt.Errorf("read migrations: %w", err)
	}
	s, err = do(conn, p)
	_, unlockErr := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(lockID))
	return s, errors.Join(err, unlockErr)
}

func status(ctx context.Context, p *goose.Provider) (Status, error) {
	current, latest, err := p.GetVersions(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read schema version: %w", err)
	}
	s := Status{Current: current, Latest: latest, Pending: []string{}}
	if current > latest {
		return s, fmt.Errorf("%w: it is at %d, this release ends at %d; start the newer release", ErrNewer, current, latest)
	}
	for _, m := range p.ListSources() {
		if m.Version > current {
			s.Pending = append(s.Pending, m.Path)
		}
	}
	return s, nil
}
