package oidc_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// What holds for a request holds whatever it asks for: the tests here go through
// every response type, and by form where that could differ.

// way is a response type with a response mode, and where the answer then is.
type way struct{ types, mode, comesBy string }

func (w way) pairs(more ...string) []string {
	return append([]string{"response_type", w.types, "response_mode", w.mode}, more...)
}

func (w way) String() string { return w.types + " by " + w.comesBy }

func everyWay() (ways []way) {
	for _, types := range latchkey.ResponseTypes() {
		byDefault := latchkey.ModeFragment
		if types == "code" {
			byDefault = latchkey.ModeQuery
		}
		ways = append(ways, way{types, "", byDefault}, way{types, latchkey.ModeFormPost, latchkey.ModeFormPost})
	}
	return ways
}

// firstIDToken is the ID token of an answer, exchanged for when only a code came.
func (a *app) firstIDToken(t *testing.T, got *answer) string {
	t.Helper()
	p := got.toApp(t).params
	if id := p.Get("id_token"); id != "" {
		return id
	}
	return readTokens(t, a.exchange(t, p.Get("code"), "code_verifier", "")).id
}

// TestParametersThatChangeNothing: what an application may send besides is
// answered as if it had not (OpenID Connect Core §3.1.2.1, RFC 6749 §3.1), and
// so is a request in another order.
func TestParametersThatChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, by := range everyWay() {
		plain := func(pairs ...string) url.Values {
			return a.params(by.pairs(append([]string{"scope", "openid email", "code_challenge", "", "code_challenge_method", ""}, pairs...)...)...)
		}
		expected := answered(t, b.get(t, "/oauth2/authorize?"+plain().Encode()), by)
		for what, query := range map[string]string{
			"display page":         plain("display", "page").Encode(),
			"display popup":        plain("display", "popup").Encode(),
			"ui_locales":           plain("ui_locales", "se").Encode(),
			"claims_locales":       plain("claims_locales", "se").Encode(),
			"login_hint":           plain("login_hint", "buffy@localhost").Encode(),
			"acr_values":           plain("acr_values", "phr").Encode(),
			"unheard of acr":       plain("acr_values", "1 2").Encode(),
			"an unknown parameter": plain("extra", "foobar").Encode(),
			"scopes turned round":  plain("scope", "email openid").Encode(),
			"parameters reversed":  reversed(plain()),
		} {
			got := answered(t, b.get(t, "/oauth2/authorize?"+query), by)
			if what == "scopes turned round" && got["scope"] == "email openid" {
				got["scope"] = expected["scope"]
			}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("%s, %s (-without +with):\n%s", by, what, diff)
			}
		}
	}
}

// answered are the parameters of an answer; what is new each time counts only by
// being there.
func answered(t *testing.T, got *answer, by way) map[string]string {
	t.Helper()
	to := got.toApp(t)
	said := map[string]string{"mode": to.mode, "address": to.address}
	for name := range to.params {
		said[name] = to.params.Get(name)
		if slices.Contains([]string{"code", "access_token", "id_token", "session_state"}, name) {
			said[name] = "new"
		}
	}
	if id := to.params.Get("id_token"); id != "" {
		said["acr"], _ = claimsIn(t, id)["acr"].(string)
	}
	if to.mode != by.comesBy || to.params.Has("error") {
		t.Errorf("%s: came by %s with %v", by, to.mode, to.params)
	}
	return said
}

func reversed(q url.Values) string {
	parts := strings.Split(q.Encode(), "&")
	slices.Reverse(parts)
	return strings.Join(parts, "&")
}

// TestAskedNoMoreThanNeeded: who is signed in is not asked again, also with
// prompt none, the ID token of the first time as a hint, or a max_age that has
// not passed; and the second ID token tells of the same person and sign-in.
func TestAskedNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every, third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	b.allow(t, b.get(t, a.request()))
	w.sql(t, `UPDATE sessions SET auth_time = now() - interval '1 hour'`)
	for _, by := range everyWay() {
		ask := func(pairs ...string) map[string]any {
			path := a.request(by.pairs(append(pairs, "code_challenge", "", "code_challenge_method", "")...)...)
			return claimsIn(t, a.firstIDToken(t, b.get(t, path)))
		}
		token := a.firstIDToken(t, b.get(t, a.request(by.pairs("max_age", "15000", "code_challenge", "", "code_challenge_method", "")...)))
		first := claimsIn(t, token)
		if at, ok := first["auth_time"].(float64); !ok || time.Since(time.Unix(int64(at), 0)) < time.Hour {
			t.Fatalf("%s: auth_time is %v", by, first["auth_time"])
		}
		for what, second := range map[string]map[string]any{
			"prompt none": ask("prompt", "none"),
			"hint":        ask("prompt", "none", "id_token_hint", token),
			"max_age":     ask("max_age", "10000"),
		} {
			if second["sub"] != first["sub"] || second["auth_time"] != first["auth_time"] {
				t.Errorf("%s, %s: first %v, then %v", by, what, first, second)
			}
		}
	}
}

// TestAskedAgainWhenTold: prompt login and a max_age that has passed want the
// passkey again, and the ID token says when it was used.
func TestAskedAgainWhenTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, by := range everyWay() {
		for _, pair := range [][2]string{{"prompt", "login"}, {"max_age", "1"}} {
			w.sql(t, `UPDATE sessions SET auth_time = now() - interval '2 seconds'`)
			first := claimsIn(t, a.firstIDToken(t, b.get(t, a.request(by.pairs("code_challenge", "", "code_challenge_method", "")...))))
			path := a.request(by.pairs(pair[0], pair[1], "code_challenge", "", "code_challenge_method", "")...)
			id := waitingFor(t, b.get(t, path), "/login")
			b.confirm(t)
			second := claimsIn(t, a.firstIDToken(t, b.get(t, "/oauth2/authorize?request="+id)))
			before, _ := first["auth_time"].(float64)
			after, _ := second["auth_time"].(float64)
			if before == 0 || after <= before || second["sub"] != first["sub"] {
				t.Errorf("%s, %v: first %v, then %v", by, pair, first, second)
			}
		}
	}
}

// TestPromptNoneOfAStranger: the refusal goes where an answer would, with the
// state as it was and nothing beside (OpenID Connect Core §3.1.2.6).
func TestPromptNoneOfAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	state := strings.Repeat("0123456789abcdEF", 8)[:124] + "-._~"
	for _, by := range everyWay() {
		got := w.browser().get(t, a.request(by.pairs("prompt", "none", "state", state)...))
		to := got.toApp(t)
		want := url.Values{"error": {"login_required"}, "error_description": to.params["error_description"], "state": {state}, "iss": {w.issuer},
			"session_state": {to.params.Get("session_state")}} // another each time
		if diff := cmp.Diff(want, to.params); diff != "" || to.mode != by.comesBy || to.address != callback {
			t.Errorf("%s: came by %s to %s (-want +got):\n%s", by, to.mode, to.address, diff)
		}
		if query := got.header.Get("Location"); by.comesBy != latchkey.ModeQuery && strings.Contains(strings.Split(query, "#")[0], "error") {
			t.Errorf("%s: the error stands in the query of %s", by, query)
		}
	}
	w.noGrant(t)
}

// TestIDTokensNameTheirKey: an application that asked for no algorithm gets RS256
// (OpenID Connect Registration §2), each ID token names a key that is published,
// and userinfo tells of its subject.
func TestIDTokensNameTheirKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every, func(c *latchkey.Client) {
		c.IDTokenAlg = ""
		c.FillDefaults()
	})
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	keys := map[string]map[string]any{}
	for _, k := range w.browser().get(t, "/oauth2/jwks").json(t)["keys"].([]any) {
		key := k.(map[string]any)
		keys[key["kid"].(string)] = key
	}
	for _, types := range latchkey.ResponseTypes() {
		p := b.get(t, a.request("response_type", types)).toApp(t).params
		tokens := map[string]string{"front": p.Get("id_token")}
		if code := p.Get("code"); code != "" {
			tokens["back"] = readTokens(t, a.exchange(t, code)).id
		}
		for where, token := range tokens {
			if where == "front" && !strings.Contains(types, "id_token") {
				continue
			}
			header := headerOf(t, token)
			kid, _ := header["kid"].(string)
			if key := keys[kid]; header["alg"] != "RS256" || key["alg"] != "RS256" || key["use"] != "sig" || key["kty"] != "RSA" {
				t.Errorf("%s, %s: header %v, key %v", types, where, header, key)
			}
			if claimsIn(t, token)["sub"] != alice.Subject {
				t.Errorf("%s, %s: claims %v", types, where, claimsIn(t, token))
			}
		}
	}
}
