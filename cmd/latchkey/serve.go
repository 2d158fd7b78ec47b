package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"latchkey"
	"latchkey/migrations"
	"latchkey/seal"
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
		TrustedProxies: c.proxies, NoRateLimits: c.RateLimits == "off", NoInvites: c.SignUp == "off",
		SessionTTL: time.Duration(c.SessionTTL), SessionMaxAge: time.Duration(c.SessionMaxAge),
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
		link, err := c.setupLink(latchkey.WithActor(ctx, operator()), db)
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

// openDatabase opens the database with the keys of the key file, after they were
// compared with what is sealed in it.
func (c *commands) openDatabase(ctx context.Context, url string) (*storage.DB, error) {
	keys, err := c.keys(ctx, url)
	if err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(keys)
	if err != nil {
		return nil, err
	}
	db, err := storage.Open(ctx, storage.Options{
		URL: url, Ring: ring,
		MaxConns: c.DBMaxConns, MinIdleConns: c.DBMinIdleConns, ConnectTimeout: c.DBConnectTimeout,
		IdleTimeout: c.DBIdleTimeout, MaxLifetime: c.DBMaxLifetime,
	})
	if err != nil {
		return nil, err
	}
	if err := db.CheckSealKeys(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("%w; start with the key file that belongs to this database, or restore it from its backup", err)
	}
	return db, nil
}

// keys reads the keys from LATCHKEY_KEYS (or the file that LATCHKEY_KEYS_FILE
// names), else from the key file, which is made when nothing was sealed yet.
func (c *commands) keys(ctx context.Context, url string) (*seal.Keys, error) {
	if c.foreignKeys != nil {
		return c.foreignKeys, nil
	}
	content, inVariable := os.LookupEnv("LATCHKEY_KEYS")
	mounted, inFile := os.LookupEnv("LATCHKEY_KEYS_FILE")
	switch {
	case inVariable && inFile:
		return nil, usageError{errors.New("LATCHKEY_KEYS and LATCHKEY_KEYS_FILE are both set: keep one")}
	case inVariable:
		return seal.Parse([]byte(content))
	case inFile:
		return seal.ReadMounted(mounted)
	}
	keys, err := seal.ReadFile(c.KeyFile)
	if !errors.Is(err, seal.ErrMissing) {
		return keys, err
	}
	sealed, lookErr := storage.HoldsSealed(ctx, url)
	if lookErr != nil {
		return nil, lookErr
	}
	if sealed {
		return nil, fmt.Errorf("%w; the database holds data sealed with it: restore it from its backup, nothing else opens that data", err)
	}
	keys, err = seal.Create(c.KeyFile)
	if errors.Is(err, fs.ErrExist) { // another node was faster
		return seal.ReadFile(c.KeyFile)
	}
	if err == nil {
		c.log.Info("made the key file: keep a copy of it in a safe place", "file", c.KeyFile)
	}
	return keys, err
}

// readForeignKeys reads keys that lie outside the data dir, in a file that
// perhaps only root may read. A missing one is left to keys.
func (c *commands) readForeignKeys() (err error) {
	if mounted, inFile := os.LookupEnv("LATCHKEY_KEYS_FILE"); inFile {
		c.foreignKeys, err = seal.ReadMounted(mounted)
		return err
	}
	if _, inVariable := os.LookupEnv("LATCHKEY_KEYS"); inVariable || within(c.DataDir, c.KeyFile) {
		return nil
	}
	c.foreignKeys, err = seal.ReadFile(c.KeyFile)
	if errors.Is(err, seal.ErrMissing) {
		return nil
	}
	return err
}

func within(folder, file string) bool {
	rel, err := filepath.Rel(folder, file)
	return err == nil && filepath.IsLocal(rel)
}
