package storage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// Bounds of what is kept of refusals before authentication.
const (
	refusalWindow  = time.Minute
	refusalSingles = 5    // events of their own for each key and window
	refusalKeys    = 1024 // keys in memory; what comes beyond is only counted, by kind and reason
)

// refusalKey is what refusals are counted by.
type refusalKey struct {
	kind     latchkey.EventKind
	reason   string
	clientID string // as claimed
	prefix   string // of the address
}

// refusalTally is one key within one window.
type refusalTally struct {
	began   time.Time
	singles int // recorded as events of their own
	more    int // counted only
}

// refusalCount keeps strangers from filling the log: what needs no
// authentication costs them nothing, and us a row for ever.
type refusalCount struct {
	mu      sync.Mutex
	tallies map[refusalKey]*refusalTally
}

// RecordRefusal writes the refusal of somebody who has not authenticated. The
// first five of a reason, client, address prefix and minute are events of their
// own; those beyond are counted in memory and become one event with their
// number in Detail "count" (FlushCounts). A crash may lose the counts of its
// last minute. Whoever has authenticated is recorded each time.
func (db *DB) RecordRefusal(ctx context.Context, ev latchkey.Event) error {
	actor := latchkey.ActorFrom(ctx)
	if actor.Kind != latchkey.ActorNobody {
		return db.Record(ctx, ev)
	}
	key := refusalKey{kind: ev.Kind, reason: ev.Reason, clientID: ev.ClientID, prefix: latchkey.AddressPrefix(actor.Address)}
	single, giveBack := db.refusals.admit(key, time.Now())
	if !single {
		return nil
	}
	if err := db.Record(ctx, ev); err != nil {
		giveBack()
		return err
	}
	return nil
}

// admit counts one refusal and tells whether it is an event of its own;
// giveBack takes that back when it could not be written.
func (c *refusalCount) admit(key refusalKey, now time.Time) (single bool, giveBack func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(key, now)
	if t == nil {
		// Whoever varies addresses or client ids must not fill memory or log.
		t = c.tallyAnyway(refusalKey{kind: key.kind, reason: key.reason}, now)
		t.singles = refusalSingles
	}
	if t.singles >= refusalSingles {
		t.more++
		return false, nil
	}
	t.singles++
	return true, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		t.singles--
	}
}

// tally is the running tally of key, begun when there is room for it.
func (c *refusalCount) tally(key refusalKey, now time.Time) *refusalTally {
	if c.tallies[key] == nil && len(c.tallies) >= refusalKeys {
		return nil
	}
	return c.tallyAnyway(key, now)
}

func (c *refusalCount) tallyAnyway(key refusalKey, now time.Time) *refusalTally {
	if c.tallies == nil {
		c.tallies = map[refusalKey]*refusalTally{}
	}
	if c.tallies[key] == nil {
		c.tallies[key] = &refusalTally{began: now}
	}
	return c.tallies[key]
}

// take removes the tallies whose window is over, or all, and returns what they
// counted beyond single events.
func (c *refusalCount) take(now time.Time, all bool) map[refusalKey]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counted := map[refusalKey]int{}
	for key, t := range c.tallies {
		if !all && now.Sub(t.began) < refusalWindow {
			continue
		}
		delete(c.tallies, key)
		if t.more > 0 {
			counted[key] = t.more
		}
	}
	return counted
}

// keep puts back what could not be written; it is due at once.
func (c *refusalCount) keep(counted map[refusalKey]int, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, n := range counted {
		t := c.tallyAnyway(key, now)
		t.began, t.singles, t.more = now.Add(-refusalWindow), refusalSingles, t.more+n
	}
}

// flushRefusals writes one event for each key that was counted.
func (db *DB) flushRefusals(ctx context.Context, all bool) error {
	counted := db.refusals.take(time.Now(), all)
	if len(counted) == 0 {
		return nil
	}
	if err := db.writeRefusals(ctx, counted); err != nil {
		db.refusals.keep(counted, time.Now())
		return fmt.Errorf("write counts of refusals: %w", err)
	}
	return nil
}

func (db *DB) writeRefusals(ctx context.Context, counted map[refusalKey]int) error {
	b := &pgx.Batch{}
	nobody := latchkey.WithActor(ctx, latchkey.Actor{Kind: latchkey.ActorNobody})
	for key, n := range counted {
		a, err := db.eventArgs(nobody, latchkey.Event{Kind: key.kind, ClientID: key.clientID, Outcome: latchkey.Failure,
			Reason: key.reason, Detail: map[string]any{"count": n}})
		if err != nil {
			return err
		}
		a["event_prefix"] = key.prefix
		b.Queue(insertEvent, a)
	}
	return db.do(ctx, func(q querier) error { return send(ctx, q, b) })
}
