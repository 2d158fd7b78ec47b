package storage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

func group(t testing.TB, db *testDB, name string) *latchkey.Group {
	t.Helper()
	var g *latchkey.Group
	err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) { g, err = tx.CreateGroup(t.Context(), name); return err })
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func addMember(t testing.TB, db *testDB, g *latchkey.Group, u *latchkey.User) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.AddMember(t.Context(), g.ID, u.ID) }); err != nil {
		t.Fatal(err)
	}
}

func TestNamesOfGroups(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{
		"engineering": true, "Sales team": true, "été": true, "a, b": true, "": false, "  ": false, "\u202egroup": false, "a\u200bb": false,
		"a\nb": false, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "0192d3c4-0000-7000-8000-000000000000": false, "\xff": false,
	} {
		if _, _, ok := storage.CleanGroupName(typed); ok != want {
			t.Errorf("CleanGroupName(%q) is %v, want %v", typed, ok, want)
		}
	}
	db := open(t)
	g := group(t, db, " Sales team ")
	if g.Name != "Sales team" {
		t.Errorf("the name is %q", g.Name)
	}
	for _, alike := range []string{"sales team", "SALES  TEAM", "Ｓales team"} {
		err := db.InTx(t.Context(), func(tx *storage.Tx) error { _, err := tx.CreateGroup(t.Context(), alike); return err })
		wantCode(t, err, latchkey.ErrConflict, "group_exists")
		if found, err := db.ResolveGroup(t.Context(), alike); err != nil || found.ID != g.ID {
			t.Errorf("ResolveGroup(%q) = %v, %v", alike, found, err)
		}
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'group.created'"); n != 1 {
		t.Errorf("%d groups are recorded, want 1", n)
	}
}

// TestAGroupThatOpensAnApplicationStays: deleting it would open the application
// to everyone.
func TestAGroupThatOpensAnApplicationStays(t *testing.T) {
	t.Parallel()
	db := open(t)
	g, other := group(t, db, "staff"), group(t, db, "others")
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	addMember(t, db, g, u)
	db.Exec(t, `INSERT INTO clients (id, name, type, profile, grant_types, response_types, scopes, auth_method)
		VALUES ('wiki', 'Wiki', 'web', 'oidc', '{authorization_code}', '{code}', '{openid}', 'none')`)
	db.Exec(t, "INSERT INTO client_groups SELECT 'wiki', id FROM groups") // also when another group opens it
	err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.DeleteGroup(t.Context(), g.ID) })
	wantCode(t, err, latchkey.ErrConflict, "group_in_use")
	if p := (*latchkey.Problem)(nil); !errors.As(err, &p) || !strings.Contains(p.Message, "Wiki (wiki)") {
		t.Errorf("the refusal does not name the application: %v", err)
	}
	if n := db.Count(t, "SELECT count(*) FROM memberships"); n != 1 {
		t.Error("the refused deletion took the people out")
	}
	db.Exec(t, "DELETE FROM client_groups WHERE group_id = $1", g.ID)
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.DeleteGroup(t.Context(), g.ID) }); err != nil {
		t.Error(err)
	}
	err = db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.DeleteGroup(t.Context(), g.ID) })
	if !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("deleting it twice: %v, want not found", err)
	}
	page, err := db.Groups(t.Context(), storage.GroupQuery{})
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != other.ID {
		t.Errorf("groups left: %+v, %v", page, err)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'group.deleted' AND detail->>'members' = '1'"); n != 1 {
		t.Errorf("%d deletions are recorded, want 1", n)
	}
}

// TestLeavingAGroupEndsWhatItOpened and nothing else: the blog is open to two
// groups, the wiki to one of them.
func TestLeavingAGroupEndsWhatItOpened(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, leaves []string
		want       ended
	}{
		"the only one":           {[]string{"staff"}, []string{"staff"}, ended{Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki", "phone blog offline"}}},
		"one of two":             {[]string{"staff", "guests"}, []string{"staff"}, ended{Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki"}}},
		"one that opens little":  {[]string{"staff", "guests"}, []string{"guests"}, ended{}},
		"one that opens nothing": {[]string{"staff", "choir"}, []string{"choir"}, ended{}},
		"both at once":           {[]string{"staff", "guests"}, []string{"staff", "guests"}, ended{Refresh: []string{"laptop wiki", "laptop wiki offline", "phone wiki", "phone blog offline"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newEndings(t)
			groups := map[string]*latchkey.Group{}
			for _, name := range []string{"staff", "guests", "choir"} {
				groups[name] = group(t, f.db, name)
			}
			f.db.Exec(t, `INSERT INTO client_groups SELECT c, g.id FROM groups g, unnest(ARRAY['wiki', 'blog']) c
				WHERE g.name = 'staff' OR g.name = 'guests' AND c = 'blog'`)
			addMember(t, f.db, groups["staff"], f.bob)
			for _, name := range c.in {
				addMember(t, f.db, groups[name], f.alice)
			}
			errs := parallel(len(c.leaves), func(i int) error {
				return f.db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.RemoveMember(t.Context(), groups[c.leaves[i]].ID, f.alice.ID) })
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			want := c.want
			want.Sessions, want.Access = []string{"laptop", "phone", "bob"}, want.Refresh
			if diff := cmp.Diff(want, f.look(t), sortStrings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := f.db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'member.removed'"); n != len(c.leaves) {
				t.Errorf("%d removals are recorded, want %d", n, len(c.leaves))
			}
		})
	}
}

func TestMembersOfGroups(t *testing.T) {
	t.Parallel()
	db := open(t)
	g := group(t, db, "staff")
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	addMember(t, db, g, u)
	addMember(t, db, g, u) // changes and records nothing
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'member.added'"); n != 1 {
		t.Errorf("%d additions are recorded, want 1", n)
	}
	page, err := db.Members(t.Context(), g.ID, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != u.ID {
		t.Errorf("members: %+v, %v", page, err)
	}
	const missing = "0192d3c4-0000-7000-8000-000000000000"
	for name, f := range map[string]func(*storage.Tx) error{
		"add to no group":      func(tx *storage.Tx) error { return tx.AddMember(t.Context(), missing, u.ID) },
		"add nobody":           func(tx *storage.Tx) error { return tx.AddMember(t.Context(), g.ID, missing) },
		"add to what is no id": func(tx *storage.Tx) error { return tx.AddMember(t.Context(), "staff", u.ID) },
		"remove nobody":        func(tx *storage.Tx) error { return tx.RemoveMember(t.Context(), g.ID, missing) },
		"remove from no group": func(tx *storage.Tx) error { return tx.RemoveMember(t.Context(), missing, u.ID) },
	} {
		if err := db.InTx(t.Context(), f); !errors.Is(err, latchkey.ErrNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
	if n := db.Count(t, "SELECT count(*) FROM memberships"); n != 1 {
		t.Errorf("%d memberships, want 1", n)
	}
}
