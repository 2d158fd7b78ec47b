package storage_test

import (
	"errors"
	"testing"

	"latchkey"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// TestTheHeadIsTheGuard: whatever the advisory lock does, a tree that is no
// longer the one that was claimed for does not grow, and no event is lost.
func TestTheHeadIsTheGuard(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]string{
		"another was first":    `UPDATE audit_head SET size = 1`,
		"somebody stopped it":  `UPDATE audit_head SET halted = 'why'`,
		"an event is gone":     `DELETE FROM audit_pending WHERE kind = 'link.used'`,
		"all events are taken": `DELETE FROM audit_pending`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			for _, kind := range []latchkey.EventKind{latchkey.LinkCreated, latchkey.LinkUsed} {
				if err := db.Record(t.Context(), latchkey.Event{Kind: kind}); err != nil {
					t.Fatal(err)
				}
			}
			grow := func(between func()) error {
				return db.InTx(t.Context(), func(tx *storage.Tx) error {
					claim, err := tx.ClaimEvents(t.Context(), 10, false)
					if err != nil || len(claim.Events) != 2 {
						t.Fatalf("claimed %+v, %v", claim, err)
					}
					between()
					return tx.AppendLeaves(t.Context(), claim, &storage.Growth{
						Leaves: [][]byte{{1}, {2}}, Hashes: make([][storage.HashSize]byte, 2), Edge: []byte{},
					})
				})
			}
			if err := grow(func() { storagetest.SQL(t, db.url, beside) }); !errors.Is(err, latchkey.ErrConflict) {
				t.Errorf("grew: %v, want ErrConflict", err)
			}
			if n := db.Count(t, "SELECT count(*) FROM audit_leaf"); n != 0 {
				t.Errorf("%d leaves were written", n)
			}
			if name == "another was first" {
				storagetest.SQL(t, db.url, `UPDATE audit_head SET size = 0`)
				if err := grow(func() {}); err != nil {
					t.Errorf("with nobody beside: %v", err)
				}
			}
		})
	}
}

// TestOneSequencerWorks at a time, so that the others save the work.
func TestOneSequencerWorks(t *testing.T) {
	t.Parallel()
	db := open(t)
	other := storagetest.Connect(t, db.url)
	err := db.InTx(t.Context(), func(tx *storage.Tx) error {
		if claim, err := tx.ClaimEvents(t.Context(), 10, false); err != nil || claim == nil {
			t.Fatalf("the first got %+v, %v", claim, err)
		}
		return other.InTx(t.Context(), func(tx *storage.Tx) error {
			claim, err := tx.ClaimEvents(t.Context(), 10, false)
			if claim != nil {
				t.Error("the second works too")
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEventsOfOnePerson are those by them and about them, in pages that neither
// lose nor double an event when it comes into the tree between two pages.
func TestEventsOfOnePerson(t *testing.T) {
	t.Parallel()
	db := open(t)
	const alice, bob = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
	record := func(actor, subject string) {
		t.Helper()
		ctx := latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorUser, UserID: actor})
		if err := db.Record(ctx, latchkey.Event{Kind: latchkey.UserUpdated, Subject: subject}); err != nil {
			t.Fatal(err)
		}
	}
	record(alice, alice)
	record(alice, bob)
	record(bob, alice)
	record(bob, bob)
	record(alice, "")
	var pages [][]string
	for cursor := ""; ; {
		page, err := db.Events(t.Context(), storage.EventQuery{UserID: alice, Cursor: cursor, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range page.Items {
			ids = append(ids, e.ActorID[35:]+e.Subject[min(35, len(e.Subject)):])
		}
		pages = append(pages, ids)
		if cursor = page.Next; cursor == "" {
			break
		}
		record(alice, alice) // newer than where the list began
	}
	if len(pages) != 2 || len(pages[0]) != 3 || len(pages[1]) != 1 || pages[0][0] != "7" || pages[0][1] != "87" || pages[0][2] != "78" || pages[1][0] != "77" {
		t.Errorf("pages %v", pages)
	}
}
