package embedpg_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey/storage/embedpg"
)

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, embedpg.Options{DataDir: dir})
	url := server.URL()
	for sql, want := range map[string]string{
		"SELECT current_database() || ' ' || current_user":                                                              "latchkey latchkey",
		"SELECT pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database WHERE datname = current_database()": "UTF8 C",
		"SHOW listen_addresses":        "",
		"SHOW synchronous_commit":      "on",
		"SHOW fsync":                   "on",
		"SHOW timezone":                "UTC",
		"SHOW data_checksums":          "on",
		"SHOW unix_socket_permissions": "0700",
	} {
		if got := mustQuery(t, url, sql); got != want {
			t.Errorf("%s answered %q, want %q", sql, got, want)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("data dir has mode %o, want 700", got)
	}
	pid := server.Pid()
	if err := server.Stop(t.Context()); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if !isGone(pid) {
		t.Errorf("process %d still runs after Stop", pid)
	}
	select {
	case <-server.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if err := server.Err(); err != nil {
		t.Errorf("Err after Stop: %v", err)
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := mustStart(t, options(dir))
	mustQuery(t, first.URL(), "WITH x AS (SELECT set_config('a.b', '', false)) SELECT 'ok' FROM x")
	if _, err := query(t, first.URL(), "CREATE TABLE kept AS SELECT 'here'::text AS word"); err == nil {
		t.Log("CREATE TABLE returned a row")
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	second := mustStart(t, options(dir))
	t.Logf("start on an existing cluster took %s", time.Since(began))
	if got := mustQuery(t, second.URL(), "SELECT word FROM kept"); got != "here" {
		t.Errorf("kept %q, want here", got)
	}
}

func TestSecondServeIsRefused(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir))
	before := mustQuery(t, server.URL(), "SELECT pg_postmaster_start_time()::text")
	if _, err := embedpg.Start(t.Context(), options(dir)); !errors.Is(err, embedpg.ErrInUse) {
		t.Errorf("second start: %v, want ErrInUse", err)
	}
	if _, err := startHelper(t, "serve", dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second start by another process: %v, want in use", err)
	}
	if after := mustQuery(t, server.URL(), "SELECT pg_postmaster_start_time()::text"); after != before {
		t.Error("the first server was disturbed")
	}
}

func TestServerIsReachableOnlyByItsOwner(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir))
	if _, err := net.DialTimeout("tcp", "127.0.0.1:5432", time.Second); err == nil {
		// Something else may listen there; the server's own setting decides.
		t.Log("something on this machine listens on 5432")
	}
	if got := mustQuery(t, server.URL(), "SELECT count(*)::text FROM pg_hba_file_rules WHERE type <> 'local'"); got != "0" {
		t.Errorf("%s rules let somebody in from the network", got)
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // the server works in there
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s has mode %o: others may use it", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKilledPostmasterComesBack(t *testing.T) {
	t.Parallel()
	server := mustStart(t, options(dataDir(t)))
	url := server.URL()
	for range 3 {
		pid := server.Pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		took := eventually(t, 10*time.Second, "the database answers again", func() bool {
			if server.Pid() == pid {
				return false
			}
			_, err := query(t, url, "SELECT 'ok'")
			return err == nil
		})
		t.Logf("back after %s", took)
	}
	select {
	case <-server.Failed():
		t.Error("Failed fired although every start succeeded")
	case <-server.Done():
		t.Error("supervision ended")
	default:
	}
}

func TestTenFailuresInARowEndTheSupervision(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir).WithDelays(0, 10*time.Millisecond))
	version := filepath.Join(dir, "postgres", "PG_VERSION")
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(server.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Failed():
	case <-time.After(30 * time.Second):
		t.Fatal("Failed did not fire")
	}
	if err := server.Err(); !errors.Is(err, embedpg.ErrUnavailable) || !strings.Contains(err.Error(), "10 failures") {
		t.Errorf("Err is %v, want ErrUnavailable after 10 failures", err)
	}
}

func TestForeignVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir))
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "postgres", "PG_VERSION")
	if err := os.WriteFile(version, []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, startErr := embedpg.Start(t.Context(), options(dir))
	_, _, attachErr := embedpg.Attach(t.Context(), options(dir))
	for _, err := range []error{startErr, attachErr} {
		if !errors.Is(err, embedpg.ErrForeignVersion) {
			t.Fatalf("got %v, want ErrForeignVersion", err)
		}
		for _, word := range []string{"postgresql-14", "backup restore"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not name the way out %q", err, word)
			}
		}
	}
}

func TestLongPathPutsTheSocketUnderTmp(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortTempDir(t), strings.Repeat("long", 25), "data")
	server := mustStart(t, options(dir))
	mustQuery(t, server.URL(), "SELECT 'ok'")
	record, err := os.ReadFile(filepath.Join(dir, "postgres.socket"))
	if err != nil {
		t.Fatal(err)
	}
	place := strings.TrimSpace(string(record))
	info, err := os.Lstat(place)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(place, "/tmp/") || info.Mode().Perm() != 0o700 {
		t.Errorf("socket is in %s with mode %o, want a 0700 folder under /tmp", place, info.Mode().Perm())
	}
	url, release, err := embedpg.Attach(t.Context(), options(dir))
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	mustQuery(t, url, "SELECT 'ok'")
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(place); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there after Stop", place)
	}
}

func TestStrangersSocketFolderIsNotTrusted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortTempDir(t), strings.Repeat("long", 25), "data")
	server := mustStart(t, options(dir))
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	trap := shortTempDir(t) // mode 0755: others may enter
	if err := os.WriteFile(filepath.Join(dir, "postgres.socket"), []byte(trap+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := mustStart(t, options(dir))
	if strings.Contains(again.URL(), filepath.Base(trap)) {
		t.Errorf("the socket was put into %s", trap)
	}
}

func TestStopWaitsForCommands(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir))
	url, release, err := embedpg.Attach(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop(context.Background()) }()
	time.Sleep(300 * time.Millisecond)
	mustQuery(t, url, "SELECT 'still here'")
	if err := release(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Stop did not return after the command let go")
	}
}

func TestWrongDataDirs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(shortTempDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"none": "", "a file": file, "below a file": filepath.Join(file, "x")} {
		if _, err := embedpg.Start(t.Context(), options(dir)); !errors.Is(err, embedpg.ErrDataDir) {
			t.Errorf("%s: %v, want ErrDataDir", name, err)
		}
	}
}

// words is a log that is read while it is written.
type words struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// TestOrderlyStopIsNoAlarm: the connections that a stop ends say so in words
// that would wake an operator.
func TestOrderlyStopIsNoAlarm(t *testing.T) {
	t.Parallel()
	log := &words{}
	opts := options(dataDir(t))
	opts.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := mustStart(t, opts)
	conn, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the server ends the connection in its words", func() bool {
		return strings.Contains(log.String(), "terminating connection")
	})
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("an orderly stop warned: %s", log.String())
	}
}
