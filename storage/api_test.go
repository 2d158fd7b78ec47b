package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

// webClient stores an application that signs people in.
func webClient(t testing.TB, db *testDB, id string, scopes ...string) *latchkey.Client {
	t.Helper()
	c := &latchkey.Client{ID: id, Name: id, Enabled: true, RedirectURIs: []string{"https://" + id + ".example.com/cb"}, Scopes: append([]string{"openid"}, scopes...),
		GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantClientCredentials}}
	c.FillDefaults()
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), c, "") }); err != nil {
		t.Fatal(err)
	}
	return c
}

func createAPI(ctx context.Context, db *testDB, a *latchkey.API) error {
	return db.InTx(ctx, func(tx *storage.Tx) error { return tx.CreateAPI(ctx, a) })
}

func calendarAPI(t testing.TB, db *testDB) *latchkey.API {
	t.Helper()
	a := &latchkey.API{Resource: "https://api.example.com/calendar", Name: "Calendar", Permissions: []latchkey.Permission{
		{Scope: "calendar.read", Description: "Read your calendar", Advertised: true}, {Scope: "calendar.write", Description: "Change your calendar"},
	}}
	if err := createAPI(t.Context(), db, a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAnApplicationKnowsItsAPIs: what it may have comes with it, on every node
// from the change on.
func TestAnApplicationKnowsItsAPIs(t *testing.T) {
	t.Parallel()
	db := open(t)
	webClient(t, db, "wiki")
	a := calendarAPI(t, db)
	know := func(want []latchkey.ClientAPI, serves ...string) {
		t.Helper()
		if err := db.PollCaches(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // from the database, then from memory
			c, err := db.Client(t.Context(), "wiki")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, c.APIs); diff != "" {
				t.Errorf("APIs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, serves...), c.Serves); diff != "" {
				t.Errorf("serves (-want +got):\n%s", diff)
			}
		}
	}
	in := func(f func(tx *storage.Tx) error) {
		t.Helper()
		if err := db.InTx(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	know([]latchkey.ClientAPI{})
	read := latchkey.ClientPermission{Permission: a.Permissions[0]}
	write := latchkey.ClientPermission{Permission: a.Permissions[1]}
	want := latchkey.ClientAPI{ID: a.ID, Resource: a.Resource, Name: "Calendar", People: true}
	in(func(tx *storage.Tx) error {
		return tx.AllowAPI(t.Context(), latchkey.APIAccess{APIID: a.ID, ClientID: "wiki", ForUsers: []string{"calendar.read"}})
	})
	read.People = true
	want.Permissions = []latchkey.ClientPermission{read, write}
	know([]latchkey.ClientAPI{want})
	// What is allowed takes the place of what was.
	in(func(tx *storage.Tx) error {
		return tx.AllowAPI(t.Context(), latchkey.APIAccess{APIID: a.ID, ClientID: "wiki", ForSelf: []string{"calendar.write"}})
	})
	read.People, write.Itself, want.People, want.Itself = false, true, false, true
	want.Permissions = []latchkey.ClientPermission{read, write}
	know([]latchkey.ClientAPI{want})
	a.Name, a.ClientID, a.AccessTokenFormat, a.AccessTokenTTL = "Dates", "wiki", latchkey.FormatOpaque, time.Minute
	a.Permissions = a.Permissions[:1]
	in(func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), a) })
	want.Name, want.Format, want.TTL, want.Permissions = "Dates", latchkey.FormatOpaque, time.Minute, []latchkey.ClientPermission{read}
	know([]latchkey.ClientAPI{want}, a.Resource)
	in(func(tx *storage.Tx) error { return tx.DenyAPI(t.Context(), a.ID, "wiki") })
	know([]latchkey.ClientAPI{}, a.Resource)
	in(func(tx *storage.Tx) error { return tx.DeleteAPI(t.Context(), a.ID) })
	know([]latchkey.ClientAPI{})
}

// TestAnAPIOutlivesWhoServesIt: it then has nobody who asks about tokens.
func TestAnAPIOutlivesWhoServesIt(t *testing.T) {
	t.Parallel()
	db := open(t)
	webClient(t, db, "wiki")
	a := calendarAPI(t, db)
	a.ClientID = "wiki"
	err := db.InTx(t.Context(), func(tx *storage.Tx) error {
		return errors.Join(tx.UpdateAPI(t.Context(), a), tx.AllowAPI(t.Context(), latchkey.APIAccess{APIID: a.ID, ClientID: "wiki"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { _, err := tx.DeleteClient(t.Context(), "wiki"); return err }); err != nil {
		t.Fatal(err)
	}
	if left, err := db.ResolveAPI(t.Context(), a.ID); err != nil || left.ClientID != "" || left.Clients != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// TestChangedMeanwhile: who changes an API has seen it as it is.
func TestAnAPIChangedMeanwhile(t *testing.T) {
	t.Parallel()
	db := open(t)
	a := calendarAPI(t, db)
	stale := *a
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), a) }); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), &stale) })
	wantCode(t, err, latchkey.ErrConflict, "conflict")
}

// TestAScopeHasOneOwner also when an API and an application want it at once, and
// two APIs.
func TestAScopeHasOneOwner(t *testing.T) {
	t.Parallel()
	db := open(t)
	for i := range 6 {
		c := webClient(t, db, fmt.Sprintf("app%d", i))
		scope := fmt.Sprintf("jobs%d", i)
		wants := []func() error{
			func() error {
				return db.InTx(t.Context(), func(tx *storage.Tx) error {
					next := *c
					next.Scopes = []string{"openid", scope}
					_, err := tx.UpdateClient(t.Context(), &next)
					return err
				})
			},
			func() error {
				other := &latchkey.Client{ID: fmt.Sprintf("new%d", i), Name: "New", RedirectURIs: []string{"https://x.example/"}, Scopes: []string{scope}}
				other.FillDefaults()
				return db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), other, "") })
			},
		}
		for j := range 2 {
			wants = append(wants, func() error {
				return createAPI(t.Context(), db, &latchkey.API{Resource: fmt.Sprintf("https://%d.example/%d", i, j), Name: "API", ClientID: c.ID,
					Permissions: []latchkey.Permission{{Scope: scope, Description: "Run"}}})
			})
		}
		var wg sync.WaitGroup
		errs := make([]error, len(wants))
		for n, want := range wants {
			wg.Go(func() { errs[n] = want() })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				wantCode(t, err, latchkey.ErrInvalid, "validation_failed")
			}
		}
		apis := db.Count(t, `SELECT count(*) FROM api_permissions WHERE scope = $1`, scope)
		clients := db.Count(t, `SELECT count(*) FROM clients WHERE $1 = ANY(scopes)`, scope)
		if apis+clients == 0 || apis > 1 || apis == 1 && clients > 0 {
			t.Errorf("%s is of %d APIs and %d applications: %v", scope, apis, clients, errs)
		}
	}
}
