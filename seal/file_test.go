package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/seal"
)

// keyFile writes a good key file into a folder of its own, both as tight as
// ReadFile wants them.
func keyFile(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "keys.json")
	if err := os.WriteFile(path, document(t, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// chown gives path to another user, which only root may do.
func chown(t *testing.T, path string, uid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("giving a file to another user needs root")
	}
	if err := os.Lchown(path, uid, -1); err != nil {
		t.Fatal(err)
	}
}

const stranger = 54321

// wantFileRefused reads the key file and checks that it is refused in words
// that say what to do, and that nothing in its folder has changed.
func wantFileRefused(t *testing.T, path, says string) {
	t.Helper()
	before := folderOf(t, path)
	keys, err := seal.ReadFile(path)
	if !errors.Is(err, seal.ErrRefused) || errors.Is(err, seal.ErrMissing) || keys != nil {
		t.Fatalf("ReadFile answered %v, want ErrRefused", err)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("ReadFile answered %q, which does not say %q", err, says)
	}
	wantUnchanged(t, path, before)
}

// folderOf reads the regular files next to path, with their modes.
func folderOf(t *testing.T, path string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		text := info.Mode().String()
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			text += string(content)
		}
		files[e.Name()] = text
	}
	return files
}

func wantUnchanged(t *testing.T, path string, before map[string]string) {
	t.Helper()
	after := folderOf(t, path)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s was changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("the folder has %d entries, had %d", len(after), len(before))
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		chmod(t, path, mode)
		if keys, err := seal.ReadFile(path); err != nil || keys.Version != 2 {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// Case 127: whether a new file may be made is for the caller to decide, who
// can see whether the database holds sealed rows.
func TestReadFileMissing(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, missing := range []string{path, filepath.Join(filepath.Dir(path), "none", "keys.json")} {
		keys, err := seal.ReadFile(missing)
		if !errors.Is(err, seal.ErrMissing) || errors.Is(err, seal.ErrRefused) || keys != nil {
			t.Errorf("ReadFile answered %v, want ErrMissing", err)
		}
		if err != nil && !strings.Contains(err.Error(), "backup") {
			t.Errorf("%q does not say what to do", err)
		}
		if _, err := seal.ReadMounted(missing); !errors.Is(err, seal.ErrMissing) {
			t.Errorf("ReadMounted answered %v, want ErrMissing", err)
		}
	}
	wantUnchanged(t, path, map[string]string{})
}

// Case 128.
func TestReadFileRefusesOpenMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o777} {
		path := keyFile(t)
		chmod(t, path, mode)
		wantFileRefused(t, path, "chmod 600")
	}
}

func TestReadFileRefusesForeignOwner(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	chown(t, path, stranger)
	wantFileRefused(t, path, "belongs to user id 54321")
}

func TestReadFileAcceptsNamedOwner(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	chown(t, path, stranger)
	chown(t, filepath.Dir(path), stranger)
	if _, err := seal.ReadFile(path, stranger); err != nil {
		t.Errorf("the user that latchkey drops to: %v", err)
	}
	if _, err := seal.ReadFile(path, stranger+1); !errors.Is(err, seal.ErrRefused) {
		t.Errorf("another user than named: %v, want ErrRefused", err)
	}
}

func TestReadFileRefusesForeignFolder(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	chown(t, filepath.Dir(path), stranger)
	wantFileRefused(t, path, "belongs to user id 54321")
}

func TestReadFileRefusesSymlink(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	link := filepath.Join(filepath.Dir(path), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	wantFileRefused(t, link, "symbolic link")
}

// A link that leads nowhere is no missing file: a new file must not be made in
// its place.
func TestReadFileRefusesDanglingSymlink(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	link := filepath.Join(filepath.Dir(path), "link.json")
	if err := os.Symlink(filepath.Join(t.TempDir(), "none"), link); err != nil {
		t.Fatal(err)
	}
	wantFileRefused(t, link, "symbolic link")
}

func TestReadFileRefusesWritableFolder(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o770, 0o720, 0o702, 0o777} {
		path := keyFile(t)
		chmod(t, filepath.Dir(path), mode)
		wantFileRefused(t, path, "chmod go-w")
	}
}

func TestReadFileAcceptsStickyFolder(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	chmod(t, filepath.Dir(path), 0o777|fs.ModeSticky)
	if _, err := seal.ReadFile(path); err != nil {
		t.Error(err)
	}
}

func TestReadFileAcceptsReadableFolder(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	chmod(t, filepath.Dir(path), 0o755)
	if _, err := seal.ReadFile(path); err != nil {
		t.Error(err)
	}
}

func TestReadFileRefusesFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(filepath.Dir(keyFile(t)), "folder")
	if err := os.Mkdir(path, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFileRefused(t, path, "not a regular file")
}

func TestReadFileRefusesNamedPipeAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(filepath.Dir(keyFile(t)), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := seal.ReadFile(path); !errors.Is(err, seal.ErrRefused) {
			t.Errorf("ReadFile answered %v, want ErrRefused", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("ReadFile waits for a writer")
	}
}

func TestReadFileRefusesFileAsFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(keyFile(t), "keys.json")
	if _, err := seal.ReadFile(path); !errors.Is(err, seal.ErrRefused) {
		t.Errorf("ReadFile answered %v, want ErrRefused", err)
	}
}

// Case 129: the bytes of a bad file are left as they are.
func TestReadFileRefusesContent(t *testing.T) {
	t.Parallel()
	good := document(t, nil)
	for _, c := range []struct {
		name, says string
		content    []byte
	}{
		{"empty", "it is empty", nil},
		{"truncated", "cut short", good[:len(good)-10]},
		{"bad JSON", "not valid JSON", bytes.Replace(good, []byte(`":`), []byte(`"=`), 1)},
		{"unknown version", "version must be a whole number", document(t, func(f, _ map[string]any) { f["version"] = 1000 })},
		{"key of 31 bytes", "is 31 bytes and must be 32", document(t, func(f, _ map[string]any) {
			f["session_signing_key"] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="
		})},
		{"unknown member", "unknown member", document(t, func(f, _ map[string]any) { f["x"] = 1 })},
		{"too large", "larger than", append(bytes.Clone(good), bytes.Repeat([]byte{' '}, 1<<20)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := keyFile(t)
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			wantFileRefused(t, path, c.says)
			if _, err := seal.ReadMounted(path); !errors.Is(err, seal.ErrRefused) {
				t.Errorf("ReadMounted answered %v, want ErrRefused", err)
			}
			if _, err := seal.Create(path); !errors.Is(err, seal.ErrRefused) {
				t.Errorf("Create answered %v, want ErrRefused", err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, c.content) {
				t.Errorf("the bytes were changed (%v)", err)
			}
		})
	}
}

// Orchestrators mount secrets as links, owned by root and readable by all.
func TestReadMountedTakesTheFileAsItIs(t *testing.T) {
	t.Parallel()
	path := keyFile(t)
	chmod(t, path, 0o644)
	chmod(t, filepath.Dir(path), 0o777)
	link := filepath.Join(filepath.Dir(path), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	before := folderOf(t, path)
	if keys, err := seal.ReadMounted(link); err != nil || keys.Version != 2 {
		t.Errorf("ReadMounted answered %v", err)
	}
	wantUnchanged(t, path, before)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	folder := filepath.Dir(keyFile(t))
	path := filepath.Join(folder, "new.json")
	made, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("mode is %v, want 0600", got)
	}
	read, err := seal.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !read.CredentialEncryptionKey.Equal(made.CredentialEncryptionKey) ||
		!read.SessionSigningKey.Equal(made.SessionSigningKey) || read.Version != 1 {
		t.Error("the file holds other keys than were returned")
	}
	if got := len(folderOf(t, path)); got != 2 {
		t.Errorf("%d files in the folder, want the two key files", got)
	}
}

// wantNotCreated checks that nothing at all happened in the folder.
func wantNotCreated(t *testing.T, path string) {
	t.Helper()
	before := folderOf(t, path)
	keys, err := seal.Create(path)
	if !errors.Is(err, seal.ErrRefused) || !errors.Is(err, fs.ErrExist) || keys != nil {
		t.Errorf("Create answered %v, want ErrRefused and fs.ErrExist", err)
	}
	wantUnchanged(t, path, before)
}

func TestCreateOverwritesNothing(t *testing.T) {
	t.Parallel()
	t.Run("file", func(t *testing.T) { wantNotCreated(t, keyFile(t)) })
	t.Run("empty file", func(t *testing.T) {
		path := keyFile(t)
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		wantNotCreated(t, path)
	})
	t.Run("folder", func(t *testing.T) {
		path := filepath.Join(filepath.Dir(keyFile(t)), "folder")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		wantNotCreated(t, path)
	})
	t.Run("dangling symlink", func(t *testing.T) {
		path := filepath.Join(filepath.Dir(keyFile(t)), "link")
		target := filepath.Join(t.TempDir(), "target")
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		wantNotCreated(t, path)
		if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
			t.Error("the target of the link was made")
		}
	})
}

func TestCreateRefusesWritableFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(filepath.Dir(keyFile(t)), "new.json")
	chmod(t, filepath.Dir(path), 0o770)
	if _, err := seal.Create(path); !errors.Is(err, seal.ErrRefused) {
		t.Errorf("Create answered %v, want ErrRefused", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made")
	}
}

func TestCreateRefusesMissingFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(filepath.Dir(keyFile(t)), "none", "keys.json")
	if _, err := seal.Create(path); !errors.Is(err, seal.ErrRefused) {
		t.Errorf("Create answered %v, want ErrRefused", err)
	}
}

// Nodes may start at once on a shared folder: one makes the file, the others
// hear that it exists, and all read the same keys, never a part of a file.
func TestCreateRace(t *testing.T) {
	t.Parallel()
	folder := filepath.Dir(keyFile(t))
	path := filepath.Join(folder, "new.json")
	keys := make([]*seal.Keys, 16)
	var made sync.Map
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			k, err := seal.Create(path)
			switch {
			case err == nil:
				made.Store(i, true)
			case errors.Is(err, fs.ErrExist):
				if k, err = seal.ReadFile(path); err != nil {
					t.Errorf("read what another made: %v", err)
				}
			default:
				t.Errorf("create: %v", err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	count := 0
	made.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("%d made the file, want 1", count)
	}
	for _, k := range keys {
		if k != nil && !k.SessionSigningKey.Equal(keys[0].SessionSigningKey) {
			t.Error("two nodes hold different keys")
		}
	}
	if got := len(folderOf(t, path)); got != 2 {
		t.Errorf("%d files in the folder, want 2", got)
	}
}
