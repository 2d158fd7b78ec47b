package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// SECURITY case 32.
func TestTokenEndpointGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	send := func(r *http.Request) *answer {
		r.SetBasicAuth(a.ID, a.secret)
		return w.browser().do(t, r)
	}
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"code": {"x"}}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"refresh_token", "refresh_token"}}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {"a", "b"}}), 400, "invalid_request")
	wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"a\x00"}}), 400, "invalid_request")
	for _, grant := range []string{"password", "implicit", "PASSWORD", "Refresh_Token", "refresh_token ", "urn:ietf:params:oauth:grant-type:jwt-bearer", "authorization_code refresh_token"} {
		wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {grant}}), 400, "unsupported_grant_type")
	}
	wantFault(t, a.call(t, "/oauth2/token?grant_type=refresh_token", url.Values{"refresh_token": {"x"}}), 400, "invalid_request")
	r, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, send(r), 405, "invalid_request")
	for media, body := range map[string]string{"application/json": `{"grant_type":"client_credentials"}`,
		"multipart/form-data; boundary=x": "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--\r\n"} {
		r, err := http.NewRequest(http.MethodPost, w.issuer+"/oauth2/token", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", media)
		wantFault(t, send(r), 415, "invalid_request")
	}
	for _, name := range []string{"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "refresh_token", "scope", "audience", "unheard_of"} {
		wantFault(t, a.call(t, "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, name: {"x", "x"}}), 400, "invalid_request")
	}
	for reason, want := range map[string]int{"unsupported_grant_type": 7, "no_grant_type": 1, "repeated_parameter": 12, "malformed_parameter": 1,
		"parameters_in_query": 1, "method": 1, "content_type": 2} {
		if n := w.events(t, latchkey.TokenRefused, reason); n != want {
			t.Errorf("%d events of reason %s, want %d", n, reason, want)
		}
	}
}

// SECURITY case 35.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	machine := w.app(t, "machine", func(c *latchkey.Client) {
		c.Type, c.GrantTypes, c.ResponseTypes, c.RedirectURIs = "machine", []string{"client_credentials"}, nil, []string{"https://x.example/"}
		c.Scopes = []string{"openid", "offline_access", "jobs:run"}
	})
	public := w.app(t, "public", func(c *latchkey.Client) {
		c.AuthMethod, c.GrantTypes = latchkey.AuthNone, []string{"client_credentials"}
	})
	web := w.app(t, "web")
	ask := func(a *app, scope string) *answer {
		return a.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	}
	wantFault(t, ask(public, ""), 400, "unauthorized_client")
	wantFault(t, ask(web, ""), 400, "unauthorized_client")
	for _, scope := range []string{"openid", "offline_access", "jobs:run openid", "unheard_of", "jobs:run profile"} {
		wantFault(t, ask(machine, scope), 400, "invalid_scope")
	}
	for reason, want := range map[string]int{"grant_type_not_allowed": 2, "scope_not_allowed": 5} {
		if n := w.events(t, latchkey.TokenRefused, reason); n != want {
			t.Errorf("%d events of reason %s, want %d", n, reason, want)
		}
	}
	if n := w.events(t, latchkey.TokenIssued, ""); n != 0 {
		t.Errorf("%d tokens were issued", n)
	}
	got := ask(machine, "jobs:run")
	m := got.json(t)
	if got.status != 200 || m["id_token"] != nil || m["refresh_token"] != nil || m["scope"] != "jobs:run" {
		t.Fatalf("answered %d %s", got.status, got.body)
	}
	token := m["access_token"].(string)
	claims := claimsIn(t, token)
	if claims["sub"] != "machine" || claims["client_id"] != "machine" || claims["aud"] != w.issuer || claims["auth_time"] != nil {
		t.Errorf("claims %v", claims)
	}
	if !machine.active(t, token) {
		t.Error("the token is not active")
	}
	told := w.userinfo(t, token) // SECURITY case 49
	wantFault(t, told, 403, "insufficient_scope")
	if !strings.Contains(told.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) || w.events(t, latchkey.TokenRefused, "insufficient_scope") != 1 {
		t.Errorf("userinfo: WWW-Authenticate is %q", told.header.Get("WWW-Authenticate"))
	}
	if err := w.db.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, `SELECT (detail->>'count')::bigint FROM audit_pending WHERE kind = 'token.issued' AND reason = 'client_credentials'`); n != 1 {
		t.Errorf("counted %d", n)
	}
	w.sql(t, `UPDATE clients SET tokens_not_before = now() WHERE id = 'machine'`)
	if machine.active(t, token) {
		t.Error("active although all its tokens ended")
	}
	w.sql(t, `UPDATE clients SET tokens_not_before = NULL`)
	if got := machine.call(t, "/oauth2/revoke", url.Values{"token": {token}}); got.status != 200 || machine.active(t, token) {
		t.Errorf("revocation answered %d; active: %v", got.status, machine.active(t, token))
	}
}

func TestGrantTypeTakenFromTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b)
	w.sql(t, `UPDATE clients SET grant_types = '{authorization_code}'`)
	wantFault(t, a.refresh(t, tk.refresh), 400, "unauthorized_client")
	got := a.exchange(t, a.code(t, b))
	if m := got.json(t); m["refresh_token"] != nil || m["scope"] != "openid profile email groups" {
		t.Errorf("answered %s", got.body)
	}
}

func TestClientsOwnLifetimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.AccessTokenTTL, c.IDTokenTTL = 77*time.Second, 99*time.Second })
	b := w.browser().signIn(t, w.user(t, "alice"))
	got := a.exchange(t, a.code(t, b))
	tk := readTokens(t, got)
	access, id := claimsIn(t, tk.access), claimsIn(t, tk.id)
	if got.json(t)["expires_in"] != 77.0 || access["exp"].(float64)-access["iat"].(float64) != 77 || id["exp"].(float64)-id["iat"].(float64) != 99 {
		t.Errorf("%s %v %v", got.body, access, id)
	}
}

// RFC 9068: header and claims, exactly, and nothing of the person but who.
func TestAccessTokenClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	machine := w.app(t, "machine", func(c *latchkey.Client) {
		c.GrantTypes, c.Scopes = []string{"client_credentials"}, []string{"jobs:run", "jobs:read"}
	})
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	token := a.tokens(t, b, "scope", "openid profile").access
	claims := claimsIn(t, token)
	want := map[string]any{"iss": w.issuer, "sub": alice.Subject, "aud": w.issuer, "client_id": "wiki", "scope": "openid profile",
		"acr": "phr", "amr": []any{"pop", "user", "mfa"}, "auth_time": float64(b.session.AuthTime.Unix()),
		"iat": claims["iat"], "exp": claims["iat"].(float64) + 600, "jti": claims["jti"]}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(claims["jti"].(string)) < 22 || claims["jti"] == claimsIn(t, a.tokens(t, b).access)["jti"] {
		t.Errorf("jti %v", claims["jti"])
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.browser().get(t, "/oauth2/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != "at+jwt" || len(set.Key(header.KeyID)) != 1 {
		t.Errorf("header %+v", header)
	}
	if _, err := signed.Verify(set.Key(header.KeyID)[0]); err != nil {
		t.Error(err)
	}
	// Of an application itself: no person, no sign-in; a scope only if asked for.
	ask := func(scope string) (*answer, map[string]any) {
		got := machine.call(t, "/oauth2/token", changed(url.Values{"grant_type": {"client_credentials"}}, "scope", scope))
		return got, claimsIn(t, readTokens(t, got).access)
	}
	got, claims := ask("")
	want = map[string]any{"iss": w.issuer, "sub": "machine", "aud": w.issuer, "client_id": "machine",
		"iat": claims["iat"], "exp": claims["iat"].(float64) + 600, "jti": claims["jti"]}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("of the application itself (-want +got):\n%s", diff)
	}
	if _, told := got.json(t)["scope"]; told || got.json(t)["expires_in"] != 600.0 {
		t.Errorf("answer %s", got.body)
	}
	if got, claims = ask("jobs:run jobs:run  jobs:read"); claims["scope"] != "jobs:run jobs:read" || got.json(t)["scope"] != "jobs:run jobs:read" {
		t.Errorf("scope said twice: %s", got.body)
	}
}
