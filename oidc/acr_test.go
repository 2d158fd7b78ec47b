package oidc_test

import (
	"testing"

	"latchkey"
)

// signedInAs has the person's sessions be of another level, as one of an older
// version, or of a kind of key that is not asked for, would be.
func (w *world) signedInAs(t *testing.T, acr string) {
	t.Helper()
	w.sql(t, `UPDATE sessions SET acr = $1`, acr)
}

// levelClaim is the parameter claims with a claim acr.
func levelClaim(how string) []string { return []string{"claims", `{"id_token": {"acr": ` + how + `}}`} }

// TestACRIsWhatWasDone: a wish is no demand, and whatever was wished for, acr is
// how the person signed in (OpenID Connect Core §3.1.2.1 and §5.5.1.1).
func TestACRIsWhatWasDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	wishes := w.app(t, "wishes", func(c *latchkey.Client) { c.Metadata.DefaultACR = []string{"gold", "phrh"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for what, tk := range map[string]tokens{
		"nothing":                a.tokens(t, b),
		"what there is":          a.tokens(t, b, "acr_values", "phr"),
		"something else":         a.tokens(t, b, "acr_values", "1 2"),
		"phrh first":             a.tokens(t, b, "acr_values", "phrh phr"),
		"by a claim":             a.tokens(t, b, levelClaim(`{"values": ["phrh", "phr"]}`)...),
		"something else thereby": a.tokens(t, b, levelClaim(`{"value": "gold"}`)...),
		"any":                    a.tokens(t, b, levelClaim(`null`)...),
		"any, essential":         a.tokens(t, b, levelClaim(`{"essential": true}`)...),
		"essential":              a.tokens(t, b, levelClaim(`{"essential": true, "value": "phr"}`)...),
		"one of several":         a.tokens(t, b, levelClaim(`{"essential": true, "values": ["gold", "phr"]}`)...),
		"at userinfo":            a.tokens(t, b, "claims", `{"userinfo": {"acr": {"essential": true, "value": "gold"}}}`),
		"registered":             wishes.tokens(t, b),
	} {
		if got := claimsIn(t, tk.id)["acr"]; got != "phr" {
			t.Errorf("%s: acr is %v", what, got)
		}
	}
	w.signedInAs(t, "silver")
	for what, tk := range map[string]tokens{
		"silently":        a.tokens(t, b, "prompt", "none", "acr_values", "phr"),
		"out of reach":    a.tokens(t, b, "acr_values", "gold"),
		"without a wish":  a.tokens(t, b),
		"as it is":        a.tokens(t, b, levelClaim(`{"essential": true, "value": "silver"}`)...),
		"registered":      wishes.tokens(t, b),
		"with any at all": a.tokens(t, b, levelClaim(`{"essential": true}`)...),
	} {
		if got := claimsIn(t, tk.id)["acr"]; got != "silver" {
			t.Errorf("%s: acr is %v", what, got)
		}
	}
}

// TestACRAsksForThePasskeyAgain where that can bring the level that is wished for
// or demanded, and once.
func TestACRAsksForThePasskeyAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	wishes := w.app(t, "wishes", func(c *latchkey.Client) { c.Metadata.DefaultACR = []string{"gold", "phr"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	essential := levelClaim(`{"essential": true, "values": ["gold", "phr"]}`)
	for what, c := range map[string]struct {
		app *app
		ask []string
	}{
		"acr_values":          {a, []string{"acr_values", "gold phr"}},
		"voluntary claim":     {a, levelClaim(`{"value": "phr"}`)},
		"essential claim":     {a, essential},
		"any level":           {a, levelClaim(`{"essential": true}`)},
		"default_acr_values":  {wishes, nil},
		"claim over the rest": {wishes, append([]string{"acr_values", "silver"}, essential...)},
	} {
		was := "silver"
		if what == "any level" {
			was = ""
		}
		w.signedInAs(t, was)
		w.sql(t, `UPDATE sessions SET auth_time = now() - interval '1 minute'`)
		id := waitingFor(t, b.get(t, c.app.request(c.ask...)), "/login")
		if reason := w.count(t, `SELECT count(*) FROM interactions WHERE needs->>'reason' = 'reauth' AND used_at IS NULL`); reason != 1 {
			t.Errorf("%s: %d requests wait for the passkey", what, reason)
		}
		if again := waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/login"); again != id {
			t.Errorf("%s: another request waits", what)
		}
		b.confirm(t)
		w.signedInAs(t, "phr")
		tk := readTokens(t, c.app.exchange(t, b.get(t, "/oauth2/authorize?request="+id).location(t).Query().Get("code")))
		if got := claimsIn(t, tk.id)["acr"]; got != "phr" {
			t.Errorf("%s: acr is %v", what, got)
		}
	}
	w.signedInAs(t, "silver")
	// acr_values stand before what is registered, and who asks for what there is
	// asks nobody.
	wishes.code(t, b, "acr_values", "silver")
	// A wish that the passkey did not bring is given up.
	id := waitingFor(t, b.get(t, a.request("acr_values", "phr")), "/login")
	b.confirm(t)
	tk := readTokens(t, a.exchange(t, b.get(t, "/oauth2/authorize?request="+id).location(t).Query().Get("code")))
	if got := claimsIn(t, tk.id)["acr"]; got != "silver" {
		t.Errorf("acr is %v", got)
	}
}

// TestACRThatCannotBeMet goes back with its own error, by the response mode: out
// of reach at once, whether anybody is signed in or not; else when the passkey
// was used and did not bring it.
func TestACRThatCannotBeMet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	b := w.browser().signIn(t, w.user(t, "alice"))
	gold, phr := levelClaim(`{"essential": true, "values": ["gold", "phrh"]}`), levelClaim(`{"essential": true, "value": "phr"}`)
	for what, got := range map[string]*answer{
		"signed in":     b.get(t, a.request(gold...)),
		"silently":      b.get(t, a.request(append(gold, "prompt", "none")...)),
		"with a prompt": b.get(t, a.request(append(gold, "prompt", "login")...)),
		"with a wish":   b.get(t, a.request(append(gold, "acr_values", "phr")...)),
		"nobody":        w.browser().get(t, a.request(gold...)),
		"pushed":        b.get(t, a.push(t, gold...)),
	} {
		w.wantRedirect(t, what, got, "unmet_authentication_requirements")
	}
	if n := w.events(t, latchkey.AuthorizationRefused, "acr"); n != 6 {
		t.Errorf("%d events", n)
	}
	got := b.get(t, a.request(append(gold, "response_type", "code id_token", "response_mode", "form_post")...)).toApp(t)
	if got.mode != "form_post" || got.params.Get("error") != "unmet_authentication_requirements" || got.params.Get("state") != "s t&ate" {
		t.Errorf("answered %v", got)
	}
	w.signedInAs(t, "silver")
	w.wantRedirect(t, "to be asked", b.get(t, a.request(append(phr, "prompt", "none")...)), "login_required")
	id := waitingFor(t, b.get(t, a.request(phr...)), "/login")
	b.confirm(t)
	w.wantRedirect(t, "not brought", b.get(t, "/oauth2/authorize?request="+id), "unmet_authentication_requirements")
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	for _, how := range []string{`7`, `{"essential": true, "value": 7}`, `{"values": []}`, `{"values": "phr"}`} {
		w.wantRedirect(t, how, b.get(t, a.request(levelClaim(how)...)), "invalid_request")
	}
	w.noGrant(t)
}
