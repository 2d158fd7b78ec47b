package oidc_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey"
)

// people are the claims of a token or answer that are about the person.
func people(m map[string]any) (names []string) {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(name string) bool {
		_, known := latchkey.FindClaim(name)
		return !known
	})
}

func (w *world) wantTold(t *testing.T, what string, told map[string]any, names ...string) {
	t.Helper()
	if diff := cmp.Diff(names, people(told), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +told):\n%s", what, diff)
	}
}

// TestClaimsAskedByName is OpenID Connect Core §5.5: a claim that is asked for by
// name comes where it was asked for, without its scope, and nowhere else. What
// nobody knows is no matter, however it is spelled.
func TestClaimsAskedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	const asked = `{"userinfo": {"name": {"essential": true}, "unheard_of": null, "verified_claims": [1], "picture": null, "https://x.example/y": 7},
		"id_token": {"birthdate": {"essential": false, "purpose": "x"}, "email": null, "auth_time": {"essential": true}, "sub": null}, "other": 1}`
	tk := a.tokens(t, b, "scope", "openid offline_access", "claims", asked)
	check := func(when string, tk tokens) {
		t.Helper()
		told, id := w.userinfo(t, tk.access).json(t), claimsIn(t, tk.id)
		w.wantTold(t, when+", userinfo", told, "name", "picture")
		w.wantTold(t, when+", ID token", id, "birthdate", "email")
		if told["name"] != alice.DisplayName || id["birthdate"] != "1990-12-31" || id["sub"] != alice.Subject || id["auth_time"] == nil {
			t.Errorf("%s: told are %v and %v", when, told, id)
		}
	}
	check("code", tk)
	check("refreshed", readTokens(t, a.refresh(t, tk.refresh)))
	check("refreshed and narrowed", readTokens(t, a.refresh(t, readTokens(t, a.refresh(t, tk.refresh)).refresh, "scope", "openid")))
	// Beside a scope, a claim by name adds to what the scope gives.
	w.wantTold(t, "with a scope", w.userinfo(t, a.tokens(t, b, "scope", "openid email", "claims", `{"userinfo": {"nickname": null}}`).access).json(t), "email", "email_verified", "nickname")
	// The next request asks for itself.
	w.wantTold(t, "asked for before", w.userinfo(t, a.tokens(t, b, "scope", "openid").access).json(t))
	// What is not set is not told, and no fault either (§5.5.1).
	w.sql(t, `UPDATE users SET claims = '{}', email_verified_at = NULL`)
	tk = a.tokens(t, b, "scope", "openid", "claims", `{"userinfo": {"birthdate": {"essential": true}}, "id_token": {"email": {"essential": true}}}`)
	w.wantTold(t, "not set, userinfo", w.userinfo(t, tk.access).json(t))
	w.wantTold(t, "not set, ID token", claimsIn(t, tk.id))
}

// TestEveryClaimByName: all that discovery lists about a person can be asked for,
// each of its type.
func TestEveryClaimByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	var each []string
	for _, c := range latchkey.Claims() {
		each = append(each, `"`+c.Name+`": null`)
	}
	all := "{" + strings.Join(each, ",") + "}"
	want := w.userinfo(t, a.tokens(t, b, "scope", "openid profile email address phone groups").access).json(t)
	tk := a.tokens(t, b, "scope", "openid", "claims", `{"userinfo": `+all+`, "id_token": `+all+`}`)
	told, id := w.userinfo(t, tk.access).json(t), claimsIn(t, tk.id)
	if diff := cmp.Diff(want, told); diff != "" || len(people(told)) != len(latchkey.Claims()) {
		t.Errorf("userinfo (-by scope +by name):\n%s", diff)
	}
	for _, name := range people(want) {
		if diff := cmp.Diff(want[name], id[name]); diff != "" {
			t.Errorf("%s in the ID token (-want +told):\n%s", name, diff)
		}
	}
}

// TestClaimsOfEveryResponseType: both ID tokens of a hybrid answer tell the same;
// what was asked for at userinfo is in none.
func TestClaimsOfEveryResponseType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	for _, types := range latchkey.ResponseTypes() {
		got := b.get(t, a.request("response_type", types, "scope", "openid", "claims", `{"userinfo": {"nickname": null}, "id_token": {"name": {"essential": true}}}`)).toApp(t).params
		access, ids := got.Get("access_token"), []string{got.Get("id_token")}
		if code := got.Get("code"); code != "" {
			tk := readTokens(t, a.exchange(t, code))
			access, ids = tk.access, append(ids, tk.id)
		}
		for _, id := range ids {
			if id != "" {
				w.wantTold(t, types, claimsIn(t, id), "name")
			}
		}
		if access != "" {
			w.wantTold(t, types+", userinfo", w.userinfo(t, access).json(t), "nickname")
		}
	}
}

// TestClaimsInRequestObjects: as JSON in a signed object, and pushed.
func TestClaimsInRequestObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := newObjectKeys(t)
	a := w.app(t, "wiki", signs(keys, t))
	b := w.browser().signIn(t, w.user(t, "alice"))
	asked := map[string]any{"userinfo": map[string]any{"name": nil}}
	object := keys.sign(t, "ES256", "", a.object("scope", "openid", "claims", asked))
	for how, address := range map[string]string{
		"by an object":      a.by(object),
		"pushed":            a.push(t, "scope", "openid", "claims", `{"userinfo": {"name": null}}`),
		"the object pushed": a.named(a.call(t, "/oauth2/par", url.Values{"request": {object}}).json(t)["request_uri"].(string)),
	} {
		tk := readTokens(t, a.exchange(t, b.get(t, address).location(t).Query().Get("code")))
		w.wantTold(t, how, w.userinfo(t, tk.access).json(t), "name")
	}
	wrong := keys.sign(t, "ES256", "", a.object("state", "s t&ate", "claims", map[string]any{"userinfo": 1}))
	w.wantRedirect(t, "malformed in an object", b.get(t, a.by(wrong)), "invalid_request")
	wantFault(t, a.call(t, "/oauth2/par", a.params("claims", "{")), 400, "invalid_request")
}

// TestClaimsOfAValue: a claim of another value than those asked for is not told
// (§5.5.1).
func TestClaimsOfAValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	const asked = `{"birthdate": {"value": "1990-12-31"}, "locale": {"values": ["de", "fr"]}, "nickname": {"value": "Bob"}, "zoneinfo": {"values": ["Europe/Rome", 7]},
		"phone_number_verified": {"value": true}, "email_verified": {"value": false}, "gender": {"value": null}, "address": {"value": {"country": "France", "formatted": "1 rue X\n75001 Paris"}}}`
	tk := a.tokens(t, b, "scope", "openid", "claims", `{"userinfo": `+asked+`, "id_token": `+asked+`}`)
	told := []string{"address", "birthdate", "gender", "locale", "phone_number_verified"}
	w.wantTold(t, "userinfo", w.userinfo(t, tk.access).json(t), told...)
	w.wantTold(t, "ID token", claimsIn(t, tk.id), told...)
}

// TestClaimsThatAreMalformed go back by the response mode, each with one thing
// wrong.
func TestClaimsThatAreMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, claims := range []string{
		`{`, `[]`, `null`, `"x"`, `{} {}`, `{"userinfo": 1}`, `{"userinfo": []}`, `{"userinfo": {}, "userinfo": {}}`, `{"userinfo": {"name": null, "name": null}}`,
		`{"id_token": {"name": true}}`, `{"id_token": {"name": []}}`, `{"id_token": {"name": {"essential": "yes"}}}`, `{"userinfo": {"name": {"values": "x"}}}`,
		`{"userinfo": {"name": {"values": []}}}`, `{"id_token": {"sub": {"value": 7}}}`, `{"id_token": {"sub": 7}}`, `{"userinfo": {"sub": {"values": ["a", 7]}}}`,
		`{"userinfo": {"name": {"value": "a\u0000"}}}`, `{"userinfo": {"address": {"values": [{"country\u0000": "x"}]}}}`, `{"id_token": {"groups": {"value": [[["x"]]]}}}`,
		`{"id_token": {"name": {"value": ` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}}}`,
		`{"x": "` + strings.Repeat("x", 8<<10) + `"}`,
	} {
		before := w.events(t, latchkey.AuthorizationRefused, "claims")
		w.wantRedirect(t, claims[:min(len(claims), 40)], b.get(t, a.request("claims", claims)), "invalid_request")
		if n := w.events(t, latchkey.AuthorizationRefused, "claims"); n != before+1 {
			t.Errorf("%.40s: %d events", claims, n-before)
		}
	}
	got := b.get(t, a.request("claims", "{", "response_type", "code id_token", "response_mode", "form_post")).toApp(t)
	if got.mode != "form_post" || got.params.Get("error") != "invalid_request" {
		t.Errorf("answered %v", got)
	}
	w.noGrant(t)
	a.code(t, b, "claims", `{"userinfo": null, "id_token": {}}`)
}

// TestClaimsOfSomebodyElse: with a value of `sub`, nobody else is told of (§5.5.1).
func TestClaimsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	me := `"` + alice.Subject + `"`
	for _, claims := range []string{
		`{"id_token": {"sub": {"value": ` + me + `}}}`, `{"userinfo": {"sub": {"values": ["x", ` + me + `]}}}`,
		`{"id_token": {"sub": {"value": ` + me + `}}, "userinfo": {"sub": {"essential": true, "values": [` + me + `, "x"]}}}`,
	} {
		a.code(t, b, "prompt", "none", "claims", claims)
	}
	hint := a.tokens(t, b).id
	a.code(t, b, "prompt", "none", "claims", `{"id_token": {"sub": {"value": `+me+`}}}`, "id_token_hint", hint)
	w.sql(t, `DELETE FROM grants`)
	for _, claims := range []string{
		`{"id_token": {"sub": {"value": "x"}}}`, `{"userinfo": {"sub": {"value": "x"}}}`, `{"id_token": {"sub": {"values": ["x", "y"]}}}`,
		`{"id_token": {"sub": {"value": ` + me + `}}, "userinfo": {"sub": {"value": "x"}}}`,
		`{"id_token": {"sub": {"value": "x"}}, "userinfo": {"sub": {"value": ` + me + `}}}`,
	} {
		for _, hinted := range []string{"", hint} {
			w.wantRedirect(t, claims, b.get(t, a.request("prompt", "none", "claims", claims, "id_token_hint", hinted)), "login_required")
		}
	}
	// Without prompt=none the right person may come; the wrong one goes back.
	id := waitingFor(t, b.get(t, a.request("claims", `{"id_token": {"sub": {"value": "x"}}}`)), "/login")
	b.confirm(t)
	w.wantRedirect(t, "signed in again", b.get(t, "/oauth2/authorize?request="+id), "login_required")
	w.noGrant(t)
}

// TestClaimsOfAnApplicationThatMayNot: an application learns nothing beyond the
// scopes that it is registered for, also when they are taken from it later.
func TestClaimsOfAnApplicationThatMayNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	const asked = `{"userinfo": {"name": {"essential": true}}, "id_token": {"name": {"essential": true}}}`
	poor := w.app(t, "poor", func(c *latchkey.Client) { c.Scopes = []string{"openid", "email"} })
	tk := poor.tokens(t, b, "scope", "openid", "claims", asked)
	w.wantTold(t, "userinfo", w.userinfo(t, tk.access).json(t))
	w.wantTold(t, "ID token", claimsIn(t, tk.id))
	stranger := w.app(t, "stranger", third, func(c *latchkey.Client) { c.Scopes = []string{"openid"} })
	b.allow(t, b.get(t, stranger.request("scope", "openid")))
	stranger.code(t, b, "scope", "openid", "prompt", "none", "claims", asked) // nobody is asked for what is not told
	rich := w.app(t, "rich")
	tk = rich.tokens(t, b, "scope", "openid offline_access", "claims", asked)
	w.sql(t, `UPDATE clients SET scopes = '{openid,offline_access}' WHERE id = 'rich'`)
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantTold(t, "userinfo afterwards", w.userinfo(t, tk.access).json(t))
	w.wantTold(t, "ID token afterwards", claimsIn(t, readTokens(t, rich.refresh(t, tk.refresh)).id))
}
