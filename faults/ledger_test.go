package faults_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// ledger is what one person was told, and what must be found of it in the log.
type ledger struct {
	t      *testing.T
	claims []claim
}

// claim is the number of events of one kind that some requests must have left
// together.
type claim struct {
	requests []string
	kind     string // of latchkey.EventKind, or kind/reason
	min, max int
}

// expect enters a request that makes one event of each kind: exactly one when
// it was acknowledged, at most one when nobody knows.
func (l *ledger) expect(got *answer, kinds ...latchkey.EventKind) {
	least := 0
	if got.acknowledged() {
		least = 1
	}
	for _, kind := range kinds {
		l.exactly([]string{got.request}, string(kind), least, 1)
	}
}

func (l *ledger) exactly(requests []string, kind string, least, most int) {
	l.claims = append(l.claims, claim{requests, kind, least, most})
}

// settle compares all claims with the log. They stay: what was kept once must
// be there after the next fault, too.
func (l *ledger) settle(log events) {
	for _, c := range l.claims {
		n := 0
		for _, request := range c.requests {
			n += log[request][c.kind]
		}
		if n < c.min || n > c.max {
			l.t.Errorf("%v left %d events %s, want %d to %d; the log has %v", c.requests, n, c.kind, c.min, c.max, log.of(c.requests))
		}
	}
}

// events counts the events of each request, by kind and by kind/reason.
type events map[string]map[string]int

func (e events) of(requests []string) (found []map[string]int) {
	for _, r := range requests {
		found = append(found, e[r])
	}
	return found
}

// readEvents reads the whole log: what waits for the sequencer, and the leaves.
func readEvents(t *testing.T, url string) events {
	t.Helper()
	log := events{}
	ask(t, url, `
		SELECT request_id, kind, reason FROM audit_pending WHERE request_id <> ''
		UNION ALL
		SELECT request_id, kind, reason FROM audit_leaf WHERE request_id <> ''`, func(row pgx.CollectableRow) (struct{}, error) {
		var request, kind, reason string
		err := row.Scan(&request, &kind, &reason)
		if log[request] == nil {
			log[request] = map[string]int{}
		}
		log[request][kind]++
		log[request][kind+"/"+reason]++
		return struct{}{}, err
	})
	return log
}

// ask runs a query beside the program.
func ask[T any](t *testing.T, url, query string, scan pgx.RowToFunc[T], arguments ...any) []T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("reach the database: %v", err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query, arguments...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}
