package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// tokenCount gathers what changes no row by itself, so that it costs no round
// trip: tokens of client_credentials and the use of client secrets. It is
// written each second; a crash may lose the last one.
type tokenCount struct {
	mu     sync.Mutex
	issued map[string]int  // by client
	used   map[string]bool // ids of client secrets
}

// CountToken notes that a client got a token of its own.
func (db *DB) CountToken(clientID string) {
	db.count.mu.Lock()
	defer db.count.mu.Unlock()
	if db.count.issued == nil {
		db.count.issued = map[string]int{}
	}
	db.count.issued[clientID]++
}

// CountSecret notes that a client secret was used.
func (db *DB) CountSecret(id string) {
	db.count.mu.Lock()
	defer db.count.mu.Unlock()
	if db.count.used == nil {
		db.count.used = map[string]bool{}
	}
	db.count.used[id] = true
}

// FlushCounts writes what was gathered: one token.issued event for each client,
// the last use of each secret, and the refusals of a minute that is over. What
// could not be written is kept for the next time. The server calls it each
// second.
func (db *DB) FlushCounts(ctx context.Context) error {
	return errors.Join(db.flushTokens(ctx), db.flushRefusals(ctx, false))
}

// FlushAllCounts is FlushCounts without waiting for a minute to be over: for
// the end.
func (db *DB) FlushAllCounts(ctx context.Context) error {
	return errors.Join(db.flushTokens(ctx), db.flushRefusals(ctx, true), db.FlushCallers(ctx))
}

func (db *DB) flushTokens(ctx context.Context) error {
	db.count.mu.Lock()
	issued, used := db.count.issued, db.count.used
	db.count.issued, db.count.used = nil, nil
	db.count.mu.Unlock()
	if len(issued)+len(used) == 0 {
		return nil
	}
	if err := db.writeCounts(ctx, issued, used); err != nil {
		db.keepCounts(issued, used)
		return fmt.Errorf("write token counts: %w", err)
	}
	return nil
}

func (db *DB) writeCounts(ctx context.Context, issued map[string]int, used map[string]bool) error {
	b := &pgx.Batch{}
	for client, n := range issued {
		acting := latchkey.WithActor(ctx, latchkey.Actor{Kind: latchkey.ActorClient, ClientID: client})
		err := db.queueEvent(acting, b, latchkey.Event{Kind: latchkey.TokenIssued, ClientID: client,
			Reason: "client_credentials", Detail: map[string]any{"count": n}})
		if err != nil {
			return err
		}
	}
	if len(used) > 0 {
		ids := make([]string, 0, len(used))
		for id := range used {
			ids = append(ids, id)
		}
		b.Queue(`UPDATE client_secrets SET last_used_at = now() WHERE id = ANY(@ids::uuid[])`, args{"ids": ids})
	}
	return db.do(ctx, func(q querier) error { return send(ctx, q, b) })
}

func (db *DB) keepCounts(issued map[string]int, used map[string]bool) {
	for client, n := range issued {
		db.count.mu.Lock()
		if db.count.issued == nil {
			db.count.issued = map[string]int{}
		}
		db.count.issued[client] += n
		db.count.mu.Unlock()
	}
	for id := range used {
		db.CountSecret(id)
	}
}
