// Package storagetest gives every test a PostgreSQL database of its own, cloned
// from a migrated template in a private cluster that lives as long as the test
// binary. It never links into the product.
//
// The cluster trades durability for speed (fsync off); a test about durability
// starts a cluster of its own with package embedpg.
package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"latchkey/migrations"
)

// template is the migrated database that the others are cloned from.
const template = "latchkey_template"

// cluster is the one of this test binary. It is started by the first test that
// wants a database; all wait for it.
var cluster = sync.OnceValues(startCluster)

// running is a cluster; closing lifeline, which the end of the process does by
// itself, stops the server and removes its folder.
type running struct {
	dir      string
	lifeline io.Closer
}

func (r *running) url(database string) string {
	return fmt.Sprintf("host=%s user=latchkey dbname=%s", r.dir, database)
}

func startCluster() (*running, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(place(), "latchkey-test-")
	if err != nil {
		return nil, err
	}
	credential, err := runAs(dir)
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "latchkey",
		"--locale=C", "-E", "UTF8", "-A", "trust", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	r, err := startServer(bin, dir, credential)
	if err != nil {
		return nil, err
	}
	if err := r.makeTemplate(); err != nil {
		return nil, err
	}
	return r, nil
}

// memoryNeeded is how much room a cluster in memory must find, in bytes: some
// hundred databases of 10 MB, of which few live at once.
const memoryNeeded = 2 << 30

// place is where clusters are made: in memory where there is room, because a
// clone is 400 small files and takes 20 ms there and a second on a busy disk.
// Else /tmp and not TMPDIR: a socket's path must stay below 108 bytes.
func place() string {
	var memory unix.Statfs_t
	err := unix.Statfs("/dev/shm", &memory)
	if err == nil && memory.Type == unix.TMPFS_MAGIC && memory.Bavail*uint64(memory.Bsize) >= memoryNeeded {
		return "/dev/shm"
	}
	return "/tmp"
}

// keeper waits for the end of its standard input, the lifeline, and then ends
// the server and removes the folder. It outlives a test binary that is killed.
const keeper = `
postgres="$1" dir="$2"
"$postgres" -D "$dir/data" -c listen_addresses= -c unix_socket_directories="$dir" -c max_connections=200 \
  -c shared_buffers=64MB -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off \
  -c max_wal_size=256MB -c logging_collector=off >"$dir/log" 2>&1 </dev/null &
server=$!
read -r _
kill -QUIT "$server"
wait "$server"
cd / && rm -rf "$dir"
`

func startServer(bin, dir string, credential *syscall.Credential) (*running, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", keeper, "keeper", filepath.Join(bin, "postgres"), dir)
	cmd.Dir = dir
	cmd.Stdin = read
	// A session of its own: an interrupt of the test run must reach the server
	// through the lifeline only, so that the folder goes too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := read.Close(); err != nil {
		return nil, err
	}
	return &running{dir: dir, lifeline: write}, nil
}

// makeTemplate waits for the server, then migrates the template once.
func (r *running) makeTemplate() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := r.connect(ctx)
	if err != nil {
		log, readErr := os.ReadFile(filepath.Join(r.dir, "log"))
		return fmt.Errorf("connect to the test cluster: %w: %s (%v)", err, bytes.TrimSpace(log), readErr)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+template); err != nil {
		return fmt.Errorf("create the template: %w", err)
	}
	if _, err := migrations.Up(ctx, r.url(template)); err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	return nil
}

func (r *running) connect(ctx context.Context) (*pgx.Conn, error) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := pgx.Connect(ctx, r.url("postgres"))
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// binaries finds the newest installed server, 15 or newer.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) == 0 || version(found[0]) < 15 {
		return "", fmt.Errorf("no PostgreSQL 15 or newer in /usr/lib/postgresql: install the package postgresql (make test does)")
	}
	return filepath.Dir(found[0]), nil
}

// runAs says as whom the server runs: PostgreSQL refuses to run as root, so a
// test run as root gives the folder to the system user of the product, or to
// the one that the server's package brings.
func runAs(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var found *user.User
	var err error
	for _, name := range []string{"latchkey", "postgres"} {
		if found, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("no system user to run PostgreSQL as: %w", err)
	}
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
