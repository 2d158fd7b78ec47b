// Package embedpg runs the private PostgreSQL cluster that latchkey keeps in
// its data dir when no --database-url is given.
//
// It owns the folder DATA/postgres, the locks that say who uses it, the socket
// and the postmaster's life: made by initdb, started, supervised, stopped. It
// also owns the system user that a latchkey started as root becomes. It refuses
// to own what is inside the database: no SQL is spoken here, schema and queries
// belong to migrations and storage.
//
// The threats it answers: two programs writing one cluster (locks taken before
// anything is touched), a server reachable by somebody else (no TCP, a socket
// in a 0700 folder whose owner is checked at every use), a server that outlives
// the program that vouches for it (the kernel ends it with its parent) and
// personal data in its log (no statements, no parameters, no details).
//
// Who holds what:
//
//	DATA/lock          exclusive by serve, for its whole life
//	DATA/postgres.use  shared by whoever uses the cluster, exclusive by whoever
//	                   starts or stops it
//
// Both are flock(2) locks: the kernel gives them back when a process dies,
// whatever it died of.
package embedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var (
	// ErrInUse says that another latchkey holds the data dir: a second serve, or
	// a command that keeps the cluster busy while serve wants to start it.
	ErrInUse = errors.New("data dir is in use")
	// ErrForeignVersion says that the cluster was made by a major version of
	// PostgreSQL that is not installed. The text around it names the way out.
	ErrForeignVersion = errors.New("foreign PostgreSQL version")
	// ErrNoBinaries says that no PostgreSQL server of a supported version is
	// installed. The text around it names the package to install.
	ErrNoBinaries = errors.New("no PostgreSQL server binaries")
	// ErrUnavailable says that the cluster is there and could not be started or
	// reached; the text around it carries the server's own last words.
	ErrUnavailable = errors.New("embedded database is unavailable")
	// ErrDataDir says that the folder given as data dir cannot serve as one: it
	// belongs to somebody else, holds something else, or cannot be entered.
	ErrDataDir = errors.New("data dir cannot be used")
)

const (
	// database and role are the same word: one program, one database, one role.
	database = "latchkey"

	// startRetry is how long a start waits for a dying predecessor: a killed
	// postmaster may linger as a zombie, its backends as owners of its memory.
	startRetry = 10 * time.Second
)

// Options says which cluster, and how it is run.
type Options struct {
	// DataDir is DATA. It is made when missing. Required.
	DataDir string
	// Log receives what the server and its supervision have to say. Nil discards.
	Log *slog.Logger
	// Credential is the user that runs the server when this process is root and
	// stays root, as tests do. Nil as root means the system user of latchkey;
	// nil otherwise means the user that runs this process.
	Credential *syscall.Credential
	// Settings are added to the server's configuration (name to value) and win
	// over latchkey's own. With fsync "off" initdb does not sync either.
	Settings map[string]string

	// delays replaces the pauses before a dead server is started again.
	delays []time.Duration
}

// cluster is one data dir with everything that does not change while it runs.
type cluster struct {
	data       string
	log        *slog.Logger
	credential *syscall.Credential
	settings   map[string]string
	delays     []time.Duration
}

func newCluster(opts Options) (*cluster, error) {
	if opts.DataDir == "" {
		return nil, fmt.Errorf("%w: no folder given", ErrDataDir)
	}
	data, err := filepath.Abs(opts.DataDir)
	if err != nil {
		return nil, fmt.Errorf("data dir: %w", err)
	}
	c := &cluster{
		data:       data,
		log:        opts.Log,
		credential: opts.Credential,
		settings:   opts.Settings,
		delays:     opts.delays,
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.delays == nil {
		c.delays = []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second}
	}
	if c.credential == nil && os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root.
		user, err := SystemUser()
		if err != nil {
			return nil, err
		}
		c.credential = user.credential()
	}
	return c, nil
}

// The places in DATA.
func (c *cluster) dir() string          { return filepath.Join(c.data, "postgres") }
func (c *cluster) unfinished() string   { return filepath.Join(c.data, "postgres.new") }
func (c *cluster) serveLock() string    { return filepath.Join(c.data, "lock") }
func (c *cluster) useLock() string      { return filepath.Join(c.data, "postgres.use") }
func (c *cluster) socketRecord() string { return filepath.Join(c.data, "postgres.socket") }
func (c *cluster) logFile() string      { return filepath.Join(c.data, "postgres.log") }
func (c *cluster) pidFile() string      { return filepath.Join(c.dir(), "postmaster.pid") }

// url is the connection string over the socket in dir. Port, user and sslmode
// are spelled out so that no PG… variable of the environment can change them.
func (c *cluster) url(socketDir string) string {
	query := url.Values{
		"host":    {socketDir},
		"port":    {socketPort},
		"user":    {database},
		"sslmode": {"disable"},
	}
	return "postgres:///" + database + "?" + query.Encode()
}

// uid is the numeric id of the user that runs the server.
func (c *cluster) uid() uint32 {
	if c.credential != nil {
		return c.credential.Uid
	}
	return uint32(os.Geteuid())
}

// own gives path to the user that runs the server.
func (c *cluster) own(path string) error {
	if c.credential == nil {
		return nil
	}
	return os.Lchown(path, int(c.credential.Uid), int(c.credential.Gid))
}

// prepare makes sure that DATA is a folder of ours with mode 0700.
func (c *cluster) prepare() error {
	if err := os.MkdirAll(filepath.Dir(c.data), 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err := os.Mkdir(c.data, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err := c.own(c.data); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	info, err := os.Stat(c.data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is no folder", ErrDataDir, c.data)
	}
	if owner := ownerOf(info); owner != c.uid() {
		return fmt.Errorf("%w: %s belongs to user id %d, not to %d, which runs latchkey", ErrDataDir, c.data, owner, c.uid())
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(c.data, 0o700); err != nil {
			return fmt.Errorf("%w: %w", ErrDataDir, err)
		}
	}
	return nil
}

func ownerOf(info os.FileInfo) uint32 {
	return info.Sys().(*syscall.Stat_t).Uid
}

// sleep waits for d or until ctx ends, and reports which of the two it was.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
