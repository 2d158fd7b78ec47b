package storage

import (
	"fmt"
	"testing"
	"time"

	"latchkey"
)

// TestRefusalsAreCountedByTheMinute with a clock of its own.
func TestRefusalsAreCountedByTheMinute(t *testing.T) {
	t.Parallel()
	c := &refusalCount{}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := refusalKey{kind: latchkey.ClientAuthFailed, reason: "wrong_secret", clientID: "wiki", prefix: "203.0.113.0/24"}
	singles := func(n int, at time.Time) (got int) {
		for range n {
			if single, _ := c.admit(key, at); single {
				got++
			}
		}
		return got
	}
	if got := singles(12, start); got != 5 {
		t.Errorf("%d of 12 were events of their own, want 5", got)
	}
	if got := c.take(start.Add(59*time.Second), false); len(got) != 0 {
		t.Errorf("written before the minute was over: %v", got)
	}
	if got := c.take(start.Add(time.Minute), false); got[key] != 7 || len(got) != 1 {
		t.Errorf("counted %v, want 7", got)
	}
	if got := singles(3, start.Add(61*time.Second)); got != 3 {
		t.Errorf("%d of 3 were events of their own in the next minute, want 3", got)
	}
	if got := c.take(start.Add(62*time.Second), true); len(got) != 0 {
		t.Errorf("counted %v although all were events of their own", got)
	}
}

// TestRefusalsAreBounded: whoever varies what refusals are counted by fills
// neither memory nor log, and is still counted.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	c := &refusalCount{}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const tries = 5 * refusalKeys
	events := 0
	for i := range tries {
		single, _ := c.admit(refusalKey{kind: latchkey.AuthorizationRefused, reason: "unknown_client", clientID: fmt.Sprint(i)}, now)
		if single {
			events++
		}
	}
	if events != refusalKeys || len(c.tallies) != refusalKeys+1 {
		t.Errorf("%d events and %d keys, want %d and one more", events, len(c.tallies), refusalKeys)
	}
	counted := c.take(now, true)
	if n := counted[refusalKey{kind: latchkey.AuthorizationRefused, reason: "unknown_client"}]; n != tries-refusalKeys || len(counted) != 1 {
		t.Errorf("counted %d beyond the events, want %d: %d keys", n, tries-refusalKeys, len(counted))
	}
}

// TestRefusalsThatCouldNotBeWritten are neither lost nor doubled.
func TestRefusalsThatCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	c := &refusalCount{}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := refusalKey{kind: latchkey.TokenRefused, reason: "unknown"}
	for range refusalSingles {
		_, giveBack := c.admit(key, now)
		giveBack()
	}
	for range refusalSingles + 4 {
		c.admit(key, now)
	}
	counted := c.take(now, true)
	if counted[key] != 4 {
		t.Fatalf("counted %d, want 4: events that failed must not use up the five", counted[key])
	}
	c.admit(key, now)
	c.keep(counted, now)
	if got := c.take(now, false); got[key] != 4 {
		t.Errorf("kept %d, want 4, due at once", got[key])
	}
}
