package storage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// advertised are the permissions that everybody may know of, as they were at one
// version of the applications.
type advertised struct {
	version int64
	scopes  []string
}

// AdvertisedScopes are the permissions of all APIs that everybody may know of, by
// name. They are asked for once after a change; while the database is away, the
// last known ones are told. The result is shared: it must not be changed.
func (db *DB) AdvertisedScopes(ctx context.Context) ([]string, error) {
	version, fresh := db.Version(CacheClients)
	last := db.public.Load()
	if last == nil {
		last = &advertised{}
	}
	if !fresh || last.version == version {
		return last.scopes, nil
	}
	next := &advertised{version: version}
	err := db.do(ctx, func(q querier) (err error) {
		next.scopes, err = list(ctx, q, `SELECT scope FROM api_permissions WHERE advertised ORDER BY scope`, nil, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return last.scopes, fmt.Errorf("list advertised permissions: %w", err)
	}
	db.public.Store(next)
	return next.scopes, nil
}
