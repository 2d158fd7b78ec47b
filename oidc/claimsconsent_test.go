package oidc_test

import (
	"slices"
	"strings"
	"testing"

	"latchkey"
	"latchkey/storage/storagetest"
)

// TestClaimsAreAskedForAtConsent: each claim by name needs its own consent, in
// plain words, and that is to it alone.
func TestClaimsAreAskedForAtConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	b.allow(t, b.get(t, a.request("scope", "openid")))
	request := a.request("scope", "openid", "claims", `{"userinfo": {"phone_number": null}, "id_token": {"nickname": null}}`)
	w.wantRedirect(t, "silently", b.get(t, request+"&prompt=none"), "consent_required")
	page := b.get(t, b.get(t, request).location(t).String())
	if !strings.Contains(page.body, "Your phone number") || !strings.Contains(page.body, "Your nickname") || strings.Contains(page.body, "what else is in your profile") {
		t.Errorf("the page does not say what is asked: %s", page.body)
	}
	tk := readTokens(t, a.exchange(t, b.allow(t, b.get(t, request))))
	w.wantTold(t, "userinfo", w.userinfo(t, tk.access).json(t), "phone_number")
	w.wantTold(t, "ID token", claimsIn(t, tk.id), "nickname")
	if told := storagetest.Value[string](t, w.url, `SELECT detail->>'claims' FROM audit_pending WHERE kind = 'consent.granted' AND detail ? 'claims'`); told != `["nickname", "phone_number"]` {
		t.Errorf("the event tells %s", told)
	}
	a.code(t, b, "scope", "openid", "prompt", "none", "claims", `{"id_token": {"phone_number": null}}`) // remembered, wherever it goes
	// One claim more is asked for again, and neither scope is allowed now.
	for what, more := range map[string][]string{
		"one more":                 {"scope", "openid", "claims", `{"userinfo": {"phone_number": null, "gender": null}}`},
		"another of the scope":     {"scope", "openid", "claims", `{"userinfo": {"phone_number_verified": null}}`},
		"the scope of it":          {"scope", "openid phone"},
		"the scope of the other":   {"scope", "openid profile"},
		"one that the scope gives": {"scope", "openid profile", "claims", `{"userinfo": {"nickname": null}}`},
	} {
		w.wantRedirect(t, what, b.get(t, a.request(append(more, "prompt", "none")...)), "consent_required")
	}
	// What was allowed before stays allowed.
	b.allow(t, b.get(t, a.request("scope", "openid", "claims", `{"userinfo": {"gender": null}}`)))
	a.code(t, b, "scope", "openid", "prompt", "none", "claims", `{"userinfo": {"phone_number": null, "gender": null, "nickname": null}}`)
	// Consent to a scope is consent to each of its claims.
	b.allow(t, b.get(t, a.request("scope", "openid email")))
	a.code(t, b, "scope", "openid", "prompt", "none", "claims", `{"id_token": {"email": null}, "userinfo": {"email_verified": null, "gender": null}}`)
	// Withdrawn is withdrawn, and the next consent begins anew.
	w.withdraw(t, alice.ID, a.ID)
	b.allow(t, b.get(t, a.request("scope", "openid")))
	w.wantRedirect(t, "withdrawn", b.get(t, request+"&prompt=none"), "consent_required")
}

// TestClaimsWithoutConsent: nobody is asked for an application of the house, and
// a consent that is refused gives nothing.
func TestClaimsWithoutConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, other := w.app(t, "own"), w.app(t, "other", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	pairs := []string{"scope", "openid", "claims", `{"userinfo": {"name": null}}`}
	w.wantTold(t, "own", w.userinfo(t, own.tokens(t, b, append(pairs, "prompt", "none")...).access).json(t), "name")
	form := b.ask(t, b.get(t, other.request(pairs...)))
	if got := b.post(t, "/consent", changed(form, "decision", "deny")).location(t).Query(); got.Get("error") != "access_denied" || got.Has("code") {
		t.Errorf("answered %v", got)
	}
	if n := w.count(t, `SELECT count(*) FROM consents`); n != 0 {
		t.Errorf("%d consents", n)
	}
}

// TestClaimsOfARegisteredApplication walks oidcc-claims-essential: the application
// registered itself without a word of claims or scopes.
func TestClaimsOfARegisteredApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	s := w.registerOpen(t, asTheSuite().with("grant_types", []string{"authorization_code", "implicit"}, "response_types", []string{"code", "id_token"}))
	a := s.app(t)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	tk := readTokens(t, a.exchange(t, b.allow(t, b.get(t, a.request("scope", "openid", "claims", `{"userinfo":{"name":{"essential":true}}}`)))))
	w.wantTold(t, "userinfo", w.userinfo(t, tk.access).json(t), "name")
	w.wantTold(t, "ID token", claimsIn(t, tk.id))
	got := b.get(t, a.request("response_type", "id_token", "scope", "openid", "claims", `{"id_token":{"name":{"essential":true}}}`)).toApp(t).params
	w.wantTold(t, "ID token alone", claimsIn(t, got.Get("id_token")), "name")
	apps, err := w.db.Apps(t.Context(), alice.ID)
	if err != nil || len(apps) != 1 || !slices.Equal(apps[0].Claims, []string{"name"}) {
		t.Errorf("the person sees %+v %v", apps, err)
	}
}

// TestClaimsThatThePageDidNotShow: when the application may have more while the
// page is open, allowing that page gives nothing; the next page shows it all.
func TestClaimsThatThePageDidNotShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third, func(c *latchkey.Client) { c.Scopes = []string{"openid"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	waits := b.get(t, a.request("scope", "openid", "claims", `{"userinfo": {"name": null}}`))
	form := b.ask(t, waits)
	w.sql(t, `UPDATE clients SET scopes = '{openid,profile}'`)
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPage(t, b.post(t, "/consent", changed(form, "decision", "allow")), 403, "form_expired")
	w.noGrant(t)
	tk := readTokens(t, a.exchange(t, b.allow(t, waits)))
	w.wantTold(t, "shown", w.userinfo(t, tk.access).json(t), "name")
}
