package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary be the program: as root it then becomes the
// system user, which a test process cannot do to itself.
const asProgram = "TEST_BINARY_IS_LATCHKEY"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func program(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], arguments...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// runProgram runs one command to its end.
func runProgram(t *testing.T, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := program(t, arguments...)
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), log.String()
}

// startProgram serves until the test ends and returns standard output up to the
// ready line.
func startProgram(t *testing.T, arguments ...string) (cmd *exec.Cmd, lines []string) {
	t.Helper()
	cmd = program(t, append([]string{"serve"}, arguments...)...)
	var log strings.Builder
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
		if strings.HasPrefix(scanner.Text(), "latchkey is ready at ") {
			return cmd, lines
		}
	}
	t.Fatalf("serve ended before it was ready: %v: %s", cmd.Wait(), log.String())
	return nil, nil
}

// shortDir is a data dir whose socket fits into it.
func shortDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("/tmp", "lk-cmd-")
	if err != nil {
		t.Fatal(err)
	}
	// Not only root comes through, but also the user that PostgreSQL runs as.
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(parent); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(parent, "data")
}

// TestACommandInTheWrongPlace: whoever asks where nothing was ever made is told
// so, and how to ask elsewhere.
func TestACommandInTheWrongPlace(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	code, stdout, stderr := runProgram(t, "group", "list", "--json", "--data-dir", dir)
	if code != exitDone || !strings.Contains(stdout, "[]") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	for _, word := range []string{"there is no database in " + dir, "--data-dir", "--database-url"} {
		if !strings.Contains(stderr, word) {
			t.Errorf("it does not say %q: %s", word, stderr)
		}
	}
}

// TestPrivateDatabase walks through what a trial does: start, use commands
// beside it, start a second time by mistake, lose the database, stop.
func TestPrivateDatabase(t *testing.T) {
	t.Parallel()
	dir, address := shortDir(t), freeAddress(t)
	serve, lines := startProgram(t, "--listen", address, "--data-dir", dir)
	if len(lines) < 2 || !strings.HasPrefix(lines[len(lines)-2], "Set-up link (single use, 24 h): ") {
		t.Errorf("start printed %q, want the set-up link before the ready line", lines)
	}

	// The same port, another port: the data dir is in use either way.
	for _, other := range []string{address, freeAddress(t)} {
		code, stdout, stderr := runProgram(t, "serve", "--json", "--listen", other, "--data-dir", dir)
		if code != exitUnreachable || !strings.Contains(stdout, `"in_use"`) {
			t.Errorf("second serve on %s: exit %d, want %d with in_use: %s %s", other, code, exitUnreachable, stdout, stderr)
		}
	}
	if code, stdout, stderr := runProgram(t, "setup-link", "--json", "--data-dir", dir); code != exitDone || !strings.Contains(stdout, `"url"`) {
		t.Errorf("setup-link beside serve: exit %d: %s %s", code, stdout, stderr)
	}

	if os.Geteuid() == 0 {
		nothingStaysRoot(t, serve.Process.Pid, dir)
	}
	killPostmaster(t, dir)
	waitReady(t, address, 10*time.Second)
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve after SIGTERM: %v, want exit 0", err)
	}

	// Now the command starts the database for the moment.
	code, stdout, stderr := runProgram(t, "migrate", "status", "--json", "--data-dir", dir)
	var status struct{ Current, Latest int64 }
	if err := json.Unmarshal([]byte(stdout), &status); err != nil || code != exitDone || status.Current != status.Latest {
		t.Errorf("migrate status: exit %d, %v: %s %s", code, err, stdout, stderr)
	}
	if strings.Contains(stderr, "there is no database") {
		t.Errorf("a command beside its database says: %s", stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); err == nil {
		t.Error("the database still runs after the command")
	}
}

func TestPrivateDatabaseRefusals(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	if code, _, stderr := runProgram(t, "migrate", "up", "--data-dir", dir); code != exitDone {
		t.Fatalf("migrate up: exit %d: %s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"migrate", "status"}, {"serve", "--listen", freeAddress(t)}} {
		code, _, stderr := runProgram(t, append(arguments, "--data-dir", dir)...)
		if code != exitRefused || !strings.Contains(stderr, "backup restore") {
			t.Errorf("%v on a foreign version: exit %d, want %d with the way out: %s", arguments, code, exitRefused, stderr)
		}
	}
	file := filepath.Join(filepath.Dir(dir), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runProgram(t, "migrate", "status", "--data-dir", file); code != exitUsage {
		t.Errorf("a file as data dir: exit %d, want %d: %s", code, exitUsage, stderr)
	}
}

// nothingStaysRoot looks at the process and at every file of the data dir.
func nothingStaysRoot(t *testing.T, pid int, dir string) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		name, ids, _ := strings.Cut(line, ":")
		if (name == "Uid" || name == "Gid" || name == "Groups") && slices.Contains(strings.Fields(ids), "0") {
			t.Errorf("the program is still root: %s", line)
		}
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the database works in there
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s still belongs to root", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func killPostmaster(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// waitReady waits until readiness was lost and has come back, or only the
// latter when the loss was too short to be seen.
func waitReady(t *testing.T, address string, limit time.Duration) {
	t.Helper()
	time.Sleep(1200 * time.Millisecond) // readiness may be that old
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready again within %s", limit)
		}
	}
}
