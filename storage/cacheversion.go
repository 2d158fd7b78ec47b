package storage

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Names of what nodes keep in memory (table cache_version).
const (
	CacheClients     = "clients"
	CacheSigningKeys = "signing_keys"
)

// How often a node looks whether what it keeps in memory changed, and how old
// the last look may be before memory is not believed any more.
const (
	cachePoll  = 2 * time.Second
	cacheTrust = 5 * time.Second
)

// cacheState is what the last look at cache_version found.
type cacheState struct {
	versions map[string]int64
	at       time.Time     // on this node, monotonic
	ahead    time.Duration // of the database's clock before ours
}

// cacheWatch holds the last look. Without one that is fresh, every cache is
// bypassed: a node that lost the database's word does not serve old rules.
type cacheWatch struct {
	state atomic.Pointer[cacheState]
	turn  atomic.Int64 // grows with each change made by this node
}

// Version returns the version of a cached thing and whether it may be believed.
func (db *DB) Version(name string) (int64, bool) {
	s := db.watch.state.Load()
	if s == nil || time.Since(s.at) > cacheTrust {
		return 0, false
	}
	v, ok := s.versions[name]
	return v, ok
}

// Clock is the database's time as far as this node knows it: for signed times
// and for judging what is kept in memory. SQL never takes it as an argument.
func (db *DB) Clock() time.Time {
	s := db.watch.state.Load()
	if s == nil {
		return time.Now()
	}
	return time.Now().Add(s.ahead)
}

// PollCaches reads cache_version once.
func (db *DB) PollCaches(ctx context.Context) error {
	turn, before := db.watch.turn.Load(), time.Now()
	state := &cacheState{versions: map[string]int64{}, at: before}
	err := db.do(ctx, func(q querier) error {
		var now time.Time
		_, err := list(ctx, q, `SELECT name, version, clock_timestamp() FROM cache_version`, nil,
			func(row pgx.CollectableRow) (string, error) {
				var name string
				var version int64
				err := row.Scan(&name, &version, &now)
				state.versions[name] = version
				return name, err
			})
		state.ahead = now.Sub(before.Add(time.Since(before) / 2))
		return err
	})
	if err != nil {
		return fmt.Errorf("read cache versions: %w", err)
	}
	// A look that began before this node's own change must not vouch for what
	// that change made old.
	if db.watch.turn.Load() == turn {
		db.watch.state.Store(state)
	}
	return nil
}

// FollowCaches reads cache_version every 2 s until ctx ends. Failures are
// handed to report; caches are bypassed while they last.
func (db *DB) FollowCaches(ctx context.Context, report func(error)) {
	tick := time.NewTicker(cachePoll)
	defer tick.Stop()
	for {
		if err := db.PollCaches(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// distrust makes this node bypass its caches until the next look.
func (w *cacheWatch) distrust() {
	w.turn.Add(1)
	w.state.Store(nil)
}

// bumpCache says on every node that what is kept of name in memory is old. This
// node learns it at the commit, the others within 2 s.
func (tx *Tx) bumpCache(ctx context.Context, name string) error {
	tx.bumped = true
	_, err := exec(ctx, tx.tx, `UPDATE cache_version SET version = version + 1 WHERE name = @name`, args{"name": name})
	if err != nil {
		return fmt.Errorf("bump cache version of %s: %w", name, err)
	}
	return nil
}
