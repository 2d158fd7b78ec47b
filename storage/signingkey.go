package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// keyAnnounce is how long a signing key is published before it signs, so that no
// cached JWKS lacks it (max-age one hour).
const keyAnnounce = 24 * time.Hour

// KeyStart says when a new signing key begins to sign.
type KeyStart int

// The ways to begin.
const (
	// KeyIfMissing signs at once, and is stored only when no key of its
	// algorithm is announced or active.
	KeyIfMissing KeyStart = iota
	// KeyAnnounce signs in 24 h, when the active one retires.
	KeyAnnounce
	// KeyNow signs at once; every other key of its algorithm retires.
	KeyNow
)

// keyLock is the advisory lock of whoever changes signing keys.
const keyLock = 0x6b657973 // "keys"

const signingKeyColumns = `
	kid, alg, public_jwk::text, private_key, created_at, activate_at, retire_at, delete_at,
	CASE WHEN retire_at <= now() THEN 'retired' WHEN activate_at > now() THEN 'announced' ELSE 'active' END`

// SigningKeys returns the published keys with their opened private keys, the
// newest first.
func (qs *queries) SigningKeys(ctx context.Context) ([]latchkey.SigningKey, error) {
	var keys []latchkey.SigningKey
	err := qs.do(ctx, func(q querier) (err error) {
		keys, err = list(ctx, q, `SELECT`+signingKeyColumns+`
			FROM signing_keys
			WHERE delete_at IS NULL OR delete_at > now()
			ORDER BY activate_at DESC, kid`, nil, qs.scanSigningKey)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return keys, nil
}

func (qs *queries) scanSigningKey(row pgx.CollectableRow) (latchkey.SigningKey, error) {
	var k latchkey.SigningKey
	var public string
	var sealed []byte
	var retire, del *time.Time
	if err := row.Scan(&k.KID, &k.Alg, &public, &sealed, &k.CreatedAt, &k.ActivateAt, &retire, &del, &k.State); err != nil {
		return k, err
	}
	k.PublicJWK, k.RetireAt, k.DeleteAt = []byte(public), timeOf(retire), timeOf(del)
	k.CreatedAt, k.ActivateAt = k.CreatedAt.UTC(), k.ActivateAt.UTC()
	private, err := qs.open("signing_keys", "private_key", k.KID, k.Alg, sealed)
	if err != nil {
		return k, fmt.Errorf("open signing key %s: %w", k.KID, err)
	}
	k.PrivateKey = private
	return k, nil
}

// AddSigningKey stores a new key and lets those before it retire, under a lock
// that makes two nodes take turns. Those stay published for linger after they
// signed last. It tells whether the key was stored: with KeyIfMissing another
// node may have been first. With KeyAnnounce it refuses (ErrConflict) while
// another successor is announced.
func (tx *Tx) AddSigningKey(ctx context.Context, k latchkey.SigningKey, start KeyStart, linger time.Duration) (bool, error) {
	if err := tx.lockSigningKeys(ctx); err != nil {
		return false, err
	}
	count, err := one(ctx, tx.tx, `
		SELECT count(*) FILTER (WHERE activate_at > now()) AS announced, count(*) AS live
		FROM signing_keys WHERE alg = @alg AND (retire_at IS NULL OR retire_at > now())`,
		args{"alg": k.Alg}, pgx.RowToStructByName[struct{ Announced, Live int }])
	if err != nil {
		return false, fmt.Errorf("count signing keys: %w", err)
	}
	switch {
	case start == KeyIfMissing && count.Live > 0:
		return false, nil
	case start == KeyAnnounce && count.Announced > 0:
		return false, latchkey.Refuse(latchkey.ErrConflict, "rotation_pending",
			"The next "+k.Alg+" key is announced already. Wait until it signs, or rotate now.")
	case start == KeyAnnounce && count.Live == 0:
		start = KeyNow
	}
	return true, tx.storeSigningKey(ctx, k, start, linger)
}

func (tx *Tx) storeSigningKey(ctx context.Context, k latchkey.SigningKey, start KeyStart, linger time.Duration) error {
	sealed, err := tx.seal("signing_keys", "private_key", k.KID, k.Alg, k.PrivateKey)
	if err != nil {
		return fmt.Errorf("seal signing key: %w", err)
	}
	wait := time.Duration(0)
	if start == KeyAnnounce {
		wait = keyAnnounce
	}
	b := &pgx.Batch{}
	b.Queue(`
		UPDATE signing_keys SET retire_at = now() + @wait::interval, delete_at = now() + @wait::interval + @linger::interval
		WHERE alg = @alg AND (retire_at IS NULL OR retire_at > now() + @wait::interval)`,
		args{"alg": k.Alg, "wait": wait, "linger": linger})
	b.Queue(`
		INSERT INTO signing_keys (kid, alg, public_jwk, private_key, activate_at)
		VALUES (@kid, @alg, @public, @private, now() + @wait::interval)`,
		args{"kid": k.KID, "alg": k.Alg, "public": k.PublicJWK, "private": sealed, "wait": wait})
	err = tx.queueEvent(ctx, b, latchkey.Event{Kind: latchkey.KeyRotated, Object: k.KID,
		Detail: map[string]any{"alg": k.Alg, "at_once": start != KeyAnnounce}})
	if err != nil {
		return err
	}
	if err := send(ctx, tx.tx, b); err != nil {
		return fmt.Errorf("store signing key: %w", err)
	}
	return tx.bumpCache(ctx, CacheSigningKeys)
}

// RetireSigningKey takes a key that does not sign out of the JWKS at once: what
// it signed is refused from then on. The active key of an algorithm is refused
// (ErrConflict): rotate first.
func (tx *Tx) RetireSigningKey(ctx context.Context, kid string) error {
	if err := tx.lockSigningKeys(ctx); err != nil {
		return err
	}
	state, err := one(ctx, tx.tx, `
		SELECT CASE WHEN retire_at <= now() THEN 'retired' WHEN activate_at > now() THEN 'announced' ELSE 'active' END
		FROM signing_keys WHERE kid = @kid AND (delete_at IS NULL OR delete_at > now())`,
		args{"kid": kid}, pgx.RowTo[string])
	if errors.Is(err, latchkey.ErrNotFound) {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no signing key with this kid.")
	}
	if err != nil {
		return fmt.Errorf("find signing key: %w", err)
	}
	if state == string(latchkey.StateActive) {
		return latchkey.Refuse(latchkey.ErrConflict, "key_active", "This key signs now. Rotate at once (--now), then retire it.")
	}
	return tx.dropSigningKey(ctx, kid, state)
}

func (tx *Tx) dropSigningKey(ctx context.Context, kid, state string) error {
	b := &pgx.Batch{}
	// A successor that goes leaves its predecessor signing.
	b.Queue(`
		UPDATE signing_keys SET retire_at = NULL, delete_at = NULL
		WHERE retire_at = (SELECT activate_at FROM signing_keys WHERE kid = @kid AND activate_at > now())
		  AND alg = (SELECT alg FROM signing_keys WHERE kid = @kid)`, args{"kid": kid})
	b.Queue(`UPDATE signing_keys SET retire_at = least(retire_at, now()), delete_at = now() WHERE kid = @kid`, args{"kid": kid})
	err := tx.queueEvent(ctx, b, latchkey.Event{Kind: latchkey.KeyRetired, Object: kid, Detail: map[string]any{"was": state}})
	if err != nil {
		return err
	}
	if err := send(ctx, tx.tx, b); err != nil {
		return fmt.Errorf("retire signing key: %w", err)
	}
	return tx.bumpCache(ctx, CacheSigningKeys)
}

func (tx *Tx) lockSigningKeys(ctx context.Context) error {
	if _, err := exec(ctx, tx.tx, `SELECT pg_advisory_xact_lock(@lock)`, args{"lock": keyLock}); err != nil {
		return fmt.Errorf("lock signing keys: %w", err)
	}
	return nil
}
