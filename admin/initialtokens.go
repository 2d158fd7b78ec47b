package admin

import (
	"context"
	"time"

	"latchkey"
	"latchkey/storage"
)

// InitialTokenTTL is how long an initial access token lives unless somebody says
// otherwise.
const InitialTokenTTL = 7 * 24 * time.Hour

// InitialTokenOut is an initial access token as commands print it.
type InitialTokenOut struct {
	ID         string           `json:"id"`
	Token      string           `json:"token,omitempty"` // only in the answer that makes it
	Name       string           `json:"name"`
	State      string           `json:"state"` // open, used_up, expired or revoked
	Profile    latchkey.Profile `json:"profile"`
	Scopes     []string         `json:"scopes"` // at most; empty = those about a person
	MaxUses    int              `json:"max_uses"`
	Uses       int              `json:"uses"`
	CreatedAt  time.Time        `json:"created_at"`
	ExpiresAt  time.Time        `json:"expires_at"`
	LastUsedAt *time.Time       `json:"last_used_at"`
}

// InitialTokenOutOf spells one out; rawToken is "" but in the answer that makes
// it.
func (s *Service) InitialTokenOutOf(t *latchkey.InitialToken, rawToken string) InitialTokenOut {
	scopes := t.Scopes
	if scopes == nil {
		scopes = []string{}
	}
	return InitialTokenOut{
		ID: t.ID, Token: rawToken, Name: t.Name, State: t.State(s.now()), Profile: t.Profile, Scopes: scopes, MaxUses: t.MaxUses, Uses: t.Uses,
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(), LastUsedAt: orNull(t.LastUsedAt),
	}
}

// CreateInitialToken makes a token by which applications may register
// themselves; it is returned here and never again. ttl 0 = InitialTokenTTL.
// Problems: validation_failed with name, profile, scope, max_uses and ttl.
func (s *Service) CreateInitialToken(ctx context.Context, t *latchkey.InitialToken, ttl time.Duration) (rawToken string, err error) {
	if ttl == 0 {
		ttl = InitialTokenTTL
	}
	if err := t.Check(ttl); err != nil {
		return "", err
	}
	err = s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		rawToken, err = tx.CreateInitialToken(ctx, t, ttl)
		return err
	})
	return rawToken, err
}

// InitialTokens lists them, the newest first, those that are over too.
func (s *Service) InitialTokens(ctx context.Context) ([]*latchkey.InitialToken, error) {
	return s.db.InitialTokens(ctx)
}

// RevokeInitialToken ends one. Applications that registered with it stay.
func (s *Service) RevokeInitialToken(ctx context.Context, id string) error {
	return s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.RevokeInitialToken(ctx, id) })
}
