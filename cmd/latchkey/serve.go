package main

import (
	"context"
	"fmt"
	"time"

	"latchkey"
	"latchkey/migrations"
	"latchkey/server"
	"latchkey/storage"
)

// serveCmd is `latchkey serve`.
type serveCmd struct {
	NoMigrate bool `help:"Do not migrate first; the schema must be there."`
}

// Run serves until the context ends.
func (cmd *serveCmd) Run(ctx context.Context, c *commands) error {
	secure, err := c.tlsConfig()
	if err != nil {
		return usageError{wrong("tls-cert", err.Error(), "cert.pem --tls-key key.pem")}
	}
	ln, err := c.listen()
	if err != nil {
		return err
	}
	defer ln.Close()
	serving := false
	err = c.serveCluster(ctx, func(ctx context.Context, url string) error {
		if err := cmd.schema(ctx, c, url); err != nil {
			return err
		}
		db, err := c.openDatabase(ctx, url)
		if err != nil {
			return err
		}
		defer db.Close()
		if err := c.checkFrozenRPID(ctx, db); err != nil {
			return err
		}
		c.sayOutbound()
		s, err := server.New(c.serverOptions(db))
		if err != nil {
			return err
		}
		if err := s.Prepare(ctx); err != nil {
			return err
		}
		if c.ACME {
			authority, err := c.acme()
			if err != nil {
				return err
			}
			secure = authority.Config()
			defer c.obtain(ctx, authority)()
		}
		if err := c.announce(ctx, db); err != nil {
			return err
		}
		serving = true
		return s.Serve(ctx, ln, secure)
	})
	if err != nil && !serving && ctx.Err() != nil {
		c.log.Info("stopped before it was ready", "interrupted", err.Error())
		return nil
	}
	return err
}

// schema migrates, or looks whether somebody else has.
func (cmd *serveCmd) schema(ctx context.Context, c *commands, url string) error {
	if !cmd.NoMigrate {
		_, err := migrations.Up(ctx, c.ownerURL(url))
		return err
	}
	status, err := migrations.Read(ctx, url)
	if err == nil && len(status.Pending) > 0 {
		err = latchkey.Refuse(latchkey.ErrConflict, "schema_old", fmt.Sprintf(
			"The schema is at version %d, this release needs %d. Run `latchkey migrate up` first, or leave out --no-migrate.", status.Current, status.Latest))
	}
	return err
}

// checkFrozenRPID refuses another domain than the one that set-up froze.
func (c *commands) checkFrozenRPID(ctx context.Context, db *storage.DB) error {
	frozen, err := db.FrozenRPID(ctx)
	if err != nil || frozen == "" || frozen == c.RPID {
		return err
	}
	passkeys, err := db.CountPasskeys(ctx)
	if err != nil {
		return err
	}
	return latchkey.Refuse(latchkey.ErrForbidden, "rp_id_frozen", fmt.Sprintf(
		"--rp-id: is %s, but at set-up it was %s, and passkeys cannot move: all %d of them would stop working (example: --rp-id %s, with an --issuer of that domain)",
		c.RPID, frozen, passkeys, frozen))
}

func (c *commands) serverOptions(db *storage.DB) server.Options {
	return server.Options{
		Issuer: c.issuer, RPID: c.RPID, DB: db, Log: c.log, Version: version,
		TrustedProxies: c.proxies, Outbound: c.outbound, NoRateLimits: c.RateLimits == "off", NoInvites: c.SignUp == "off",
		Registration: latchkey.RegistrationMode(c.Registration),
		SessionTTL:   time.Duration(c.SessionTTL), SessionMaxAge: time.Duration(c.SessionMaxAge),
		AccessTokenTTL: time.Duration(c.AccessTokenTTL), IDTokenTTL: time.Duration(c.IDTokenTTL), CodeTTL: time.Duration(c.CodeTTL),
		RefreshTokenTTL: time.Duration(c.RefreshTokenTTL), RefreshTokenMaxAge: time.Duration(c.RefreshTokenMaxAge),
	}
}

// announce prints the set-up link while no administrator exists, then the ready
// line, the last of the start.
func (c *commands) announce(ctx context.Context, db *storage.DB) error {
	done, err := db.HasAdmin(ctx)
	if err != nil {
		return err
	}
	if !done {
		link, err := c.setupLink(latchkey.WithActor(ctx, c.operator), db)
		switch {
		case latchkey.CodeOf(err) == "setup_done": // on another node, just now
		case err != nil:
			return err
		default:
			if _, err := fmt.Fprintf(c.stdout, "Set-up link (single use, 24 h): %s\n", link.URL); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(c.stdout, "latchkey is ready at %s\n", c.Issuer)
	return err
}
