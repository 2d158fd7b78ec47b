package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"latchkey"
	"latchkey/seal"
)

// args are the named arguments of a statement: @name in its text.
type args map[string]any

// rewrites remembers, for each text with @names, the one with $numbers and the
// order of the names. Reading the longest texts anew was a tenth of the work of
// a sign-in. All texts come from this package, so they are few.
type rewrites struct{ known sync.Map }

type rewritten struct {
	sql   string
	names []string
}

// rewritesKey is where a connection holds the rewrites of its DB.
const rewritesKey = "latchkey rewrites"

// RewriteQuery implements pgx.QueryRewriter with the rules of pgx.NamedArgs. A
// name without an argument is an error, an argument too many is not.
func (a args) RewriteQuery(ctx context.Context, conn *pgx.Conn, sql string, _ []any) (string, []any, error) {
	known, ok := conn.PgConn().CustomData()[rewritesKey].(*rewrites)
	if !ok {
		known = &rewrites{} // not a connection of the pool
	}
	return known.apply(ctx, sql, a)
}

func (rs *rewrites) apply(ctx context.Context, sql string, a args) (string, []any, error) {
	known, ok := rs.known.Load(sql)
	if !ok {
		read, err := rewrite(ctx, sql, a)
		if err != nil {
			return "", nil, err
		}
		known, _ = rs.known.LoadOrStore(sql, read)
	}
	r := known.(*rewritten)
	values := make([]any, len(r.names))
	for i, name := range r.names {
		if values[i], ok = a[name]; !ok {
			return "", nil, fmt.Errorf("no argument @%s", name)
		}
	}
	return r.sql, values, nil
}

func rewrite(ctx context.Context, sql string, a args) (*rewritten, error) {
	// Each name stands for itself, so that the values tell their order.
	names := make(pgx.NamedArgs, len(a))
	for name := range a {
		names[name] = name
	}
	text, order, err := names.RewriteQuery(ctx, nil, sql, nil)
	if err != nil {
		return nil, err
	}
	r := &rewritten{sql: text, names: make([]string, len(order))}
	for i, name := range order {
		var ok bool
		if r.names[i], ok = name.(string); !ok {
			return nil, fmt.Errorf("no argument for $%d of %s", i+1, text)
		}
	}
	return r, nil
}

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
