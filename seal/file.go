package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// ReadFile reads the key file at path. It refuses a symbolic link, anything
// but a regular file, an owner other than the user of this process or root,
// and a file or folder that others could read or write. Further user ids that
// may own file and folder are given as owners: a process started as root names
// the user it is going to drop to.
//
// The error wraps ErrMissing when nothing is at path, else ErrRefused.
func ReadFile(path string, owners ...int) (*Keys, error) {
	return readFile(path, append([]int{0, os.Geteuid()}, owners...))
}

func readFile(path string, owners []int) (*Keys, error) {
	// Checks are made on the opened file, so that it cannot be exchanged
	// between check and use. O_NONBLOCK keeps a named pipe from blocking us.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w at %q; put it back from your backup, "+
			"or let latchkey make one if this is a new installation", ErrMissing, path)
	case errors.Is(err, syscall.ELOOP):
		return nil, refuse("%q is a symbolic link; name the file itself", path)
	case err != nil:
		return nil, fmt.Errorf("%w: %q cannot be opened; let the user that runs latchkey read it: %w", ErrRefused, path, err)
	}
	defer file.Close() // only read: nothing can be lost
	if err := checkFile(file, path, owners); err != nil {
		return nil, err
	}
	if err := checkFolder(filepath.Dir(path), owners); err != nil {
		return nil, err
	}
	return read(file, path)
}

// ReadMounted reads keys from a mounted secret as it is: orchestrators decide
// its owner, mode and links. It is never written. The errors are those of
// ReadFile.
func ReadMounted(path string) (*Keys, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w at %q; mount the secret there", ErrMissing, path)
	case err != nil:
		return nil, fmt.Errorf("%w: %q cannot be opened; let the user that runs latchkey read it: %w", ErrRefused, path, err)
	}
	defer file.Close() // only read: nothing can be lost
	return read(file, path)
}

func read(file *os.File, path string) (*Keys, error) {
	content, err := io.ReadAll(io.LimitReader(file, maxContent+1))
	if err != nil {
		return nil, fmt.Errorf("%w: read %q: %w", ErrRefused, path, err)
	}
	keys, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return keys, nil
}

func checkFile(file *os.File, path string, owners []int) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("%w: look at %q: %w", ErrRefused, path, err)
	}
	if !info.Mode().IsRegular() {
		return refuse("%q is not a regular file", path)
	}
	if err := checkOwner(info, path, owners); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return refuse("%q is open to other users (mode %04o); if nobody has read it, run: chmod 600 %q", path, mode, path)
	}
	return nil
}

// checkFolder refuses a folder in which other users could put another file in
// the place of the key file. With the sticky bit they cannot (as in /tmp).
func checkFolder(folder string, owners []int) error {
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("%w: look at the folder of the key file: %w", ErrRefused, err)
	}
	if !info.IsDir() {
		return refuse("%q is not a folder", folder)
	}
	if err := checkOwner(info, folder, owners); err != nil {
		return err
	}
	if mode := info.Mode(); mode.Perm()&0o022 != 0 && mode&fs.ModeSticky == 0 {
		return refuse("the folder %q of the key file can be written by other users (mode %04o); run: chmod go-w %q",
			folder, mode.Perm(), folder)
	}
	return nil
}

func checkOwner(info fs.FileInfo, path string, owners []int) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return refuse("the owner of %q cannot be told", path)
	}
	if !slices.Contains(owners, int(stat.Uid)) {
		return refuse("%q belongs to user id %d, not to the user that runs latchkey (user id %d); give it to that user with chown",
			path, stat.Uid, os.Geteuid())
	}
	return nil
}

// Create makes a key file with fresh keys, mode 0600, and returns the keys.
// The file appears whole or not at all and is on disk before Create returns;
// one that exists is never overwritten, and the error then also wraps
// fs.ErrExist. Every error wraps ErrRefused.
//
// Callers make one only when ReadFile says ErrMissing and the database holds
// nothing sealed.
func Create(path string) (*Keys, error) {
	folder := filepath.Dir(path)
	if err := checkFolder(folder, []int{0, os.Geteuid()}); err != nil {
		return nil, err
	}
	keys := Generate(time.Now())
	content, err := keys.Encode()
	if err != nil {
		return nil, err
	}
	if err := writeNew(folder, path, content); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%w: %q exists already and is not overwritten: %w", ErrRefused, path, fs.ErrExist)
		}
		return nil, fmt.Errorf("%w: make %q: %w", ErrRefused, path, err)
	}
	return keys, nil
}

// writeNew writes a temporary file and links it to its name: unlike a rename,
// a link fails when the name is taken.
func writeNew(folder, path string, content []byte) (err error) {
	temp, err := os.CreateTemp(folder, ".keys-*.tmp") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp.Name()), syncFolder(folder)) }()
	if _, err := temp.Write(content); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := temp.Sync(); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Link(temp.Name(), path)
}

func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
