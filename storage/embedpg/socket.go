package embedpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	// socketPort only names the socket's file; nothing listens on TCP.
	socketPort = "5432"
	socketName = ".s.PGSQL." + socketPort

	// longestSocketPath stays clear of the 107 bytes a unix address may have
	// (unix(7)), with room for the tools that add to the name.
	longestSocketPath = 90
)

// makeSocketDir returns the folder for the socket of a server about to start:
// DATA, or when its path is too long for a socket address a 0700 folder under
// /tmp, whose place is recorded in DATA.
func (c *cluster) makeSocketDir() (string, error) {
	if len(filepath.Join(c.data, socketName)) <= longestSocketPath {
		return c.data, nil
	}
	if dir, err := c.socketDir(); err == nil {
		return dir, nil
	}
	dir, err := os.MkdirTemp("/tmp", "latchkey-")
	if err != nil {
		return "", fmt.Errorf("make folder for the socket: %w", err)
	}
	if err := c.own(dir); err != nil {
		return "", fmt.Errorf("make folder for the socket: %w", err)
	}
	if err := c.writeFile(c.socketRecord(), dir+"\n"); err != nil {
		return "", fmt.Errorf("record the socket's folder: %w", err)
	}
	return dir, nil
}

// socketDir returns where the socket of the running server is. A recorded
// folder under /tmp counts only while it is a folder of our user that nobody
// else can enter: a stranger may have made one of the same name after ours was
// cleaned away, and would receive our queries.
func (c *cluster) socketDir() (string, error) {
	if len(filepath.Join(c.data, socketName)) <= longestSocketPath {
		return c.data, nil
	}
	text, err := os.ReadFile(c.socketRecord())
	if err != nil {
		return "", fmt.Errorf("find the socket's folder: %w", err)
	}
	dir := strings.TrimSpace(string(text))
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("find the socket's folder: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 || ownerOf(info) != c.uid() {
		return "", fmt.Errorf("folder %s, recorded for the socket, is not a 0700 folder of user id %d", dir, c.uid())
	}
	return dir, nil
}

// removeSocketDir takes the folder under /tmp away after the server has ended.
func (c *cluster) removeSocketDir() error {
	dir, err := c.socketDir()
	if err != nil || dir == c.data {
		return nil // nothing of ours to remove
	}
	return errors.Join(os.RemoveAll(dir), os.Remove(c.socketRecord()))
}

// writeFile replaces a small file in DATA so that a reader sees the old
// content or the new one, also after a crash.
func (c *cluster) writeFile(path, content string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = c.own(file.Name())
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
