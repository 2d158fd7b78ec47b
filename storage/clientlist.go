package storage

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// ClientQuery says which applications are looked for.
type ClientQuery struct {
	Text   string // part of a name, id or redirect URI, in any case; "" = all
	Cursor string // Next of the page before; "" = the first page
	Limit  int    // 1 to MaxPageSize; 0 = PageSize
}

// ClientPage is one page of the list of applications, by name.
type ClientPage struct {
	Items []latchkey.Client
	Next  string // cursor of the next page; "" = this is the last
	Found int    // how many match on all pages
	All   int    // how many there are
}

// clientMatches is the condition of ClientQuery.Text.
const clientMatches = `
	(@text = '' OR strpos(lower(c.name), lower(@text)) > 0 OR strpos(lower(c.id), lower(@text)) > 0
	 OR EXISTS (SELECT FROM unnest(@spellings::text[]) s WHERE strpos(c.name, s) > 0)
	 OR EXISTS (SELECT FROM unnest(c.redirect_uris) u WHERE strpos(lower(u), lower(@text)) > 0))`

// clientOrder is what the list is sorted by. The separator stands before every
// letter, so that a name comes before those that begin with it.
const clientOrder = `(lower(c.name) || E'\x01' || c.id) COLLATE "C"`

// Clients lists applications, disabled ones too. A cursor that is none of
// ours is the problem invalid_cursor.
func (qs *queries) Clients(ctx context.Context, cq ClientQuery) (*ClientPage, error) {
	after, err := readCursor(cq.Cursor)
	if err != nil {
		return nil, err
	}
	limit, text := pageSize(cq.Limit), searchable(cq.Text)
	page := &ClientPage{}
	err = qs.do(ctx, func(q querier) error {
		a := args{"text": text, "spellings": nameSpellings(text), "after": after, "limit": limit + 1}
		count, err := one(ctx, q, `SELECT count(*) FILTER (WHERE`+clientMatches+`) AS found, count(*) AS all FROM clients c`,
			a, pgx.RowToStructByName[struct{ Found, All int }])
		if err != nil {
			return err
		}
		page.Found, page.All = count.Found, count.All
		var order []string
		page.Items, err = list(ctx, q, `
			SELECT`+clientColumns+`, `+clientOrder+`
			FROM clients c
			WHERE `+clientOrder+` > @after AND`+clientMatches+`
			ORDER BY `+clientOrder+`
			LIMIT @limit`, a, func(row pgx.CollectableRow) (latchkey.Client, error) {
			order = append(order, "")
			return scanClientAnd(row, &order[len(order)-1])
		})
		if err == nil && len(page.Items) > limit {
			page.Items, page.Next = page.Items[:limit], cursorAfter(order[limit-1])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return page, nil
}

// searchable is what somebody typed as the database can take it.
func searchable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(strings.TrimSpace(text), "\uFFFD"), "\x00", "\uFFFD")
}
