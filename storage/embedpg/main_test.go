package embedpg_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey/storage/embedpg"
)

// helperVariable makes the test binary act as another latchkey: its value is
// what to do and the data dir, separated by a space.
const helperVariable = "EMBEDPG_TEST_HELPER"

func TestMain(m *testing.M) {
	if task, dir, ok := strings.Cut(os.Getenv(helperVariable), " "); ok {
		if err := help(task, dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// help does one task, prints a line when it is in place and ends with its
// standard input.
func help(task, dir string) error {
	ctx := context.Background()
	opts := embedpg.Options{DataDir: dir}
	switch task {
	case "serve":
		server, err := embedpg.Start(ctx, opts)
		if err != nil {
			return err
		}
		fmt.Println(server.Pid(), server.URL())
		hold()
		stop, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		return server.Stop(stop)
	case "attach":
		url, release, err := embedpg.Attach(ctx, opts)
		if err != nil {
			return err
		}
		fmt.Println(0, url)
		hold()
		return release()
	case "become":
		user, err := embedpg.SystemUser()
		if err != nil {
			return err
		}
		if err := embedpg.Become(user, dir); err != nil {
			return err
		}
		server, err := embedpg.Start(ctx, opts)
		if err != nil {
			return err
		}
		fmt.Println(server.Pid(), server.URL())
		hold()
		return server.Stop(ctx)
	default:
		return fmt.Errorf("unknown task %q", task)
	}
}

// hold waits for the end of standard input, and meanwhile makes the runtime
// create and retire threads, each of which would take a child with it that
// counts the thread as its parent.
func hold() {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
			go runtime.LockOSThread() // ends locked: its thread is retired
		}
	}
}

// helper is another process that uses the data dir.
type helper struct {
	cmd   *exec.Cmd
	stdin io.Closer
	pid   int // of its postmaster, 0 for attach
	url   string
}

func startHelper(t *testing.T, task, dir string) (*helper, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+task+" "+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd: cmd, stdin: stdin}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // killed helpers were waited for already
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("helper said nothing: %w", err)
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if first == "error:" {
		return nil, errors.New(rest)
	}
	if h.pid, err = strconv.Atoi(first); err != nil {
		t.Fatalf("helper said %q", line)
	}
	h.url = rest
	return h, nil
}

func mustHelper(t *testing.T, task, dir string) *helper {
	t.Helper()
	h, err := startHelper(t, task, dir)
	if err != nil {
		t.Fatalf("helper %s: %v", task, err)
	}
	return h
}

// finish lets the helper end in order.
func (h *helper) finish(t *testing.T) {
	t.Helper()
	if err := h.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil {
		t.Fatalf("helper: %v", err)
	}
}

func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait() // reports the kill
}

// dataDir is a folder that the system user can reach when the test runs as
// root.
func dataDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(shortTempDir(t), "d")
}

// shortTempDir is t.TempDir with a short path, so that the socket fits in it.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lk-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func options(dir string) embedpg.Options {
	return embedpg.Options{DataDir: dir, Settings: map[string]string{"fsync": "off"}}
}

func mustStart(t *testing.T, opts embedpg.Options) *embedpg.Server {
	t.Helper()
	server, err := embedpg.Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return server
}

// query asks the database one thing and returns the answer as text.
func query(t *testing.T, url, sql string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var answer string
	err = conn.QueryRow(ctx, sql).Scan(&answer)
	return answer, err
}

func mustQuery(t *testing.T, url, sql string) string {
	t.Helper()
	answer, err := query(t, url, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

// eventually waits for a fact, and reports how long that took.
func eventually(t *testing.T, limit time.Duration, what string, fact func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !fact() {
		if time.Since(began) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// isGone reports whether no such process runs; a zombie does not run.
func isGone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// postmasterPid reads who runs the cluster; 0 when nobody does.
func postmasterPid(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func itoa(n int) string { return strconv.Itoa(n) }

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}
