package embedpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are latchkey's own. Nothing a person sends reaches the server's
// log: no statements, no parameters, and terse errors, since the detail of a
// unique violation quotes the row.
const settings = `listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 60
cluster_name = 'latchkey'

fsync = on
synchronous_commit = on
full_page_writes = on

shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 64MB
max_wal_size = 1GB
min_wal_size = 80MB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
max_parallel_workers_per_gather = 0
autovacuum_naptime = 30s
autovacuum_vacuum_scale_factor = 0.05

timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
lc_messages = 'C'

log_destination = 'stderr'
logging_collector = off
log_line_prefix = ''
log_checkpoints = off
log_statement = none
log_min_error_statement = panic
log_error_verbosity = terse
`

const mainConfig = `# latchkey's settings are in latchkey.conf, which it writes at every start.
# Lines below the include are yours and win.
include 'latchkey.conf'
`

const hostBasedAccess = `# The socket is in a folder that only its owner can enter; nothing listens on TCP.
local all ` + database + ` trust
`

// major reads which PostgreSQL made the cluster; 0 when there is none yet.
func (c *cluster) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.dir(), "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Lstat(c.dir()); err == nil {
			return 0, fmt.Errorf("%w: %s holds no PostgreSQL cluster", ErrDataDir, c.dir())
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the cluster's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%w: the cluster in %s has version %q", ErrForeignVersion, c.dir(), strings.TrimSpace(string(text)))
	}
	return major, nil
}

// ensure makes the cluster when there is none, writes latchkey's settings and
// returns the binaries that fit. The caller holds the use lock exclusively.
func (c *cluster) ensure(ctx context.Context) (Binaries, error) {
	major, err := c.major()
	if err != nil {
		return Binaries{}, err
	}
	bin, err := c.binariesFor(major)
	if err != nil {
		return Binaries{}, err
	}
	if major == 0 {
		if err := c.initdb(ctx, bin); err != nil {
			return Binaries{}, err
		}
	}
	if err := c.writeFile(filepath.Join(c.dir(), "latchkey.conf"), c.config()); err != nil {
		return Binaries{}, fmt.Errorf("write the server's settings: %w", err)
	}
	return bin, nil
}

// initdb makes the cluster beside its place and renames it when it is whole,
// so that a start that was cut short leaves nothing that looks like a cluster.
func (c *cluster) initdb(ctx context.Context, bin Binaries) error {
	began := time.Now()
	if err := c.removeUnfinished(ctx); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	args := []string{"-D", c.unfinished(), "-U", database, "--locale=C", "-E", "UTF8",
		"--auth=reject", "--data-checksums", "--no-instructions"}
	if c.settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	if err := c.run(ctx, "", bin.Tool("initdb"), args...); err != nil {
		return fmt.Errorf("%w: make the cluster: %w", ErrUnavailable, err)
	}
	for name, content := range map[string]string{
		"postgresql.conf": mainConfig,
		"latchkey.conf":   c.config(),
		"pg_hba.conf":     hostBasedAccess,
	} {
		if err := c.writeFile(filepath.Join(c.unfinished(), name), content); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := c.run(ctx, "CREATE DATABASE "+database+";\n", bin.Tool("postgres"), "--single", "-D", c.unfinished(), "postgres"); err != nil {
		return fmt.Errorf("%w: make the database: %w", ErrUnavailable, err)
	}
	if err := os.Rename(c.unfinished(), c.dir()); err != nil {
		return fmt.Errorf("put the new cluster in place: %w", err)
	}
	c.log.InfoContext(ctx, "made the embedded database", "dir", c.dir(), "postgresql", bin.Major, "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// removeUnfinished removes what a start left that was cut short. When that was
// a moment ago, a child of its initdb may still be writing: it notices soon that
// nobody speaks to it any more.
func (c *cluster) removeUnfinished(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		err := os.RemoveAll(c.unfinished())
		if !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *cluster) config() string {
	var b strings.Builder
	b.WriteString("# Written by latchkey at every start.\n")
	b.WriteString(settings)
	for _, name := range slices.Sorted(maps.Keys(c.settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(c.settings[name], "'", "''"))
	}
	return b.String()
}

// run runs one of the server's programs to its end.
func (c *cluster) run(ctx context.Context, input, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	c.dress(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Stdin = strings.NewReader(input)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	// A program that works for us ends with us; the kernel counts the thread
	// that started it as its parent, so this one must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		if cmd.Process != nil { // its children too: they have its session
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// dress sets user, folder and environment of a child: nothing of ours leaks
// into it, and it does not start in a folder that its user cannot enter.
func (c *cluster) dress(cmd *exec.Cmd) {
	cmd.Dir = c.data
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	// A session of its own: Ctrl-C at the terminal reaches us, and we end it
	// in our own order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.credential}
}
