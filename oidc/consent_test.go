package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
)

func claimsIn(t *testing.T, token string) map[string]any {
	t.Helper()
	return partOf(t, token, 1)
}

func headerOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return partOf(t, token, 0)
}

func partOf(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// hidden are the hidden fields of the form on a page.
func hidden(page string) url.Values {
	form := url.Values{}
	for _, part := range strings.Split(page, `<input type="hidden" name="`)[1:] {
		name, rest, _ := strings.Cut(part, `" value="`)
		value, _, _ := strings.Cut(rest, `"`)
		form.Set(name, value)
	}
	return form
}

// ask follows a redirect to the consent page and returns its form.
func (b *browser) ask(t *testing.T, got *answer) url.Values {
	t.Helper()
	id := waitingFor(t, got, "/consent")
	page := b.get(t, "/consent?request="+url.QueryEscape(id))
	if page.status != 200 || !strings.Contains(page.body, `id="consent"`) {
		t.Fatalf("the consent page answered %d %s", page.status, page.body)
	}
	return hidden(page.body)
}

// allow presses Allow and returns the code that is handed over.
func (b *browser) allow(t *testing.T, got *answer) string {
	t.Helper()
	form := b.ask(t, got)
	form.Set("decision", "allow")
	answered := b.post(t, "/consent", form)
	if answered.status != http.StatusOK || !strings.Contains(answered.body, `http-equiv="refresh"`) {
		t.Fatalf("allow answered %d %s", answered.status, answered.body)
	}
	return answered.location(t).Query().Get("code")
}

func third(c *latchkey.Client) { c.FirstParty = false }

func TestConsentIsAskedOnceAndAgainForMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := b.allow(t, b.get(t, a.request("scope", "openid profile")))
	if got := a.exchange(t, code); got.status != 200 {
		t.Fatalf("exchange answered %d %s", got.status, got.body)
	}
	a.code(t, b, "scope", "openid profile")
	a.code(t, b, "scope", "openid")
	b.ask(t, b.get(t, a.request("scope", "openid profile email")))
	// prompt=consent asks although everything is remembered.
	if code := b.allow(t, b.get(t, a.request("scope", "openid", "prompt", "consent"))); code == "" {
		t.Error("no code after prompt=consent")
	}
	// What was allowed before stays allowed.
	a.code(t, b, "scope", "openid profile")
	if n := w.events(t, latchkey.ConsentGranted, ""); n != 2 {
		t.Errorf("%d events", n)
	}
	// Somebody else is asked for themselves.
	other := w.browser().signIn(t, w.user(t, "bob"))
	other.ask(t, other.get(t, a.request("scope", "openid")))
}

// What a person allowed one application, another one is asked for.
func TestConsentOfOneApplicationIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki", third), w.app(t, "other", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	b.allow(t, b.get(t, a.request()))
	b.ask(t, b.get(t, other.request()))
	a.code(t, b)
}

func TestConsentDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	form := b.ask(t, b.get(t, a.request()))
	form.Set("decision", "deny")
	got := b.post(t, "/consent", form)
	if q := got.location(t).Query(); got.status != 200 || q.Get("error") != "access_denied" || q.Get("state") != "s t&ate" || q.Get("iss") != w.issuer {
		t.Errorf("answered %d %v", got.status, q)
	}
	if n := w.events(t, latchkey.ConsentDenied, "denied"); n != 1 {
		t.Errorf("%d events", n)
	}
	w.noGrant(t)
	wantPage(t, b.post(t, "/consent", form), 403, "form_expired")
}

// SECURITY case 14.
func TestConsentFormOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	form := b.ask(t, b.get(t, a.request()))
	foreign := w.browser().signIn(t, w.user(t, "bob"))
	foreignForm := foreign.ask(t, foreign.get(t, a.request()))
	post := func(pairs ...string) *answer {
		return b.post(t, "/consent", changed(url.Values{"request": form["request"], "token": form["token"], "decision": {"allow"}}, pairs...))
	}
	wantPage(t, post("token", ""), 403, "form_expired")
	wantPage(t, post("token", "AAAA"), 403, "form_expired")
	wantPage(t, post("token", foreignForm.Get("token")), 403, "form_expired")
	wantPage(t, foreign.post(t, "/consent", url.Values{"request": form["request"], "token": form["token"], "decision": {"allow"}}), 403, "form_expired")
	if n := w.events(t, latchkey.ConsentDenied, "foreign_form"); n != 4 {
		t.Errorf("%d events", n)
	}
	w.noGrant(t)
	if n := w.count(t, `SELECT count(*) FROM consents`); n != 0 {
		t.Errorf("%d consents", n)
	}
	// The form itself still works, once.
	if got := post(); got.location(t).Query().Get("code") == "" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	wantPage(t, post(), 403, "form_expired")
	if n := w.events(t, latchkey.ConsentDenied, "foreign_form"); n != 5 {
		t.Errorf("%d events after a used form", n)
	}
	if n := w.count(t, `SELECT count(*) FROM grants`); n != 1 {
		t.Errorf("%d grants", n)
	}
}

func TestUsedFormWhileTheRequestStillWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	form := b.ask(t, b.get(t, a.request()))
	form.Set("decision", "allow")
	// The step is spent, the request is not: as when two clicks race.
	w.sql(t, `UPDATE interactions SET needs = '{"reason": ""}'`)
	wantPage(t, b.post(t, "/consent", form), 403, "form_expired")
	w.noGrant(t)
}

func TestCancelOnTheSignInPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request()), "/login")
	got := b.post(t, "/consent", url.Values{"request": {id}, "decision": {"deny"}})
	if q := got.location(t).Query(); got.status != 200 || q.Get("error") != "access_denied" || q.Get("state") != "s t&ate" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if n := w.events(t, latchkey.AuthorizationRefused, "cancelled"); n != 1 {
		t.Errorf("%d events", n)
	}
	second := waitingFor(t, b.get(t, a.request()), "/login")
	wantPage(t, b.post(t, "/consent", url.Values{"request": {second}, "decision": {"allow"}}), 403, "form_expired")
	w.noGrant(t)
}

func TestConsentWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	tk := readTokens(t, a.exchange(t, b.allow(t, b.get(t, a.request()))))
	w.withdraw(t, alice.ID, a.ID)
	wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_grant")
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	b.ask(t, b.get(t, a.request()))
	if n := w.events(t, latchkey.ConsentRevoked, ""); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Cancel on the page that asks to confirm is the person's refusal, as on the
// sign-in page.
func TestCancelOnTheStepUpPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	id := waitingFor(t, b.get(t, a.request("prompt", "login")), "/login")
	got := b.post(t, "/consent", url.Values{"request": {id}, "decision": {"deny"}})
	if q := got.location(t).Query(); got.status != 200 || q.Get("error") != "access_denied" || q.Get("state") != "s t&ate" || q.Get("iss") != w.issuer {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if n := w.events(t, latchkey.AuthorizationRefused, "cancelled"); n != 1 {
		t.Errorf("%d events", n)
	}
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	wantPage(t, b.post(t, "/consent", url.Values{"request": {id}, "decision": {"deny"}}), 400, "request_expired")
}

// A native application is reached by its own scheme, from the page that hands
// over as from a redirect.
func TestHandOverToAPrivateScheme(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "native", third, func(c *latchkey.Client) {
		c.Type, c.AuthMethod, c.Profile, c.RedirectURIs = "native", latchkey.AuthNone, latchkey.ProfileOAuth21, []string{"com.example.app:/cb"}
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	form := b.ask(t, b.get(t, a.request()))
	handedOver := b.post(t, "/consent", changed(form, "decision", "allow"))
	for name, got := range map[string]*answer{"hand-over": handedOver, "redirect": b.get(t, a.request())} {
		if to := got.location(t); to.Scheme != "com.example.app" || to.Path != "/cb" || to.Query().Get("code") == "" || got.header.Get("Cache-Control") != "no-store" ||
			got.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: to %v, headers %v", name, to, got.header)
		}
	}
}

// TestScopesThatThePageDidNotShow: a scope that nobody knew when the page was
// shown, and that the application has by the time somebody allows it, is not
// allowed with it: the page is shown once more.
func TestScopesThatThePageDidNotShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third, func(c *latchkey.Client) { c.Scopes = []string{"openid"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	waits := b.get(t, a.request("scope", "openid jobs:run"))
	form := b.ask(t, waits)
	w.sql(t, `UPDATE clients SET scopes = '{openid,jobs:run}'`)
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPage(t, b.post(t, "/consent", changed(form, "decision", "allow")), 403, "form_expired")
	w.noGrant(t)
	tk := readTokens(t, a.exchange(t, b.allow(t, waits)))
	if scope := claimsIn(t, tk.access)["scope"]; scope != "openid jobs:run" {
		t.Errorf("what was shown gives %v", scope)
	}
}
