package oidc_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/oidc"
	"latchkey/outbound/outboundtest"
)

func pairwise(uris ...string) func(*latchkey.Client) {
	return func(c *latchkey.Client) {
		c.RedirectURIs, c.Protocol.SubjectType = append(c.RedirectURIs[:0:0], uris...), latchkey.SubjectPairwise
	}
}

// TestPairwiseSubjects: everything that an application with pairwise subjects is
// told of a person names them by one subject, which no other sector has, and what
// it sends back is understood (OpenID Connect Core §8).
func TestPairwiseSubjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reaching(t))
	told := listen(t, http.StatusOK)
	wiki := w.app(t, "wiki", pairwise(callback), func(c *latchkey.Client) {
		c.Protocol.BackchannelLogoutURI, c.PostLogoutRedirectURIs = told.address, []string{"https://wiki.example.com/bye"}
		c.ResponseTypes, c.GrantTypes = []string{"code", "id_token"}, append(c.GrantTypes, latchkey.GrantImplicit)
	})
	again := w.app(t, "again", pairwise("https://wiki.example.com/other"))
	shop := w.app(t, "shop", pairwise("https://shop.example.com/callback"))
	opaque := w.app(t, "opaque", pairwise(callback), func(c *latchkey.Client) { c.AccessTokenFormat = latchkey.FormatOpaque })
	public := w.app(t, "public")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	tk := wiki.tokens(t, b)
	subject, _ := claimsIn(t, tk.id)["sub"].(string)
	if len(subject) != 43 || subject == alice.Subject {
		t.Fatalf("the subject is %q", subject)
	}
	renewed := readTokens(t, wiki.refresh(t, tk.refresh))
	direct := b.get(t, wiki.request("response_type", "id_token", "code_challenge", "", "code_challenge_method", "", "scope", "openid"))
	for what, got := range map[string]any{
		"access token": claimsIn(t, tk.access)["sub"], "refreshed ID token": claimsIn(t, renewed.id)["sub"],
		"userinfo": w.userinfo(t, tk.access).json(t)["sub"], "introspection": wiki.introspected(t, tk.access)["sub"],
		"introspection of the refresh token": wiki.introspected(t, renewed.refresh)["sub"],
		"ID token by the browser":            claimsIn(t, wiki.firstIDToken(t, direct))["sub"],
		"same sector":                        claimsIn(t, again.tokens(t, b).id)["sub"],
		"opaque":                             opaque.introspected(t, opaque.tokens(t, b).access)["sub"],
		"another node":                       claimsIn(t, wiki.on(w.served(t)).tokens(t, b).id)["sub"],
	} {
		if got != subject {
			t.Errorf("%s: %v, want %s", what, got, subject)
		}
	}
	if other := claimsIn(t, shop.tokens(t, b).id)["sub"]; other == subject || other == alice.Subject {
		t.Errorf("another sector has the subject %v", other)
	}
	if own := claimsIn(t, public.tokens(t, b).id)["sub"]; own != alice.Subject {
		t.Errorf("a public subject is %v", own)
	}
	if bobs := claimsIn(t, wiki.tokens(t, w.browser().signIn(t, w.user(t, "bob"))).id)["sub"]; bobs == subject {
		t.Error("two people have one subject")
	}

	// The hint is understood at both ends.
	if got := b.get(t, wiki.request("prompt", "none", "id_token_hint", tk.id)); got.location(t).Query().Get("code") == "" {
		t.Errorf("its own hint answered %s", got.location(t))
	}
	if got := b.get(t, wiki.request("prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+subject+`"}}}`)); got.location(t).Query().Get("code") == "" {
		t.Errorf("claims for its own subject answered %s", got.location(t))
	}
	bobs := w.browser().signIn(t, w.user(t, "bill"))
	w.wantRedirect(t, "hint of somebody else", bobs.get(t, wiki.request("prompt", "none", "id_token_hint", tk.id)), "login_required")
	if got := b.get(t, logout("id_token_hint", tk.id, "post_logout_redirect_uri", "https://wiki.example.com/bye")); got.location(t).Host != "wiki.example.com" {
		t.Errorf("sign-out answered %d %s", got.status, got.body)
	}
	w.deliver(t)
	if claims := w.verified(t, told.wait(t, 1)[0], latchkey.RS256); claims["sub"] != subject || claims["sid"] != b.session.ID {
		t.Errorf("the logout token says %v", claims)
	}
	if n := w.count(t, `SELECT count(*) FROM settings WHERE key = 'pairwise_key' AND value::text NOT LIKE '%' || $1 || '%'`, subject); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// TestOnePairwiseKey: of many nodes that need it first, one makes it. All of them
// have seen that there is none before the first may write.
func TestOnePairwiseKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := pgx.Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	const nodes = 4
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		made    = map[string]int{}
	)
	for range nodes {
		n := w.served(t)
		running.Go(func() {
			subject, err := n.db.PairwiseSubject(t.Context(), "wiki.example.com", "alice")
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			made[subject]++
		})
	}
	waiting := `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	for deadline := time.Now().Add(20 * time.Second); w.count(t, waiting) < nodes; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the nodes do not come as far as the lock")
		}
	}
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	running.Wait()
	if len(made) != 1 {
		t.Errorf("the nodes made %v", made)
	}
	w.sql(t, `UPDATE settings SET value = to_jsonb('AAAA'::text) WHERE key = 'pairwise_key'`)
	if subject, err := w.served(t).db.PairwiseSubject(t.Context(), "wiki.example.com", "alice"); err == nil {
		t.Errorf("a spoilt key makes %s", subject)
	}
}

// TestSectors are the conformance suite's modules oidcc-registration-sector-uri
// and oidcc-registration-sector-bad, and their neighbours.
func TestSectors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration, reaching(t))
	shows := func(status int, body string) string {
		return outboundtest.Host(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			_, _ = fmt.Fprint(rw, body)
		}) + "/redirect_uris.json"
	}
	two := []string{callback, "https://docs.example.org/cb"}
	good := `["` + strings.Join(two, `","`) + `","https://more.example/"]`
	register := func(sector string, uris []string) *answer {
		d := asTheSuite().with("subject_type", "pairwise", "redirect_uris", uris)
		if sector != "" {
			d = d.with("sector_identifier_uri", sector)
		}
		return w.send(t, "POST", "/oauth2/register", "", d)
	}
	address := shows(200, good)
	first := w.registered(t, register(address, two), http.StatusCreated)
	if m := first.read(t).json(t); m["subject_type"] != "pairwise" || m["sector_identifier_uri"] != address {
		t.Errorf("registered as %v", m)
	}
	second := w.registered(t, register(address, two[1:]), http.StatusCreated)
	b := w.browser().signIn(t, w.user(t, "alice"))
	of := func(s *self) any {
		a := s.app(t)
		return claimsIn(t, readTokens(t, a.exchange(t, b.allow(t, b.get(t, a.request("scope", "openid"))))).id)["sub"]
	}
	if one, other := of(first), of(second); one != other {
		t.Errorf("one sector has the subjects %v and %v", one, other)
	}
	for what, got := range map[string]*answer{
		"a list without the address": register(shows(200, `["https://docs.example.org/cb"]`), two),
		"no list":                    register(shows(200, `{"redirect_uris":[]}`), two),
		"no JSON":                    register(shows(200, `<html>`), two),
		"not found":                  register(shows(404, good), two),
		"http":                       register("http://wiki.example.com/sector.json", two),
		"two hosts and no sector":    register("", two),
		"a type that does not exist": w.send(t, "POST", "/oauth2/register", "", asTheSuite().with("subject_type", "secret")),
		"a replacement": first.replace(t, asTheSuite().with("subject_type", "pairwise", "redirect_uris", two,
			"sector_identifier_uri", shows(200, "[]"))),
		"public, and a sector that is not its own": w.send(t, "POST", "/oauth2/register", "",
			asTheSuite().with("sector_identifier_uri", shows(200, "[]"))),
	} {
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: answered %d %s", what, got.status, got.body)
			continue
		}
		wantRegistrationFault(t, got, http.StatusBadRequest, "invalid_client_metadata")
	}
	if n := w.count(t, `SELECT count(*) FROM clients`); n != 2 {
		t.Errorf("%d applications are registered", n)
	}
	inside := newWorld(t, openRegistration, func(o *oidc.Options) { o.Outbound = outboundtest.Client(t, nil) })
	got := inside.send(t, "POST", "/oauth2/register", "", asTheSuite().with("subject_type", "pairwise", "sector_identifier_uri", address))
	wantRegistrationFault(t, got, http.StatusBadRequest, "invalid_client_metadata")
	if strings.Contains(got.body, "loopback") || inside.events(t, latchkey.OutboundBlocked, "") != 1 {
		t.Errorf("an address inside answered %s", got.body)
	}
}
