package embedpg

import (
	"errors"
	"fmt"
	"os"
)

// State is what a look at a data dir tells.
type State struct {
	Exists bool
	Mode   os.FileMode // permissions; a folder of ours is 0700
	Owner  uint32      // user id
	Major  int         // version of PostgreSQL that made the cluster; 0 = none is made
	Served bool        // a serve holds the folder
}

// Look says how a data dir is and changes nothing. It fails as Start would:
// ErrDataDir for a folder that cannot be used, ErrForeignVersion and
// ErrNoBinaries when there is a cluster that nothing installed can run.
func Look(dataDir string) (State, error) {
	c := &cluster{data: dataDir}
	info, err := os.Stat(dataDir)
	if errors.Is(err, os.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if !info.IsDir() {
		return State{}, fmt.Errorf("%w: %s is no folder", ErrDataDir, dataDir)
	}
	s := State{Exists: true, Mode: info.Mode().Perm(), Owner: ownerOf(info)}
	if s.Major, err = c.major(); err != nil {
		return s, err
	}
	busy, err := InUse(dataDir)
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	s.Served = busy != nil
	_, err = c.binariesFor(s.Major)
	return s, err
}
