package embedpg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// postmaster is one run of the server as our child.
type postmaster struct {
	pid     int
	readyAt time.Time
	words   *lastWords
	exited  chan struct{} // closed when it has been waited for
	err     error         // how it ended; read after exited
}

// spawn starts the server. The goroutine that starts it keeps its OS thread
// until the server has ended, because the kernel sends the parent-death signal
// when the *thread* that forked ends (prctl(2), PR_SET_PDEATHSIG), and Go
// retires threads as it likes.
func (c *cluster) spawn(bin Binaries, socketDir string) (*postmaster, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	cmd := exec.Command(bin.Tool("postgres"), c.serverArgs(socketDir)...)
	c.dress(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	cmd.Stdout, cmd.Stderr = write, write

	p := &postmaster{words: &lastWords{closed: make(chan struct{})}, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	err = errors.Join(<-started, write.Close())
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", errors.Join(err, read.Close()))
	}
	p.pid = cmd.Process.Pid
	go p.words.listen(read, c.tell)
	return p, nil
}

func (c *cluster) serverArgs(socketDir string) []string {
	return []string{"-D", c.dir(), "-h", "", "-k", socketDir, "-p", socketPort}
}

// expected are the lines of a start or stop that we asked for: one for each
// connection that ends then or comes too early.
func expected(line string) bool {
	return strings.HasPrefix(line, "FATAL:  terminating connection due to administrator command") ||
		strings.HasPrefix(line, "FATAL:  the database system is ") // starting up, not yet accepting, shutting down
}

// tell passes a line of the server on. Errors of statements are the business
// of whoever sent them and stay at debug, like everything that is no alarm.
func (c *cluster) tell(line string) {
	for _, alarm := range []string{"PANIC:", "FATAL:", "WARNING:"} {
		if strings.HasPrefix(line, alarm) && !expected(line) {
			c.log.Warn("postgres: " + line)
			return
		}
	}
	c.log.Debug("postgres: " + line)
}

// launch starts the server as our child and waits until it takes connections.
func (c *cluster) launch(ctx context.Context, bin Binaries, socketDir string) (p *postmaster, err error) {
	began := time.Now()
	err = c.insist(ctx, func() error {
		if p, err = c.spawn(bin, socketDir); err != nil {
			return err
		}
		return c.await(ctx, p)
	})
	if err != nil {
		return nil, err
	}
	c.log.InfoContext(ctx, "embedded database is up", "pid", p.pid, "postgresql", bin.Major, "took", time.Since(began).Round(time.Millisecond).String())
	return p, nil
}

// insist calls start, again and again for startRetry as long as only a dying
// predecessor is in the way.
func (c *cluster) insist(ctx context.Context, start func() error) error {
	for deadline := time.Now().Add(startRetry); ; {
		late := time.Now().After(deadline)
		free, err := c.clearWay(late)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if free {
			if err = start(); err == nil {
				return nil
			}
			if late || !tellOfPredecessor(err.Error()) {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		} else if late {
			return fmt.Errorf("%w: an earlier server still runs in %s and does not end", ErrUnavailable, c.dir())
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%w: start postgres: %w", ErrUnavailable, err)
		}
	}
}

// await waits until the server says "ready" in its lock file, which is also
// what pg_ctl waits for. Recovery after a crash may take minutes, so only ctx
// bounds it.
func (c *cluster) await(ctx context.Context, p *postmaster) error {
	for {
		if file, ok := c.readPidFile(); ok && file.pid == p.pid && file.status == "ready" {
			p.readyAt = time.Now()
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("postgres ended at its start: %w", p.death())
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), p.end())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// end shuts the server down: fast (SIGINT), and if it does not obey within
// 30 s at once (SIGQUIT), then by force.
func (p *postmaster) end() error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 30 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		select {
		case <-p.exited: // waited for: its number may be another's by now
		default:
			if err := syscall.Kill(p.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end postgres: %w", err)
			}
		}
		select {
		case <-p.exited:
			if step.signal != syscall.SIGINT {
				return fmt.Errorf("postgres ignored the fast shutdown and was ended by %s", step.signal)
			}
			return nil
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("postgres (process %d) does not end", p.pid)
}

// death says how the server ended, in its own words. Read it after exited.
func (p *postmaster) death() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	if words := p.words.String(); words != "" {
		how += ": " + words
	}
	return errors.New(how)
}

// lastWords keeps the end of what a server said, for the error that needs it.
type lastWords struct {
	closed chan struct{} // closed when nothing more can come

	mu    sync.Mutex
	lines []string
}

// listen reads until the server and all its children have closed their end.
func (w *lastWords) listen(r io.ReadCloser, tell func(string)) {
	defer close(w.closed)
	defer r.Close() // a pipe that was only read from has nothing to lose
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		w.mu.Lock()
		w.lines = append(w.lines[max(0, len(w.lines)-9):], scanner.Text())
		w.mu.Unlock()
		tell(scanner.Text())
	}
	// A line beyond the scanner's limit must not block the server.
	_, _ = io.Copy(io.Discard, r)
}

// String is what was said last. Right after the server's end it waits a moment
// for words still in the pipe; children that live on may keep it open.
func (w *lastWords) String() string {
	select {
	case <-w.closed:
	case <-time.After(time.Second):
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "; ")
}

// tellOfPredecessor reports whether the server refused to start because an
// earlier one is not quite dead: its lock file, its shared memory, its socket.
func tellOfPredecessor(words string) bool {
	for _, sign := range []string{`"postmaster.pid" already exists`, "pre-existing shared memory block", ".lock\" already exists"} {
		if strings.Contains(words, sign) {
			return true
		}
	}
	return false
}

// answers reports whether a ready server listens on the socket.
func (c *cluster) answers() (socketDir string, ok bool) {
	file, found := c.readPidFile()
	if !found || file.status != "ready" {
		return "", false
	}
	dir, err := c.socketDir()
	if err != nil {
		return "", false
	}
	conn, err := net.DialTimeout("unix", filepath.Join(dir, socketName), 2*time.Second)
	if err != nil {
		return "", false
	}
	return dir, conn.Close() == nil
}
