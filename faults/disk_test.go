//go:build faults

package faults_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a file system in memory, just large enough for an installation.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256m,mode=755"); err != nil {
		t.Fatalf("mount a small disk (this test has to be root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room that is left and returns the file that holds it.
func fill(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{file}, struct{ io.Reader }{zeros{}}, make([]byte, 4096))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	return name
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A full disk stops what has to be written, and nothing else; when there is
// room again, service is back by itself, and all that was said is true.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, newProgramIn(t, filepath.Join(smallDisk(t), "data")), 4)
	stop := w.load()
	time.Sleep(time.Second)
	ballast := fill(t, filepath.Dir(w.dir))
	began := time.Now()
	w.waitForDoubts()
	t.Logf("everybody was turned away after %s", time.Since(began))
	time.Sleep(3 * time.Second)
	w.stillThere()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	w.waitForDatabase()
	t.Logf("service was back after %s", time.Since(began))
	time.Sleep(500 * time.Millisecond)
	stop()
	w.waitReady(t, http.StatusOK, 3*time.Second)
	w.check()
	w.account()
	w.counts()
	t.Log(w.tally())
}

// waitForDoubts waits until everybody has been turned away. What has no room
// first differs: the log of PostgreSQL, and then it ends, or a page of what it
// knows about transactions, and then it lives on and refuses what writes.
func (w *world) waitForDoubts() {
	w.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		left := len(w.people)
		for _, someone := range w.people {
			if someone.doubts.Load() > 0 {
				left--
			}
		}
		if left == 0 {
			return
		}
		if time.Since(began) > 2*time.Minute {
			w.t.Fatalf("%d of %d people notice nothing of the full disk", left, len(w.people))
		}
	}
}
