package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// EncryptionKeys returns the keys that open what is encrypted to us, with their
// opened private keys, the newest first.
func (qs *queries) EncryptionKeys(ctx context.Context) ([]latchkey.EncryptionKey, error) {
	var keys []latchkey.EncryptionKey
	err := qs.do(ctx, func(q querier) (err error) {
		keys, err = list(ctx, q, `
			SELECT kid, alg, private_key, created_at, retire_at, delete_at
			FROM encryption_keys
			WHERE delete_at IS NULL OR delete_at > now()
			ORDER BY created_at DESC, kid`, nil, qs.scanEncryptionKey)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read encryption keys: %w", err)
	}
	return keys, nil
}

func (qs *queries) scanEncryptionKey(row pgx.CollectableRow) (latchkey.EncryptionKey, error) {
	var k latchkey.EncryptionKey
	var sealed []byte
	if err := row.Scan(&k.KID, &k.Alg, &sealed, orZero{&k.CreatedAt}, orZero{&k.RetireAt}, orZero{&k.DeleteAt}); err != nil {
		return k, err
	}
	private, err := qs.open("encryption_keys", "private_key", k.KID, k.Alg, sealed)
	if err != nil {
		return k, fmt.Errorf("open encryption key %s: %w", k.KID, err)
	}
	k.PrivateKey = private
	return k, nil
}

// AddEncryptionKey stores a new key and takes the one before it out of the JWKS;
// that opens what was encrypted to it for linger more. Nothing happens, and stored
// is false, while the published key of the algorithm is younger than age.
func (tx *Tx) AddEncryptionKey(ctx context.Context, k latchkey.EncryptionKey, age, linger time.Duration) (stored bool, err error) {
	if err := tx.lockSigningKeys(ctx); err != nil {
		return false, err
	}
	young, err := one(ctx, tx.tx, `
		SELECT count(*) FROM encryption_keys WHERE alg = @alg AND retire_at IS NULL AND created_at > now() - @age::interval`,
		args{"alg": k.Alg, "age": age}, pgx.RowTo[int])
	if err != nil || young > 0 {
		return false, err
	}
	sealed, err := tx.seal("encryption_keys", "private_key", k.KID, k.Alg, k.PrivateKey)
	if err != nil {
		return false, fmt.Errorf("seal encryption key: %w", err)
	}
	b := &pgx.Batch{}
	b.Queue(`UPDATE encryption_keys SET retire_at = now(), delete_at = now() + @linger::interval WHERE alg = @alg AND retire_at IS NULL`,
		args{"alg": k.Alg, "linger": linger})
	b.Queue(`INSERT INTO encryption_keys (kid, alg, private_key) VALUES (@kid, @alg, @private)`,
		args{"kid": k.KID, "alg": k.Alg, "private": sealed})
	err = tx.queueEvent(ctx, b, latchkey.Event{Kind: latchkey.KeyRotated, Object: k.KID, Detail: map[string]any{"alg": k.Alg, "at_once": true}})
	if err != nil {
		return false, err
	}
	if err := send(ctx, tx.tx, b); err != nil {
		return false, fmt.Errorf("store encryption key: %w", err)
	}
	return true, tx.bumpCache(ctx, CacheSigningKeys)
}
