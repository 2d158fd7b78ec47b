package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"latchkey/admin"
	"latchkey/storage"
)

// withAdmin runs f with what operators do.
func (c *commands) withAdmin(ctx context.Context, f func(context.Context, *admin.Service) error) error {
	return c.withDatabase(ctx, func(ctx context.Context, db *storage.DB) error { return c.asAdmin(ctx, db, f) })
}

// withLinks is withAdmin for what prints a link: with another issuer than that of
// serve it would lead nowhere, and its passkey could not be made.
func (c *commands) withLinks(ctx context.Context, f func(context.Context, *admin.Service) error) error {
	return c.withDatabase(ctx, func(ctx context.Context, db *storage.DB) error {
		if err := c.checkFrozenRPID(ctx, db); err != nil {
			return err
		}
		return c.asAdmin(ctx, db, f)
	})
}

func (c *commands) asAdmin(ctx context.Context, db *storage.DB, f func(context.Context, *admin.Service) error) error {
	s, err := admin.New(admin.Options{
		DB: db, Issuer: c.Issuer, NoInvites: c.SignUp == "off", Outbound: c.outbound, SessionMaxAge: time.Duration(c.SessionMaxAge),
	})
	if err != nil {
		return err
	}
	return f(ctx, s)
}

// paging are the flags of a list. Without them all of it is printed.
type paging struct {
	Limit  int    `help:"Print so many at most, 1 to 200. Without it, all." placeholder:"N"`
	Cursor string `help:"Go on where a list with --limit ended: its next_cursor." placeholder:"CURSOR"`
}

// page is a part of a list as --json prints it.
type page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// collect asks for one page, or for all where no limit was given.
func collect[T any](p paging, ask func(cursor string, limit int) (items []T, next string, err error)) (page[T], error) {
	out := page[T]{Items: []T{}}
	if p.Limit < 0 || p.Limit > storage.MaxPageSize {
		return out, usageError{wrong("limit", fmt.Sprintf("is not between 1 and %d", storage.MaxPageSize), "50")}
	}
	limit, cursor := p.Limit, p.Cursor
	if limit == 0 {
		limit = storage.MaxPageSize
	}
	for {
		items, next, err := ask(cursor, limit)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, items...)
		if next == "" {
			return out, nil
		}
		if p.Limit != 0 {
			out.NextCursor = &next
			return out, nil
		}
		cursor = next
	}
}

// table lays rows out in columns. Nothing that comes out of the database can
// move the cursor or hide text.
func table(none string, header []string, rows [][]string) string {
	if len(rows) == 0 {
		return none
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, plain(cell))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err.Error() // never: a Builder takes everything
	}
	return trimLines(out.String())
}

// trimLines takes the blanks from the ends of lines, which tabwriter leaves.
func trimLines(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// plain is a text without what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// facts lays names and values out, one a line.
func facts(pairs ...string) string {
	var rows [][]string
	for i := 2; i < len(pairs); i += 2 {
		rows = append(rows, pairs[i:i+2])
	}
	return table("", pairs[:2], rows)
}

// at is a time in a table, to the minute; the zero time is empty.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}
