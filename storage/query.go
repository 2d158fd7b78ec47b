package storage

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"latchkey"
	"latchkey/seal"
)

// args are the named arguments of a statement.
type args = pgx.NamedArgs

// list runs a query and collects its rows; no row is an empty list.
func list[T any](ctx context.Context, q querier, sql string, a args, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := q.Query(ctx, sql, a)
	if err != nil {
		return nil, err
	}
	items, err := pgx.CollectRows(rows, scan)
	if items == nil {
		items = []T{}
	}
	return items, err
}

// one runs a query and returns its first row; no row is latchkey.ErrNotFound.
func one[T any](ctx context.Context, q querier, sql string, a args, scan pgx.RowToFunc[T]) (T, error) {
	rows, err := q.Query(ctx, sql, a)
	if err != nil {
		var none T
		return none, err
	}
	item, err := pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = latchkey.ErrNotFound
	}
	return item, err
}

// exec runs a statement and returns how many rows it touched.
func exec(ctx context.Context, q querier, sql string, a args) (int64, error) {
	tag, err := q.Exec(ctx, sql, a)
	return tag.RowsAffected(), err
}

// send runs the statements of b in one round trip. Outside a transaction they
// are one: all happen or none.
func send(ctx context.Context, q querier, b *pgx.Batch) error {
	return q.SendBatch(ctx, b).Close()
}

// collect makes into the first row of a query that travels in a batch; without a
// row it stays as it is.
func collect[T any](into *T, scan pgx.RowToFunc[T]) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		item, err := pgx.CollectOneRow(rows, scan)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			*into = item
		}
		return err
	}
}

// violates tells whether err is the violation of the named constraint or index.
func violates(err error, constraint string) bool {
	pg := (*pgconn.PgError)(nil)
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}

// isNetwork tells whether err is a connection that broke.
func isNetwork(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// newID makes the id of a new row. Version 7 keeps new rows together in the
// index; it says nothing about validity, which is judged by the database clock.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// NewID is newID for callers that must know the id of a row before they store
// it, such as a grant whose id begins its tokens.
func NewID() string { return newID() }

// rowID returns an id that somebody typed in the one spelling that rows have,
// or ErrNotFound: what is no id names nothing.
func rowID(typed string) (string, error) {
	id, err := uuid.Parse(typed)
	if err != nil {
		return "", latchkey.ErrNotFound
	}
	return id.String(), nil
}

// seal encrypts plaintext for one column of one row of one owner.
func (qs *queries) seal(table, column, row, owner string, plaintext []byte) ([]byte, error) {
	return qs.ring.Seal(seal.Place{Table: table, Column: column, Row: row, Owner: owner}, plaintext)
}

// open decrypts what seal made for the same place. Anything else is
// latchkey.ErrSealMismatch and never an empty value.
func (qs *queries) open(table, column, row, owner string, sealed []byte) ([]byte, error) {
	plaintext, err := qs.ring.Open(seal.Place{Table: table, Column: column, Row: row, Owner: owner}, sealed)
	if err != nil {
		return nil, errors.Join(latchkey.ErrSealMismatch, err)
	}
	return plaintext, nil
}

// timeOf turns a nullable time into one whose zero means null.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// textOf turns a nullable text into one whose empty means null.
func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// orNull makes the zero value of T null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
