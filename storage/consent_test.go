package storage_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"latchkey"
)

// consentAsked is a request of an application that waits for a person's consent
// in one browser.
func consentAsked(t testing.TB, db *testDB, userID string) *latchkey.Interaction {
	t.Helper()
	in := &latchkey.Interaction{ClientID: "wiki", Needs: latchkey.Needs{Reason: "consent", UserID: userID}}
	id, err := db.CreateInteraction(t.Context(), in, "mine")
	if err != nil {
		t.Fatal(err)
	}
	in.ID = id
	return in
}

// TestOfManyConsentsByOneFormOneCounts: the form was looked at by all of them
// before the first was written. The statement decides, and the rest changes and
// records nothing.
func TestOfManyConsentsByOneFormOneCounts(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	app(t, db, "wiki")
	in := consentAsked(t, db, u.ID)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			next := *in
			next.Needs = latchkey.Needs{UserID: u.ID, Done: []string{"consent"}}
			switch err := db.GrantConsent(t.Context(), &next, "mine", latchkey.Consent{UserID: u.ID, ClientID: "wiki", Scopes: []string{"openid"}}); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, latchkey.ErrNotFound):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d consents came of one form", won.Load())
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'consent.granted'"); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestConsentsThatAreRefused: each thing wrong alone. Nothing is remembered.
func TestConsentsThatAreRefused(t *testing.T) {
	t.Parallel()
	db := open(t)
	u, _ := person(t, db, "alice", latchkey.RoleUser)
	app(t, db, "wiki")
	app(t, db, "blog")
	for name, c := range map[string]struct {
		sql, browser, client, id string
	}{
		"another browser":        {browser: "yours"},
		"no browser":             {browser: ""},
		"another application":    {browser: "mine", client: "blog"},
		"an id that is none":     {browser: "mine", id: "x"},
		"too late":               {browser: "mine", sql: "UPDATE interactions SET expires_at = now() - interval '1 second'"},
		"answered already":       {browser: "mine", sql: "UPDATE interactions SET used_at = now()"},
		"asked for a sign-in":    {browser: "mine", sql: `UPDATE interactions SET needs = '{"reason": "login"}'`},
		"a request to sign out":  {browser: "mine", sql: "UPDATE interactions SET kind = 'logout'"},
		"nothing was asked here": {browser: "mine", sql: "UPDATE interactions SET needs = '{}'"},
	} {
		in := consentAsked(t, db, u.ID)
		if c.sql != "" {
			db.Exec(t, c.sql)
		}
		if c.id != "" {
			in.ID = c.id
		}
		client := "wiki"
		if c.client != "" {
			client = c.client
		}
		err := db.GrantConsent(t.Context(), in, c.browser, latchkey.Consent{UserID: u.ID, ClientID: client, Scopes: []string{"openid"}})
		if !errors.Is(err, latchkey.ErrNotFound) {
			t.Errorf("%s: got %v, want not found", name, err)
		}
	}
	if n := db.Count(t, "SELECT (SELECT count(*) FROM consents) + (SELECT count(*) FROM audit_pending WHERE kind = 'consent.granted')"); n != 0 {
		t.Errorf("%d consents and events came of it", n)
	}
	in := consentAsked(t, db, u.ID)
	if err := db.GrantConsent(t.Context(), in, "mine", latchkey.Consent{UserID: u.ID, ClientID: "wiki", Scopes: []string{"openid"}}); err != nil {
		t.Errorf("the right one: %v", err)
	}
}
