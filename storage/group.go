package storage

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/secure/precis"

	"latchkey"
)

// MaxGroupName is the longest name of a group in characters.
const MaxGroupName = 64

// CleanGroupName returns the name of a group as it is shown and told to
// applications, and the key under which it is unique: PRECIS Nickname (RFC 8266),
// so that names which look alike in width, case or spaces are one. ok is false
// for what can be no name: hidden characters, a wrong length, and whatever
// could be taken for an id, by which groups are also named.
func CleanGroupName(typed string) (shown, key string, ok bool) {
	shown, ok = CleanName(typed, MaxGroupName)
	if _, err := rowID(shown); !ok || err == nil {
		return "", "", false
	}
	key, ok = groupKey(shown)
	return shown, key, ok
}

func groupKey(typed string) (string, bool) {
	key, err := precis.Nickname.CompareKey(strings.TrimSpace(typed))
	if err != nil || key == "" || utf8.RuneCountInString(key) > 2*MaxGroupName {
		return "", false
	}
	return key, true
}

const groupColumns = `
	g.id, g.name, (SELECT count(*) FROM memberships m WHERE m.group_id = g.id) AS members, g.created_at`

func scanGroup(row pgx.CollectableRow) (*latchkey.Group, error) {
	g := &latchkey.Group{}
	return g, row.Scan(&g.ID, &g.Name, &g.Members, orZero{&g.CreatedAt})
}

// GroupQuery says which groups are listed.
type GroupQuery struct {
	Cursor string // Next of the page before; "" = the first page
	Limit  int    // 1 to MaxPageSize; 0 = PageSize
}

// GroupPage is one page of the list of groups, by name.
type GroupPage struct {
	Items []*latchkey.Group
	Next  string // cursor of the next page; "" = this is the last
}

// Groups lists groups with how many people are in each. A cursor that is none
// of ours is the problem invalid_cursor.
func (qs *queries) Groups(ctx context.Context, gq GroupQuery) (*GroupPage, error) {
	after, err := readCursor(gq.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(gq.Limit)
	page := &GroupPage{}
	err = qs.do(ctx, func(q querier) (err error) {
		page.Items, err = list(ctx, q, `
			SELECT `+groupColumns+`
			FROM groups g
			WHERE g.name_key > @after
			ORDER BY g.name_key
			LIMIT @limit`, args{"after": after, "limit": limit + 1}, scanGroup)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		last, _ := groupKey(page.Items[limit-1].Name)
		page.Next = cursorAfter(last)
	}
	return page, nil
}

// GroupNames returns the names of all groups in order, for choices.
func (qs *queries) GroupNames(ctx context.Context) (names []string, err error) {
	err = qs.do(ctx, func(q querier) error {
		names, err = list(ctx, q, `SELECT name FROM groups ORDER BY name_key`, nil, pgx.RowTo[string])
		return err
	})
	return names, wrapFind(err, "list the names of groups")
}

// ResolveGroup returns the group that is named by id or by name, in whatever
// case, or ErrNotFound.
func (qs *queries) ResolveGroup(ctx context.Context, name string) (*latchkey.Group, error) {
	name = strings.TrimSpace(name)
	if id, err := rowID(name); err == nil {
		return qs.findGroup(ctx, `g.id = @who::uuid`, id)
	}
	key, ok := groupKey(name)
	if !ok {
		return nil, latchkey.ErrNotFound
	}
	return qs.findGroup(ctx, `g.name_key = @who`, key)
}

func (qs *queries) findGroup(ctx context.Context, where, who string) (g *latchkey.Group, err error) {
	err = qs.do(ctx, func(q querier) error {
		g, err = one(ctx, q, `SELECT `+groupColumns+` FROM groups g WHERE `+where, args{"who": who}, scanGroup)
		return err
	})
	return g, wrapFind(err, "find a group")
}

// CreateGroup makes a group. Problems: validation_failed for what is no name,
// group_exists.
func (tx *Tx) CreateGroup(ctx context.Context, typed string) (*latchkey.Group, error) {
	name, key, ok := CleanGroupName(typed)
	if !ok {
		return nil, latchkey.InvalidFields(map[string]string{"name": "Use 1 to 64 characters, without hidden ones."})
	}
	var g *latchkey.Group
	err := tx.do(ctx, func(q querier) (err error) {
		g, err = one(ctx, q, `
			INSERT INTO groups (id, name, name_key) VALUES (@id, @name, @key)
			ON CONFLICT (name_key) DO NOTHING
			RETURNING id, name, 0, created_at`, args{"id": newID(), "name": name, "key": key}, scanGroup)
		return err
	})
	if err == latchkey.ErrNotFound {
		return nil, latchkey.Refuse(latchkey.ErrConflict, "group_exists", "There is a group of that name.")
	}
	if err != nil {
		return nil, fmt.Errorf("create a group: %w", err)
	}
	return g, tx.Record(ctx, latchkey.Event{Kind: latchkey.GroupCreated, Object: g.ID})
}

// DeleteGroup deletes a group, by id, with its memberships. It refuses while
// an application is open to it: without the group, that application would be
// open to everyone.
func (tx *Tx) DeleteGroup(ctx context.Context, id string) error {
	id, err := rowID(id)
	if err != nil {
		return err
	}
	// The lock makes whoever opens an application to the group wait, and find it
	// gone.
	err = tx.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `SELECT id FROM groups WHERE id = @id FOR UPDATE`, args{"id": id}, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return wrapFind(err, "lock a group")
	}
	clients, err := tx.ClientsOpenTo(ctx, id)
	if err != nil {
		return err
	}
	if len(clients) > 0 {
		return groupInUse(clients)
	}
	members, err := tx.deleteGroup(ctx, id)
	if err != nil {
		return fmt.Errorf("delete a group: %w", err)
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.GroupDeleted, Object: id, Detail: map[string]any{"members": members}})
}

func (tx *Tx) deleteGroup(ctx context.Context, id string) (members int64, err error) {
	err = tx.do(ctx, func(q querier) error {
		if members, err = exec(ctx, q, `DELETE FROM memberships WHERE group_id = @id`, args{"id": id}); err != nil {
			return err
		}
		_, err := exec(ctx, q, `DELETE FROM groups WHERE id = @id`, args{"id": id})
		return err
	})
	return members, err
}

// groupInUse names the applications that a group opens.
func groupInUse(clients []latchkey.Client) error {
	names := make([]string, 0, len(clients))
	ids := make([]string, 0, len(clients))
	for _, c := range clients {
		names, ids = append(names, c.Name+" ("+c.ID+")"), append(ids, c.ID)
	}
	shown := strings.Join(names[:min(len(names), 5)], ", ")
	if len(names) > 5 {
		shown += fmt.Sprintf(" and %d more", len(names)-5)
	}
	p := latchkey.Refuse(latchkey.ErrConflict, "group_in_use", "Applications are open to this group: "+shown+". Change who may sign in to them first.")
	p.Extra = map[string]any{"clients": ids}
	return p
}

// ClientsOpenTo lists the applications whose allowed_groups name a group, by
// name.
func (qs *queries) ClientsOpenTo(ctx context.Context, groupID string) (clients []latchkey.Client, err error) {
	err = qs.do(ctx, func(q querier) error {
		clients, err = list(ctx, q, `
			SELECT`+clientColumns+`
			FROM clients c JOIN client_groups o ON o.client_id = c.id
			WHERE o.group_id = @group
			ORDER BY lower(c.name), c.id`, args{"group": groupID}, scanClient)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list applications of a group: %w", err)
	}
	return clients, nil
}
