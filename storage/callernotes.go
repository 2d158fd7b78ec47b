package storage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// Bounds of what is kept of callers. Strangers choose addresses and agents, so
// memory holds so many notes at once, and a row is made of a fetch only where an
// application has called from the same address.
const (
	maxCallerNotes   = 2048
	maxAgents        = 16 // rows for each address that fetched keys
	maxCallers       = 32 // rows for each application
	callerRemembered = 30 * 24 * time.Hour
	callerPrecision  = time.Hour        // how old a row gets before it is written again
	fetchWaits       = 24 * time.Hour   // for an application to call from the same address
	fetchRetry       = time.Minute      // between two looks whether one has
	callerFlush      = 10 * time.Second // the longest that one flush may take
)

// caller is where a call comes from: the whole address of IPv4 or the /64 of
// IPv6, and the family of the agent.
type caller struct{ prefix, agent string }

func callerOf(ctx context.Context) (caller, bool) {
	a := latchkey.ActorFrom(ctx)
	address := a.Address.Unmap()
	if !address.IsValid() {
		return caller{}, false
	}
	bits := 64
	if address.Is4() {
		bits = 32
	}
	prefix, err := address.Prefix(bits)
	return caller{prefix.String(), a.Agent}, err == nil
}

type fetchNote struct {
	newest time.Time // of the keys that were given; the database's time
	at     time.Time
}

type callNote struct {
	clientID string
	caller
}

// callerNotes gathers who fetched the key set and from where applications fetch
// tokens, so that neither costs a round trip.
type callerNotes struct {
	mu      sync.Mutex
	fetched map[caller]fetchNote // since the last flush, and those of nobody we know
	called  map[callNote]bool
	fresh   bool // a note was added since the last flush
	tried   time.Time
}

// NoteFetch notes that whoever asks was given the published keys, the newest of
// which was made at newest.
func (db *DB) NoteFetch(ctx context.Context, newest time.Time) {
	who, ok := callerOf(ctx)
	if !ok {
		return
	}
	n := &db.callers
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fetched == nil {
		n.fetched = map[caller]fetchNote{}
	}
	if _, known := n.fetched[who]; !known && len(n.fetched) >= maxCallerNotes {
		for other := range n.fetched { // any one goes
			delete(n.fetched, other)
			break
		}
	}
	n.fetched[who] = fetchNote{newest: newest, at: time.Now()}
	n.fresh = true
}

// NoteCaller notes from where a confidential application fetched a token that it
// has to verify.
func (db *DB) NoteCaller(ctx context.Context, clientID string) {
	who, ok := callerOf(ctx)
	if !ok {
		return
	}
	n := &db.callers
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.called == nil {
		n.called = map[callNote]bool{}
	}
	if len(n.called) < maxCallerNotes {
		n.called[callNote{clientID, who}] = true
	}
	n.fresh = true
}

// FlushCallers writes what was noted; the server calls it every few seconds.
// What could not be written is kept for the next time.
func (db *DB) FlushCallers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callerFlush)
	defer cancel()
	fetched, called, due := db.callers.take(time.Now())
	if !due {
		return nil
	}
	known, err := db.writeCallers(ctx, fetched, called)
	db.callers.keep(fetched, called, known, err != nil)
	if err != nil {
		return fmt.Errorf("write from where keys are fetched: %w", err)
	}
	return nil
}

// take removes all notes. due is false when there is nothing new and it is too
// early to look again at what belongs to nobody.
func (n *callerNotes) take(now time.Time) (fetched map[caller]fetchNote, called map[callNote]bool, due bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for who, note := range n.fetched {
		if now.Sub(note.at) > fetchWaits {
			delete(n.fetched, who)
		}
	}
	if len(n.fetched)+len(n.called) == 0 || !n.fresh && now.Sub(n.tried) < fetchRetry {
		return nil, nil, false
	}
	fetched, called = n.fetched, n.called
	n.fetched, n.called, n.fresh, n.tried = nil, nil, false, now
	return fetched, called, true
}

// keep gives back what was not written: after a failure all, else the fetches
// from where no application has called.
func (n *callerNotes) keep(fetched map[caller]fetchNote, called map[callNote]bool, known map[string]bool, failed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fetched == nil {
		n.fetched = map[caller]fetchNote{}
	}
	for who, note := range fetched {
		if _, newer := n.fetched[who]; !newer && !known[who.prefix] && len(n.fetched) < maxCallerNotes {
			n.fetched[who] = note
		}
	}
	if !failed {
		return
	}
	if n.called == nil {
		n.called = map[callNote]bool{}
	}
	for note := range called {
		n.called[note] = true
	}
	n.fresh = true
}

// writeCallers returns the addresses from where applications call.
func (db *DB) writeCallers(ctx context.Context, fetched map[caller]fetchNote, called map[callNote]bool) (known map[string]bool, err error) {
	known = map[string]bool{}
	err = db.do(ctx, func(q querier) error {
		if err := insertCalls(ctx, q, called); err != nil {
			return err
		}
		prefixes, err := insertFetches(ctx, q, fetched)
		for _, p := range prefixes {
			known[p] = true
		}
		return err
	})
	return known, err
}

func insertCalls(ctx context.Context, q querier, called map[callNote]bool) error {
	if len(called) == 0 {
		return nil
	}
	var clients, prefixes, agents []string
	for c := range called {
		clients, prefixes, agents = append(clients, c.clientID), append(prefixes, c.prefix), append(agents, c.agent)
	}
	_, err := exec(ctx, q, `
		INSERT INTO client_callers (client_id, address_prefix, agent, expires_at)
		SELECT n.client_id, n.address_prefix, n.agent, now() + @life::interval
		FROM (
			SELECT u.*, row_number() OVER (PARTITION BY u.client_id) AS nth
			FROM unnest(@clients::text[], @prefixes::text[], @agents::text[]) AS u (client_id, address_prefix, agent)
			WHERE EXISTS (SELECT 1 FROM clients WHERE id = u.client_id)
			  AND NOT EXISTS (
				SELECT 1 FROM client_callers c
				WHERE c.client_id = u.client_id AND c.address_prefix = u.address_prefix AND c.agent = u.agent AND c.called_at > now() - @precision::interval)
		) n
		WHERE EXISTS (
				SELECT 1 FROM client_callers c
				WHERE c.client_id = n.client_id AND c.address_prefix = n.address_prefix AND c.agent = n.agent)
		   OR n.nth + (SELECT count(*) FROM client_callers c WHERE c.client_id = n.client_id) <= @most
		ON CONFLICT (client_id, address_prefix, agent) DO UPDATE SET called_at = excluded.called_at, expires_at = excluded.expires_at`,
		args{"clients": clients, "prefixes": prefixes, "agents": agents, "life": callerRemembered, "precision": callerPrecision, "most": maxCallers})
	return err
}

func insertFetches(ctx context.Context, q querier, fetched map[caller]fetchNote) (known []string, err error) {
	if len(fetched) == 0 {
		return nil, nil
	}
	var prefixes, agents []string
	var newest []time.Time
	for who, note := range fetched {
		prefixes, agents, newest = append(prefixes, who.prefix), append(agents, who.agent), append(newest, note.newest)
	}
	return list(ctx, q, `
		WITH notes AS MATERIALIZED (
			SELECT u.*, row_number() OVER (PARTITION BY u.address_prefix) AS nth
			FROM unnest(@prefixes::text[], @agents::text[], @newest::timestamptz[]) AS u (address_prefix, agent, newest_key)
			WHERE EXISTS (SELECT 1 FROM client_callers c WHERE c.address_prefix = u.address_prefix)
		), written AS (
			INSERT INTO jwks_fetches (address_prefix, agent, newest_key, expires_at)
			SELECT n.address_prefix, n.agent, n.newest_key, now() + @life::interval
			FROM notes n
			LEFT JOIN jwks_fetches f ON f.address_prefix = n.address_prefix AND f.agent = n.agent
			WHERE f.address_prefix IS NOT NULL AND (f.newest_key < n.newest_key OR f.fetched_at < now() - @precision::interval)
			   OR f.address_prefix IS NULL AND n.nth + (SELECT count(*) FROM jwks_fetches o WHERE o.address_prefix = n.address_prefix) <= @most
			ON CONFLICT (address_prefix, agent) DO UPDATE
			SET newest_key = greatest(jwks_fetches.newest_key, excluded.newest_key), fetched_at = excluded.fetched_at, expires_at = excluded.expires_at
		)
		SELECT DISTINCT address_prefix FROM notes`,
		args{"prefixes": prefixes, "agents": agents, "newest": newest, "life": callerRemembered, "precision": callerPrecision, "most": maxAgents},
		pgx.RowTo[string])
}
