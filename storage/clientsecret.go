package storage

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const purposeClientSecret seal.Purpose = "client secret"

// SecretPrefix begins every machine-made client secret, so that scanners of
// repositories find one that leaked.
const SecretPrefix = "lk_cs_"

// MatchSecret returns the live secret of c that equals secret, or nil. It
// compares with every one of them in constant time, whichever matches.
func (db *DB) MatchSecret(c *latchkey.Client, secret string) *latchkey.ClientSecret {
	hashes := db.ring.HashAll(purposeClientSecret, secret)
	var found *latchkey.ClientSecret
	now := db.Clock()
	for i := range c.Secrets {
		s := &c.Secrets[i]
		for _, h := range hashes {
			if subtle.ConstantTimeCompare(h, s.Hash) == 1 && (s.ExpiresAt.IsZero() || s.ExpiresAt.After(now)) {
				found = s
			}
		}
	}
	return found
}

// maxLiveSecrets bounds how many secrets an application has at once: each is
// compared at every authentication.
const maxLiveSecrets = 10

// AddClientSecret stores a further secret of an application that has any; it
// ends after life, or never when life is 0. Problems: not_found, public_client,
// too_many_secrets.
func (tx *Tx) AddClientSecret(ctx context.Context, clientID, secret string, life time.Duration) (*latchkey.ClientSecret, error) {
	if err := tx.mayHaveSecret(ctx, clientID); err != nil {
		return nil, err
	}
	s, err := tx.insertSecret(ctx, clientID, secret, life)
	if err != nil {
		return nil, err
	}
	event := latchkey.Event{Kind: latchkey.ClientSecretAdded, ClientID: clientID, Object: s.ID}
	if !s.ExpiresAt.IsZero() {
		event.Detail = map[string]any{"expires_at": s.ExpiresAt}
	}
	if err := tx.Record(ctx, event); err != nil {
		return nil, err
	}
	return s, tx.bumpCache(ctx, CacheClients)
}

// mayHaveSecret locks the application, so that two who add a secret take turns.
func (tx *Tx) mayHaveSecret(ctx context.Context, clientID string) error {
	c, err := tx.lockClient(ctx, clientID)
	switch {
	case err != nil:
		return err
	case c.Public():
		return latchkey.Refuse(latchkey.ErrConflict, "public_client",
			"This application proves itself by PKCE and has no secret. Change token_endpoint_auth_method first, if it runs on a server.")
	case len(c.Secrets) >= maxLiveSecrets:
		return latchkey.Refuse(latchkey.ErrConflict, "too_many_secrets", fmt.Sprintf("This application has %d secrets. Revoke one that is not used any more.", maxLiveSecrets))
	}
	return nil
}

func (tx *Tx) insertSecret(ctx context.Context, clientID, secret string, life time.Duration) (*latchkey.ClientSecret, error) {
	s := &latchkey.ClientSecret{
		ID: newID(), ClientID: clientID,
		Hash:   tx.ring.Hash(purposeClientSecret, secret),
		Prefix: secretPrefix(secret),
	}
	_, err := one(ctx, tx.tx, `
		INSERT INTO client_secrets (id, client_id, secret_hash, prefix, expires_at)
		VALUES (@id, @client, @hash, @prefix, now() + @life::interval)
		RETURNING created_at, expires_at`,
		args{"id": s.ID, "client": clientID, "hash": s.Hash, "prefix": s.Prefix, "life": orNull(life)},
		func(row pgx.CollectableRow) (struct{}, error) {
			return struct{}{}, row.Scan(orZero{&s.CreatedAt}, orZero{&s.ExpiresAt})
		})
	if err != nil {
		return nil, fmt.Errorf("store client secret: %w", err)
	}
	return s, nil
}

// RevokeClientSecret ends one secret of an application, and nothing else: what
// was got with it lives on. One that is not live, or of another application, is
// not_found.
func (tx *Tx) RevokeClientSecret(ctx context.Context, clientID, id string) error {
	gone := latchkey.Refuse(latchkey.ErrNotFound, "not_found", "This application has no such secret, or it was revoked already.")
	if uuid.Validate(id) != nil {
		return gone
	}
	n, err := exec(ctx, tx.tx, `
		UPDATE client_secrets SET revoked_at = now()
		WHERE id = @id AND client_id = @client AND revoked_at IS NULL`, args{"id": id, "client": clientID})
	if err != nil {
		return fmt.Errorf("revoke client secret: %w", err)
	}
	if n == 0 {
		return gone
	}
	if err := tx.Record(ctx, latchkey.Event{Kind: latchkey.ClientSecretRevoked, ClientID: clientID, Object: id}); err != nil {
		return err
	}
	return tx.bumpCache(ctx, CacheClients)
}

// revokeSecrets ends all secrets of an application that may have none any more.
func (tx *Tx) revokeSecrets(ctx context.Context, c *latchkey.Client) error {
	for _, s := range c.Secrets {
		if err := tx.RevokeClientSecret(ctx, c.ID, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// secretPrefix shows enough of a secret to tell it from others, and too little
// to help in guessing: of a secret that somebody chose, nothing.
func secretPrefix(secret string) string {
	if len(secret) < len(SecretPrefix)+40 || secret[:len(SecretPrefix)] != SecretPrefix {
		return ""
	}
	return secret[:len(SecretPrefix)+6]
}

// NewClientSecret makes a secret of 256 random bits.
func (qs *queries) NewClientSecret() string {
	token, _ := qs.ring.NewToken(purposeClientSecret)
	return SecretPrefix + token
}
