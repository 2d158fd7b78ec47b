package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// NoAPI is the answer to a name that no API has.
func NoAPI() error {
	return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such API.")
}

const apiColumns = `
	a.id, a.resource, a.name, coalesce(a.client_id, ''), coalesce(a.access_token_format, ''), a.access_token_ttl,
	(SELECT coalesce(jsonb_agg(jsonb_build_object('Scope', p.scope, 'Description', p.description, 'Advertised', p.advertised) ORDER BY p.scope), '[]')
	 FROM api_permissions p WHERE p.api_id = a.id),
	(SELECT count(*) FROM api_clients o WHERE o.api_id = a.id), a.version, a.created_at, a.updated_at`

func scanAPI(row pgx.CollectableRow) (*latchkey.API, error) {
	a, ttl, permissions := &latchkey.API{}, (*int)(nil), []byte(nil)
	err := row.Scan(&a.ID, &a.Resource, &a.Name, &a.ClientID, &a.AccessTokenFormat, &ttl, &permissions,
		&a.Clients, &a.Version, orZero{&a.CreatedAt}, orZero{&a.UpdatedAt})
	if err != nil {
		return nil, err
	}
	a.AccessTokenTTL = seconds(ttl)
	return a, json.Unmarshal(permissions, &a.Permissions)
}

// APIQuery says which APIs are listed.
type APIQuery struct {
	Cursor string // Next of the page before; "" = the first page
	Limit  int    // 1 to MaxPageSize; 0 = PageSize
}

// APIPage is one page of the list of APIs, by resource.
type APIPage struct {
	Items []*latchkey.API
	Next  string // cursor of the next page; "" = this is the last
}

// APIs lists APIs with their permissions. A cursor that is none of ours is the
// problem invalid_cursor.
func (qs *queries) APIs(ctx context.Context, aq APIQuery) (*APIPage, error) {
	after, err := readCursor(aq.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(aq.Limit)
	page := &APIPage{}
	err = qs.do(ctx, func(q querier) (err error) {
		page.Items, err = list(ctx, q, `SELECT`+apiColumns+` FROM apis a WHERE a.resource > @after ORDER BY a.resource LIMIT @limit`,
			args{"after": after, "limit": limit + 1}, scanAPI)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list APIs: %w", err)
	}
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		page.Next = cursorAfter(page.Items[limit-1].Resource)
	}
	return page, nil
}

// ResolveAPI returns the API that is named by id or by resource, or not_found.
func (qs *queries) ResolveAPI(ctx context.Context, name string) (*latchkey.API, error) {
	where := `a.resource = @who`
	if id, err := rowID(name); err == nil {
		where, name = `a.id = @who::uuid`, id
	}
	var a *latchkey.API
	err := qs.do(ctx, func(q querier) (err error) {
		a, err = one(ctx, q, `SELECT`+apiColumns+` FROM apis a WHERE `+where, args{"who": name}, scanAPI)
		return err
	})
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, NoAPI()
	}
	return a, wrapFind(err, "find an API")
}

// CreateAPI stores an API with its permissions and fills its id and times.
// Problems: validation_failed where a permission is somebody else's or nobody
// can serve it, api_exists.
func (tx *Tx) CreateAPI(ctx context.Context, a *latchkey.API) error {
	a.ID = newID()
	if err := tx.beginAPI(ctx, a.ClientID); err != nil {
		return err
	}
	_, err := one(ctx, tx.tx, `
		INSERT INTO apis (id, resource, name, client_id, access_token_format, access_token_ttl)
		VALUES (@id, @resource, @name, @client, @format, @ttl)
		RETURNING version, created_at, updated_at`, apiArgs(a), scanAPITimes(a))
	if violates(err, "apis_resource_key") {
		return latchkey.Refuse(latchkey.ErrConflict, "api_exists", "There is an API with this resource.")
	}
	if err != nil {
		return fmt.Errorf("create an API: %w", err)
	}
	if err := tx.setPermissions(ctx, a); err != nil {
		return err
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.APICreated, Object: a.ID, ClientID: a.ClientID, Detail: apiDetail(a)})
}

// UpdateAPI makes an API what next says, but for its resource; next.Version is
// the one that was read. A permission that goes is taken from all applications
// that had it, and from their tokens. Problems: not_found, conflict, and those
// of CreateAPI.
func (tx *Tx) UpdateAPI(ctx context.Context, next *latchkey.API) error {
	if err := tx.beginAPI(ctx, next.ClientID); err != nil {
		return err
	}
	a := apiArgs(next)
	a["version"] = next.Version
	_, err := one(ctx, tx.tx, `
		UPDATE apis SET name = @name, client_id = @client, access_token_format = @format, access_token_ttl = @ttl,
		                version = version + 1, updated_at = now()
		WHERE id = @id AND version = @version
		RETURNING version, created_at, updated_at`, a, scanAPITimes(next))
	if errors.Is(err, latchkey.ErrNotFound) {
		if _, err := tx.ResolveAPI(ctx, next.ID); err != nil {
			return err
		}
		return latchkey.Refuse(latchkey.ErrConflict, "conflict", "Somebody changed this API since you opened it. Look at it again, then change it.")
	}
	if err != nil {
		return fmt.Errorf("update an API: %w", err)
	}
	if err := tx.setPermissions(ctx, next); err != nil {
		return err
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.APIUpdated, Object: next.ID, ClientID: next.ClientID, Detail: apiDetail(next)})
}

// DeleteAPI deletes an API, by id. Tokens for it alone are good for nothing from
// then on.
func (tx *Tx) DeleteAPI(ctx context.Context, id string) error {
	id, err := rowID(id)
	if err != nil {
		return NoAPI()
	}
	if err := tx.bumpCache(ctx, CacheClients); err != nil {
		return err
	}
	resource, err := one(ctx, tx.tx, `DELETE FROM apis WHERE id = @id RETURNING resource`, args{"id": id}, pgx.RowTo[string])
	if errors.Is(err, latchkey.ErrNotFound) {
		return NoAPI()
	}
	if err != nil {
		return fmt.Errorf("delete an API: %w", err)
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.APIDeleted, Object: id, Detail: map[string]any{"resource": resource}})
}

// beginAPI takes the locks of a change of an API, in the order of changes of
// applications: the application that is named, then the version of all.
func (tx *Tx) beginAPI(ctx context.Context, clientID string) error {
	if clientID != "" {
		public, err := one(ctx, tx.tx, `SELECT auth_method = 'none' FROM clients WHERE id = @id FOR KEY SHARE`, args{"id": clientID}, pgx.RowTo[bool])
		switch {
		case errors.Is(err, latchkey.ErrNotFound):
			return latchkey.InvalidFields(map[string]string{"client_id": "There is no application with this id."})
		case err != nil:
			return fmt.Errorf("lock the application of an API: %w", err)
		case public:
			return latchkey.InvalidFields(map[string]string{"client_id": "An application without a secret or a key cannot serve an API: it could not ask about tokens."})
		}
	}
	return tx.bumpCache(ctx, CacheClients)
}

// setPermissions makes the permissions of an API what it says.
func (tx *Tx) setPermissions(ctx context.Context, a *latchkey.API) error {
	names, words, shown := a.Scopes(), make([]string, 0, len(a.Permissions)), make([]bool, 0, len(a.Permissions))
	for _, p := range a.Permissions {
		words, shown = append(words, p.Description), append(shown, p.Advertised)
	}
	taken, err := list(ctx, tx.tx, `
		SELECT p.scope || ' belongs to the API ' || o.name || '.' FROM api_permissions p JOIN apis o ON o.id = p.api_id
		WHERE p.scope = ANY(@names) AND p.api_id <> @id
		UNION ALL
		SELECT s || ' is a scope of the application ' || c.name || ' (' || c.id || ').' FROM clients c, unnest(c.scopes) s WHERE s = ANY(@names)
		ORDER BY 1 LIMIT 5`, args{"id": a.ID, "names": names}, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for owners of permissions: %w", err)
	}
	if len(taken) > 0 {
		return latchkey.InvalidFields(map[string]string{"permissions": strings.Join(taken, " ") + " A permission is of one API alone: take another name."})
	}
	b := &pgx.Batch{}
	b.Queue(`DELETE FROM api_permissions WHERE api_id = @id AND scope <> ALL(@names)`, args{"id": a.ID, "names": names})
	b.Queue(`
		INSERT INTO api_permissions (api_id, scope, description, advertised)
		SELECT @id, * FROM unnest(@names::text[], @words::text[], @shown::boolean[])
		ON CONFLICT (api_id, scope) DO UPDATE SET description = excluded.description, advertised = excluded.advertised`,
		args{"id": a.ID, "names": names, "words": words, "shown": shown})
	if err := send(ctx, tx.tx, b); err != nil {
		return fmt.Errorf("set permissions of an API: %w", err)
	}
	return nil
}

func apiArgs(a *latchkey.API) args {
	return args{"id": a.ID, "resource": a.Resource, "name": a.Name, "client": orNull(a.ClientID), "format": orNull(a.AccessTokenFormat), "ttl": inSeconds(a.AccessTokenTTL)}
}

func scanAPITimes(a *latchkey.API) pgx.RowToFunc[struct{}] {
	return func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(&a.Version, orZero{&a.CreatedAt}, orZero{&a.UpdatedAt})
	}
}

func apiDetail(a *latchkey.API) map[string]any {
	return map[string]any{"resource": a.Resource, "scopes": a.Scopes()}
}
