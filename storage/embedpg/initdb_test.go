package embedpg_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestStartRightAfterACutStart: what a start left that was ended a moment ago
// is removed, although a child of its initdb still writes there.
func TestStartRightAfterACutStart(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	unfinished := filepath.Join(dir, "postgres.new", "base")
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan int)
	go func() {
		for n := 0; ; n++ { // until the folder is gone
			if os.WriteFile(filepath.Join(unfinished, strconv.Itoa(n)), []byte("page"), 0o600) != nil {
				wrote <- n
				return
			}
		}
	}()
	eventually(t, 5*time.Second, "something is written", func() bool {
		entries, err := os.ReadDir(unfinished)
		return err == nil && len(entries) > 100
	})
	mustStart(t, options(dir))
	if n := <-wrote; n < 100 {
		t.Errorf("only %d files were written", n)
	}
}
