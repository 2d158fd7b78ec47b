package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// back is what an application gets from the authorization endpoint.
type back struct {
	mode    string // query, fragment or form_post
	address string // without what was added
	params  url.Values
}

// toApp reads an answer to an application, however it travels.
func (a *answer) toApp(t testing.TB) back {
	t.Helper()
	if _, rest, found := strings.Cut(a.body, `<form id="form-post"`); found {
		_, rest, _ = strings.Cut(rest, `action="`)
		action, _, _ := strings.Cut(rest, `"`)
		params := url.Values{}
		for name, values := range hidden(a.body) {
			params.Set(name, html.UnescapeString(values[0]))
		}
		return back{"form_post", html.UnescapeString(action), params}
	}
	u := a.location(t)
	if u.Fragment == "" {
		params := u.Query()
		params.Del("keep")
		u.RawQuery = "keep=1"
		return back{"query", u.String(), params}
	}
	params, err := url.ParseQuery(u.EscapedFragment())
	if err != nil {
		t.Fatal(err)
	}
	u.Fragment, u.RawFragment = "", ""
	return back{"fragment", u.String(), params}
}

// every asks for all that there is.
func every(c *latchkey.Client) {
	c.GrantTypes = append(c.GrantTypes, latchkey.GrantImplicit)
	c.ResponseTypes = latchkey.ResponseTypes()
}

func leftHalf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// TestEveryResponseType in every mode that it may have: what is in the answer,
// what the hashes say, and that everything works where it belongs (OpenID Connect
// Core §3.2.2.5 and §3.3.2.5, Form Post Response Mode).
func TestEveryResponseType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	for _, types := range latchkey.ResponseTypes() {
		words := strings.Fields(types)
		slices.Reverse(words)
		for asked, want := range map[string]string{"": "fragment", "fragment": "fragment", "form_post": "form_post", "query": "query"} {
			if types == "code" && asked == "" {
				want = "query"
			}
			if types != "code" && asked == "query" {
				continue
			}
			what := types + " by " + want
			got := b.get(t, a.request("response_type", strings.Join(words, " "), "response_mode", asked, "scope", "openid profile email"))
			to := got.toApp(t)
			if to.mode != want || to.address != callback {
				t.Errorf("%s: went by %s to %s", what, to.mode, to.address)
			}
			p := to.params
			code, access, id := p.Get("code"), p.Get("access_token"), p.Get("id_token")
			expect := url.Values{"state": {"s t&ate"}, "iss": {w.issuer}}
			if slices.Contains(words, "code") {
				expect.Set("code", code)
			}
			if slices.Contains(words, "token") {
				expect["access_token"], expect["token_type"], expect["expires_in"], expect["scope"] = []string{access}, []string{"Bearer"}, []string{"600"}, []string{"openid profile email"}
			}
			if slices.Contains(words, "id_token") {
				expect.Set("id_token", id)
			}
			expect.Set("session_state", p.Get("session_state"))
			if diff := cmp.Diff(expect, p); diff != "" || slices.Contains(words, "code") != (code != "") {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: headers %v", what, got.header)
			}
			if access != "" {
				if told := w.userinfo(t, access); told.status != 200 || told.json(t)["sub"] != alice.Subject {
					t.Errorf("%s: userinfo answered %d %s", what, told.status, told.body)
				}
			}
			front := map[string]any{}
			if id != "" {
				front = claimsIn(t, id)
				hashes := map[string]any{}
				if access != "" {
					hashes["at_hash"] = leftHalf(access)
				}
				if code != "" {
					hashes["c_hash"] = leftHalf(code)
				}
				for _, name := range []string{"at_hash", "c_hash"} {
					if front[name] != hashes[name] {
						t.Errorf("%s: %s is %v, want %v", what, name, front[name], hashes[name])
					}
				}
				if front["nonce"] != "n-1" || front["aud"] != "wiki" || front["sub"] != alice.Subject || front["sid"] != b.session.ID || front["acr"] != "phr" || front["auth_time"] == nil {
					t.Errorf("%s: claims %v", what, front)
				}
				// Only without an access token are the claims of the scopes here (§5.4).
				if _, named := front["name"]; named != (types == "id_token") {
					t.Errorf("%s: claims %v", what, front)
				}
			}
			if code == "" {
				continue
			}
			tk := readTokens(t, a.exchange(t, code))
			second := claimsIn(t, tk.id)
			if second["sub"] != alice.Subject || second["iss"] != w.issuer || second["nonce"] != "n-1" || second["at_hash"] != leftHalf(tk.access) {
				t.Errorf("%s: second ID token %v", what, second)
			}
			for _, name := range []string{"sub", "iss", "auth_time", "sid"} {
				if id != "" && front[name] != second[name] {
					t.Errorf("%s: %s is %v in one ID token and %v in the other", what, name, front[name], second[name])
				}
			}
		}
	}
}

// TestResponseTypesAndModesThatAreRefused: each alone, and how the refusal goes
// back: as the answer would have (OAuth 2.0 Multiple Response Types §5).
func TestResponseTypesAndModesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.app(t, "all", every)
	codeOnly := w.app(t, "code-only", func(c *latchkey.Client) { c.GrantTypes = append(c.GrantTypes, latchkey.GrantImplicit) })
	noGrant := w.app(t, "no-grant", func(c *latchkey.Client) { c.ResponseTypes = latchkey.ResponseTypes() })
	queryOnly := w.app(t, "query-only", func(c *latchkey.Client) { c.Protocol.ResponseModes = []string{"query"} })
	spa := w.app(t, "spa", func(c *latchkey.Client) { every(c); c.Type, c.AuthMethod = "spa", latchkey.AuthNone })
	native := w.app(t, "native", func(c *latchkey.Client) { c.Type, c.RedirectURIs = "native", []string{"com.example.app:/cb?keep=1"} })
	signedIn := w.browser().signIn(t, w.user(t, "alice"))
	for _, c := range []struct {
		what, mode, code, reason string
		app                      *app
		change                   []string
	}{
		{"a type that does not exist", "fragment", "unsupported_response_type", "unsupported_response_type", all, []string{"response_type", "token"}},
		{"a type in capitals", "query", "unsupported_response_type", "unsupported_response_type", all, []string{"response_type", "CODE"}},
		{"a type twice", "fragment", "unsupported_response_type", "unsupported_response_type", all, []string{"response_type", "code id_token id_token"}},
		{"no type", "query", "invalid_request", "no_response_type", all, []string{"response_type", ""}},
		{"no type, asked by form", "form_post", "invalid_request", "no_response_type", all, []string{"response_type", "", "response_mode", "form_post"}},
		{"no type, asked by fragment", "fragment", "invalid_request", "no_response_type", all, []string{"response_type", "", "response_mode", "fragment"}},
		{"a type not registered", "fragment", "unauthorized_client", "response_type_not_allowed", codeOnly, []string{"response_type", "code id_token"}},
		{"a type without its grant type", "fragment", "unauthorized_client", "response_type_not_allowed", noGrant, []string{"response_type", "id_token"}},
		{"tokens by query", "fragment", "invalid_request", "response_mode", all, []string{"response_type", "id_token", "response_mode", "query"}},
		{"a mode that does not exist", "query", "invalid_request", "response_mode", all, []string{"response_mode", "web_message"}},
		{"a mode not registered", "query", "invalid_request", "response_mode_not_allowed", queryOnly, []string{"response_mode", "form_post"}},
		{"a form to an application on the device", "query", "invalid_request", "response_mode", native, []string{"response_mode", "form_post"}},
		{"an ID token without nonce", "fragment", "invalid_request", "no_nonce", all, []string{"response_type", "id_token", "nonce", ""}},
		{"a hybrid ID token without nonce", "fragment", "invalid_request", "no_nonce", all, []string{"response_type", "code id_token", "nonce", ""}},
		{"an ID token without openid", "fragment", "invalid_scope", "no_openid", all, []string{"response_type", "id_token token", "scope", "profile"}},
		{"a public client's code without PKCE", "fragment", "invalid_request", "no_challenge", spa, []string{"response_type", "code id_token", "code_challenge", "", "code_challenge_method", ""}},
		{"nobody signed in, by form", "form_post", "login_required", "login_required", all, []string{"response_mode", "form_post", "prompt", "none"}},
		{"another refusal, by form", "form_post", "invalid_request", "max_age", all, []string{"response_mode", "form_post", "max_age", "-1"}},
	} {
		b := signedIn
		if c.code == "login_required" {
			b = w.browser()
		}
		before := w.events(t, latchkey.AuthorizationRefused, c.reason)
		to := b.get(t, c.app.request(c.change...)).toApp(t)
		want := url.Values{"error": {c.code}, "error_description": to.params["error_description"], "state": {"s t&ate"}, "iss": {w.issuer}}
		if c.code == "login_required" {
			want.Set("session_state", to.params.Get("session_state"))
		}
		if diff := cmp.Diff(want, to.params); diff != "" || to.mode != c.mode || to.address != c.app.RedirectURIs[0] || to.params.Get("error_description") == "" {
			t.Errorf("%s: by %s to %s (-want +got):\n%s", c.what, to.mode, to.address, diff)
		}
		if n := w.events(t, latchkey.AuthorizationRefused, c.reason); n != before+1 {
			t.Errorf("%s: %d events %s", c.what, n-before, c.reason)
		}
	}
	w.noGrant(t)
	// What the refusals above rest on is right by itself.
	for what, path := range map[string]string{
		"code token without nonce":          all.request("response_type", "code token", "nonce", ""),
		"code token without openid":         all.request("response_type", "code token", "scope", "profile"),
		"a public ID token without PKCE":    spa.request("response_type", "id_token", "code_challenge", "", "code_challenge_method", ""),
		"a mode that is registered":         queryOnly.request("response_mode", "query"),
		"offline access without a code":     all.request("response_type", "id_token token", "scope", "openid offline_access"),
		"an unknown parameter, as anywhere": all.request("response_type", "id_token", "extra", "foobar"),
	} {
		if to := signedIn.get(t, path).toApp(t); to.params.Get("error") != "" || to.params.Get("code") == "" && strings.Contains(to.params.Get("scope"), "offline") {
			t.Errorf("%s: %v", what, to.params)
		}
	}
}

// TestFrontChannelTokensEnd as the others do: with the sign-out, and when the
// code that came with them is used twice.
func TestFrontChannelTokensEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	hybrid := b.get(t, a.request("response_type", "code id_token token")).toApp(t).params
	implicit := b.get(t, a.request("response_type", "id_token token")).toApp(t).params
	tk := readTokens(t, a.exchange(t, hybrid.Get("code")))
	for what, token := range map[string]string{"hybrid": hybrid.Get("access_token"), "implicit": implicit.Get("access_token"), "exchanged": tk.access} {
		if !a.active(t, token) {
			t.Errorf("%s: not active", what)
		}
	}
	wantFault(t, a.exchange(t, hybrid.Get("code")), 400, "invalid_grant")
	if a.active(t, hybrid.Get("access_token")) || a.active(t, tk.access) || !a.active(t, implicit.Get("access_token")) {
		t.Error("a code used twice must end the tokens that came with it, and no others")
	}
	if got := b.get(t, "/oauth2/logout?"+url.Values{"id_token_hint": {implicit.Get("id_token")}, "post_logout_redirect_uri": {"https://wiki.example.com/bye"}}.Encode()); got.status != http.StatusSeeOther {
		t.Fatalf("logout answered %d %s", got.status, got.body)
	}
	if a.active(t, implicit.Get("access_token")) {
		t.Error("the implicit token outlives the sign-out")
	}
}

// TestFormPostAfterConsent: the form of consent is answered by the form for the
// application, a person who is shut out goes back by form too, and what the
// application said stays text (SECURITY case 12).
func TestFormPostAfterConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	third := w.app(t, "third", every, func(c *latchkey.Client) { c.FirstParty = false })
	b := w.browser().signIn(t, w.user(t, "alice"))
	state := `"><script>alert(1)</script>` + strings.Repeat("é", 1000)
	form := b.ask(t, b.get(t, third.request("response_mode", "form_post", "state", state)))
	form.Set("decision", "allow")
	answered := b.post(t, "/consent", form)
	to := answered.toApp(t)
	if to.mode != "form_post" || to.params.Get("code") == "" || to.params.Get("state") != state || strings.Contains(answered.body, "<script>alert") {
		t.Errorf("consent was answered by %s with %v", to.mode, to.params)
	}
	readTokens(t, third.exchange(t, to.params.Get("code")))

	w.sql(t, `INSERT INTO groups (id, name, name_key) VALUES ('01a20b62-0000-7000-8000-000000000001', 'staff', 'staff')`)
	closed := w.app(t, "closed", every, func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} })
	got := b.get(t, closed.request("response_mode", "form_post"))
	if got.status != http.StatusForbidden || !strings.Contains(got.body, `data-code="not_allowed"`) ||
		!strings.Contains(got.body, `<form method="post" action="`+html.EscapeString(callback)+`"`) || hidden(got.body).Get("error") != "access_denied" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}
