package storage_test

import (
	"context"
	"net/netip"
	"testing"

	"latchkey"
)

// TestRefusalsOfStrangers: five events of their own, then one with the number of
// the rest; another client, reason or address is another count.
func TestRefusalsOfStrangers(t *testing.T) {
	t.Parallel()
	db := open(t)
	from := func(address string) context.Context {
		return latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorNobody, Address: netip.MustParseAddr(address), RequestID: "r"})
	}
	refuse := func(ctx context.Context, client, reason string, times int) {
		t.Helper()
		for range times {
			err := db.RecordRefusal(ctx, latchkey.Event{Kind: latchkey.ClientAuthFailed, ClientID: client, Outcome: latchkey.Failure, Reason: reason})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	refuse(from("203.0.113.7"), "wiki", "wrong_secret", 8)
	refuse(from("203.0.113.200"), "wiki", "wrong_secret", 4) // the same prefix
	refuse(from("198.51.100.1"), "wiki", "wrong_secret", 5)
	refuse(from("203.0.113.7"), "shop", "wrong_secret", 6)
	refuse(from("203.0.113.7"), "wiki", "wrong_method", 1)
	if err := db.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending"); n != 5+5+5+1 {
		t.Errorf("%d events before the minute is over, want 16", n)
	}
	if err := db.FlushAllCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]int{"wiki": 7, "shop": 1} {
		if n := db.Count(t, `SELECT (detail->>'count')::bigint FROM audit_pending
			WHERE detail ? 'count' AND client_id = $1 AND reason = 'wrong_secret' AND address_prefix = '203.0.113.0/24' AND NOT success AND actor_kind = 'nobody'`, client); n != want {
			t.Errorf("%s: %d counted, want %d", client, n, want)
		}
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE detail ? 'count'"); n != 2 {
		t.Errorf("%d counted events, want 2", n)
	}
	if err := db.FlushAllCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending"); n != 18 {
		t.Errorf("%d events after another flush, want 18", n)
	}
}

// TestRefusalsOfTheAuthenticated are events of their own, each.
func TestRefusalsOfTheAuthenticated(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorClient, ClientID: "wiki"})
	for range 9 {
		if err := db.RecordRefusal(ctx, latchkey.Event{Kind: latchkey.TokenRefused, ClientID: "wiki", Outcome: latchkey.Failure, Reason: "expired"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE reason = 'expired' AND NOT detail ? 'count'"); n != 9 {
		t.Errorf("%d events, want 9", n)
	}
}

// TestRefusalThatCannotBeRecorded is no refusal: its caller learns of it.
func TestRefusalThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	db := open(t)
	db.Exec(t, "ALTER TABLE audit_pending ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
	ev := latchkey.Event{Kind: latchkey.AuthorizationRefused, Outcome: latchkey.Failure, Reason: "unknown_client"}
	for range 7 {
		if err := db.RecordRefusal(t.Context(), ev); err == nil {
			t.Fatal("a refusal passed without a trace")
		}
	}
	db.Exec(t, "ALTER TABLE audit_pending DROP CONSTRAINT full_disk")
	for range 7 {
		if err := db.RecordRefusal(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	db.Exec(t, "ALTER TABLE audit_pending ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
	if err := db.FlushAllCounts(t.Context()); err == nil {
		t.Error("counts that were not written raise no error")
	}
	db.Exec(t, "ALTER TABLE audit_pending DROP CONSTRAINT full_disk")
	if err := db.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "SELECT sum(coalesce((detail->>'count')::int, 1)) FROM audit_pending"); n != 7 {
		t.Errorf("%d refusals in the log, want 7", n)
	}
}
