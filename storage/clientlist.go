package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// ClientQuery says which applications are looked for.
type ClientQuery struct {
	Text   string // part of a name, id or redirect URI, in any case; "" = all
	Cursor string // Next of the page before; "" = the first page
	Limit  int    // at most so many; 0 = 50
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
	 OR EXISTS (SELECT FROM unnest(c.redirect_uris) u WHERE strpos(lower(u), lower(@text)) > 0))`

// Clients lists applications, disabled ones too. A cursor that is none of ours
// is ErrInvalid.
func (qs *queries) Clients(ctx context.Context, cq ClientQuery) (*ClientPage, error) {
	name, id, err := readClientCursor(cq.Cursor)
	if err != nil {
		return nil, err
	}
	limit := orDefault(cq.Limit, 50)
	page := &ClientPage{}
	err = qs.do(ctx, func(q querier) error {
		a := args{"text": strings.TrimSpace(cq.Text), "name": name, "id": id, "limit": limit + 1}
		count, err := one(ctx, q, `SELECT count(*) FILTER (WHERE`+clientMatches+`) AS found, count(*) AS all FROM clients c`,
			a, pgx.RowToStructByName[struct{ Found, All int }])
		if err != nil {
			return err
		}
		page.Found, page.All = count.Found, count.All
		page.Items, err = list(ctx, q, `
			SELECT`+clientColumns+`
			FROM clients c
			WHERE (lower(c.name) COLLATE "C", c.id) > (@name, @id) AND`+clientMatches+`
			ORDER BY lower(c.name) COLLATE "C", c.id
			LIMIT @limit`, a, scanClient)
		if err != nil || len(page.Items) <= limit {
			return err
		}
		page.Items = page.Items[:limit]
		page.Next, err = clientCursor(ctx, q, page.Items[limit-1].ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return page, nil
}

// clientCursor is where the list goes on after an application: the value that
// it is sorted by and the id, so that it works also when that one is deleted.
func clientCursor(ctx context.Context, q querier, id string) (string, error) {
	name, err := one(ctx, q, `SELECT lower(name) FROM clients WHERE id = @id`, args{"id": id}, pgx.RowTo[string])
	return base64.RawURLEncoding.EncodeToString([]byte(id + " " + name)), err
}

func readClientCursor(cursor string) (name, id string, err error) {
	if cursor == "" {
		return "", "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	id, name, found := strings.Cut(string(raw), " ")
	if err != nil || !found || strings.ContainsRune(name, 0) || strings.ToValidUTF8(name, "") != name {
		return "", "", latchkey.Refuse(latchkey.ErrInvalid, "invalid_cursor", "There is no such page of the list. Begin at the first one.")
	}
	return name, id, nil
}
