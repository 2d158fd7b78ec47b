//go:build faults

package faults_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// figures are what a process holds at one moment.
type figures struct {
	rss         float64 // MiB, without the database's
	files       int
	connections int64
}

var residentSet = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func (w *world) figures() figures {
	w.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", w.process.Process.Pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		w.t.Fatal(err)
	}
	found := residentSet.FindSubmatch(status)
	if found == nil {
		w.t.Fatalf("no VmRSS in %s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	files, err := filepath.Glob(proc + "fd/*")
	if err != nil {
		w.t.Fatal(err)
	}
	connections := ask(w.t, w.databaseURL(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'latchkey'`, pgx.RowTo[int64])[0]
	return figures{float64(kib) / 1024, len(files), connections}
}

// TestSoak works for some minutes and looks whether anything grows.
// LATCHKEY_FAULTS_SOAK is their number.
func TestSoak(t *testing.T) {
	w := newWorld(t, newProgram(t), 8)
	idle := w.figures()
	var seen []figures
	for end := time.Now().Add(time.Duration(number(t, "LATCHKEY_FAULTS_SOAK", 2)) * time.Minute); time.Now().Before(end); {
		stop := w.load()
		time.Sleep(4 * time.Second)
		seen = append(seen, w.figures())
		stop()
		w.check() // ends most grants, so that people do not gather them
	}
	t.Logf("idle %+v, under load %+v; %v", idle, seen, w.tally())
	w.flat(seen)
	if idle.rss > 100 {
		t.Errorf("%.0f MiB at rest, want 100 at most", idle.rss)
	}
	// After the rest of idle connections only what always runs is left.
	time.Sleep(2 * time.Second)
	if n := w.goroutines(); n > 60 {
		t.Errorf("%d goroutines at rest", n)
	} else {
		t.Logf("%d goroutines at rest", n)
	}
}

// flat compares the second quarter of the run with the last one: the first
// fills caches and pools.
func (w *world) flat(seen []figures) {
	w.t.Helper()
	if len(seen) < 8 {
		w.t.Fatalf("only %d looks, the run is too short", len(seen))
	}
	quarter := len(seen) / 4
	early, late := seen[quarter:2*quarter], seen[len(seen)-quarter:]
	middle := func(part []figures, value func(figures) float64) float64 {
		var all []float64
		for _, f := range part {
			all = append(all, value(f))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	for _, c := range []struct {
		what  string
		value func(figures) float64
		room  float64 // that a fluctuation may take
	}{
		{"MiB resident", func(f figures) float64 { return f.rss }, 10},
		{"open files", func(f figures) float64 { return float64(f.files) }, 20},
		{"database connections", func(f figures) float64 { return float64(f.connections) }, 2},
	} {
		before, after := middle(early, c.value), middle(late, c.value)
		if after > before*1.1+c.room {
			w.t.Errorf("%s grew from %.0f to %.0f", c.what, before, after)
		}
	}
	for _, f := range seen {
		if f.rss > 300 || f.connections > 20 {
			w.t.Errorf("under load %+v, want 300 MiB and 20 connections at most", f)
		}
	}
}

// goroutines ends serve with SIGQUIT, at which Go prints what all of them do.
func (w *world) goroutines() int {
	w.t.Helper()
	if err := w.process.Process.Signal(syscall.SIGQUIT); err != nil {
		w.t.Fatal(err)
	}
	w.wait()
	text, err := os.ReadFile(w.log.Name())
	if err != nil {
		w.t.Fatal(err)
	}
	n := bytes.Count(text, []byte("\ngoroutine "))
	if n == 0 {
		w.t.Error("serve ended without saying what it did")
	}
	return n
}
