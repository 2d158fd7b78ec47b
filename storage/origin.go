package storage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"
)

// maxCachedOrigins bounds the web origins that a node remembers; strangers name
// as many as they like.
const maxCachedOrigins = 10_000

// cachedOrigin is the answer about an origin with the version of all clients
// that it was true for.
type cachedOrigin struct {
	version int64
	allowed bool
}

func newOriginCache() *otter.Cache[string, cachedOrigin] {
	return otter.Must(&otter.Options[string, cachedOrigin]{MaximumSize: maxCachedOrigins})
}

// SPAOrigin tells whether an enabled browser application has a redirect URI of
// this origin, or any enabled application allows it (CONTRACT: CORS); from
// memory when memory may be believed, since browsers name their origin with
// every call.
func (db *DB) SPAOrigin(ctx context.Context, origin string) (bool, error) {
	version, fresh := db.Version(CacheClients)
	if fresh {
		if hit, ok := db.origins.GetIfPresent(origin); ok && hit.version == version {
			return hit.allowed, nil
		}
	}
	allowed, err := db.spaOrigin(ctx, origin)
	if err == nil && fresh {
		db.origins.Set(origin, cachedOrigin{version: version, allowed: allowed})
	}
	return allowed, err
}

func (db *DB) spaOrigin(ctx context.Context, origin string) (allowed bool, err error) {
	err = db.do(ctx, func(q querier) (err error) {
		allowed, err = one(ctx, q, `
			SELECT EXISTS (
				SELECT 1 FROM clients
				WHERE enabled AND client_origins(type, redirect_uris, allowed_cors_origins) @> ARRAY[@origin::text])`,
			args{"origin": origin}, pgx.RowTo[bool])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for origin: %w", err)
	}
	return allowed, nil
}
