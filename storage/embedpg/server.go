package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startWait is how long serve waits for commands that keep the cluster busy.
	startWait = 10 * time.Second
	// maxFailures in a row end the supervision.
	maxFailures = 10
	// steady is how long a server must have run to count as a success.
	steady = 100 * time.Millisecond
)

// Server is the cluster under serve: a child of this process, started again
// when it dies.
type Server struct {
	c         *cluster
	bin       Binaries
	socketDir string
	serve     *lockFile
	use       *lockFile

	stopOnce sync.Once
	stopErr  error
	cancel   context.CancelFunc
	done     chan struct{}
	failed   chan struct{}

	mu      sync.Mutex
	current *postmaster
	err     error
}

// Start takes the data dir for this process, makes the cluster when there is
// none, starts it and keeps it running until Stop. When another serve holds
// the data dir it returns ErrInUse at once; when commands use the cluster it
// gives them ten seconds to end. Other errors: ErrForeignVersion,
// ErrNoBinaries, ErrDataDir, ErrUnavailable.
func Start(ctx context.Context, opts Options) (*Server, error) {
	c, err := newCluster(opts)
	if err != nil {
		return nil, err
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	s := &Server{c: c, done: make(chan struct{}), failed: make(chan struct{})}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	// The supervision outlives ctx, which bounds the start only.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	go s.supervise(life)
	return s, nil
}

// InUse returns ErrInUse, with words, when a serve holds the data dir; nil when
// none does. It changes nothing.
func InUse(dataDir string) (busy, err error) {
	c := &cluster{data: dataDir}
	file, err := os.Open(c.serveLock())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the data dir: %w", err)
	}
	lock := &lockFile{file}
	defer lock.close() // was only looked at
	free, err := lock.try(unix.LOCK_SH)
	if err == nil && !free {
		busy = inUse(dataDir)
	}
	return busy, err
}

func inUse(dataDir string) error {
	return fmt.Errorf("%w: another latchkey serves from %s", ErrInUse, dataDir)
}

// lock takes both locks exclusively, before anything in DATA is touched.
func (s *Server) lock(ctx context.Context) error {
	var err error
	if s.serve, err = s.c.openLock(s.c.serveLock()); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	held, err := s.serve.try(unix.LOCK_EX)
	if err == nil && !held {
		err = inUse(s.c.data)
	}
	if err != nil {
		return errors.Join(err, s.serve.close())
	}
	if s.use, err = s.c.openLock(s.c.useLock()); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrDataDir, err), s.serve.close())
	}
	waiting, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := s.use.wait(waiting, unix.LOCK_EX); err != nil {
		return errors.Join(fmt.Errorf("%w: a latchkey command still uses the database in %s: %w", ErrInUse, s.c.data, err), s.unlock())
	}
	return nil
}

// open brings the cluster up and then shares it with commands.
func (s *Server) open(ctx context.Context) error {
	var err error
	if s.bin, err = s.c.ensure(ctx); err != nil {
		return err
	}
	if s.socketDir, err = s.c.makeSocketDir(); err != nil {
		return err
	}
	if s.current, err = s.c.launch(ctx, s.bin, s.socketDir); err != nil {
		return err
	}
	// While the serve lock is held, others only ever share this one.
	if err := s.use.wait(ctx, unix.LOCK_SH); err != nil {
		return errors.Join(err, s.current.end())
	}
	return nil
}

// unlock lets go in the order in which others look.
func (s *Server) unlock() error {
	return errors.Join(s.serve.close(), s.use.close())
}

// supervise owns the child until life ends or it cannot be kept alive.
func (s *Server) supervise(life context.Context) {
	defer close(s.done)
	failures := 0
	for {
		p := s.postmaster()
		select {
		case <-life.Done():
			s.setErr(p.end())
			return
		case <-p.exited:
		}
		if time.Since(p.readyAt) >= steady {
			failures = 0
		} else {
			failures++
		}
		s.c.log.WarnContext(life, "embedded database died and is started again", "pid", p.pid, "how", p.death())
		if !s.revive(life, failures) {
			if life.Err() != nil {
				s.setErr(nil) // stopped on purpose while nothing ran
			}
			return
		}
	}
}

// revive starts the server until it runs: at once, then after the pauses. It
// reports false when it must not or cannot go on.
func (s *Server) revive(life context.Context, failures int) bool {
	for ; failures < maxFailures; failures++ {
		if sleep(life, s.c.delays[min(failures, len(s.c.delays)-1)]) != nil {
			return false
		}
		p, err := s.c.launch(life, s.bin, s.socketDir)
		if err == nil {
			s.mu.Lock()
			s.current, s.err = p, nil
			s.mu.Unlock()
			return true
		}
		if life.Err() != nil {
			return false
		}
		s.setErr(err)
		s.c.log.ErrorContext(life, "embedded database does not start", "attempt", failures+1, "error", err)
	}
	s.mu.Lock()
	s.err = fmt.Errorf("%w: gave up after %d failures in a row: %w", ErrUnavailable, maxFailures, s.err)
	s.mu.Unlock()
	close(s.failed)
	return false
}

func (s *Server) postmaster() *postmaster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *Server) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// URL is the connection string over the socket. It stays the same for the
// life of the Server, also when the child is started again.
func (s *Server) URL() string { return s.c.url(s.socketDir) }

// Pid is the process id of the newest postmaster.
func (s *Server) Pid() int { return s.postmaster().pid }

// Done is closed when the supervision has ended, by Stop or by failure.
func (s *Server) Done() <-chan struct{} { return s.done }

// Failed is closed when the server died and ten attempts in a row to start it
// again failed. Err then says why; the caller still calls Stop.
func (s *Server) Failed() <-chan struct{} { return s.failed }

// Err is why the supervision ended, or the newest failure to start again; nil
// after a clean Stop.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stop ends the server by a fast shutdown and gives the data dir back. It
// first waits, until ctx ends, for commands that use the cluster; then it stops
// all the same. Calling it again returns the same answer.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		if err := s.use.wait(ctx, unix.LOCK_EX); err != nil {
			s.c.log.WarnContext(ctx, "embedded database stops although a command still uses it", "reason", err)
		}
		s.cancel()
		<-s.done
		select {
		case <-s.failed:
		default:
			s.stopErr = s.Err()
		}
		s.stopErr = errors.Join(s.stopErr, s.c.removeSocketDir(), s.unlock())
	})
	return s.stopErr
}
