package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"latchkey"
	"latchkey/seal"
)

const purposeRegistration seal.Purpose = "registration access token"

// RegistrationTokenPrefix begins every registration access token, so that
// scanners of repositories find one that leaked.
const RegistrationTokenPrefix = "lk_reg_"

// NoRegistration is the answer to a registration access token that is none of
// the application's that it was shown for, whatever that one is (RFC 7592 §2.1).
func NoRegistration() error {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "invalid_token", "The registration access token is not valid for this client.")
}

// RegistrationClosed is the answer to an application that was turned off.
func RegistrationClosed() error {
	return latchkey.Refuse(latchkey.ErrForbidden, "client_disabled", "An administrator turned this client off.")
}

// RegisterClient is CreateClient for an application that registers itself, as
// c.Registration says. It returns the registration access token, which exists
// only in the answer. With an initial access token, that is spent; one that may
// not be used any more is the problem invalid_token.
func (tx *Tx) RegisterClient(ctx context.Context, c *latchkey.Client, secret string) (rawToken string, err error) {
	if c.Registration.TokenID != "" {
		if err := tx.useInitialToken(ctx, c.Registration.TokenID); err != nil {
			return "", err
		}
	}
	if err := tx.CreateClient(ctx, c, secret); err != nil {
		return "", err
	}
	return tx.newRegistrationToken(ctx, c.ID)
}

// newRegistrationToken puts a new token in the place of any before.
func (tx *Tx) newRegistrationToken(ctx context.Context, clientID string) (rawToken string, err error) {
	token, hash := tx.ring.NewToken(purposeRegistration)
	_, err = exec(ctx, tx.tx, `UPDATE clients SET registration_token_hash = @hash WHERE id = @id`, args{"id": clientID, "hash": hash})
	if err != nil {
		return "", fmt.Errorf("store registration access token: %w", err)
	}
	return RegistrationTokenPrefix + token, nil
}

// RegisteredClient returns the application whose registration access token it
// is. Problems: invalid_token, client_disabled.
func (qs *queries) RegisteredClient(ctx context.Context, id, rawToken string) (*latchkey.Client, error) {
	return qs.registered(ctx, id, rawToken, ``)
}

// registered reads the application of a registration access token; lock may
// keep it from others.
func (qs *queries) registered(ctx context.Context, id, rawToken, lock string) (*latchkey.Client, error) {
	hash, ok := qs.prefixedHash(purposeRegistration, RegistrationTokenPrefix, rawToken)
	if !ok || !latchkey.ClientID(id) {
		return nil, NoRegistration()
	}
	var c latchkey.Client
	err := qs.do(ctx, func(q querier) (err error) {
		c, err = one(ctx, q, `SELECT`+clientColumns+` FROM clients c WHERE c.id = @id AND c.registration_token_hash = @hash`+lock,
			args{"id": id, "hash": hash}, scanClient)
		return err
	})
	switch {
	case errors.Is(err, latchkey.ErrNotFound):
		return nil, NoRegistration()
	case err != nil:
		return nil, fmt.Errorf("find registered client: %w", err)
	case !c.Enabled:
		return nil, RegistrationClosed()
	}
	return &c, nil
}

// prefixedHash is the hash by which a token with a prefix is looked up.
func (qs *queries) prefixedHash(p seal.Purpose, prefix, rawToken string) (hash []byte, ok bool) {
	if len(rawToken) != len(prefix)+seal.TokenLength || rawToken[:len(prefix)] != prefix {
		return nil, false
	}
	hash, err := qs.ring.HashToken(p, rawToken[len(prefix):])
	return hash, err == nil
}

// Reregistered is what an application became that changed itself.
type Reregistered struct {
	Client *latchkey.Client
	Token  string // the new registration access token; the one before is over
	Secret string // of an application that had none before; "" = as it was
}

// ReregisterClient changes an application by its registration access token to
// what become makes of it, and gives it another token. Of two changes at once,
// one finds its token used. Problems: those of RegisteredClient and of become.
func (tx *Tx) ReregisterClient(ctx context.Context, id, rawToken string, become func(*latchkey.Client) (*latchkey.Client, error)) (*Reregistered, error) {
	before, err := tx.registered(ctx, id, rawToken, ` FOR UPDATE OF c`)
	if err != nil {
		return nil, err
	}
	next, err := become(before)
	if err != nil {
		return nil, err
	}
	out := &Reregistered{}
	if out.Token, err = tx.newRegistrationToken(ctx, id); err != nil {
		return nil, err
	}
	changed, err := tx.changeClient(ctx, before, next)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		err := tx.Record(ctx, latchkey.Event{Kind: latchkey.ClientUpdated, ClientID: id, Detail: map[string]any{"changed": []string{}}})
		if err != nil {
			return nil, err
		}
	}
	if out.Client, err = tx.FindClient(ctx, id); err != nil || !out.Client.HasSecret() || len(out.Client.Secrets) > 0 {
		return out, err
	}
	out.Secret = tx.NewSecretFor(out.Client)
	if _, err := tx.AddClientSecret(ctx, id, out.Secret, 0); err != nil {
		return nil, err
	}
	out.Client, err = tx.FindClient(ctx, id)
	return out, err
}

// DeregisterClient deletes an application by its registration access token, with
// all it has. Problems: those of RegisteredClient.
func (tx *Tx) DeregisterClient(ctx context.Context, id, rawToken string) error {
	if _, err := tx.registered(ctx, id, rawToken, ` FOR UPDATE OF c`); err != nil {
		return err
	}
	_, err := tx.DeleteClient(ctx, id)
	return err
}

// boundByAdministrator makes the scopes that an administrator gives an
// application that registered itself all that it may give itself.
func boundByAdministrator(before, next *latchkey.Client) {
	if before.Registration == nil || slices.Equal(before.Scopes, next.Scopes) {
		return
	}
	bounds := *before.Registration
	bounds.Scopes = next.Scopes
	next.Registration = &bounds
}
