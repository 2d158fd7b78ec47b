package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"latchkey"
	"latchkey/storage"
)

// TestAGroupThatIsBeingDeletedOpensNothing: who names it waits for the deletion
// and is then told that there is no such group.
func TestAGroupThatIsBeingDeletedOpensNothing(t *testing.T) {
	t.Parallel()
	db := open(t)
	g := group(t, db, "staff")
	deleted, proceed, registered := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		<-deleted
		registered <- db.InTx(t.Context(), func(tx *storage.Tx) error {
			c := &latchkey.Client{ID: "wiki", Name: "Wiki", RedirectURIs: []string{"https://wiki.example/cb"}, AllowedGroups: []string{"staff"}}
			c.FillDefaults()
			return tx.CreateClient(t.Context(), c, "")
		})
	}()
	gone := make(chan error, 1)
	go func() {
		gone <- db.InTx(context.WithoutCancel(t.Context()), func(tx *storage.Tx) error {
			err := tx.DeleteGroup(t.Context(), g.ID)
			close(deleted)
			<-proceed
			return err
		})
	}()
	for range 300 { // less than the two seconds after which it gives up
		if db.Count(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(proceed)
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	err := <-registered
	var p *latchkey.Problem
	if !errors.As(err, &p) || p.Fields["allowed_groups"] != "There is no group with the name staff." {
		t.Errorf("registering it answers %v, want that there is no such group", err)
	}
	if n := db.Count(t, "SELECT count(*) FROM clients"); n != 0 {
		t.Errorf("%d applications are registered, want 0", n)
	}
}
