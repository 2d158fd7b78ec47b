package storage

import (
	"context"
	"fmt"

	"latchkey"
)

// SetRedirectURIs changes where an application is answered and where a sign-out
// leads back to, and records it. Whatever else was set stays. An unknown
// application is ErrNotFound.
func (tx *Tx) SetRedirectURIs(ctx context.Context, clientID string, redirect, postLogout []string) error {
	touched, err := exec(ctx, tx.tx, `
		UPDATE clients
		SET redirect_uris = @redirect, post_logout_redirect_uris = @post_logout, version = version + 1, updated_at = now()
		WHERE id = @client`,
		args{"client": clientID, "redirect": texts(redirect), "post_logout": texts(postLogout)})
	if err != nil {
		return fmt.Errorf("set redirect URIs: %w", err)
	}
	if touched == 0 {
		return latchkey.ErrNotFound
	}
	err = tx.Record(ctx, latchkey.Event{Kind: latchkey.ClientUpdated, ClientID: clientID,
		Detail: map[string]any{"changed": []string{"redirect_uris", "post_logout_redirect_uris"}}})
	if err != nil {
		return err
	}
	return tx.bumpCache(ctx, CacheClients)
}
