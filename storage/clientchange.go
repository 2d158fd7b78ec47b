package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// NoClient is the answer to an id that no application has.
func NoClient() error {
	return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no application with this id.")
}

// lockClient reads an application and keeps others from changing it until the
// transaction ends.
func (tx *Tx) lockClient(ctx context.Context, id string) (*latchkey.Client, error) {
	c, err := one(ctx, tx.tx, `SELECT`+clientColumns+` FROM clients c WHERE c.id = @id FOR UPDATE OF c`, args{"id": id}, scanClient)
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, NoClient()
	}
	if err != nil {
		return nil, fmt.Errorf("lock client: %w", err)
	}
	return &c, nil
}

// UpdateClient makes an application what next says, with the names in
// AllowedGroups; next.Version is the one that was read. It returns the members
// that changed; when none did, nothing is written. Problems: not_found, conflict
// when somebody else changed it since, and unknown groups.
//
// Turning it off ends its grants and tokens; groups that close it to somebody
// end theirs; its secrets follow its method.
func (tx *Tx) UpdateClient(ctx context.Context, next *latchkey.Client) (changed []string, err error) {
	before, err := tx.lockClient(ctx, next.ID)
	if err != nil {
		return nil, err
	}
	if before.Version != next.Version {
		return nil, latchkey.Refuse(latchkey.ErrConflict, "conflict", "Somebody changed this application since you opened it. Look at it again, then change it.")
	}
	boundByAdministrator(before, next)
	return tx.changeClient(ctx, before, next)
}

// SetClientEnabled turns an application on or off. One that is so already stays
// as it is; on tells what it was.
func (tx *Tx) SetClientEnabled(ctx context.Context, id string, enabled bool) error {
	before, err := tx.lockClient(ctx, id)
	if err != nil {
		return err
	}
	next := *before
	next.Enabled = enabled
	_, err = tx.changeClient(ctx, before, &next)
	return err
}

func (tx *Tx) changeClient(ctx context.Context, before, next *latchkey.Client) (changed []string, err error) {
	changed = latchkey.ChangedMembers(before, next)
	if len(changed) == 0 {
		return nil, nil
	}
	if err := tx.storeClient(ctx, next); err != nil {
		return nil, err
	}
	if slices.Contains(changed, "allowed_groups") {
		if err := tx.setClientGroups(ctx, next.ID, next.AllowedGroups); err != nil {
			return nil, err
		}
	}
	if err := tx.changeSecrets(ctx, before, next); err != nil {
		return nil, err
	}
	err = tx.Record(ctx, latchkey.Event{Kind: latchkey.ClientUpdated, ClientID: next.ID,
		Detail: map[string]any{"changed": changed, "enabled": next.Enabled, "first_party": next.FirstParty}})
	if err != nil {
		return nil, err
	}
	if err := tx.endAfterChange(ctx, before, next); err != nil {
		return nil, err
	}
	return changed, tx.publishClient(ctx, next)
}

// publishClient tells all nodes of an application that was written. The version
// of all applications is the lock under which no scope becomes an application's
// own and an API's permission at once.
func (tx *Tx) publishClient(ctx context.Context, c *latchkey.Client) error {
	if err := tx.bumpCache(ctx, CacheClients); err != nil {
		return err
	}
	taken, err := list(ctx, tx.tx, `
		SELECT p.scope || ' belongs to the API ' || a.name || '. '
		FROM api_permissions p JOIN apis a ON a.id = p.api_id
		WHERE p.scope = ANY(@scopes) ORDER BY p.scope`, args{"scopes": texts(c.Scopes)}, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for permissions among scopes: %w", err)
	}
	if len(taken) > 0 {
		return latchkey.InvalidFields(map[string]string{"scope": strings.Join(taken, "") + "Applications get it from there, when an administrator allows it."})
	}
	return nil
}

// endAfterChange ends what the change of an application ends.
func (tx *Tx) endAfterChange(ctx context.Context, before, next *latchkey.Client) (err error) {
	switch {
	case before.Enabled && !next.Enabled:
		_, err = tx.EndSessions(ctx, Ending{Cause: ClientDisabled, ClientID: next.ID})
	case len(next.AllowedGroups) > 0 && !slices.Equal(before.AllowedGroups, next.AllowedGroups):
		_, err = tx.EndSessions(ctx, Ending{Cause: GroupsNarrowed, ClientID: next.ID})
	}
	return err
}

// storeClient writes the columns of an application. One that is off has no
// token of its own left: those of client_credentials end too.
func (tx *Tx) storeClient(ctx context.Context, c *latchkey.Client) error {
	a, err := clientArgs(ctx, c)
	if err != nil {
		return err
	}
	_, err = one(ctx, tx.tx, `
		UPDATE clients
		SET name = @name, type = @type, profile = @profile, enabled = @enabled,
		    redirect_uris = @redirect_uris, post_logout_redirect_uris = @post_logout_redirect_uris,
		    allowed_cors_origins = @allowed_cors_origins, grant_types = @grant_types, response_types = @response_types,
		    scopes = @scopes, auth_method = @auth_method, first_party = @first_party, introspects = @introspects,
		    id_token_alg = @id_token_alg, access_token_alg = @access_token_alg, access_token_format = @access_token_format,
		    access_token_ttl = @access_token_ttl, id_token_ttl = @id_token_ttl, refresh_token_ttl = @refresh_token_ttl,
		    refresh_grace = @refresh_grace, refresh_without_offline = @refresh_without_offline, metadata = @metadata,
		    protocol = @protocol, registration = @registration,
		    tokens_not_before = CASE WHEN @enabled THEN tokens_not_before ELSE clock_timestamp() END,
		    version = version + 1, updated_at = now()
		WHERE id = @id
		RETURNING version, updated_at`, a,
		func(row pgx.CollectableRow) (struct{}, error) {
			return struct{}{}, row.Scan(&c.Version, orZero{&c.UpdatedAt})
		})
	if err != nil {
		return fmt.Errorf("update client: %w", err)
	}
	return nil
}

// DeletedClient counts what went with an application.
type DeletedClient struct {
	Grants   int // sign-ins with tokens or codes that were live
	Consents int // people who had allowed it something
	Secrets  int // live ones
}

// DeleteClient deletes an application with its secrets, grants and consents:
// none of its tokens is good for anything from then on.
func (tx *Tx) DeleteClient(ctx context.Context, id string) (DeletedClient, error) {
	if _, err := tx.lockClient(ctx, id); err != nil {
		return DeletedClient{}, err
	}
	gone, err := tx.ClientUse(ctx, id)
	if err != nil {
		return DeletedClient{}, err
	}
	// Before the rows of APIs that it serves: whoever changes those has it first.
	if err := tx.bumpCache(ctx, CacheClients); err != nil {
		return DeletedClient{}, err
	}
	if _, err := exec(ctx, tx.tx, `DELETE FROM clients WHERE id = @id`, args{"id": id}); err != nil {
		return DeletedClient{}, fmt.Errorf("delete client: %w", err)
	}
	return gone, tx.Record(ctx, latchkey.Event{Kind: latchkey.ClientDeleted, ClientID: id,
		Detail: map[string]any{"grants": gone.Grants, "consents": gone.Consents, "secrets": gone.Secrets}})
}

// ClientUse counts what would go with an application.
func (qs *queries) ClientUse(ctx context.Context, id string) (use DeletedClient, err error) {
	err = qs.do(ctx, func(q querier) error {
		use, err = one(ctx, q, `
			SELECT (SELECT count(*) FROM grants WHERE client_id = @id AND revoked_at IS NULL AND expires_at > now()) AS grants,
			       (SELECT count(*) FROM consents WHERE client_id = @id AND revoked_at IS NULL) AS consents,
			       (SELECT count(*) FROM client_secrets WHERE client_id = @id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS secrets`,
			args{"id": id}, pgx.RowToStructByName[DeletedClient])
		return err
	})
	if err != nil {
		return use, fmt.Errorf("count what a client has: %w", err)
	}
	return use, nil
}
