package keys_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// app registers an application that has ID tokens by alg.
func (h *house) app(t *testing.T, id, alg, method string) {
	t.Helper()
	storagetest.SQL(t, h.url, `
		INSERT INTO clients (id, name, type, profile, grant_types, response_types, scopes, auth_method, id_token_alg)
		VALUES ($1, $2, 'web', 'oidc', '{authorization_code}', '{code}', '{openid}', $3, $4)`, id, strings.ToUpper(id), method, alg)
}

func at(t *testing.T, address, agent string) context.Context {
	return latchkey.WithActor(t.Context(), latchkey.Actor{Kind: latchkey.ActorNobody, Address: netip.MustParseAddr(address), Agent: agent})
}

func (h *house) flush(t *testing.T) {
	t.Helper()
	if err := h.db.FlushCallers(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// readers says of the new key of alg who needs it: "wiki 1/2+1" is 2 places,
// 1 of which has the key, and 1 perhaps.
func (h *house) readers(t *testing.T, alg string) (said []string) {
	t.Helper()
	if err := h.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := h.db.SuccessorReaders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for kid, readers := range found {
		if h.published(t)[kid].Alg != alg {
			continue
		}
		said = []string{}
		for _, r := range readers {
			said = append(said, fmt.Sprintf("%s %d/%d+%d", r.ClientID, r.Fetched, r.Callers, r.Perhaps))
		}
	}
	return said
}

// TestWhoFetchedANewKey follows applications from the announcement of a key to
// the last of them that has fetched it.
func TestWhoFetchedANewKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, id := range []string{"wiki", "docs", "cloud", "idle"} {
		h.app(t, id, latchkey.ES256, latchkey.AuthBasic)
	}
	h.app(t, "other", latchkey.RS256, latchkey.AuthBasic)
	h.app(t, "info", latchkey.RS256, latchkey.AuthBasic)
	storagetest.SQL(t, h.url, `UPDATE clients SET protocol = '{"userinfo_signed_response_alg": "ES256"}' WHERE id = 'info'`)
	h.app(t, "gone", latchkey.ES256, latchkey.AuthBasic)
	storagetest.SQL(t, h.url, `UPDATE clients SET enabled = false WHERE id = 'gone'`)
	h.app(t, "spa", latchkey.ES256, latchkey.AuthNone)

	const wiki, docs, cloudA, cloudB = "198.51.100.1", "198.51.100.2", "2001:db8:1::1", "2001:db8:2::1"
	call := func() {
		for _, c := range []struct{ id, address, agent string }{
			{"wiki", wiki, "Go-http-client"}, {"docs", docs, "node"}, {"cloud", cloudA, "Java"}, {"cloud", cloudB, "Java"},
			{"other", "198.51.100.3", "curl"}, {"info", "198.51.100.4", "curl"}, {"gone", "198.51.100.5", "curl"}, {"spa", "198.51.100.6", "curl"},
		} {
			h.db.NoteCaller(at(t, c.address, c.agent), c.id)
		}
	}
	fetch := func(address, agent string) { h.Fetch(at(t, address, agent)) }
	call()
	for _, address := range []string{wiki, docs, cloudA, cloudB} { // the set before the new key
		fetch(address, "Go-http-client")
	}
	h.flush(t)
	if got := h.readers(t, latchkey.ES256); got != nil {
		t.Errorf("before there is a new key: %v", got)
	}
	if err := h.Rotate(t.Context(), []string{latchkey.ES256}, false); err != nil {
		t.Fatal(err)
	}
	want := func(when string, said ...string) {
		t.Helper()
		h.flush(t)
		if diff := cmp.Diff(said, h.readers(t, latchkey.ES256)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	want("at first", "cloud 0/2+0", "docs 0/1+0", "info 0/1+0", "wiki 0/1+0")
	fetch(wiki, "Go-http-client")
	want("wiki has it", "cloud 0/2+0", "docs 0/1+0", "info 0/1+0", "wiki 1/1+0")
	fetch(docs, "Python-urllib")
	fetch("203.0.113.9", "node") // a stranger
	want("somebody at the address of docs", "cloud 0/2+0", "docs 0/1+1", "info 0/1+0", "wiki 1/1+0")
	fetch(docs, "node")
	fetch("2001:db8:1::ffff", "Java") // the same /64
	want("docs, and one of two machines", "cloud 1/2+0", "docs 1/1+0", "info 0/1+0", "wiki 1/1+0")
	fetch("2001:db8:2:1::1", "Java") // a neighbour in another /64
	want("not a neighbour", "cloud 1/2+0", "docs 1/1+0", "info 0/1+0", "wiki 1/1+0")
	if got := h.readers(t, latchkey.RS256); got != nil {
		t.Errorf("of a key that did not change: %v", got)
	}
	// An old fetch is no fetch of the next key.
	if err := h.Rotate(t.Context(), []string{latchkey.ES256}, true); err != nil {
		t.Fatal(err)
	}
	want("the next key", "cloud 0/2+0", "docs 0/1+0", "info 0/1+0", "wiki 0/1+0")
	fetch(wiki, "Go-http-client")
	storagetest.SQL(t, h.url, `UPDATE client_callers SET expires_at = now() WHERE client_id IN ('cloud', 'info')`)
	want("without those who have not called for long", "docs 0/1+0", "wiki 1/1+0")
	storagetest.SQL(t, h.url, `UPDATE signing_keys SET delete_at = now() WHERE alg = 'ES256' AND retire_at <= now()`)
	if got := h.readers(t, latchkey.ES256); got != nil {
		t.Errorf("when the predecessors are gone: %v", got)
	}
}

// TestNewKeyOfNobody: a new key that no application is known to need has a list,
// and an empty one.
func TestNewKeyOfNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.app(t, "idle", latchkey.EdDSA, latchkey.AuthBasic)
	if err := h.Rotate(t.Context(), []string{latchkey.EdDSA}, false); err != nil {
		t.Fatal(err)
	}
	if got := h.readers(t, latchkey.EdDSA); got == nil || len(got) != 0 {
		t.Errorf("readers %v", got)
	}
}

// TestAFetchBeforeTheFirstCall counts, too; one of a stranger never becomes a row.
func TestAFetchBeforeTheFirstCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.app(t, "wiki", latchkey.ES256, latchkey.AuthBasic)
	if err := h.Rotate(t.Context(), []string{latchkey.ES256}, false); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		h.Fetch(at(t, fmt.Sprintf("203.0.%d.%d", i/250, i%250), fmt.Sprint("agent ", i%7)))
	}
	h.flush(t)
	h.Fetch(at(t, "198.51.100.1", "node"))
	h.flush(t)
	rows := func(table string) int { return storagetest.Value[int](t, h.url, `SELECT count(*) FROM `+table) }
	if n := rows("jwks_fetches"); n != 0 {
		t.Errorf("%d rows of strangers", n)
	}
	h.db.NoteCaller(at(t, "198.51.100.1", "node"), "wiki")
	h.db.NoteCaller(at(t, "198.51.100.1", "node"), "deleted since")
	h.flush(t)
	if diff := cmp.Diff([]string{"wiki 1/1+0"}, h.readers(t, latchkey.ES256)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f, c := rows("jwks_fetches"), rows("client_callers"); f != 1 || c != 1 {
		t.Errorf("%d fetches, %d callers", f, c)
	}
}

// TestCallersAreBounded: an application that varies its agent, or one at whose
// address somebody does, leaves a fixed number of rows.
func TestCallersAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.app(t, "wiki", latchkey.ES256, latchkey.AuthBasic)
	for range 3 {
		for i := range 100 {
			h.db.NoteCaller(at(t, "198.51.100.1", fmt.Sprint("agent ", i)), "wiki")
			h.Fetch(at(t, "198.51.100.1", fmt.Sprint("agent ", i)))
		}
		h.flush(t)
	}
	for table, want := range map[string]int{"client_callers": 32, "jwks_fetches": 16} {
		if n := storagetest.Value[int](t, h.url, `SELECT count(*) FROM `+table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	// Those that are known are still written.
	storagetest.SQL(t, h.url, `UPDATE client_callers SET called_at = now() - interval '2 hours'`)
	storagetest.SQL(t, h.url, `UPDATE jwks_fetches SET fetched_at = now() - interval '2 hours'`)
	for i := range 100 {
		h.db.NoteCaller(at(t, "198.51.100.1", fmt.Sprint("agent ", i)), "wiki")
		h.Fetch(at(t, "198.51.100.1", fmt.Sprint("agent ", i)))
	}
	h.flush(t)
	for table, column := range map[string]string{"client_callers": "called_at", "jwks_fetches": "fetched_at"} {
		if n := storagetest.Value[int](t, h.url, `SELECT count(*) FROM `+table+` WHERE `+column+` < now() - interval '1 hour'`); n != 0 {
			t.Errorf("%s: %d rows were not written again", table, n)
		}
	}
	storagetest.SQL(t, h.url, `UPDATE client_callers SET expires_at = now() - interval '1 second'`)
	storagetest.SQL(t, h.url, `UPDATE jwks_fetches SET expires_at = now() - interval '1 second'`)
	swept := map[string]int{}
	for _, s := range storage.Sweepers() {
		n, err := h.db.Sweep(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		swept[s.Name] = n
	}
	if swept["client_callers"] != 32 || swept["jwks_fetches"] != 16 {
		t.Errorf("swept %v", swept)
	}
}

// TestNotesSurviveALostDatabase: what could not be written is written later.
func TestNotesSurviveALostDatabase(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.app(t, "wiki", latchkey.ES256, latchkey.AuthBasic)
	h.db.NoteCaller(at(t, "198.51.100.1", "node"), "wiki")
	h.Fetch(at(t, "198.51.100.1", "node"))
	over, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := h.db.FlushCallers(over); err == nil {
		t.Fatal("written without time")
	}
	h.flush(t)
	if n := storagetest.Value[int](t, h.url, `SELECT count(*) FROM client_callers JOIN jwks_fetches USING (address_prefix, agent)`); n != 1 {
		t.Errorf("%d rows", n)
	}
}
