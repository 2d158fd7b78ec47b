package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is an open file that carries one flock(2) lock of this process.
type lockFile struct {
	file *os.File
}

// openLock opens the lock at path, making the file when it is missing. The
// file is never removed: a lock on a removed file excludes nobody.
func (c *cluster) openLock(path string) (*lockFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := c.own(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open lock: %w", err), file.Close())
	}
	return &lockFile{file}, nil
}

// try takes the lock (unix.LOCK_SH or LOCK_EX) if nobody is in the way. It
// gives up what this lockFile held before, also when it reports false: flock
// converts by letting go first.
func (l *lockFile) try(how int) (bool, error) {
	for {
		err := unix.Flock(int(l.file.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		default:
			return false, fmt.Errorf("lock %s: %w", l.file.Name(), err)
		}
	}
}

// wait takes the lock, waiting until ctx ends.
func (l *lockFile) wait(ctx context.Context, how int) error {
	for {
		held, err := l.try(how)
		if err != nil || held {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (l *lockFile) unlock() error {
	return unix.Flock(int(l.file.Fd()), unix.LOCK_UN)
}

// close gives the lock back with its file.
func (l *lockFile) close() error {
	return l.file.Close()
}
