package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// attachWait bounds the wait for somebody who starts or stops the cluster.
	attachWait = 60 * time.Second
	// serveWait bounds the wait for a serve whose database does not answer.
	serveWait = 15 * time.Second
	// releaseWait bounds the wait for a stop when a command ends.
	releaseWait = 15 * time.Second
)

// guardScript runs the server for commands, which come and go in any order.
// It waits until the command that started it has its share of the use lock
// (the line it reads; end of file when that command died), then until nobody
// shares it any more, however they ended. It holds the lock until the server is
// gone, so that nobody meets one that is stopping. The server is named in the
// positional parameters, the lock in $LOCK.
const guardScript = `"$@" </dev/null &
server=$!
exec >&-
read -r _
exec 9>>"$LOCK"
flock -x 9
kill -INT "$server" 2>&-
wait "$server"`

// session is one command's use of the cluster.
type session struct {
	c     *cluster
	use   *lockFile
	serve *lockFile
}

// Attach gives a command other than serve the embedded database: the running
// one when there is one, else it is started for the moment. The cluster runs
// at least until release is called; the last command that lets go stops it,
// and it also ends when every command was killed. release may be called more
// than once. Errors as for Start.
func Attach(ctx context.Context, opts Options) (url string, release func() error, err error) {
	c, err := newCluster(opts)
	if err != nil {
		return "", nil, err
	}
	if err := c.prepare(); err != nil {
		return "", nil, err
	}
	s := &session{c: c}
	if s.use, err = c.openLock(c.useLock()); err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if s.serve, err = c.openLock(c.serveLock()); err != nil {
		return "", nil, errors.Join(fmt.Errorf("%w: %w", ErrDataDir, err), s.use.close())
	}
	socketDir, err := s.join(ctx)
	if err != nil {
		return "", nil, errors.Join(err, s.use.close(), s.serve.close())
	}
	return c.url(socketDir), sync.OnceValue(s.release), nil
}

// join returns with a share of the use lock and the socket's folder of a
// server that answers.
func (s *session) join(ctx context.Context) (socketDir string, err error) {
	waiting, cancel := context.WithTimeout(ctx, attachWait)
	defer cancel()
	served := time.Now().Add(serveWait)
	for {
		if err := s.use.wait(waiting, unix.LOCK_SH); err != nil {
			return "", fmt.Errorf("%w: %s is being started or stopped: %w", ErrUnavailable, s.c.data, err)
		}
		if dir, ok := s.c.answers(); ok {
			return dir, nil
		}
		if err := s.use.unlock(); err != nil {
			return "", fmt.Errorf("attach: %w", err)
		}
		busy, err := s.servedByOther()
		if err != nil {
			return "", err
		}
		if busy && time.Now().After(served) {
			return "", fmt.Errorf("%w: latchkey serves from %s, but its database does not answer", ErrUnavailable, s.c.data)
		}
		if !busy {
			started, err := s.tryStart(ctx)
			if err != nil {
				return "", err
			}
			if started {
				continue
			}
		}
		if err := sleep(waiting, 20*time.Millisecond); err != nil {
			return "", fmt.Errorf("%w: attach: %w", ErrUnavailable, err)
		}
	}
}

// servedByOther reports whether a serve holds the data dir; then starting its
// database is its business alone.
func (s *session) servedByOther() (bool, error) {
	free, err := s.serve.try(unix.LOCK_SH)
	if err != nil || !free {
		return !free, err
	}
	return false, s.serve.unlock()
}

// tryStart starts the server under a guard, unless somebody else is at it.
func (s *session) tryStart(ctx context.Context) (started bool, err error) {
	alone, err := s.use.try(unix.LOCK_EX)
	if err != nil || !alone {
		return false, err
	}
	if _, ok := s.c.answers(); ok {
		return true, nil // somebody was faster
	}
	bin, err := s.c.ensure(ctx)
	if err != nil {
		return false, err
	}
	socketDir, err := s.c.makeSocketDir()
	if err != nil {
		return false, err
	}
	letGo, err := s.c.launchGuarded(ctx, bin, socketDir)
	if err != nil {
		return false, err
	}
	// Only with the share in hand may the guard begin to ask for the lock.
	return true, errors.Join(s.use.wait(ctx, unix.LOCK_SH), letGo())
}

// launchGuarded starts the server as the guard's child and waits until it is
// ready. letGo tells the guard to wait for the last user.
func (c *cluster) launchGuarded(ctx context.Context, bin Binaries, socketDir string) (letGo func() error, err error) {
	var g *guard
	err = c.insist(ctx, func() error {
		if g, err = c.startGuard(bin, socketDir); err != nil {
			return err
		}
		if err := c.awaitGuarded(ctx, g); err != nil {
			// The guard asks for the lock from now on, and ends what is left as
			// soon as the caller gives it back.
			return errors.Join(err, g.letGo())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return g.letGo, nil
}

// guard is the shell that holds the server for commands.
type guard struct {
	input io.Closer     // closing it lets the guard go on
	ended chan struct{} // closed when the server and all its children are gone
}

func (g *guard) letGo() error { return g.input.Close() }

func (c *cluster) startGuard(bin Binaries, socketDir string) (*guard, error) {
	if _, err := exec.LookPath("flock"); err != nil {
		return nil, errors.New("the program flock is missing: install the package util-linux")
	}
	// What an earlier run said is of no use any more.
	log, err := os.OpenFile(c.logFile(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	defer log.Close() // our copy; the child has its own
	if err := c.own(c.logFile()); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	args := append([]string{"-c", guardScript, "latchkey-postgres", bin.Tool("postgres")}, c.serverArgs(socketDir)...)
	cmd := exec.Command("/bin/sh", args...)
	c.dress(cmd)
	cmd.Env = append(cmd.Env, "LOCK="+c.useLock())
	cmd.Stderr = log
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), input.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	g := &guard{input: input, ended: make(chan struct{})}
	go g.watch(cmd, output)
	return g, nil
}

// watch notices the server's end by the end of its output, which the guard
// itself has closed, and then waits for the guard.
func (g *guard) watch(cmd *exec.Cmd, output io.Reader) {
	// Neither error changes what follows: the server is gone, the guard too.
	_, _ = io.Copy(io.Discard, output)
	close(g.ended)
	_ = cmd.Wait()
}

func (c *cluster) awaitGuarded(ctx context.Context, g *guard) error {
	for {
		if _, ok := c.answers(); ok {
			return nil
		}
		select {
		case <-g.ended:
			words, err := os.ReadFile(c.logFile())
			if err != nil {
				words = []byte(err.Error())
			}
			return fmt.Errorf("postgres ended at its start: %s", words)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// release gives the share back. The last user stops the server itself, so that
// the command's end is the server's end too; when several let go at once the
// guard does.
func (s *session) release() error {
	defer s.serve.close() // carries no lock by now
	last, err := s.use.try(unix.LOCK_EX)
	if err != nil {
		return errors.Join(fmt.Errorf("release the embedded database: %w", err), s.use.close())
	}
	if !last {
		return s.use.close()
	}
	file, ok := s.c.readPidFile()
	if !ok || s.c.lifeOf(file.pid) != alive {
		return s.use.close()
	}
	if err := syscall.Kill(file.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return errors.Join(fmt.Errorf("stop the embedded database: %w", err), s.use.close())
	}
	for deadline := time.Now().Add(releaseWait); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		// It removes its lock file last; the process stays the guard's zombie
		// until we give the lock back.
		if now, ok := s.c.readPidFile(); !ok || now.pid != file.pid {
			return s.use.close()
		}
	}
	return errors.Join(fmt.Errorf("%w: postgres (process %d) does not stop", ErrUnavailable, file.pid), s.use.close())
}
