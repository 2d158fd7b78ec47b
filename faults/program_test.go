// Package faults_test breaks the real program and looks at what is left of it.
//
// It owns the faults that no test inside one process can make: processes that
// are killed, databases that go away, disks that are full, and load that does
// not end. Everything is done to the binary as it is built for people, over
// HTTP, with a software passkey; what was kept is read from the database beside
// it. The threat it answers is the answer that was given and then forgotten.
package faults_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build makes the program once for all tests, without the race detector: that
// would change the moments at which it can be hit.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/tmp", "latchkey-faults-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "latchkey")
	cmd := exec.Command("go", "build", "-o", file, "latchkey/cmd/latchkey")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := build(); err == nil {
		if err := os.RemoveAll(filepath.Dir(file)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// program is one installation: a data dir, an address, and the process that
// serves from it, which is killed and started again.
type program struct {
	dir       string // DATA
	address   string
	issuer    string
	arguments []string
	database  string // its own, when it is not the private one
	setup     string // token of the set-up link, printed at the first start

	process *process // nil while it does not run
	log     *os.File
}

// newProgram prepares an installation that serves until the test ends. Further
// arguments are those of serve.
func newProgram(t *testing.T, arguments ...string) *program {
	t.Helper()
	return newProgramIn(t, filepath.Join(shortDir(t), "data"), arguments...)
}

func newProgramIn(t *testing.T, dir string, arguments ...string) *program {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{dir: dir, address: freeAddress(t)}
	_, port, err := net.SplitHostPort(p.address)
	if err != nil {
		t.Fatal(err)
	}
	p.issuer = "http://localhost:" + port
	// The proxy that is believed is the test: it numbers its requests itself,
	// so that it knows the events also of those whose answer was cut.
	p.arguments = append([]string{file, "serve", "--data-dir", dir, "--listen", p.address, "--issuer", p.issuer,
		"--rate-limits", "off", "--trusted-proxies", "127.0.0.1", "--log-format", "json"}, arguments...)
	if p.log, err = os.Create(filepath.Join(shortDir(t), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	return p
}

// shortDir is a folder whose path leaves room for a socket, and which the
// system user that a program started as root becomes can enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lk-faults-")
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

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// startLimit bounds one start, the recovery of the database included.
const startLimit = 30 * time.Second

// process is one run of serve.
type process struct {
	*exec.Cmd
	exited chan struct{} // closed when it was waited for
}

// start runs serve until its ready line and returns how long that took.
func (p *program) start(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	stdout, err := p.spawn()
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(startLimit, func() { _ = p.process.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, token, ok := strings.Cut(lines.Text(), "/setup#token="); ok {
			p.setup = token
		}
		if strings.HasPrefix(lines.Text(), "latchkey is ready at ") {
			return time.Since(began)
		}
	}
	t.Fatalf("serve ended before it was ready, with exit code %d", p.wait())
	return 0
}

// spawn starts the process from a thread of its own: should the test be killed,
// the kernel ends serve too, and it counts the thread as the parent.
func (p *program) spawn() (io.Reader, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.arguments[0], p.arguments[1:]...)
	cmd.Stdout, cmd.Stderr = write, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.process = &process{Cmd: cmd, exited: make(chan struct{})}
	started, exited := make(chan error, 1), p.process.exited
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit code says it
			close(exited)
		}
	}()
	return read, errors.Join(<-started, write.Close())
}

// kill ends serve at once, as the kernel does when memory is short.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
}

// stop ends serve in order and returns its exit code.
func (p *program) stop(t *testing.T) int {
	t.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return p.wait()
}

// wait waits for serve to end and returns its exit code; -1 when it was killed,
// also for taking too long.
func (p *program) wait() int {
	late := time.AfterFunc(startLimit, func() { _ = p.process.Process.Kill() })
	defer late.Stop()
	<-p.process.exited
	code := p.process.ProcessState.ExitCode()
	p.process = nil
	return code
}

// end stops what still runs and shows the end of the log of a failed test.
func (p *program) end(t *testing.T) {
	if p.process != nil {
		if code := p.stop(t); code != 0 {
			t.Errorf("serve ended with exit code %d after SIGTERM, want 0", code)
		}
	}
	if t.Failed() {
		t.Logf("the end of the log:\n%s", p.words(t))
	}
	if err := p.log.Close(); err != nil {
		t.Error(err)
	}
}

// run runs another command on the installation and reads what it prints into v.
func (p *program) run(t *testing.T, v any, command ...string) {
	t.Helper()
	place := []string{"--json", "--data-dir", p.dir, "--issuer", p.issuer}
	if p.database != "" {
		place = append(place, "--database-url", p.database)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*startLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.arguments[0], append(command, place...)...)
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("latchkey %s: %v: %s %s", strings.Join(command, " "), err, out, words.String())
		return
	}
	if err := json.Unmarshal(out, v); err != nil {
		t.Errorf("latchkey %s printed %q: %v", strings.Join(command, " "), out, err)
	}
}

// words is the end of the log, without the lines of requests that were answered.
func (p *program) words(t *testing.T) string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		t.Error(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool {
		return strings.Contains(l, `"msg":"request"`) && !strings.Contains(l, `"status":5`)
	})
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// postmaster is the process id of the private database; 0 while none is known.
func (p *program) postmaster() int {
	text, err := os.ReadFile(filepath.Join(p.dir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0 // it is being written
	}
	return pid
}

// databaseURL reaches the database beside serve.
func (p *program) databaseURL() string {
	if p.database != "" {
		return p.database
	}
	return "host=" + p.dir + " port=5432 user=latchkey dbname=latchkey sslmode=disable"
}

// waitReady waits until readiness is the wanted status and returns how long
// that took.
func (p *program) waitReady(t *testing.T, status int, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		got := p.ask(t, "/readyz").status
		if got == status {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			t.Fatalf("readiness is %d after %s, want %d", got, limit, status)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ask gets a path as a balancer would; status 0 means no answer.
func (p *program) ask(t *testing.T, path string) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.issuer+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newLine().send(req)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GET %s was not answered within 15 s", path)
	}
	return got
}
