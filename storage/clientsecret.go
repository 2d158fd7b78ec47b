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

// OpenSecret returns a secret that is kept for client_secret_jwt; nil when there
// is no such copy, or when the secret has ended.
func (db *DB) OpenSecret(s *latchkey.ClientSecret) ([]byte, error) {
	if len(s.Sealed) == 0 || !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(db.Clock()) {
		return nil, nil
	}
	secret, err := db.open("client_secrets", "secret", s.ID, s.ClientID, s.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open client secret: %w", err)
	}
	return secret, nil
}

// maxLiveSecrets bounds how many secrets an application has at once: each is
// compared at every authentication.
const maxLiveSecrets = 10

// AddClientSecret stores a further secret of an application that has any; it
// ends after life, or never when life is 0. Problems: not_found, public_client,
// too_many_secrets, and validation_failed when it is too short for the
// application's algorithm.
func (tx *Tx) AddClientSecret(ctx context.Context, clientID, secret string, life time.Duration) (*latchkey.ClientSecret, error) {
	c, err := tx.mayHaveSecret(ctx, clientID)
	if err != nil {
		return nil, err
	}
	s, err := tx.insertSecret(ctx, c, secret, life)
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
func (tx *Tx) mayHaveSecret(ctx context.Context, clientID string) (*latchkey.Client, error) {
	c, err := tx.lockClient(ctx, clientID)
	switch {
	case err != nil:
		return nil, err
	case c.Public():
		return nil, latchkey.Refuse(latchkey.ErrConflict, "public_client",
			"This application proves itself by PKCE and has no secret. Change token_endpoint_auth_method first, if it runs on a server.")
	case !c.HasSecret():
		return nil, latchkey.Refuse(latchkey.ErrConflict, "no_secret",
			"This application proves itself by a key of its own and has no secret. Change token_endpoint_auth_method first, if it should have one.")
	case len(c.Secrets) >= maxLiveSecrets:
		return nil, latchkey.Refuse(latchkey.ErrConflict, "too_many_secrets", fmt.Sprintf("This application has %d secrets. Revoke one that is not used any more.", maxLiveSecrets))
	}
	return c, nil
}

// insertSecret stores a secret as its hash. With client_secret_jwt it is a key,
// which is kept sealed beside it.
func (tx *Tx) insertSecret(ctx context.Context, c *latchkey.Client, secret string, life time.Duration) (s *latchkey.ClientSecret, err error) {
	s = &latchkey.ClientSecret{
		ID: newID(), ClientID: c.ID,
		Hash:   tx.ring.Hash(purposeClientSecret, secret),
		Prefix: secretPrefix(secret),
	}
	if c.AuthMethod == latchkey.AuthSecretJWT {
		if what := latchkey.MACSecretProblem(secret, c.Protocol.AuthAlg); what != "" {
			return nil, latchkey.InvalidFields(map[string]string{"client_secret": what})
		}
		if s.Sealed, err = tx.seal("client_secrets", "secret", s.ID, c.ID, []byte(secret)); err != nil {
			return nil, fmt.Errorf("seal client secret: %w", err)
		}
	}
	_, err = one(ctx, tx.tx, `
		INSERT INTO client_secrets (id, client_id, secret_hash, secret, prefix, expires_at)
		VALUES (@id, @client, @hash, @sealed, @prefix, now() + @life::interval)
		RETURNING created_at, expires_at`,
		args{"id": s.ID, "client": c.ID, "hash": s.Hash, "sealed": s.Sealed, "prefix": s.Prefix, "life": orNull(life)},
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

// changeSecrets makes the secrets of an application follow its method. Without
// one that uses secrets it has none left. With client_secret_jwt only those count
// of which a sealed copy is kept, and the others end; with another method that
// copy goes, and the secret stays.
func (tx *Tx) changeSecrets(ctx context.Context, before, next *latchkey.Client) error {
	was, is := before.AuthMethod == latchkey.AuthSecretJWT, next.AuthMethod == latchkey.AuthSecretJWT
	switch {
	case !next.HasSecret(), is && !was:
		return tx.revokeSecrets(ctx, before)
	case was && !is:
		_, err := exec(ctx, tx.tx, `UPDATE client_secrets SET secret = NULL WHERE client_id = @client`, args{"client": next.ID})
		if err != nil {
			return fmt.Errorf("drop sealed secrets: %w", err)
		}
	case is && before.Protocol.AuthAlg != next.Protocol.AuthAlg:
		return tx.longEnough(before, next.Protocol.AuthAlg)
	}
	return nil
}

// longEnough refuses an algorithm for which a live secret is too short.
func (tx *Tx) longEnough(c *latchkey.Client, alg string) error {
	for i := range c.Secrets {
		secret, err := tx.open("client_secrets", "secret", c.Secrets[i].ID, c.ID, c.Secrets[i].Sealed)
		if err != nil {
			return fmt.Errorf("open client secret: %w", err)
		}
		if what := latchkey.MACSecretProblem(string(secret), alg); what != "" {
			return latchkey.InvalidFields(map[string]string{"token_endpoint_auth_signing_alg": what + " Add one, and revoke those that are shorter."})
		}
	}
	return nil
}

// GiveClientKey makes the secret of an application that needs one as a key
// (client_secret_jwt) and has none left, as after a change of its method. It is
// "" when nothing was needed.
func (tx *Tx) GiveClientKey(ctx context.Context, c *latchkey.Client) (secret string, err error) {
	if c.AuthMethod != latchkey.AuthSecretJWT || len(c.Secrets) > 0 {
		return "", nil
	}
	secret = tx.NewClientKey()
	_, err = tx.AddClientSecret(ctx, c.ID, secret, 0)
	return secret, err
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

// NewSecretFor makes the secret that the method of an application needs.
func (qs *queries) NewSecretFor(c *latchkey.Client) string {
	if c.AuthMethod == latchkey.AuthSecretJWT {
		return qs.NewClientKey()
	}
	return qs.NewClientSecret()
}

// NewClientKey makes a secret of 512 random bits: as the key of an HMAC it is
// long enough for each (RFC 7518 §3.2).
func (qs *queries) NewClientKey() string {
	token, _ := qs.ring.NewToken(purposeClientSecret)
	return qs.NewClientSecret() + token
}
