package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

// as makes a person the actor.
func as(t testing.TB, u *latchkey.User) func(*testDB, func(*storage.Tx) error) error {
	t.Helper()
	return func(db *testDB, f func(*storage.Tx) error) error {
		return db.InTx(latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorUser, UserID: u.ID}), f)
	}
}

// TestTwoAdministratorsCannotEndEachOther: of two parallel acts that each would
// leave the other as the last administrator, one is refused.
func TestTwoAdministratorsCannotEndEachOther(t *testing.T) {
	t.Parallel()
	acts := map[string]func(*storage.Tx, string) error{
		"disable": func(tx *storage.Tx, id string) error { _, err := tx.DisableUser(t.Context(), id); return err },
		"demote": func(tx *storage.Tx, id string) error {
			_, err := tx.SetRole(t.Context(), id, latchkey.RoleUser)
			return err
		},
	}
	for first, one := range acts {
		for second, other := range acts {
			t.Run(first+" and "+second, func(t *testing.T) {
				t.Parallel()
				db := open(t)
				a, _ := person(t, db, "alice", latchkey.RoleAdmin)
				b, _ := person(t, db, "bob", latchkey.RoleAdmin)
				errs := parallel(2, func(i int) error {
					return db.InTx(t.Context(), func(tx *storage.Tx) error {
						if i == 0 {
							return one(tx, a.ID)
						}
						return other(tx, b.ID)
					})
				})
				if (errs[0] == nil) == (errs[1] == nil) {
					t.Errorf("answered %v, want one refusal", errs)
				}
				wantCode(t, errors.Join(errs...), latchkey.ErrConflict, "last_admin")
				if n := db.Count(t, "SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'"); n != 1 {
					t.Errorf("%d administrators are left, want 1", n)
				}
				if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind IN ('user.disabled', 'role.revoked')"); n != 1 {
					t.Errorf("%d changes are recorded, want 1", n)
				}
			})
		}
	}
}

// TestTheLastAdministratorWhoCanSignIn: others count only when they could.
func TestTheLastAdministratorWhoCanSignIn(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]string{
		"the other is off":              "UPDATE users SET status = 'disabled', disabled_at = now() WHERE username = 'bob'",
		"the other has no passkey":      "DELETE FROM credentials WHERE user_id = (SELECT id FROM users WHERE username = 'bob')",
		"the other is no administrator": "UPDATE users SET role = 'user' WHERE username = 'bob'",
		"there is no other":             "DELETE FROM users WHERE username = 'bob'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			a, _ := person(t, db, "alice", latchkey.RoleAdmin)
			person(t, db, "bob", latchkey.RoleAdmin)
			db.Exec(t, spoil)
			wantCode(t, db.InTx(t.Context(), func(tx *storage.Tx) error { _, err := tx.DisableUser(t.Context(), a.ID); return err }), latchkey.ErrConflict, "last_admin")
			wantCode(t, db.InTx(t.Context(), func(tx *storage.Tx) error { _, err := tx.SetRole(t.Context(), a.ID, latchkey.RoleUser); return err }), latchkey.ErrConflict, "last_admin")
		})
	}
}

// TestDisablingEndsAndRecords: what the table of the contract says, the links
// of and by the person, and one event for the change.
func TestDisablingEndsAndRecords(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	db, alice, bob := f.db, f.alice, f.bob
	person(t, db, "root", latchkey.RoleAdmin)
	db.Exec(t, "UPDATE users SET role = 'admin' WHERE id = $1", alice.ID)
	link := func(l latchkey.Link) string {
		t.Helper()
		if err := db.InTx(t.Context(), func(tx *storage.Tx) error { _, err := tx.CreateLink(t.Context(), &l, time.Hour); return err }); err != nil {
			t.Fatal(err)
		}
		return l.ID
	}
	dead := []string{
		link(latchkey.Link{Purpose: latchkey.LinkRecover, UserID: alice.ID}),
		link(latchkey.Link{Purpose: latchkey.LinkInvite, CreatedBy: alice.ID}),
		link(latchkey.Link{Purpose: latchkey.LinkRecover, UserID: bob.ID, CreatedBy: alice.ID}),
	}
	live := []string{
		link(latchkey.Link{Purpose: latchkey.LinkInvite}),
		link(latchkey.Link{Purpose: latchkey.LinkRecover, UserID: bob.ID}),
	}
	var off *latchkey.User
	for range 2 { // the second time changes and records nothing
		err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) { off, err = tx.DisableUser(t.Context(), alice.ID); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	if off.Status != latchkey.StatusDisabled || off.DisabledAt.IsZero() || off.Version != alice.Version+1 {
		t.Errorf("after disabling: %s %v version %d", off.Status, off.DisabledAt, off.Version)
	}
	want := ended{Sessions: []string{"bob"}, Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki", "phone blog offline"}, Told: []string{"laptop wiki", "phone wiki"}}
	want.Access = want.Refresh
	if diff := cmp.Diff(want, f.look(t), sortStrings); diff != "" {
		t.Errorf("what ended (-want +got):\n%s", diff)
	}
	for _, id := range dead {
		if db.Count(t, "SELECT count(*) FROM one_time_links WHERE id = $1 AND used_at IS NOT NULL", id) != 1 {
			t.Errorf("a link of hers still works")
		}
	}
	for _, id := range live {
		if db.Count(t, "SELECT count(*) FROM one_time_links WHERE id = $1 AND used_at IS NULL", id) != 1 {
			t.Errorf("somebody else's link ended")
		}
	}
	for kind, want := range map[string]int{"user.disabled": 1, "session.ended": 1, "link.revoked": 3} {
		if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = $1", kind); n != want {
			t.Errorf("%d events %s, want %d", n, kind, want)
		}
	}
	var on *latchkey.User
	err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) { on, err = tx.EnableUser(t.Context(), alice.ID); return err })
	if err != nil || on.Status != latchkey.StatusActive || !on.DisabledAt.IsZero() {
		t.Errorf("after enabling: %+v, %v", on, err)
	}
	if diff := cmp.Diff(want, f.look(t), sortStrings); diff != "" {
		t.Errorf("enabling brought something back (-want +got):\n%s", diff)
	}
}

// TestNobodyMakesLinksAfterBeingTurnedOff: not even with a request that was
// under way.
func TestNobodyMakesLinksAfterBeingTurnedOff(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]string{"off": "status = 'disabled'", "no administrator": "role = 'user'"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			a, _ := person(t, db, "alice", latchkey.RoleAdmin)
			b, _ := person(t, db, "bob", latchkey.RoleUser)
			db.Exec(t, "UPDATE users SET "+spoil+" WHERE id = $1", a.ID)
			err := as(t, a)(db, func(tx *storage.Tx) error {
				_, err := tx.CreateLink(t.Context(), &latchkey.Link{Purpose: latchkey.LinkInvite, CreatedBy: a.ID}, time.Hour)
				return err
			})
			if !errors.Is(err, latchkey.ErrForbidden) {
				t.Errorf("an invitation: %v, want forbidden", err)
			}
			ctx := latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorUser, UserID: a.ID})
			err = db.InTx(ctx, func(tx *storage.Tx) error { _, _, err := tx.NewRecoveryLink(ctx, b.ID, time.Hour); return err })
			if !errors.Is(err, latchkey.ErrForbidden) {
				t.Errorf("a recovery link: %v, want forbidden", err)
			}
			if n := db.Count(t, "SELECT count(*) FROM one_time_links"); n != 0 {
				t.Errorf("%d links were made", n)
			}
		})
	}
}

// TestAdministratorsWhoRecoverEachOtherDoNotWaitForEver: both lock both.
func TestAdministratorsWhoRecoverEachOtherDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	db := open(t)
	a, _ := person(t, db, "alice", latchkey.RoleAdmin)
	b, _ := person(t, db, "bob", latchkey.RoleAdmin)
	errs := parallel(8, func(i int) error {
		by, whom := a, b
		if i%2 == 1 {
			by, whom = b, a
		}
		ctx := latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorUser, UserID: by.ID})
		return db.InTx(ctx, func(tx *storage.Tx) error { _, _, err := tx.NewRecoveryLink(ctx, whom.ID, time.Hour); return err })
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if n := db.Count(t, "SELECT count(*) FROM one_time_links WHERE used_at IS NULL"); n != 2 {
		t.Errorf("%d recovery links are open, want one for each", n)
	}
}

func TestTheListOfPeople(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, u := range []latchkey.User{
		{Username: "zoe", DisplayName: "Éloïse Zimmer", Email: "Zoe@example.com"},
		{Username: "Adam", DisplayName: "100% Adam"},
		{Username: "mia", DisplayName: "MIA_"},
	} {
		if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateUser(t.Context(), &u) }); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"": "Adam mia zoe", "ZOE": "zoe", "adam": "Adam", "éloïse": "zoe", "ÉLOÏSE": "zoe", "zimmer": "zoe", "@EXAMPLE": "zoe",
		"%": "Adam", "_": "mia", "ａｄａｍ": "Adam", "nobody": "",
	} {
		if got := names(t, db, storage.UserQuery{Text: text}); got != want {
			t.Errorf("looking for %q finds %q, want %q", text, got, want)
		}
	}
	first, err := db.Users(t.Context(), storage.UserQuery{Limit: 2})
	if err != nil || len(first.Items) != 2 || first.Next == "" || first.All != 3 {
		t.Fatalf("first page: %+v, %v", first, err)
	}
	db.Exec(t, "DELETE FROM users WHERE username = 'mia'") // the row the cursor was taken from
	if got := names(t, db, storage.UserQuery{Limit: 2, Cursor: first.Next}); got != "zoe" {
		t.Errorf("the second page is %q, want zoe", got)
	}
	for _, cursor := range []string{"!", "/w", "AA", strings.Repeat("a", 5)} {
		_, err := db.Users(t.Context(), storage.UserQuery{Cursor: cursor})
		wantCode(t, err, latchkey.ErrInvalid, "invalid_cursor")
	}
	if _, err := db.Users(t.Context(), storage.UserQuery{Text: "a\x00b"}); !errors.Is(err, latchkey.ErrInvalid) {
		t.Errorf("a text that no column can hold: %v, want invalid", err)
	}
}

func names(t testing.TB, db *testDB, q storage.UserQuery) string {
	t.Helper()
	page, err := db.Users(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, u := range page.Items {
		out = append(out, u.Username)
	}
	return strings.Join(out, " ")
}

// TestIDsInOtherSpellings name the same row, and what is no id names none.
func TestIDsInOtherSpellings(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	for _, id := range []string{strings.ToUpper(u.ID), "urn:uuid:" + u.ID, "{" + u.ID + "}", strings.ReplaceAll(u.ID, "-", "")} {
		if got, err := db.FindUser(t.Context(), id); err != nil || got.ID != u.ID {
			t.Errorf("FindUser(%q) = %v, %v", id, got, err)
		}
	}
	for _, id := range []string{"", "x", u.ID + "0", "'; DROP TABLE users; --", fmt.Sprintf("%036d", 0)} {
		if _, err := db.FindUser(t.Context(), id); !errors.Is(err, latchkey.ErrNotFound) {
			t.Errorf("FindUser(%q): %v, want not found", id, err)
		}
	}
}
