package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"latchkey/seal"
	"latchkey/storage"
)

// openDatabase opens the database with the keys of the key file, after they were
// compared with what is sealed in it.
func (c *commands) openDatabase(ctx context.Context, url string) (*storage.DB, error) {
	keys, err := c.keys(ctx, url)
	if err != nil {
		return nil, err
	}
	db, err := c.openWith(ctx, url, keys)
	if err != nil {
		return nil, err
	}
	if err := db.CheckSealKeys(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("%w; start with the key file that belongs to this database, or restore it from its backup", err)
	}
	return db, nil
}

// openWith opens the database without looking whether the keys belong to it.
func (c *commands) openWith(ctx context.Context, url string, keys *seal.Keys) (*storage.DB, error) {
	ring, err := seal.NewRing(keys)
	if err != nil {
		return nil, err
	}
	return storage.Open(ctx, storage.Options{
		URL: url, Ring: ring,
		MaxConns: c.DBMaxConns, MinIdleConns: c.DBMinIdleConns, ConnectTimeout: c.DBConnectTimeout,
		IdleTimeout: c.DBIdleTimeout, MaxLifetime: c.DBMaxLifetime,
	})
}

// keys reads the keys, or makes the key file when nothing was sealed yet.
func (c *commands) keys(ctx context.Context, url string) (*seal.Keys, error) {
	keys, err := c.readKeys()
	if !errors.Is(err, seal.ErrMissing) || c.mountedKeys() {
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

// mountedKeys tells whether the keys come from outside: then there is no file
// that could be made.
func (c *commands) mountedKeys() bool {
	_, mounted := os.LookupEnv("LATCHKEY_KEYS_FILE")
	return mounted
}

// readKeys reads the keys from LATCHKEY_KEYS (or the file that
// LATCHKEY_KEYS_FILE names), else from the key file.
func (c *commands) readKeys() (*seal.Keys, error) {
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
	return seal.ReadFile(c.KeyFile)
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
