package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const purposeInitialToken seal.Purpose = "initial access token"

// InitialTokenPrefix begins every initial access token, so that scanners of
// repositories find one that leaked.
const InitialTokenPrefix = "lk_iat_"

// maxInitialTokens is how many of them a list shows at most.
const maxInitialTokens = 500

const initialTokenColumns = ` t.id, t.name, t.profile, t.scopes, t.max_uses, t.uses, t.created_by, t.created_at, t.expires_at, t.last_used_at, t.revoked_at `

func scanInitialToken(row pgx.CollectableRow) (*latchkey.InitialToken, error) {
	t, by := &latchkey.InitialToken{}, (*string)(nil)
	err := row.Scan(&t.ID, &t.Name, &t.Profile, &t.Scopes, &t.MaxUses, &t.Uses, &by,
		orZero{&t.CreatedAt}, orZero{&t.ExpiresAt}, orZero{&t.LastUsedAt}, orZero{&t.RevokedAt})
	t.CreatedBy = textOf(by)
	return t, err
}

// initialTokenOpen is the condition under which one may be used once more.
const initialTokenOpen = `t.revoked_at IS NULL AND t.expires_at > now() AND t.uses < t.max_uses`

// NoInitialToken is the answer to an initial access token that is not known, was
// revoked, has expired or is used up: which, only the record says.
func NoInitialToken() error {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "invalid_token", "The initial access token is not valid.")
}

// NoSuchInitialToken is the answer to an administrator who names one that is not
// there, or is over.
func NoSuchInitialToken() error {
	return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such initial access token, or it is over already.")
}

// CreateInitialToken stores an initial access token that lives for ttl, fills its
// id and times and records it. The token is returned here and never again.
func (tx *Tx) CreateInitialToken(ctx context.Context, t *latchkey.InitialToken, ttl time.Duration) (rawToken string, err error) {
	t.ID = newID()
	token, hash := tx.ring.NewToken(purposeInitialToken)
	t.CreatedBy = latchkey.ActorFrom(ctx).UserID
	_, err = one(ctx, tx.tx, `
		INSERT INTO initial_tokens (id, token_hash, name, profile, scopes, max_uses, created_by, expires_at)
		VALUES (@id, @hash, @name, @profile, @scopes, @max_uses, @by, now() + @ttl)
		RETURNING created_at, expires_at`,
		args{"id": t.ID, "hash": hash, "name": t.Name, "profile": string(t.Profile), "scopes": texts(t.Scopes), "max_uses": t.MaxUses,
			"by": orNull(t.CreatedBy), "ttl": ttl},
		func(row pgx.CollectableRow) (struct{}, error) {
			return struct{}{}, row.Scan(orZero{&t.CreatedAt}, orZero{&t.ExpiresAt})
		})
	if err != nil {
		return "", fmt.Errorf("store initial access token: %w", err)
	}
	err = tx.Record(ctx, latchkey.Event{Kind: latchkey.InitialTokenCreated, Object: t.ID, Detail: map[string]any{
		"profile": string(t.Profile), "scopes": texts(t.Scopes), "max_uses": t.MaxUses, "expires_at": t.ExpiresAt}})
	return InitialTokenPrefix + token, err
}

// InitialToken returns an initial access token that may still be used. Looking
// does not spend it.
func (qs *queries) InitialToken(ctx context.Context, rawToken string) (*latchkey.InitialToken, error) {
	hash, ok := qs.prefixedHash(purposeInitialToken, InitialTokenPrefix, rawToken)
	if !ok {
		return nil, NoInitialToken()
	}
	var t *latchkey.InitialToken
	err := qs.do(ctx, func(q querier) (err error) {
		t, err = one(ctx, q, `SELECT`+initialTokenColumns+`FROM initial_tokens t WHERE t.token_hash = @hash AND `+initialTokenOpen, args{"hash": hash}, scanInitialToken)
		return err
	})
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, NoInitialToken()
	}
	if err != nil {
		return nil, fmt.Errorf("find initial access token: %w", err)
	}
	return t, nil
}

// useInitialToken counts one application that came with it.
func (tx *Tx) useInitialToken(ctx context.Context, id string) error {
	n, err := exec(ctx, tx.tx, `UPDATE initial_tokens t SET uses = uses + 1, last_used_at = now() WHERE t.id = @id AND `+initialTokenOpen, args{"id": id})
	if err != nil {
		return fmt.Errorf("use initial access token: %w", err)
	}
	if n == 0 {
		return NoInitialToken()
	}
	return nil
}

// InitialTokens lists them, the newest first, those that are over too, at most
// 500.
func (qs *queries) InitialTokens(ctx context.Context) (tokens []*latchkey.InitialToken, err error) {
	err = qs.do(ctx, func(q querier) (err error) {
		tokens, err = list(ctx, q, `SELECT`+initialTokenColumns+`FROM initial_tokens t ORDER BY t.id DESC LIMIT @limit`,
			args{"limit": maxInitialTokens}, scanInitialToken)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list initial access tokens: %w", err)
	}
	return tokens, nil
}

// RevokeInitialToken ends one that is not over yet; what registered with it
// stays. Another one is not_found.
func (tx *Tx) RevokeInitialToken(ctx context.Context, id string) error {
	if uuid.Validate(id) != nil {
		return NoSuchInitialToken()
	}
	n, err := exec(ctx, tx.tx, `UPDATE initial_tokens t SET revoked_at = now() WHERE t.id = @id AND `+initialTokenOpen, args{"id": id})
	if err != nil {
		return fmt.Errorf("revoke initial access token: %w", err)
	}
	if n == 0 {
		return NoSuchInitialToken()
	}
	return tx.Record(ctx, latchkey.Event{Kind: latchkey.InitialTokenRevoked, Object: id})
}
