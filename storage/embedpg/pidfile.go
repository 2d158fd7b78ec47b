package embedpg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is what postmaster.pid says: the lines that pg_ctl reads as well
// (src/include/utils/pidfile.h).
type pidFile struct {
	pid    int
	status string // "starting", "ready", "stopping"; empty while unknown
}

// readPidFile reads postmaster.pid; ok is false when no server has left one.
func (c *cluster) readPidFile() (file pidFile, ok bool) {
	text, err := os.ReadFile(c.pidFile())
	if err != nil {
		return pidFile{}, false
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return pidFile{}, false
	}
	file.pid = pid
	if len(lines) >= 8 {
		file.status = strings.TrimSpace(lines[7])
	}
	return file, true
}

// life is what the kernel says about the process named in postmaster.pid.
type life int

const (
	gone     life = iota // no such process
	stranger             // the number belongs to another program by now
	zombie               // dead, not yet reaped by its parent
	alive                // a server working in our cluster, or unknowable
)

// lifeOf looks at a process. Whatever it cannot read counts as alive, because
// only a lock file that certainly has no owner may be removed.
func (c *cluster) lifeOf(pid int) life {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return gone
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return alive
	}
	// The state follows the name, which is in parentheses and may hold any byte
	// (proc(5)).
	if after := stat[bytes.LastIndexByte(stat, ')')+1:]; len(after) > 1 && (after[1] == 'Z' || after[1] == 'X') {
		return zombie
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return alive
	}
	dir, err := filepath.EvalSymlinks(c.dir())
	if err != nil || cwd == dir {
		return alive
	}
	return stranger
}

// clearWay deals with the postmaster.pid of an earlier server. The caller
// holds the use lock exclusively, so no latchkey uses that server: a live one
// is told to end, one whose number was given to another program (a container
// that started anew) is forgotten. It reports whether the way is free.
func (c *cluster) clearWay(final bool) (free bool, err error) {
	file, ok := c.readPidFile()
	if !ok {
		return true, nil
	}
	switch c.lifeOf(file.pid) {
	case alive:
		if file.status != "stopping" {
			if err := syscall.Kill(file.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
				return false, fmt.Errorf("end the server that was left behind (process %d): %w", file.pid, err)
			}
		}
		return false, nil
	case zombie:
		if !final {
			return false, nil
		}
		// Nobody reaps it. It is dead all the same, and PostgreSQL's own check
		// of the shared memory still protects against its children.
		return true, os.Remove(c.pidFile())
	case stranger:
		return true, os.Remove(c.pidFile())
	default:
		return true, nil // PostgreSQL removes it itself
	}
}
