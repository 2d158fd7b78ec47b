package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/passkey/passkeytest"
	"latchkey/storage/storagetest"
)

// TestFrozenRPID: after set-up another domain is refused, with what it would
// cost; before it is only a setting.
func TestFrozenRPID(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	issuer := "http://id." + strings.Replace(listen, "127.0.0.1", "localhost", 1)
	database, dir := storagetest.Empty(t), t.TempDir()
	serve := func(issuer, rpID string) []string {
		return []string{"--listen", listen, "--database-url", database, "--data-dir", dir, "--issuer", issuer, "--rp-id", rpID}
	}
	_, stop := start(t, serve(issuer, "localhost")...)
	stop()
	lines, stop := start(t, serve(issuer, "id.localhost")...)
	_, token, _ := strings.Cut(lines[0], "/setup#token=")
	device := passkeytest.New("id.localhost", issuer)
	alice := passkeytest.NewBrowserWith(t, issuer, device).Via("http://" + listen)
	if answer := alice.Register("setup", token, passkeytest.Fields{"username": "alice"}); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	stop()
	for _, other := range [][2]string{{issuer, "localhost"}, {"http://localhost:8080", "localhost"}} {
		code, stdout, stderr := command(t, append([]string{"serve"}, serve(other[0], other[1])...)...)
		if code != exitRefused || stdout != "" || !strings.Contains(stderr, "--rp-id") || !strings.Contains(stderr, "all 1 of them") || !strings.Contains(stderr, "id.localhost") {
			t.Errorf("%v: exit %d, want %d with the count and the frozen domain: %s", other, code, exitRefused, stderr)
		}
	}
	_, stop = start(t, serve(issuer, "id.localhost")...)
	stop()
}

// TestOldSchemaWithoutMigration: who migrates by hand is told when it is due.
func TestOldSchemaWithoutMigration(t *testing.T) {
	t.Parallel()
	database, dir := storagetest.Empty(t), t.TempDir()
	arguments := []string{"--listen", freeAddress(t), "--database-url", database, "--data-dir", dir}
	code, stdout, stderr := command(t, append([]string{"serve", "--no-migrate"}, arguments...)...)
	if code != exitRefused || stdout != "" || !strings.Contains(stderr, "latchkey migrate up") {
		t.Errorf("exit %d, want %d with the way out: %s", code, exitRefused, stderr)
	}
	if code, _, stderr := command(t, append([]string{"migrate", "up"}, arguments...)...); code != exitDone {
		t.Fatalf("migrate up: exit %d: %s", code, stderr)
	}
	_, stop := start(t, append([]string{"--no-migrate"}, arguments...)...)
	stop()
}

// TestNewerSchema: what a newer release left is not touched.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--no-migrate=false", "--no-migrate"} {
		database, dir := storagetest.URL(t), t.TempDir()
		storagetest.SQL(t, database, "INSERT INTO schema_migrations (version_id, is_applied) VALUES (9999, true)")
		code, stdout, stderr := command(t, "serve", flag, "--listen", freeAddress(t), "--database-url", database, "--data-dir", dir)
		if code != exitRefused || stdout != "" || !strings.Contains(stderr, "newer") {
			t.Errorf("%s: exit %d, want %d: %s", flag, code, exitRefused, stderr)
		}
	}
}

// TestRateLimitsOffIsSaidLoudly: whoever reads the log of the start sees it,
// also where only errors are logged.
func TestRateLimitsOffIsSaidLoudly(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"info", "error"} {
		log := startAndLog(t, "--rate-limits", "off", "--log-level", level)
		if !strings.Contains(log, "RATE LIMITS ARE OFF") {
			t.Errorf("at level %s the log does not say it: %s", level, log)
		}
	}
	if log := startAndLog(t, "--log-level", "debug"); strings.Contains(log, "RATE LIMITS") {
		t.Errorf("the log speaks of rate limits that are on: %s", log)
	}
}

// startAndLog starts and stops serve and returns what it logged.
func startAndLog(t *testing.T, arguments ...string) string {
	t.Helper()
	arguments = append([]string{"serve", "--listen", freeAddress(t), "--database-url", storagetest.Empty(t), "--data-dir", worldDir(t)}, arguments...)
	cmd := program(t, arguments...)
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
	for scanner.Scan() && !strings.HasPrefix(scanner.Text(), "latchkey is ready at ") {
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("serve: %v: %s", err, log.String())
	}
	return log.String()
}

// TestStopDuringTheStart: whoever stops it before it is ready gets an orderly
// end too, and a folder that the next start can use.
func TestStopDuringTheStart(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	// What is there when the signal comes: the lock, half a database, a server.
	for _, begun := range []string{"lock", "postgres.new/base", "postgres/postmaster.pid"} {
		cmd := program(t, "serve", "--listen", freeAddress(t), "--data-dir", dir)
		var log strings.Builder
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, begun)); err == nil {
				break
			}
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("SIGTERM when %s is there: %v, want exit 0: %s", begun, err, log.String())
		}
	}
	if code, _, stderr := runProgram(t, "migrate", "up", "--data-dir", dir); code != exitDone {
		t.Errorf("the next command: exit %d: %s", code, stderr)
	}
}

// TestLinksOfAnotherIssuer: a command that prints a link wants the settings of
// serve; the link would lead nowhere else.
func TestLinksOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, arguments := range [][]string{{"user", "invite"}, {"user", "recover", "alice"}} {
		arguments = append(append(arguments, h.arguments...), "--issuer", "https://id.example.com", "--json")
		code, stdout, _ := command(t, arguments...)
		if code != exitRefused || !strings.Contains(stdout, `"rp_id_frozen"`) {
			t.Errorf("%v: exit %d, want %d: %s", arguments[:2], code, exitRefused, stdout)
		}
	}
	if n := storagetest.Value[int](t, h.url, "SELECT count(*)::int FROM one_time_links WHERE purpose <> 'setup'"); n != 0 {
		t.Errorf("%d links were made", n)
	}
	// What prints none does not care.
	if code, _, stderr := command(t, append(append([]string{"user", "list"}, h.arguments...), "--issuer", "https://id.example.com")...); code != exitDone {
		t.Errorf("user list: exit %d: %s", code, stderr)
	}
}

// TestNoInvitationsWhileSignUpIsOff: by command as by page.
func TestNoInvitationsWhileSignUpIsOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.refused(exitRefused, "sign_up_off", "user", "invite", "--sign-up", "off")
	h.says("user", "recover", "alice", "--sign-up", "off") // nobody new
}
