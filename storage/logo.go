package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// LogoPause is how long after one fetch of an application's logo the next one
// may begin, on whatever node.
const LogoPause = "30 seconds"

// logoDue is the condition under which a logo is fetched without anybody's
// asking: it is new, it failed an hour ago, or it is a week old.
const logoDue = `c.enabled AND c.metadata ? 'logo_uri' AND (l.client_id IS NULL OR l.asked_at < now() - interval '` + LogoPause + `'
	AND (l.uri <> c.metadata->>'logo_uri' OR l.image IS NULL AND l.asked_at < now() - interval '1 hour' OR l.asked_at < now() - interval '7 days'))`

// DueLogos are ids of applications, at most limit, whose logo is to be fetched.
func (qs *queries) DueLogos(ctx context.Context, limit int) (clientIDs []string, err error) {
	err = qs.do(ctx, func(q querier) (err error) {
		clientIDs, err = list(ctx, q, `SELECT c.id FROM clients c LEFT JOIN client_logos l ON l.client_id = c.id WHERE `+logoDue+` ORDER BY l.asked_at NULLS FIRST LIMIT @limit`,
			args{"limit": limit}, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find logos to fetch: %w", err)
	}
	return clientIDs, nil
}

// ClaimLogo takes the turn to fetch the logo of an application and returns its
// address; "" when there is none, or when it was fetched less than LogoPause ago.
// Of many at once, one gets the turn. The copy of another address is dropped.
func (tx *Tx) ClaimLogo(ctx context.Context, clientID string) (uri string, err error) {
	claimed, err := list(ctx, tx.tx, `
		INSERT INTO client_logos AS l (client_id, uri)
		SELECT c.id, c.metadata->>'logo_uri' FROM clients c WHERE c.id = @id AND c.metadata ? 'logo_uri'
		ON CONFLICT (client_id) DO UPDATE SET uri = EXCLUDED.uri, asked_at = now(),
			hash = CASE WHEN l.uri = EXCLUDED.uri THEN l.hash END, image = CASE WHEN l.uri = EXCLUDED.uri THEN l.image END
		WHERE l.asked_at < now() - interval '`+LogoPause+`'
		RETURNING uri`, args{"id": clientID}, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("take the turn to fetch a logo: %w", err)
	}
	if len(claimed) == 0 {
		return "", nil
	}
	return claimed[0], nil
}

// KeepLogo stores the copy of what uri showed, unless the application has
// another logo by now.
func (tx *Tx) KeepLogo(ctx context.Context, clientID, uri string, image []byte) error {
	hash := sha256.Sum256(image)
	n, err := exec(ctx, tx.tx, `UPDATE client_logos SET hash = @hash, image = @image WHERE client_id = @id AND uri = @uri AND hash IS DISTINCT FROM @hash`,
		args{"id": clientID, "uri": uri, "hash": hash[:], "image": image})
	if err != nil {
		return fmt.Errorf("store a logo: %w", err)
	}
	if n == 0 {
		return nil
	}
	return tx.bumpCache(ctx, CacheClients)
}

// Logo is the copy that has this hash, in hex: a PNG. Unknown is ErrNotFound.
func (qs *queries) Logo(ctx context.Context, hash string) (image []byte, err error) {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != sha256.Size {
		return nil, latchkey.ErrNotFound
	}
	err = qs.do(ctx, func(q querier) (err error) {
		image, err = one(ctx, q, `SELECT image FROM client_logos WHERE hash = @hash LIMIT 1`, args{"hash": raw}, pgx.RowTo[[]byte])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find a logo: %w", err)
	}
	return image, nil
}
