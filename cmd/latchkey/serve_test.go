package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"latchkey/storage/storagetest"
)

// command runs one command to its end.
func command(t *testing.T, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	code = run(ctx, arguments, &out, &log)
	return code, out.String(), log.String()
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// start serves until the test ends and returns the lines of standard output up
// to the ready line, and a function that stops it and gives the exit code.
func start(t *testing.T, arguments ...string) (lines []string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var log strings.Builder
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"serve"}, arguments...), write, &log)
		write.Close()
		ended <- code
	}()
	stop = func() int {
		cancel()
		select {
		case code := <-ended:
			ended <- code
			return code
		case <-time.After(15 * time.Second):
			t.Fatal("serve did not stop in 15 s")
			return -1
		}
	}
	t.Cleanup(func() { stop() })
	scanner := bufio.NewScanner(read)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
		if strings.HasPrefix(scanner.Text(), "latchkey is ready at ") {
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return lines, stop
		}
	}
	t.Fatalf("serve ended before it was ready: exit %d: %s", <-ended, log.String())
	return nil, nil
}

func TestServeUntilStopped(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	dir := t.TempDir()
	lines, stop := start(t, "--listen", address, "--database-url", storagetest.Empty(t), "--data-dir", dir)
	if want := "latchkey is ready at http://localhost:8080"; lines[len(lines)-1] != want {
		t.Errorf("last line %q, want %q", lines[len(lines)-1], want)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		res, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s answered %d, want 200", path, res.StatusCode)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "keys.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v; want mode 0600", info, err)
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit %d after the stop, want 0", code)
	}
}

// TestMissingKeyFile: it is made if and only if nothing was sealed yet.
func TestMissingKeyFile(t *testing.T) {
	t.Parallel()
	url, dir := storagetest.Empty(t), t.TempDir()
	_, stop := start(t, "--listen", freeAddress(t), "--database-url", url, "--data-dir", dir)
	stop()
	file := filepath.Join(dir, "keys.json")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, "serve", "--listen", freeAddress(t), "--database-url", url, "--data-dir", dir)
	if code != exitKeys || !strings.Contains(stderr, "restore it from its backup") {
		t.Errorf("exit %d, want %d with a hint: %s", code, exitKeys, stderr)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key file was made over sealed data: %v", err)
	}
}

// TestForeignKeyFile: keys that did not seal the data stop the start.
func TestForeignKeyFile(t *testing.T) {
	t.Parallel()
	url := storagetest.Empty(t)
	_, stop := start(t, "--listen", freeAddress(t), "--database-url", url, "--data-dir", t.TempDir())
	stop()
	other := t.TempDir()
	_, stop = start(t, "--listen", freeAddress(t), "--database-url", storagetest.Empty(t), "--data-dir", other)
	stop()
	before, err := os.ReadFile(filepath.Join(other, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := command(t, "serve", "--listen", freeAddress(t), "--database-url", url, "--data-dir", other); code != exitKeys {
		t.Errorf("exit %d, want %d: %s", code, exitKeys, stderr)
	}
	after, err := os.ReadFile(filepath.Join(other, "keys.json"))
	if err != nil || string(before) != string(after) {
		t.Errorf("the key file changed: %v", err)
	}
}

// TestBadKeyFilesStopTheStart (SECURITY cases 128 and 129): each thing wrong
// alone; the start says what to do, and the file is left as it is.
func TestBadKeyFilesStopTheStart(t *testing.T) {
	t.Parallel()
	url, dir := storagetest.Empty(t), t.TempDir()
	_, stop := start(t, "--listen", freeAddress(t), "--database-url", url, "--data-dir", dir)
	stop()
	good, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(pattern, by string) []byte {
		return regexp.MustCompile(pattern).ReplaceAll(good, []byte(by))
	}
	file := func(content []byte) func(*testing.T, string) error {
		return func(_ *testing.T, path string) error { return os.WriteFile(path, content, 0o600) }
	}
	for _, c := range []struct {
		name, says string
		spoil      func(t *testing.T, path string) error
	}{
		{"readable by others", "chmod 600", func(_ *testing.T, path string) error { return os.Chmod(path, 0o644) }},
		{"symbolic link", "symbolic link", func(t *testing.T, path string) error {
			elsewhere := filepath.Join(t.TempDir(), "keys.json")
			return errors.Join(os.Rename(path, elsewhere), os.Symlink(elsewhere, path))
		}},
		{"empty", "it is empty", file(nil)},
		{"truncated", "cut short", file(good[:len(good)/2])},
		{"bad JSON", "not valid JSON", file(replaced(`":`, `"=`))},
		{"unknown version", "version must be", file(replaced(`"version": *1`, `"version": 1000`))},
		{"key of 31 bytes", "is 31 bytes and must be 32", file(replaced(`("session_signing_key": *)"[^"]*"`, `$1"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="`))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			own := t.TempDir()
			path := filepath.Join(own, "keys.json")
			if err := errors.Join(os.WriteFile(path, good, 0o600), c.spoil(t, path)); err != nil {
				t.Fatal(err)
			}
			look := func() (string, fs.FileMode) {
				content, err := os.ReadFile(path)
				info, statErr := os.Lstat(path)
				if err := errors.Join(err, statErr); err != nil {
					t.Fatal(err)
				}
				return string(content), info.Mode()
			}
			content, mode := look()
			code, stdout, stderr := command(t, "serve", "--listen", freeAddress(t), "--database-url", url, "--data-dir", own)
			if code != exitKeys || stdout != "" || !strings.Contains(stderr, c.says) {
				t.Errorf("exit %d, want %d and words that say %q: %s", code, exitKeys, c.says, stderr)
			}
			if after, afterMode := look(); after != content || afterMode != mode {
				t.Errorf("the file was changed: mode %v, was %v", afterMode, mode)
			}
		})
	}
}

func TestServeRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for _, refusal := range []struct {
		name      string
		arguments []string
		code      int
	}{
		{"a port in use", []string{"--listen", taken.Addr().String(), "--database-url", storagetest.URL(t)}, exitUsage},
		{"a database that is not there", []string{"--listen", freeAddress(t), "--database-url", "postgres://x@" + freeAddress(t) + "/x?connect_timeout=2"}, exitUnreachable},
		{"a missing certificate", []string{"--listen", freeAddress(t), "--database-url", storagetest.URL(t), "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"}, exitUsage},
	} {
		t.Run(refusal.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t, append([]string{"serve", "--data-dir", t.TempDir()}, refusal.arguments...)...)
			if code != refusal.code || stdout != "" || stderr == "" {
				t.Errorf("exit %d, want %d; output %q; message %q", code, refusal.code, stdout, stderr)
			}
		})
	}
}

func TestMigrateCommands(t *testing.T) {
	t.Parallel()
	url := storagetest.Empty(t)
	read := func(arguments ...string) (status struct {
		Current, Latest int64
		Pending         []string
	}) {
		t.Helper()
		code, stdout, stderr := command(t, append(arguments, "--json", "--database-url", url)...)
		if code != exitDone {
			t.Fatalf("%v: exit %d: %s", arguments, code, stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &status); err != nil {
			t.Fatalf("%v printed %q: %v", arguments, stdout, err)
		}
		return status
	}
	if s := read("migrate", "status"); s.Current != 0 || len(s.Pending) == 0 {
		t.Errorf("before: %+v", s)
	}
	if s := read("migrate", "up"); s.Current != s.Latest || len(s.Pending) != 0 {
		t.Errorf("after: %+v", s)
	}
	storagetest.SQL(t, url, "INSERT INTO schema_migrations (version_id, is_applied) VALUES (9999, true)")
	code, stdout, _ := command(t, "migrate", "up", "--json", "--database-url", url)
	if code != exitRefused || !strings.Contains(stdout, `"code":"foreign_version"`) {
		t.Errorf("a newer schema: exit %d, want %d: %s", code, exitRefused, stdout)
	}
}
