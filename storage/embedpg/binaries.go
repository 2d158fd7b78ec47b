package embedpg

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldestMajor is the oldest PostgreSQL whose SQL latchkey speaks.
const oldestMajor = 15

// Binaries is one installed PostgreSQL server.
type Binaries struct {
	// Dir is the folder with postgres, initdb, pg_dump and the rest.
	Dir string
	// Major is its major version, at least 15.
	Major int
}

// Tool is the path of one of its programs.
func (b Binaries) Tool(name string) string {
	return filepath.Join(b.Dir, name)
}

// FindBinaries lists the installed PostgreSQL servers, newest first: those of
// Debian and Red Hat in their versioned folders, then whatever PATH and
// pg_config lead to. With none it returns ErrNoBinaries.
func FindBinaries() ([]Binaries, error) {
	var found []Binaries
	seen := map[int]bool{}
	for _, dir := range candidateDirs() {
		major, ok := serverVersion(filepath.Join(dir, "postgres"))
		if !ok || seen[major] || major < oldestMajor {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		seen[major] = true
		found = append(found, Binaries{Dir: dir, Major: major})
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: latchkey needs PostgreSQL %d or newer; on Debian and Ubuntu install the package postgresql-%d (or newer), or give --database-url", ErrNoBinaries, oldestMajor, oldestMajor)
	}
	slices.SortFunc(found, func(a, b Binaries) int { return cmp.Compare(b.Major, a.Major) })
	return found, nil
}

// binariesFor picks the server for a cluster of the given major version; 0
// stands for a cluster that is yet to be made and takes the newest.
func (c *cluster) binariesFor(major int) (Binaries, error) {
	found, err := FindBinaries()
	if err != nil {
		return Binaries{}, err
	}
	if major == 0 {
		return found[0], nil
	}
	var installed []string
	for _, b := range found {
		if b.Major == major {
			return b, nil
		}
		installed = append(installed, strconv.Itoa(b.Major))
	}
	return Binaries{}, fmt.Errorf("%w: the cluster in %s was made by PostgreSQL %d, installed is %s: install the package postgresql-%d again, or move that folder away and restore the newest backup with `latchkey backup restore`",
		ErrForeignVersion, c.dir(), major, strings.Join(installed, ", "), major)
}

func candidateDirs() []string {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"} {
		// The only error of Glob is a bad pattern, and these are fixed.
		matches, _ := filepath.Glob(pattern)
		dirs = append(dirs, matches...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if path, err := exec.LookPath("pg_config"); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, path, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	return dirs
}

var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// serverVersion asks the server itself: the name of a folder proves nothing.
func serverVersion(postgres string) (major int, ok bool) {
	if _, err := os.Stat(postgres); err != nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, postgres, "--version").Output()
	if err != nil {
		return 0, false
	}
	match := versionText.FindSubmatch(out)
	if match == nil {
		return 0, false
	}
	major, err = strconv.Atoi(string(match[1]))
	return major, err == nil
}
