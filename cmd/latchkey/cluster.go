package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"latchkey/storage/embedpg"
)

// stopCluster bounds how long serve waits for its database to end.
const stopCluster = 20 * time.Second

// becomeSystemUser turns root into the system user latchkey, which then owns
// the whole data dir.
func becomeSystemUser(dataDir string) error {
	u, err := embedpg.SystemUser()
	if err != nil {
		return err
	}
	return embedpg.Become(u, dataDir)
}

// giveUpRoot stops being root before anything is read or written for real. Keys
// that lie outside the data dir are read before, since only root may be able to.
func (c *commands) giveUpRoot() error {
	if c.drop == nil {
		return nil
	}
	if err := c.readForeignKeys(); err != nil {
		return err
	}
	return c.drop(c.DataDir)
}

// listen binds the address before anything slow happens, and before root is
// given up: a port in use is told at once, one below 1024 can be had. When it
// is this data dir's own latchkey that has the port, that is said instead.
func (c *commands) listen() (net.Listener, error) {
	ln, err := net.Listen("tcp", c.Listen)
	if err == nil {
		return ln, nil
	}
	if c.DatabaseURL == "" {
		if busy, lookErr := embedpg.InUse(c.DataDir); lookErr == nil && busy != nil {
			return nil, busy
		}
	}
	return nil, usageError{wrong("listen", err.Error(), "127.0.0.1:8080")}
}

// withCluster runs f with the connection string of the database: the one that
// was given, or the private one of the data dir, started for the moment when
// none runs.
func (c *commands) withCluster(ctx context.Context, f func(url string) error) error {
	if err := c.giveUpRoot(); err != nil {
		return err
	}
	return c.attached(ctx, f)
}

// attached is withCluster for whoever is root no more.
func (c *commands) attached(ctx context.Context, f func(url string) error) error {
	if c.DatabaseURL != "" {
		return f(c.DatabaseURL)
	}
	c.sayWhatIsNew()
	url, release, err := embedpg.Attach(ctx, embedpg.Options{DataDir: c.DataDir, Log: c.log})
	if err != nil {
		return err
	}
	return errors.Join(f(url), release())
}

// sayWhatIsNew warns whoever types a command in the wrong place, or as somebody
// else: it would answer from a new and empty database.
func (c *commands) sayWhatIsNew() {
	if _, err := os.Stat(filepath.Join(c.DataDir, "postgres")); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(c.stderr, "latchkey: there is no database in %s: a new, empty one is made there. If yours is elsewhere, name it with --data-dir or --database-url.\n", c.DataDir)
	}
}

// serveCluster runs f with the database for as long as serve lives. The private
// one is started, kept running and stopped; when it cannot be kept running, the
// context of f ends and the error says why.
func (c *commands) serveCluster(ctx context.Context, f func(ctx context.Context, url string) error) error {
	if err := c.giveUpRoot(); err != nil {
		return err
	}
	if c.DatabaseURL != "" {
		return f(ctx, c.DatabaseURL)
	}
	cluster, err := embedpg.Start(ctx, embedpg.Options{DataDir: c.DataDir, Log: c.log})
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-cluster.Failed():
			cancel()
		case <-running.Done():
		}
	}()
	err = f(running, cluster.URL())
	select {
	case <-cluster.Failed():
		err = errors.Join(embedpg.ErrUnavailable, cluster.Err(), err)
	default:
	}
	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), stopCluster)
	defer done()
	return errors.Join(err, cluster.Stop(stopping))
}
