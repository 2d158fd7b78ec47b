package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// APIAccess lists which applications may get tokens for an API, and with what,
// by id.
func (qs *queries) APIAccess(ctx context.Context, apiID string) (found []latchkey.APIAccess, err error) {
	id, err := rowID(apiID)
	if err != nil {
		return nil, NoAPI()
	}
	err = qs.do(ctx, func(q querier) error {
		found, err = list(ctx, q, `
			SELECT o.api_id, o.client_id, o.people, o.itself,
			       ARRAY(SELECT x.scope FROM api_client_permissions x WHERE x.api_id = o.api_id AND x.client_id = o.client_id AND x.people ORDER BY x.scope) AS for_users,
			       ARRAY(SELECT x.scope FROM api_client_permissions x WHERE x.api_id = o.api_id AND x.client_id = o.client_id AND x.itself ORDER BY x.scope) AS for_self
			FROM api_clients o WHERE o.api_id = @id ORDER BY o.client_id`, args{"id": id}, pgx.RowToStructByPos[latchkey.APIAccess])
		return err
	})
	return found, wrapFind(err, "list the applications of an API")
}

// AllowAPI makes x all that an application may have of an API; what it was
// allowed before and x does not name is gone, also from its tokens. Problems:
// not_found, and validation_failed with permissions and itself.
func (tx *Tx) AllowAPI(ctx context.Context, x latchkey.APIAccess) error {
	c, err := one(ctx, tx.tx, `SELECT`+clientColumns+` FROM clients c WHERE c.id = @id FOR KEY SHARE OF c`, args{"id": x.ClientID}, scanClient)
	if errors.Is(err, latchkey.ErrNotFound) {
		return NoClient()
	}
	if err != nil {
		return fmt.Errorf("lock the application of an API: %w", err)
	}
	if err := tx.bumpCache(ctx, CacheClients); err != nil {
		return err
	}
	a, err := tx.ResolveAPI(ctx, x.APIID)
	if err != nil {
		return err
	}
	if err := x.Check(a, &c); err != nil {
		return err
	}
	// api_clients keeps its row, so that a repetition is no moment without.
	b := &pgx.Batch{}
	row := args{"api": a.ID, "client": c.ID, "people": x.People, "itself": x.Itself, "users": texts(x.ForUsers), "self": texts(x.ForSelf)}
	b.Queue(`DELETE FROM api_client_permissions WHERE api_id = @api AND client_id = @client`, row)
	b.Queue(`
		INSERT INTO api_clients (api_id, client_id, people, itself) VALUES (@api, @client, @people, @itself)
		ON CONFLICT (client_id, api_id) DO UPDATE SET people = excluded.people, itself = excluded.itself`, row)
	b.Queue(`
		INSERT INTO api_client_permissions (api_id, client_id, scope, people, itself)
		SELECT @api, @client, scope, scope = ANY(@users::text[]), scope = ANY(@self::text[])
		FROM api_permissions WHERE api_id = @api AND scope = ANY(@users::text[] || @self::text[])`, row)
	if err := send(ctx, tx.tx, b); err != nil {
		return fmt.Errorf("allow an application an API: %w", err)
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.APIAllowed, Object: a.ID, ClientID: c.ID, Detail: map[string]any{
		"people": x.People, "itself": x.Itself, "scopes": texts(x.ForUsers), "own_scopes": texts(x.ForSelf)}})
}

// DenyAPI takes an API from an application: its tokens for it end. One that had
// nothing of it is not_found.
func (tx *Tx) DenyAPI(ctx context.Context, apiID, clientID string) error {
	id, err := rowID(apiID)
	if err != nil {
		return NoAPI()
	}
	if err := tx.bumpCache(ctx, CacheClients); err != nil {
		return err
	}
	n, err := exec(ctx, tx.tx, `DELETE FROM api_clients WHERE api_id = @api AND client_id = @client`, args{"api": id, "client": clientID})
	if err != nil {
		return fmt.Errorf("take an API from an application: %w", err)
	}
	if n == 0 {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "The application gets no tokens for this API.")
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.APIDenied, Object: id, ClientID: clientID})
}
