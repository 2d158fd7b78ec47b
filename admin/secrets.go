package admin

import (
	"context"
	"time"

	"latchkey"
	"latchkey/storage"
)

// Lives that a secret may have, unless it never ends.
const (
	minSecretLife = time.Minute
	maxSecretLife = 3660 * 24 * time.Hour
)

// AddedSecret is a new secret of an application, as commands print it.
type AddedSecret struct {
	ID        string     `json:"id"`
	ClientID  string     `json:"client_id"`
	Secret    string     `json:"client_secret"`
	Prefix    string     `json:"prefix"`     // what lists show of it; "" = somebody chose it
	ExpiresAt *time.Time `json:"expires_at"` // null = never
}

// AddSecret gives an application one secret more, so that the old one can be
// revoked when the new one is in use. ownSecret is one that somebody brings, ""
// makes one; life 0 is without end. Problems: validation_failed, not_found,
// public_client, too_many_secrets.
func (s *Service) AddSecret(ctx context.Context, clientID, ownSecret string, life time.Duration) (*AddedSecret, error) {
	wrong := map[string]string{}
	if life != 0 && (life < minSecretLife || life > maxSecretLife) {
		wrong["ttl"] = "A secret lives from a minute to ten years, or without end."
	}
	if what := latchkey.SecretProblem(ownSecret); ownSecret != "" && what != "" {
		wrong["client_secret"] = what
	}
	if len(wrong) > 0 {
		return nil, latchkey.InvalidFields(wrong)
	}
	c, err := s.FindClient(ctx, clientID)
	if err != nil {
		return nil, err
	}
	secret := ownSecret
	if secret == "" {
		secret = s.newSecret(c)
	}
	added := &AddedSecret{ClientID: clientID, Secret: secret}
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		stored, err := tx.AddClientSecret(ctx, clientID, secret, life)
		if err != nil {
			return err
		}
		added.ID, added.Prefix, added.ExpiresAt = stored.ID, stored.Prefix, orNull(stored.ExpiresAt)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// newSecret makes a secret that is right for an application's method.
func (s *Service) newSecret(c *latchkey.Client) string { return s.db.NewSecretFor(c) }

// RevokeSecret ends one secret of an application. Whatever was got with it
// lives on (CONTRACT: what ends what).
func (s *Service) RevokeSecret(ctx context.Context, clientID, id string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.RevokeClientSecret(ctx, clientID, id) })
}
