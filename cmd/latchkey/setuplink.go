package main

import (
	"context"
	"time"

	"latchkey"
	"latchkey/migrations"
	"latchkey/storage"
)

// setupLinkLife is how long a set-up link is good.
const setupLinkLife = 24 * time.Hour

// setupLinkCmd is `latchkey setup-link`.
type setupLinkCmd struct{}

// Run prints a fresh set-up link while no administrator exists.
func (*setupLinkCmd) Run(ctx context.Context, c *commands) error {
	return c.withDatabase(ctx, func(ctx context.Context, db *storage.DB) error {
		link, err := c.setupLink(ctx, db)
		if err != nil {
			return err
		}
		return c.print(link, "Set-up link (single use, 24 h): "+link.URL)
	})
}

// setupLink is a link whose token stands in the fragment, which browsers do not
// send: it reaches no log of a proxy.
type setupLink struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// setupLink makes a link, or refuses with setup_done once an administrator
// exists.
func (c *commands) setupLink(ctx context.Context, db *storage.DB) (setupLink, error) {
	link := latchkey.Link{Purpose: latchkey.LinkSetup}
	var token string
	err := db.InTx(ctx, func(tx *storage.Tx) (err error) {
		if err := tx.BeginSetup(ctx); err != nil {
			return err
		}
		token, err = tx.CreateLink(ctx, &link, setupLinkLife)
		return err
	})
	return setupLink{URL: c.Issuer + "/setup#token=" + token, ExpiresAt: link.ExpiresAt.UTC()}, err
}

// withDatabase runs f with the migrated database and the operator as actor.
func (c *commands) withDatabase(ctx context.Context, f func(context.Context, *storage.DB) error) error {
	return c.withCluster(ctx, func(url string) error {
		if _, err := migrations.Up(ctx, c.ownerURL(url)); err != nil {
			return err
		}
		db, err := c.openDatabase(ctx, url)
		if err != nil {
			return err
		}
		defer db.Close()
		return f(latchkey.WithActor(ctx, c.operator), db)
	})
}
