package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"latchkey"
)

// maxCachedClients bounds the clients that a node keeps in memory.
const maxCachedClients = 10_000

// cachedClient is a client with the version of all clients that it was read at.
type cachedClient struct {
	version int64
	client  *latchkey.Client // never changed after it was stored
}

func newClientCache() *otter.Cache[string, cachedClient] {
	return otter.Must(&otter.Options[string, cachedClient]{MaximumSize: maxCachedClients})
}

// Client returns an application, disabled ones too, from memory when memory may
// be believed. The result is shared: it must not be changed.
func (db *DB) Client(ctx context.Context, id string) (*latchkey.Client, error) {
	version, fresh := db.Version(CacheClients)
	if fresh {
		if hit, ok := db.clients.GetIfPresent(id); ok && hit.version == version {
			return hit.client, nil
		}
	}
	c, err := db.FindClient(ctx, id)
	if err != nil {
		return nil, err
	}
	if fresh {
		db.clients.Set(id, cachedClient{version: version, client: c})
	}
	return c, nil
}

const clientColumns = `
	c.id, c.name, c.type, c.profile, c.enabled, c.version, c.created_at, c.updated_at,
	c.redirect_uris, c.post_logout_redirect_uris, c.allowed_cors_origins, c.grant_types, c.response_types, c.scopes,
	c.auth_method, c.first_party, c.introspects, c.id_token_alg, c.access_token_alg, c.access_token_format,
	c.access_token_ttl, c.id_token_ttl, c.refresh_token_ttl, c.refresh_grace, c.refresh_without_offline,
	c.tokens_not_before, c.metadata, c.protocol, c.registration,
	(SELECT coalesce(encode(l.hash, 'hex'), '') FROM client_logos l WHERE l.client_id = c.id AND l.uri = c.metadata->>'logo_uri'),
	ARRAY(SELECT g.name FROM client_groups cg JOIN groups g ON g.id = cg.group_id WHERE cg.client_id = c.id ORDER BY g.name_key),
	(SELECT coalesce(jsonb_agg(jsonb_build_object(
	            'ID', a.id, 'Resource', a.resource, 'Name', a.name, 'Format', coalesce(a.access_token_format, ''),
	            'TTL', coalesce(a.access_token_ttl, 0) * 1000000000::bigint, 'People', o.people, 'Itself', o.itself, 'Permissions',
	            (SELECT coalesce(jsonb_agg(jsonb_build_object('Scope', p.scope, 'Description', p.description, 'Advertised', p.advertised,
	                        'People', coalesce(x.people, false), 'Itself', coalesce(x.itself, false)) ORDER BY p.scope), '[]')
	             FROM api_permissions p LEFT JOIN api_client_permissions x ON x.api_id = p.api_id AND x.client_id = o.client_id AND x.scope = p.scope
	             WHERE p.api_id = a.id)) ORDER BY a.resource), '[]')
	 FROM api_clients o JOIN apis a ON a.id = o.api_id WHERE o.client_id = c.id),
	ARRAY(SELECT a.resource FROM apis a WHERE a.client_id = c.id ORDER BY a.resource),
	(SELECT coalesce(jsonb_agg(jsonb_build_object(
	            'ID', s.id, 'ClientID', s.client_id, 'Hash', encode(s.secret_hash, 'base64'), 'Sealed', encode(s.secret, 'base64'), 'Prefix', s.prefix,
	            'CreatedAt', s.created_at, 'ExpiresAt', s.expires_at, 'LastUsedAt', s.last_used_at) ORDER BY s.created_at), '[]')
	 FROM client_secrets s
	 WHERE s.client_id = c.id AND s.revoked_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > now()))`

// FindClient reads an application with its live secrets from the database.
func (qs *queries) FindClient(ctx context.Context, id string) (*latchkey.Client, error) {
	var c latchkey.Client
	err := qs.do(ctx, func(q querier) (err error) {
		c, err = one(ctx, q, `SELECT`+clientColumns+` FROM clients c WHERE c.id = @id`, args{"id": id}, scanClient)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find client: %w", err)
	}
	return &c, nil
}

func scanClient(row pgx.CollectableRow) (latchkey.Client, error) { return scanClientAnd(row) }

// scanClientAnd scans further columns that stand behind clientColumns.
func scanClientAnd(row pgx.CollectableRow, more ...any) (latchkey.Client, error) {
	var c latchkey.Client
	var access, id, refresh, grace *int
	var logo *string
	var notBefore *time.Time
	var metadata, protocol, registration, apis, secrets []byte
	err := row.Scan(append([]any{
		&c.ID, &c.Name, &c.Type, &c.Profile, &c.Enabled, &c.Version, &c.CreatedAt, &c.UpdatedAt,
		&c.RedirectURIs, &c.PostLogoutRedirectURIs, &c.AllowedCORSOrigins, &c.GrantTypes, &c.ResponseTypes, &c.Scopes,
		&c.AuthMethod, &c.FirstParty, &c.Introspects, &c.IDTokenAlg, &c.AccessTokenAlg, &c.AccessTokenFormat,
		&access, &id, &refresh, &grace, &c.RefreshWithoutOffline,
		&notBefore, &metadata, &protocol, &registration, &logo, &c.AllowedGroups, &apis, &c.Serves, &secrets,
	}, more...)...)
	if err != nil {
		return c, err
	}
	c.AccessTokenTTL, c.IDTokenTTL, c.RefreshTokenTTL = seconds(access), seconds(id), seconds(refresh)
	if grace != nil {
		d := seconds(grace)
		c.RefreshGrace = &d
	}
	c.Logo = textOf(logo)
	c.TokensNotBefore, c.CreatedAt, c.UpdatedAt = timeOf(notBefore), c.CreatedAt.UTC(), c.UpdatedAt.UTC()
	if registration == nil {
		registration = []byte("null")
	}
	return c, errors.Join(json.Unmarshal(metadata, &c.Metadata), json.Unmarshal(protocol, &c.Protocol),
		json.Unmarshal(registration, &c.Registration), json.Unmarshal(apis, &c.APIs), json.Unmarshal(secrets, &c.Secrets))
}

// seconds turns a nullable number of seconds into a duration; 0 means unset.
func seconds(n *int) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * time.Second
}

// inSeconds is the other direction.
func inSeconds(d time.Duration) *int { return orNull(int(d / time.Second)) }

// CreateClient stores an application with the names in AllowedGroups, and with
// its first secret unless secret is empty. An id that is taken is ErrConflict,
// an unknown group is ErrInvalid.
func (tx *Tx) CreateClient(ctx context.Context, c *latchkey.Client, secret string) error {
	if err := tx.insertClient(ctx, c); err != nil {
		return err
	}
	if err := tx.setClientGroups(ctx, c.ID, c.AllowedGroups); err != nil {
		return err
	}
	if secret != "" {
		if _, err := tx.insertSecret(ctx, c, secret, 0); err != nil {
			return err
		}
	}
	detail := map[string]any{"type": c.Type, "profile": string(c.Profile), "first_party": c.FirstParty}
	if c.Registration != nil {
		detail["by_itself"], detail["initial_token"] = true, c.Registration.TokenID
	}
	if err := tx.Record(ctx, latchkey.Event{Kind: latchkey.ClientRegistered, ClientID: c.ID, Detail: detail}); err != nil {
		return err
	}
	return tx.publishClient(ctx, c)
}

func (tx *Tx) insertClient(ctx context.Context, c *latchkey.Client) error {
	a, err := clientArgs(ctx, c)
	if err != nil {
		return err
	}
	created, err := one(ctx, tx.tx, `
		INSERT INTO clients (id, name, type, profile, enabled, redirect_uris, post_logout_redirect_uris, allowed_cors_origins,
		                     grant_types, response_types, scopes, auth_method, first_party, introspects,
		                     id_token_alg, access_token_alg, access_token_format, access_token_ttl, id_token_ttl,
		                     refresh_token_ttl, refresh_grace, refresh_without_offline, metadata, protocol, registration, created_by)
		VALUES (@id, @name, @type, @profile, @enabled, @redirect_uris, @post_logout_redirect_uris, @allowed_cors_origins,
		        @grant_types, @response_types, @scopes, @auth_method, @first_party, @introspects,
		        @id_token_alg, @access_token_alg, @access_token_format, @access_token_ttl, @id_token_ttl,
		        @refresh_token_ttl, @refresh_grace, @refresh_without_offline, @metadata, @protocol, @registration, @created_by)
		RETURNING created_at`, a, pgx.RowTo[time.Time])
	if violates(err, "clients_pkey") {
		return latchkey.Refuse(latchkey.ErrConflict, "client_exists", "An application with this id exists already.")
	}
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	c.Version, c.CreatedAt, c.UpdatedAt = 1, created.UTC(), created.UTC()
	return nil
}

// clientArgs are the columns of a client that writers set.
func clientArgs(ctx context.Context, c *latchkey.Client) (args, error) {
	metadata, err := json.Marshal(c.Metadata)
	protocol, err2 := json.Marshal(c.Protocol)
	var registration []byte // null of an administrator's
	var err3 error
	if c.Registration != nil {
		registration, err3 = json.Marshal(c.Registration)
	}
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, fmt.Errorf("encode client metadata: %w", err)
	}
	var grace *int
	if c.RefreshGrace != nil {
		n := int(*c.RefreshGrace / time.Second)
		grace = &n
	}
	return args{
		"id": c.ID, "name": c.Name, "type": c.Type, "profile": string(c.Profile), "enabled": c.Enabled,
		"redirect_uris": texts(c.RedirectURIs), "post_logout_redirect_uris": texts(c.PostLogoutRedirectURIs),
		"allowed_cors_origins": texts(c.AllowedCORSOrigins),
		"grant_types":          texts(c.GrantTypes), "response_types": texts(c.ResponseTypes), "scopes": texts(c.Scopes),
		"auth_method": c.AuthMethod, "first_party": c.FirstParty, "introspects": c.Introspects,
		"id_token_alg": c.IDTokenAlg, "access_token_alg": c.AccessTokenAlg, "access_token_format": c.AccessTokenFormat,
		"access_token_ttl": inSeconds(c.AccessTokenTTL), "id_token_ttl": inSeconds(c.IDTokenTTL),
		"refresh_token_ttl": inSeconds(c.RefreshTokenTTL), "refresh_grace": grace,
		"refresh_without_offline": c.RefreshWithoutOffline, "metadata": metadata, "protocol": protocol, "registration": registration,
		"created_by": orNull(latchkey.ActorFrom(ctx).UserID),
	}, nil
}

// texts makes no list an empty one: the columns are NOT NULL.
func texts(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (tx *Tx) setClientGroups(ctx context.Context, clientID string, names []string) error {
	b := &pgx.Batch{}
	b.Queue(`DELETE FROM client_groups WHERE client_id = @client`, args{"client": clientID})
	// The lock waits for a deletion on its way, and then finds no such group.
	b.Queue(`INSERT INTO client_groups (client_id, group_id) SELECT @client, id FROM groups WHERE name = ANY(@names) FOR KEY SHARE`,
		args{"client": clientID, "names": texts(names)})
	results := tx.tx.SendBatch(ctx, b)
	_, err := results.Exec()
	tag, err2 := results.Exec()
	if err := errors.Join(err, err2, results.Close()); err != nil {
		return fmt.Errorf("set groups of client: %w", err)
	}
	if int(tag.RowsAffected()) != len(names) {
		return tx.unknownGroups(ctx, names)
	}
	return nil
}

// unknownGroups says which of names no group has.
func (tx *Tx) unknownGroups(ctx context.Context, names []string) error {
	missing, err := list(ctx, tx.tx, `SELECT n FROM unnest(@names::text[]) n WHERE NOT EXISTS (SELECT FROM groups WHERE name = n)`,
		args{"names": texts(names)}, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for groups: %w", err)
	}
	what := "One of these groups is named twice."
	if len(missing) > 0 {
		what = "There is no group with the name " + strings.Join(missing, ", ") + "."
	}
	return latchkey.InvalidFields(map[string]string{"allowed_groups": what})
}
