package latchkey_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The figures that are promised on a quiet machine, and what a machine may take
// that runs all tests at once.
const (
	firstStart, firstStartLoaded = 10 * time.Second, time.Minute
	nextStart, nextStartLoaded   = 1500 * time.Millisecond, 15 * time.Second
	memoryIdle                   = 100_000_000 // bytes, of the program alone
)

// TestStartAndMemory prints how long a start takes, on an empty folder and on
// the database that it left, and what the program alone holds in memory when it
// has nothing to do.
func TestStartAndMemory(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "latchkey-figures-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	// Not only root comes through, but also the user that the program becomes.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, data := filepath.Join(dir, "latchkey"), filepath.Join(dir, "data")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", program, "./cmd/latchkey").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v: %s", err, out)
	}
	first, _ := measureStart(t, program, data)
	next, memory := measureStart(t, program, data)
	t.Logf("start on an empty folder: %v (promised %v)", first.Round(time.Millisecond), firstStart)
	t.Logf("start on an existing database: %v (promised %v)", next.Round(time.Millisecond), nextStart)
	t.Logf("resident memory of the program alone, idle: %.1f MB (promised %d MB)", float64(memory)/1e6, memoryIdle/1_000_000)
	if first > firstStartLoaded || next > nextStartLoaded {
		t.Errorf("starts took %v and %v, even a loaded machine may take %v and %v", first, next, firstStartLoaded, nextStartLoaded)
	}
	if memory > memoryIdle {
		t.Errorf("%d bytes in memory, want %d at most", memory, memoryIdle)
	}
}

// measureStart runs the program until it is ready and has been idle for a
// while, and stops it.
func measureStart(t *testing.T, program, dataDir string) (took time.Duration, memory int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "serve", "--data-dir", dataDir, "--listen", freeAddress(t))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	var log strings.Builder
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitReady(t, bufio.NewScanner(stdout))
	took = time.Since(began)
	time.Sleep(3 * time.Second)
	memory, err = residentBytes(cmd.Process.Pid)
	if err := errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	return took, memory
}

// residentBytes reads VmRSS (proc_pid_status(5)).
func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(status), "VmRSS:")
	var kibibytes int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kibibytes); !found || err != nil {
		return 0, fmt.Errorf("no VmRSS in the status of process %d: %w", pid, err)
	}
	return kibibytes * 1024, nil
}
