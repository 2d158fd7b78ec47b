package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"latchkey"
)

// push sends an authorization request of the application itself and returns the
// address that the browser is sent to with its name.
func (a *app) push(t testing.TB, pairs ...string) string {
	t.Helper()
	got := a.call(t, "/oauth2/par", a.params(pairs...))
	if got.status != http.StatusCreated {
		t.Fatalf("pushing was answered %d %s", got.status, got.body)
	}
	return a.named(got.json(t)["request_uri"].(string))
}

func (a *app) named(requestURI string) string {
	return "/oauth2/authorize?" + url.Values{"client_id": {a.ID}, "request_uri": {requestURI}}.Encode()
}

// TestPushedRequest from the answer to the tokens (RFC 9126 §2 and §4).
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, a := range []*app{
		w.app(t, "wiki"), w.app(t, "post", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthPost }),
		w.app(t, "spa", func(c *latchkey.Client) { c.Type, c.AuthMethod = "spa", latchkey.AuthNone }),
		w.app(t, "strict", func(c *latchkey.Client) { c.Protocol.RequirePushed = true }),
	} {
		pushed := a.call(t, "/oauth2/par", a.params("client_id", a.ID))
		m := pushed.json(t)
		uri, _ := m["request_uri"].(string)
		if pushed.status != http.StatusCreated || pushed.header.Get("Cache-Control") != "no-store" || m["expires_in"] != 90.0 || len(m) != 2 ||
			!strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || len(uri) < 34+43 {
			t.Fatalf("%s: pushing was answered %d %s", a.ID, pushed.status, pushed.body)
		}
		// What stands beside the two parameters is none of the request (§4).
		got := b.get(t, a.named(uri)+"&state=other&nonce=other&scope=openid&redirect_uri=https%3A%2F%2Fevil.example&prompt=login&hinted_subject=x")
		to := got.toApp(t)
		if to.address != callback || to.params.Get("state") != "s t&ate" || to.params.Get("code") == "" {
			t.Fatalf("%s: answered %v", a.ID, to)
		}
		if claims := claimsIn(t, readTokens(t, a.exchange(t, to.params.Get("code"))).id); claims["nonce"] != "n-1" {
			t.Errorf("%s: nonce %v", a.ID, claims["nonce"])
		}
		wantPage(t, b.get(t, a.named(uri)), 400, "invalid_request_uri") // once
	}
	// The secret is not kept with the request.
	if n := w.count(t, `SELECT count(*) FROM interactions WHERE form ? 'client_secret' OR form::text LIKE '%lk_cs_%'`); n != 0 {
		t.Errorf("%d requests hold a secret", n)
	}
}

// TestPushedRequestRefused: each alone, told to the application on the line.
func TestPushedRequestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	public := w.app(t, "public", func(c *latchkey.Client) { c.Type, c.AuthMethod = "spa", latchkey.AuthNone })
	for what, c := range map[string]struct {
		app          *app
		code, reason string
		pairs        []string
	}{
		"request_uri":           {a, "invalid_request", "request_uri", []string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}},
		"unregistered redirect": {a, "invalid_request", "bad_redirect_uri", []string{"redirect_uri", "https://wiki.example.com/other"}},
		"no PKCE where needed":  {public, "invalid_request", "no_challenge", []string{"code_challenge", "", "code_challenge_method", ""}},
		"plain PKCE":            {a, "invalid_request", "challenge_method", []string{"code_challenge_method", "plain"}},
		"no response type":      {a, "invalid_request", "no_response_type", []string{"response_type", ""}},
		"response type":         {a, "unauthorized_client", "response_type_not_allowed", []string{"response_type", "code id_token"}},
		"scope":                 {a, "invalid_scope", "no_scope", []string{"scope", "unheard_of"}},
		"max_age":               {a, "invalid_request", "max_age", []string{"max_age", "-1"}},
		"id_token_hint":         {a, "invalid_request", "id_token_hint", []string{"id_token_hint", "garbage"}},
	} {
		before := w.events(t, latchkey.AuthorizationRefused, "")
		wantFault(t, c.app.call(t, "/oauth2/par", c.app.params(c.pairs...)), 400, c.code)
		if n := w.events(t, latchkey.AuthorizationRefused, ""); n != before+1 {
			t.Errorf("%s: %d events", what, n-before)
		}
	}
	// Who is asking is judged before what is asked.
	r := w.form(t, "/oauth2/par", a.params())
	r.SetBasicAuth(a.ID, "wrong")
	wantFault(t, w.browser().do(t, r), 401, "invalid_client")
	wantFault(t, w.browser().do(t, w.form(t, "/oauth2/par", a.params())), 401, "invalid_client")
	twice := a.params()
	twice.Add("state", "again")
	wantFault(t, a.call(t, "/oauth2/par", twice), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/par?scope=openid", a.params()), 400, "invalid_request")
	if n := w.count(t, `SELECT count(*) FROM interactions`); n != 0 {
		t.Errorf("%d requests were kept", n)
	}
}

// TestPushedRequestAtAuthorize: who may use it, until when, and how often
// (SECURITY case 55).
func TestPushedRequestAtAuthorize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	other := w.app(t, "other")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)

	path := a.push(t)
	wantPage(t, b.get(t, strings.Replace(path, "client_id=wiki", "client_id=other", 1)), 400, "invalid_request_uri")
	wantPage(t, b.get(t, strings.Replace(path, "client_id=wiki&", "", 1)), 400, "invalid_request_uri")
	wantPage(t, b.get(t, path+"x"), 400, "invalid_request_uri")
	wantPage(t, b.get(t, other.named("urn:ietf:params:oauth:request_uri:")), 400, "invalid_request_uri")
	if code := b.get(t, path).toApp(t).params.Get("code"); code == "" {
		t.Error("a stranger's attempt spent the request")
	}

	late := a.push(t)
	w.sql(t, `UPDATE interactions SET expires_at = now() - interval '1 second' WHERE kind = 'pushed' AND used_at IS NULL`)
	wantPage(t, b.get(t, late), 400, "invalid_request_uri")

	off := w.app(t, "off")
	waits := off.push(t)
	w.sql(t, `UPDATE clients SET enabled = false WHERE id = 'off'`)
	wantPage(t, b.get(t, waits), 400, "unknown_client")

	// Two visits before the sign-in both wait; the first that is finished ends it,
	// even when the time in which it could begin is over.
	twice := a.push(t)
	one, two := w.browser(), w.browser()
	first, second := waitingFor(t, one.get(t, twice), "/login"), waitingFor(t, two.get(t, twice), "/login")
	w.sql(t, `UPDATE interactions SET expires_at = now() - interval '1 second' WHERE kind = 'pushed' AND used_at IS NULL`)
	one.signIn(t, alice)
	if code := one.get(t, "/oauth2/authorize?request="+first).toApp(t).params.Get("code"); code == "" {
		t.Error("the first visit got no code")
	}
	two.signIn(t, alice)
	wantPage(t, two.get(t, "/oauth2/authorize?request="+second), 400, "request_expired")

	// So does a refusal.
	denied := a.push(t)
	refusing := w.browser()
	id := waitingFor(t, refusing.get(t, denied), "/login")
	if got := refusing.post(t, "/consent", url.Values{"request": {id}, "decision": {"deny"}}).toApp(t); got.params.Get("error") != "access_denied" {
		t.Errorf("answered %v", got)
	}
	wantPage(t, b.get(t, denied), 400, "invalid_request_uri")

	// By POST from the application's page.
	posted, err := url.Parse(a.push(t))
	if err != nil {
		t.Fatal(err)
	}
	waiting := b.post(t, "/oauth2/authorize", posted.Query())
	if to := b.get(t, waiting.location(t).String()).toApp(t); to.params.Get("code") == "" {
		t.Errorf("answered %v", to)
	}
}

// TestPushedRequestInParallel: of twenty visits with a session one gets a code.
func TestPushedRequestInParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	path := a.push(t)
	codes := make(chan string, 20)
	var wg sync.WaitGroup
	for range 20 {
		visitor := w.browser()
		for name, value := range b.cookies {
			visitor.cookies[name] = value
		}
		wg.Go(func() {
			got := visitor.get(t, path)
			if got.status == http.StatusSeeOther {
				codes <- got.location(t).Query().Get("code")
			}
		})
	}
	wg.Wait()
	if len(codes) != 1 {
		t.Errorf("%d visits got a code, want 1", len(codes))
	}
	if n := w.count(t, `SELECT count(*) FROM grants`); n != 1 {
		t.Errorf("%d grants", n)
	}
}

// TestRequestsThatMustBePushed are refused when they come by the browser.
func TestRequestsThatMustBePushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.Protocol.RequirePushed = true })
	b := w.browser()
	w.wantRedirect(t, "by GET", b.get(t, a.request()), "invalid_request")
	w.wantRedirect(t, "by POST", b.post(t, "/oauth2/authorize", a.params()), "invalid_request")
	if n := w.events(t, latchkey.AuthorizationRefused, "not_pushed"); n != 2 {
		t.Errorf("%d events", n)
	}
	waitingFor(t, b.get(t, a.push(t)), "/login")
}
