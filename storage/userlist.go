package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// PageSize is how many rows a page of a list has unless somebody asks for
// another number, and MaxPageSize how many may be asked for.
const (
	PageSize    = 50
	MaxPageSize = 200
)

// UserQuery says which people are looked for.
type UserQuery struct {
	Text   string // part of a username, name or e-mail address; "" = all
	Cursor string // Next of the page before; "" = the first page
	Limit  int    // 1 to MaxPageSize; 0 = PageSize
}

// UserPage is one page of the list of people, by username.
type UserPage struct {
	Items []*latchkey.User
	Next  string // cursor of the next page; "" = this is the last
	Found int    // how many match on all pages
	All   int    // how many there are
}

// userMatches is the condition of UserQuery.Text. The database's own lower()
// knows ASCII only (its locale is C), so the text comes in the spellings of
// nameSpellings too; usernames are compared by their keys, which are in lower
// case in every script.
const userMatches = `
	(@text = '' OR strpos(u.username_key, @key) > 0 OR strpos(lower(u.display_name), lower(@text)) > 0
	 OR EXISTS (SELECT FROM unnest(@spellings::text[]) s WHERE strpos(u.display_name, s) > 0)
	 OR strpos(lower(u.email), lower(@text)) > 0)`

// Users lists people, disabled ones too, with counts and groups. A cursor that
// is none of ours is the problem invalid_cursor.
func (qs *queries) Users(ctx context.Context, uq UserQuery) (*UserPage, error) {
	after, err := readCursor(uq.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(uq.Limit)
	text := strings.TrimSpace(uq.Text)
	key, ok := usernameKey(text)
	if !ok {
		key = strings.ToLower(text) // a part of no username; of an address, perhaps
	}
	a := args{"text": text, "key": key, "spellings": nameSpellings(text), "after": after, "limit": limit + 1}
	page := &UserPage{}
	err = qs.do(ctx, func(q querier) error {
		count, err := one(ctx, q, `SELECT count(*) FILTER (WHERE`+userMatches+`) AS found, count(*) AS all FROM users u`,
			a, pgx.RowToStructByName[struct{ Found, All int }])
		if err != nil {
			return err
		}
		page.Found, page.All = count.Found, count.All
		page.Items, err = list(ctx, q, `
			SELECT `+userColumns+`
			FROM users u
			WHERE u.username_key > @after AND`+userMatches+`
			ORDER BY u.username_key
			LIMIT @limit`, a, scanUser)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	page.cut(limit)
	return page, nil
}

// cut leaves limit people on the page, and the cursor of the next one where
// there are more.
func (p *UserPage) cut(limit int) {
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last, _ := usernameKey(p.Items[limit-1].Username)
		p.Next = cursorAfter(last)
	}
}

// nameSpellings are ways to write a part of a name: as typed, in lower and in
// upper case, and with a capital in front.
func nameSpellings(text string) []string {
	lower := strings.ToLower(text)
	first, size := utf8.DecodeRuneInString(lower)
	if size == 0 {
		return []string{}
	}
	return []string{text, lower, strings.ToUpper(text), string(unicode.ToTitle(first)) + lower[size:]}
}

func pageSize(asked int) int {
	if asked <= 0 {
		return PageSize
	}
	return min(asked, MaxPageSize)
}

// cursorAfter makes a cursor of the value that a list is sorted by. It stays
// good when the row it was taken from is gone.
func cursorAfter(value string) string { return base64.RawURLEncoding.EncodeToString([]byte(value)) }

func readCursor(cursor string) (value string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !utf8.Valid(raw) || strings.ContainsRune(string(raw), 0) {
		return "", errNoPage()
	}
	return string(raw), nil
}

func errNoPage() error {
	return latchkey.Refuse(latchkey.ErrInvalid, "invalid_cursor", "There is no such page of the list. Begin at the first one.")
}
