package embedpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// systemUserName is the user that latchkey becomes when it is started as root.
const systemUserName = "latchkey"

// User is a user of the operating system.
type User struct {
	Name   string
	UID    uint32
	GID    uint32
	Groups []uint32 // all groups, GID included
}

func (u User) credential() *syscall.Credential {
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
}

// SystemUser returns the system user latchkey. Root makes it when it is
// missing: no shell, no home, no password.
func SystemUser() (User, error) {
	u, err := lookup(systemUserName)
	var unknown user.UnknownUserError
	if !errors.As(err, &unknown) {
		return u, err
	}
	if os.Geteuid() != 0 {
		return User{}, fmt.Errorf("system user %s is missing, and only root can make it", systemUserName)
	}
	// Two programs may make it at once: one of them fails on the lock of
	// /etc/passwd or because the user is there by then.
	for range 20 {
		made := makeSystemUser()
		if u, err = lookup(systemUserName); err == nil {
			return u, nil
		}
		err = errors.Join(made, err)
		time.Sleep(100 * time.Millisecond)
	}
	return User{}, fmt.Errorf("make system user %s: %w", systemUserName, err)
}

func makeSystemUser() error {
	commands := [][]string{
		{"useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", systemUserName},
		{"adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", systemUserName}, // BusyBox
	}
	for _, command := range commands {
		path, err := exec.LookPath(command[0])
		if err != nil {
			continue
		}
		if out, err := exec.Command(path, command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	return errors.New("neither useradd nor adduser is installed")
}

func lookup(name string) (User, error) {
	entry, err := user.Lookup(name)
	if err != nil {
		return User{}, fmt.Errorf("look up user %s: %w", name, err)
	}
	ids, err := entry.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("look up groups of user %s: %w", name, err)
	}
	u := User{Name: name}
	for _, id := range append([]string{entry.Uid, entry.Gid}, ids...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return User{}, fmt.Errorf("look up user %s: id %q: %w", name, id, err)
		}
		u.Groups = append(u.Groups, uint32(n))
	}
	u.UID, u.GID, u.Groups = u.Groups[0], u.Groups[1], u.Groups[1:]
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	return u, nil
}

// Become gives the data dir with all that is in it to u and turns this process,
// which must be root, into u for good. Whatever needs root (a port below 1024,
// a certificate that only root reads) is opened before. It returns ErrDataDir
// when u could not reach the folder or when the folder is somebody else's.
func Become(u User, dataDir string) error {
	data, err := filepath.Abs(dataDir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err := os.MkdirAll(filepath.Dir(data), 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err := os.Mkdir(data, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	real, err := filepath.EvalSymlinks(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	for _, path := range []string{data, real} {
		if err := u.mayReach(path); err != nil {
			return err
		}
	}
	if err := u.mayTakeOver(real); err != nil {
		return err
	}
	if err := u.takeOver(real); err != nil {
		return fmt.Errorf("give %s to user %s: %w", real, u.Name, err)
	}
	return u.drop()
}

// mayReach checks that u can enter every folder above path.
func (u User) mayReach(path string) error {
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDataDir, err)
		}
		if !u.mayEnter(info) {
			return fmt.Errorf("%w: user %s, which latchkey becomes, cannot enter the folder %s; choose another --data-dir, or allow it with: chmod o+x %s", ErrDataDir, u.Name, folder, folder)
		}
		if folder == filepath.Dir(folder) {
			return nil
		}
	}
}

// mayEnter judges by the mode, as the kernel does: the first class that fits
// decides.
func (u User) mayEnter(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	switch {
	case stat.Uid == u.UID:
		return info.Mode().Perm()&0o100 != 0
	case slices.Contains(u.Groups, stat.Gid):
		return info.Mode().Perm()&0o010 != 0
	default:
		return info.Mode().Perm()&0o001 != 0
	}
}

// mayTakeOver refuses a folder that is full of something else: a slip in
// --data-dir must not give /etc to the system user.
func (u User) mayTakeOver(data string) error {
	info, err := os.Stat(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is no folder", ErrDataDir, data)
	}
	if ownerOf(info) == u.UID {
		return nil
	}
	entries, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	empty := true
	for _, entry := range entries {
		switch entry.Name() {
		case "keys.json", "postgres.use": // names that nothing else has
			return nil
		case "lost+found": // a file system of its own
		default:
			empty = false
		}
	}
	if !empty {
		return fmt.Errorf("%w: %s holds files, and none of latchkey's: give it an empty folder", ErrDataDir, data)
	}
	return nil
}

// takeOver changes the owner of everything in data. It works inside an os.Root,
// and refuses files with a second name, because the former owner could still
// swap a folder for a link, or link a file from elsewhere, while root walks.
func (u User) takeOver(data string) error {
	root, err := os.OpenRoot(data)
	if err != nil {
		return err
	}
	defer root.Close() // a folder opened for reading
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == "lost+found" {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		if stat.Uid == u.UID && stat.Gid == u.GID {
			return nil
		}
		if info.Mode().IsRegular() && stat.Nlink > 1 {
			return fmt.Errorf("%w: %s has a second name somewhere; remove one of the two", ErrDataDir, filepath.Join(data, path))
		}
		return root.Lchown(path, int(u.UID), int(u.GID))
	})
	if err != nil {
		return err
	}
	return root.Chmod(".", 0o700)
}

// drop turns every thread of this process into u. The order matters: without
// root the groups could not be changed any more.
func (u User) drop() error {
	groups := make([]int, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = int(g)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("become user %s: set groups: %w", u.Name, err)
	}
	if err := syscall.Setresgid(int(u.GID), int(u.GID), int(u.GID)); err != nil {
		return fmt.Errorf("become user %s: set group: %w", u.Name, err)
	}
	if err := syscall.Setresuid(int(u.UID), int(u.UID), int(u.UID)); err != nil {
		return fmt.Errorf("become user %s: set user: %w", u.Name, err)
	}
	if err := syscall.Setuid(0); err == nil {
		return fmt.Errorf("become user %s: root can be taken back", u.Name)
	}
	return nil
}
