package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/storage/storagetest"
)

// halfARequest sends the beginning of a form and returns how to send the rest.
func halfARequest(t *testing.T, listen, form string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /oauth2/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		listen, len(form), form[:len(form)/2])
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // until the server has begun with it
	return conn
}

const tokenForm = "grant_type=client_credentials&client_id=nobody&client_secret=none"

// TestStopInOrder: after SIGTERM readiness says no at once, a request that is
// under way is answered, and the exit code is 0.
func TestStopInOrder(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	serve, _ := startProgram(t, "--listen", listen, "--database-url", storagetest.Empty(t), "--data-dir", worldDir(t))
	conn := halfARequest(t, listen, tokenForm)
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	status := 0
	for deadline := time.Now().Add(900 * time.Millisecond); status != http.StatusServiceUnavailable && time.Now().Before(deadline); {
		res, err := http.Get("http://" + listen + "/readyz")
		if err != nil {
			t.Fatalf("readiness while stopping: %v", err)
		}
		res.Body.Close()
		status = res.StatusCode
	}
	if status != http.StatusServiceUnavailable {
		t.Errorf("readiness while stopping: %d, want 503", status)
	}
	time.Sleep(1500 * time.Millisecond) // the door is closed by now
	if _, err := io.WriteString(conn, tokenForm[len(tokenForm)/2:]); err != nil {
		t.Fatalf("the request under way was cut off: %v", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the request under way got no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "invalid_client") {
		t.Errorf("the request under way got %d %s, %v; want 401 invalid_client", res.StatusCode, body, err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit 0", err)
	}
}

// TestSecondInterrupt: whoever asks twice is not kept waiting for requests.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	serve, _ := startProgram(t, "--listen", listen, "--database-url", storagetest.Empty(t), "--data-dir", worldDir(t))
	halfARequest(t, listen, tokenForm)
	began := time.Now()
	for range 2 {
		if err := serve.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	if err := serve.Wait(); err == nil || time.Since(began) > 4*time.Second {
		t.Errorf("it ended after %v with %v, want at once and by the signal", time.Since(began), err)
	}
}

// TestDataDirThatCannotBeEntered: the folder in the way is named, and nothing
// is made beyond it.
func TestDataDirThatCannotBeEntered(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(filepath.Dir(shortDir(t)), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // as the owner one could enter all the same
		if err := os.Chmod(closed, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.Chmod(closed, 0o700); err != nil {
				t.Error(err)
			}
		})
	}
	dir := filepath.Join(closed, "data")
	for _, arguments := range [][]string{
		{"serve", "--listen", freeAddress(t)}, {"setup-link"}, {"migrate", "up"}, {"demo", "--listen", "127.0.0.1:0"},
	} {
		code, stdout, stderr := runProgram(t, append(arguments, "--data-dir", dir)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, closed) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, want %d in one line that names %s: %s", arguments, code, exitUsage, closed, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres")); os.Geteuid() == 0 && err == nil {
		t.Error("a database was begun")
	}
}

// TestOperatorInTheRecord: the log names who typed a command, not the system
// user that the process became.
func TestOperatorInTheRecord(t *testing.T) {
	t.Setenv("SUDO_USER", "carol")
	settings := []string{"--database-url", storagetest.Empty(t), "--data-dir", worldDir(t)}
	if code, _, stderr := runProgram(t, append([]string{"group", "create", "staff"}, settings...)...); code != exitDone {
		t.Fatalf("group create: exit %d: %s", code, stderr)
	}
	code, stdout, stderr := runProgram(t, append([]string{"audit", "list", "--event", "group.created"}, settings...)...)
	want := whoTypes().Name
	if os.Geteuid() == 0 && !strings.HasPrefix(want, "carol as root@") {
		t.Errorf("root by sudo is %q", want)
	}
	if code != exitDone || !strings.Contains(stdout, want) {
		t.Errorf("audit list: exit %d, want a line of %s: %s%s", code, want, stdout, stderr)
	}
}
