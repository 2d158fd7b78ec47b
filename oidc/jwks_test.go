package oidc_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestWhoFetchesTheKeys: the token endpoint notes from where an application gets
// ID tokens, the JWKS who asks for it, and a new key tells which of them lack it.
func TestWhoFetchesTheKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	from := func(address, agent string, r *http.Request) *answer {
		t.Helper()
		r.Header.Set("Test-From", address)
		r.Header.Set("Test-Agent", agent)
		got := w.browser().do(t, r)
		if got.status != http.StatusOK && got.status != http.StatusNotModified {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		return got
	}
	calls := func(a *app, address, agent string) {
		t.Helper()
		form := url.Values{"grant_type": {"authorization_code"}, "code": {a.code(t, b)}, "redirect_uri": {callback}, "code_verifier": {verifier}, "client_id": {a.ID}}
		r := w.form(t, "/oauth2/token", form)
		if !a.Public() {
			form.Del("client_id")
			r = w.form(t, "/oauth2/token", form)
			r.SetBasicAuth(a.ID, a.secret)
		}
		from(address, agent, r)
	}
	fetches := func(address, agent, known string) *answer {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/jwks", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-None-Match", known)
		return from(address, agent, r)
	}
	wiki := w.app(t, "wiki")
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	calls(wiki, "198.51.100.1", "node")
	calls(public, "198.51.100.2", "Firefox on Linux")
	machine := w.app(t, "machine", func(c *latchkey.Client) {
		c.GrantTypes, c.Scopes = []string{latchkey.GrantClientCredentials}, []string{"jobs:run"}
	})
	if got := machine.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}); got.status != http.StatusOK {
		t.Fatalf("answered %d %s", got.status, got.body)
	}
	before := fetches("198.51.100.1", "node", "").header.Get("ETag")
	if err := w.keys.Rotate(t.Context(), []string{latchkey.RS256}, false); err != nil {
		t.Fatal(err)
	}
	want := func(when string, want ...string) {
		t.Helper()
		if err := w.db.FlushCallers(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := w.db.SuccessorReaders(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		said := []string{}
		for _, readers := range found {
			for _, r := range readers {
				said = append(said, fmt.Sprintf("%s %d of %d", r.ClientID, r.Fetched, r.Callers))
			}
		}
		if diff := cmp.Diff(want, said); diff != "" || len(found) != 1 {
			t.Errorf("%s: %d new keys (-want +got):\n%s", when, len(found), diff)
		}
	}
	want("before the fetch", "wiki 0 of 1")
	if n := w.count(t, `SELECT count(*) FROM client_callers WHERE client_id <> 'wiki'`); n != 0 {
		t.Errorf("%d places of applications that run with people, or that get no ID tokens", n)
	}
	after := fetches("198.51.100.1", "node", before).header.Get("ETag")
	if after == before {
		t.Error("the key set did not change")
	}
	want("after the fetch", "wiki 1 of 1")
	// Who asks whether its copy is the newest, and is told so, has it too.
	w.sql(t, `DELETE FROM jwks_fetches`)
	if got := fetches("198.51.100.1", "node", after); got.status != http.StatusNotModified {
		t.Errorf("answered %d", got.status)
	}
	want("after an unchanged answer", "wiki 1 of 1")
}
