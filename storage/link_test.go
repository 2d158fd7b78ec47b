package storage_test

import (
	"testing"

	"latchkey"
	"latchkey/storage"
)

// TestLinksThatNobodyUsed are recorded as revoked when another one, or a code,
// has done what they were for. The one that was used is not, nor one that had
// run out before, nor anybody else's.
func TestLinksThatNobodyUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		purpose latchkey.LinkPurpose
		reason  string
		end     func(*testing.T, *storage.Tx, string) error
	}{
		{latchkey.LinkSetup, "set_up", func(t *testing.T, tx *storage.Tx, _ string) error { return tx.EndSetupLinks(t.Context()) }},
		{latchkey.LinkRecover, "recovered", func(t *testing.T, tx *storage.Tx, user string) error { return tx.EndRecoveryLinks(t.Context(), user) }},
	} {
		t.Run(string(c.purpose), func(t *testing.T) {
			t.Parallel()
			db := open(t)
			alice, _ := person(t, db, "alice", latchkey.RoleAdmin)
			bob, _ := person(t, db, "bob", latchkey.RoleUser)
			of := latchkey.Link{Purpose: c.purpose}
			if c.purpose == latchkey.LinkRecover {
				of.UserID = alice.ID
			}
			_, used := link(t, db, of)
			_, old := link(t, db, of)
			_, open := link(t, db, of)
			_, invitation := link(t, db, latchkey.Link{Purpose: latchkey.LinkInvite})
			_, others := link(t, db, latchkey.Link{Purpose: latchkey.LinkRecover, UserID: bob.ID})
			db.Exec(t, "UPDATE one_time_links SET expires_at = now() WHERE id = $1", old.ID)
			if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.UseLink(t.Context(), used.ID, alice.ID) }); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time finds nothing more
				if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return c.end(t, tx, alice.ID) }); err != nil {
					t.Fatal(err)
				}
			}
			if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'link.used'"); n != 1 {
				t.Errorf("%d links are recorded as used, want 1", n)
			}
			const revoked = "SELECT count(*) FROM audit_pending WHERE kind = 'link.revoked'"
			if n := db.Count(t, revoked); n != 1 {
				t.Errorf("%d links are recorded as revoked, want 1", n)
			}
			if n := db.Count(t, revoked+" AND detail->>'object' = $1 AND detail->>'purpose' = $2 AND reason = $3 AND coalesce(subject::text, '') = $4",
				open.ID, string(c.purpose), c.reason, of.UserID); n != 1 {
				t.Errorf("the open link is not what was revoked")
			}
			if n := db.Count(t, "SELECT count(*) FROM one_time_links WHERE used_at IS NULL AND id IN ($1, $2)", invitation.ID, others.ID); n != 2 {
				t.Errorf("%d links of others still work, want 2", n)
			}
		})
	}
}
