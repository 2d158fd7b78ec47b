package embedpg_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/storage/embedpg"
)

func mustAttach(t *testing.T, dir string) (url string, release func() error) {
	t.Helper()
	url, release, err := embedpg.Attach(t.Context(), options(dir))
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Errorf("release: %v", err)
		}
	})
	return url, release
}

func TestAttachUsesTheRunningServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir))
	url, release := mustAttach(t, dir)
	if url != server.URL() {
		t.Errorf("attached to %s, want %s", url, server.URL())
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	mustQuery(t, server.URL(), "SELECT 'ok'")
}

func TestAttachStartsAndStopsForTheMoment(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	for range 2 { // makes the cluster, then finds it
		url, release := mustAttach(t, dir)
		mustQuery(t, url, "SELECT 'ok'")
		pid := postmasterPid(t, dir)
		if err := release(); err != nil {
			t.Fatal(err)
		}
		if got := postmasterPid(t, dir); got != 0 {
			t.Errorf("process %d owns the cluster after release, want none", got)
		}
		eventually(t, 2*time.Second, "the server has ended", func() bool { return isGone(pid) })
	}
}

func TestLastOfTwoCommandsStopsTheServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	urlA, releaseA := mustAttach(t, dir)
	b := mustHelper(t, "attach", dir)
	pid := postmasterPid(t, dir)
	if urlA != b.url {
		t.Fatalf("two servers: %s and %s", urlA, b.url)
	}
	if err := releaseA(); err != nil { // the one that started it
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	mustQuery(t, b.url, "SELECT 'still here'")
	b.finish(t)
	eventually(t, 5*time.Second, "the server has ended", func() bool { return isGone(pid) })
}

func TestManyCommandsAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 3 {
				url, release, err := embedpg.Attach(t.Context(), options(dir))
				if err != nil {
					t.Errorf("attach: %v", err)
					return
				}
				if _, err := query(t, url, "SELECT 'ok'"); err != nil {
					t.Errorf("query: %v", err)
				}
				if err := release(); err != nil {
					t.Errorf("release: %v", err)
				}
			}
		})
	}
	all.Wait()
	eventually(t, 5*time.Second, "the server has ended", func() bool { return postmasterPid(t, dir) == 0 })
}

func TestKilledCommandTakesTheServerAlong(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	command := mustHelper(t, "attach", dir)
	pid := postmasterPid(t, dir)
	command.kill(t)
	took := eventually(t, 5*time.Second, "the server has ended", func() bool { return isGone(pid) })
	t.Logf("gone after %s", took)
	url, _ := mustAttach(t, dir)
	mustQuery(t, url, "SELECT 'ok'")
}

func TestServeWaitsForACommandThatStartedTheServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	command := mustHelper(t, "attach", dir)
	started := make(chan error, 1)
	var server *embedpg.Server
	go func() {
		var err error
		server, err = embedpg.Start(t.Context(), options(dir))
		started <- err
	}()
	time.Sleep(300 * time.Millisecond)
	mustQuery(t, command.url, "SELECT 'still here'")
	command.finish(t)
	if err := <-started; err != nil {
		t.Fatalf("start after the command: %v", err)
	}
	mustQuery(t, server.URL(), "SELECT 'ok'")
	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestServeIsRefusedWhileACommandStays(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	_, _ = mustAttach(t, dir)
	if _, err := embedpg.Start(t.Context(), options(dir)); !errors.Is(err, embedpg.ErrInUse) {
		t.Errorf("start: %v, want ErrInUse", err)
	}
}

// The kernel's parent-death signal hangs on a thread; the helper retires a
// hundred of them a second while it serves.
func TestServerEndsWithItsParentAndOnlyThen(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	serve := mustHelper(t, "serve", dir)
	time.Sleep(2 * time.Second)
	if got := postmasterPid(t, dir); got != serve.pid {
		t.Fatalf("the server died with a thread of its parent: process %d instead of %d", got, serve.pid)
	}
	mustQuery(t, serve.url, "SELECT 'ok'")
	serve.kill(t)
	took := eventually(t, 5*time.Second, "the server has ended", func() bool { return isGone(serve.pid) })
	t.Logf("gone after %s", took)
}

func TestStartRightAfterAKill(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	serve := mustHelper(t, "serve", dir)
	serve.kill(t)
	began := time.Now()
	server := mustStart(t, options(dir))
	t.Logf("serving again after %s", time.Since(began))
	mustQuery(t, server.URL(), "SELECT 'ok'")
}

// A server without lock holders was left behind by a guard that was killed.
// Its lock file is not touched: it is told to end, and then replaced.
func TestServerLeftBehindIsReplaced(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	_, release := mustAttach(t, dir)
	pid := postmasterPid(t, dir)
	if err := syscall.Kill(parentOf(t, pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	go func() { _ = release }()
	server, err := startHelper(t, "serve", dir)
	if err == nil {
		t.Fatalf("serve took over (process %d) while a command uses the server", server.pid)
	}
	if err := release(); err != nil { // the last user stops it, guard or not
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the server has ended", func() bool { return isGone(pid) })
}

func TestLockFileWithAStrangersNumberIsForgotten(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	server := mustStart(t, options(dir))
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The number of a program of the same user that is no postmaster.
	text := []string{"1", filepath.Join(dir, "postgres"), "1700000000", "5432", dir, "", "0 0", "ready   ", ""}
	text[0] = itoa(os.Getpid())
	path := filepath.Join(dir, "postgres", "postmaster.pid")
	if err := os.WriteFile(path, []byte(strings.Join(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	again := mustStart(t, options(dir))
	mustQuery(t, again.URL(), "SELECT 'ok'")
}
