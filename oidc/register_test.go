package oidc_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/oidc"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// TestAnApplicationRegistersItself walks the whole life of one as a conformance
// suite does: registered without a scope, it asks for all; it reads, replaces
// and deletes itself, and what it had is over.
func TestAnApplicationRegistersItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	initial, _ := w.initialToken(t)
	got := w.send(t, "POST", "/oauth2/register", initial, asTheSuite().with("initiate_login_uri", "https://wiki.example.com/login", "unheard_of", "x"))
	s := w.registered(t, got, http.StatusCreated)
	m := got.json(t)
	if s.secret == "" || m["client_secret_expires_at"] != 0.0 || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %v %s", got.header, got.body)
	}
	for member, want := range map[string]any{
		"client_name": "Wiki", "redirect_uris": []any{callback}, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "application_type": "web",
		"scope": strings.Join(latchkey.Scopes(), " "), "id_token_signed_response_alg": "RS256", "contacts": []any{"ops@wiki.example.com"},
		"initiate_login_uri": "https://wiki.example.com/login", "post_logout_redirect_uris": []any{"https://wiki.example.com/bye"},
	} {
		if diff := cmp.Diff(want, m[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}

	a := s.app(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	ask := a.request("scope", strings.Join(latchkey.Scopes(), " "), "code_challenge", "", "code_challenge_method", "", "nonce", "")
	code := b.allow(t, b.get(t, ask))
	tk := readTokens(t, a.exchange(t, code, "code_verifier", ""))
	if info := w.userinfo(t, tk.access); info.status != http.StatusOK || tk.refresh == "" {
		t.Fatalf("userinfo answered %d %s", info.status, info.body)
	}

	read := s.read(t)
	if read.status != http.StatusOK || read.json(t)["initiate_login_uri"] != "https://wiki.example.com/login" || read.json(t)["registration_access_token"] != s.token {
		t.Fatalf("read answered %d %s", read.status, read.body)
	}
	for member, value := range m {
		if got := read.json(t)[member]; member != "client_secret" && !cmp.Equal(got, value) {
			t.Errorf("%s was registered as %v and reads %v", member, value, got)
		}
	}
	replaced := s.replace(t, asTheSuite().with("client_name", "Docs"))
	after := w.registered(t, replaced, http.StatusOK)
	if m := replaced.json(t); after.token == s.token || m["client_name"] != "Docs" || m["initiate_login_uri"] != nil || m["client_secret"] != nil {
		t.Errorf("replacement answered %s", replaced.body)
	}
	if !a.active(t, tk.access) {
		t.Error("a token ended with a change of the name")
	}
	if gone := w.send(t, "DELETE", after.uri, after.token, nil); gone.status != http.StatusNoContent || gone.body != "" {
		t.Fatalf("delete answered %d %s", gone.status, gone.body)
	}
	wantRegistrationFault(t, after.read(t), http.StatusUnauthorized, "invalid_token")
	wantRegistrationFault(t, w.send(t, "DELETE", after.uri, after.token, nil), http.StatusUnauthorized, "invalid_token")
	wantFault(t, w.userinfo(t, tk.access), http.StatusUnauthorized, "invalid_token")
	wantFault(t, a.refresh(t, tk.refresh), http.StatusUnauthorized, "invalid_client")

	for _, kind := range []latchkey.EventKind{latchkey.ClientRegistered, latchkey.ClientUpdated, latchkey.ClientDeleted} {
		if n := w.count(t, `SELECT count(*) FROM audit_pending WHERE kind = $1 AND actor_kind = 'client' AND actor_id = $2 AND client_id = $2`, string(kind), s.id); n != 1 {
			t.Errorf("%d events %s by the application, want 1", n, kind)
		}
	}
}

// TestMetadataOfStrangers: each wrong member alone, with the code of RFC 7591
// §3.2.2. Nothing is kept.
func TestMetadataOfStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	const redirect, metadata = "invalid_redirect_uri", "invalid_client_metadata"
	uris := func(uris ...string) document { return asTheSuite().with("redirect_uris", uris) }
	for _, c := range []struct {
		name string
		body any
		code string
	}{
		{"fragment", uris("https://wiki.example.com/cb#x"), redirect},
		{"empty fragment", uris("https://wiki.example.com/cb#"), redirect},
		{"wildcard", uris("https://*.example.com/cb"), redirect},
		{"javascript", uris("javascript:alert(1)"), redirect},
		{"data", uris("data:text/html,x"), redirect},
		{"user-info", uris("https://user@wiki.example.com/cb"), redirect},
		{"http", uris("http://wiki.example.com/cb"), redirect},
		{"http to a private address", uris("http://10.0.0.1/cb"), redirect},
		{"private scheme of a web application", uris("com.example.app:/cb"), redirect},
		{"private scheme of a public web application", uris("com.example.app:/cb").with("application_type", "web", "token_endpoint_auth_method", "none"), redirect},
		{"private scheme without a dot", uris("app:/cb").with("application_type", "native"), redirect},
		{"one wrong of two", uris(callback, "https://wiki.example.com/#"), redirect},
		{"no redirect URI", asTheSuite().with("redirect_uris", nil), redirect},
		{"empty redirect URIs", uris(), redirect},
		{"a text instead of a list", asTheSuite().with("redirect_uris", callback), redirect},
		{"answer parameter in the query", uris("https://wiki.example.com/cb?code=1"), redirect},
		{"no JSON", `{"redirect_uris": [`, metadata},
		{"no object", `[]`, metadata},
		{"null", `null`, metadata},
		{"two documents", `{"redirect_uris":["https://a.example/"]}{}`, metadata},
		{"no body", "", metadata},
		{"NUL in a text", asTheSuite().with("client_name", "a\x00b"), metadata},
		{"hidden characters in the name", asTheSuite().with("client_name", "a\u202eb"), metadata},
		{"endless name", asTheSuite().with("client_name", strings.Repeat("a", 129)), metadata},
		{"a number for the name", asTheSuite().with("client_name", 7), metadata},
		{"unknown method", asTheSuite().with("token_endpoint_auth_method", "telepathy"), metadata},
		{"unknown grant type", asTheSuite().with("grant_types", []string{"authorization_code", "password"}), metadata},
		{"grant types without sign-in", asTheSuite().with("grant_types", []string{"refresh_token"}), metadata},
		{"unknown response type", asTheSuite().with("response_types", []string{"code telepathy"}), metadata},
		{"response type without its grant type", asTheSuite().with("response_types", []string{"id_token"}), metadata},
		{"unsigned ID tokens", asTheSuite().with("id_token_signed_response_alg", "none"), metadata},
		{"ID tokens by the secret", asTheSuite().with("id_token_signed_response_alg", "HS256"), metadata},
		{"unknown application type", asTheSuite().with("application_type", "desktop"), metadata},
		{"http for initiate_login_uri", asTheSuite().with("initiate_login_uri", "http://wiki.example.com/login"), metadata},
		{"script for a link", asTheSuite().with("policy_uri", "javascript:alert(1)"), metadata},
		{"fragment after sign-out", asTheSuite().with("post_logout_redirect_uris", []string{"https://wiki.example.com/#bye"}), metadata},
		{"response mode", asTheSuite().with("response_modes", []string{"telepathy"}), metadata},
		{"negative age", asTheSuite().with("default_max_age", -1), metadata},
		{"keys in two places", asTheSuite().with("jwks", json.RawMessage(`{"keys":[]}`), "jwks_uri", "https://wiki.example.com/jwks"), metadata},
		{"a key of its own, and none shown", asTheSuite().with("token_endpoint_auth_method", "private_key_jwt"), metadata},
		{"keys that are none", asTheSuite().with("jwks", "x"), metadata},
		{"http for its keys", asTheSuite().with("jwks_uri", "http://wiki.example.com/jwks"), metadata},
		{"unsigned request objects", asTheSuite().with("request_object_signing_alg", "none"), metadata},
		{"a software statement", asTheSuite().with("software_statement", "a.b.c"), "unapproved_software_statement"},
		{"only scopes that are closed", asTheSuite().with("scope", "admin:all"), metadata},
		{"tokens bound to a key", asTheSuite().with("dpop_bound_access_tokens", true), metadata},
		{"tokens bound to a certificate", asTheSuite().with("tls_client_certificate_bound_access_tokens", true), metadata},
		{"too many contacts", asTheSuite().with("contacts", strings.Split(strings.Repeat("ops@example.com ", 51), " ")), metadata},
	} {
		got := w.send(t, "POST", "/oauth2/register", "", c.body)
		if got.status != http.StatusBadRequest || got.json(t)["error"] != c.code {
			t.Errorf("%s: answered %d %s, want %s", c.name, got.status, got.body, c.code)
			continue
		}
		wantRegistrationFault(t, got, http.StatusBadRequest, c.code)
	}
	if n := w.count(t, `SELECT count(*) FROM clients`); n != 0 {
		t.Errorf("%d applications are registered", n)
	}
	if w.events(t, latchkey.RegistrationRefused, "invalid_redirect_uri") == 0 || w.events(t, latchkey.RegistrationRefused, "invalid_client_metadata") == 0 {
		t.Error("the refusals are not in the record")
	}
}

// TestMetadataThatIsFine: what libraries send is registered, and the answer says
// as what.
func TestMetadataThatIsFine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	all := strings.Join(latchkey.Scopes(), " ")
	for _, c := range []struct {
		name string
		body document
		want document
	}{
		{"the least", document{"redirect_uris": []string{callback}}, document{"client_name": "wiki.example.com", "token_endpoint_auth_method": "client_secret_basic",
			"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "scope": all, "application_type": "web"}},
		{"http for this machine", document{"redirect_uris": []string{"http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]/cb"}}, document{"application_type": "web"}},
		{"implicit, in another order", document{"redirect_uris": []string{callback}, "response_types": []string{"token id_token"}},
			document{"response_types": []any{"id_token token"}, "grant_types": []any{"implicit"}}},
		{"hybrid", document{"redirect_uris": []string{callback}, "response_types": []string{"code id_token"}},
			document{"response_types": []any{"code id_token"}, "grant_types": []any{"authorization_code", "refresh_token", "implicit"}}},
		{"null counts as left out", document{"redirect_uris": []string{callback}, "client_name": nil, "scope": nil, "jwks_uri": nil}, document{"scope": all, "client_name": "wiki.example.com"}},
		{"in the browser", document{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none"}, document{"token_endpoint_auth_method": "none", "client_secret": nil, "client_secret_expires_at": nil}},
		{"native", document{"redirect_uris": []string{"com.example.app:/cb"}, "application_type": "native", "token_endpoint_auth_method": "none"}, document{"application_type": "native"}},
		{"native by its redirect URI", document{"redirect_uris": []string{"com.example.app:/cb"}, "token_endpoint_auth_method": "none"}, document{"application_type": "native"}},
		{"native with a secret", document{"redirect_uris": []string{"com.example.app:/cb"}, "application_type": "native"}, document{"token_endpoint_auth_method": "client_secret_basic"}},
		{"a machine", document{"grant_types": []string{"client_credentials"}, "redirect_uris": []string{callback}}, document{"redirect_uris": []any{}, "scope": "", "client_name": "Unnamed application", "response_types": []any{}}},
		{"fewer scopes", document{"redirect_uris": []string{callback}, "scope": "openid email"}, document{"scope": "openid email"}},
		{"scopes that are closed besides", document{"redirect_uris": []string{callback}, "scope": "openid admin:all"}, document{"scope": "openid"}},
		{"members of other worlds", document{"redirect_uris": []string{callback}, "client_name#de": "Wikchen", "x_unheard_of": map[string]any{"a": 1}, "Redirect_Uris": []string{"https://evil.example.com/"}},
			document{"redirect_uris": []any{callback}, "client_name#de": nil, "x_unheard_of": nil}},
		{"half a surrogate", document{"redirect_uris": []string{callback}, "default_acr_values": json.RawMessage(`["\ud800"]`)}, document{"default_acr_values": []any{"\ufffd"}}},
		{"an id and a secret of its own", document{"redirect_uris": []string{callback}, "client_id": "latchkey-demo", "client_secret": "chosen by me"}, document{}},
	} {
		got := w.send(t, "POST", "/oauth2/register", "", c.body)
		if got.status != http.StatusCreated {
			t.Errorf("%s: answered %d %s", c.name, got.status, got.body)
			continue
		}
		m := got.json(t)
		for member, want := range c.want {
			if diff := cmp.Diff(want, m[member]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", c.name, member, diff)
			}
		}
		if m["client_id"] == "latchkey-demo" || m["client_secret"] == "chosen by me" {
			t.Errorf("%s: answered %s", c.name, got.body)
		}
	}
}

// TestWhatIsAnAdministratorsIsPassedOver: an application can neither give itself
// what an administrator gives, nor take back what one took.
func TestWhatIsAnAdministratorsIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	grab := asTheSuite().with("first_party", true, "allowed_groups", []string{}, "introspects", true, "enabled", true, "profile", "oidc", "type", "machine",
		"notes", "trust me", "tags", []string{"core"}, "access_token_ttl", 86400, "refresh_token_ttl", 7776000, "refresh_grace", 300, "id_token_ttl", 86400,
		"refresh_without_offline_access", true, "allowed_cors_origins", []string{"https://evil.example.com"}, "access_token_format", "opaque",
		"access_token_signed_response_alg", "RS256", "claims", map[string]any{"role": "admin"}, "registration", map[string]any{"scopes": []string{"admin:all"}}, "version", 99)
	s := w.registerOpen(t, grab)
	plain := w.registerOpen(t, asTheSuite())
	own, other := s.app(t).Client, plain.app(t).Client
	own.ID, own.Secrets, own.CreatedAt, own.UpdatedAt = other.ID, other.Secrets, other.CreatedAt, other.UpdatedAt
	if diff := cmp.Diff(other, own); diff != "" {
		t.Errorf("it got more than another one (-another +got):\n%s", diff)
	}

	// What an administrator decided stays, whatever the application says next.
	decided := s.app(t).Client
	decided.Profile, decided.Introspects, decided.Scopes, decided.Metadata.Notes = latchkey.ProfileOAuth21, true, []string{"openid", "email"}, "checked"
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.UpdateClient(t.Context(), decided)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	replaced := s.replace(t, grab.with("scope", nil))
	s = w.registered(t, replaced, http.StatusOK)
	after := s.app(t).Client
	if after.Profile != latchkey.ProfileOAuth21 || !after.Introspects || after.Metadata.Notes != "checked" || !cmp.Equal(after.Scopes, []string{"openid", "email"}) || after.FirstParty {
		t.Errorf("afterwards it is %+v", after)
	}
	if got := replaced.json(t); got["scope"] != "openid email" {
		t.Errorf("the answer says scope %v", got["scope"])
	}
	for _, member := range []string{"profile", "first_party", "allowed_groups", "introspects", "notes", "tags", "enabled", "type", "version", "secrets", "registration", "access_token_ttl", "updated_at"} {
		if value, told := replaced.json(t)[member]; told {
			t.Errorf("the application is told %s = %v", member, value)
		}
	}
}

// TestWhoMayRegister: each way of showing no good token, alone.
func TestWhoMayRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, _ := w.initialToken(t)
	over := func(change string) string {
		raw, made := w.initialToken(t)
		w.sql(t, `UPDATE initial_tokens SET `+change+` WHERE id = $1`, made.ID)
		return raw
	}
	s := w.registered(t, w.send(t, "POST", "/oauth2/register", good, asTheSuite()), http.StatusCreated)
	flipped := good[:len(good)-2] + map[bool]string{true: "AA", false: "BA"}[good[len(good)-2] != 'A']
	for _, c := range []struct{ name, token, reason string }{
		{"no token", "", "no_token"},
		{"an unknown one", flipped, "bad_token"},
		{"without its prefix", strings.TrimPrefix(good, storage.InitialTokenPrefix), "bad_token"},
		{"no token of ours", "x", "bad_token"},
		{"a registration access token", s.token, "bad_token"},
		{"a client secret", s.secret, "bad_token"},
		{"revoked", over("revoked_at = now()"), "bad_token"},
		{"expired", over("expires_at = now() - interval '1 second'"), "bad_token"},
		{"used up", over("uses = max_uses"), "bad_token"},
	} {
		before := w.events(t, latchkey.RegistrationRefused, c.reason)
		wantRegistrationFault(t, w.send(t, "POST", "/oauth2/register", c.token, asTheSuite()), http.StatusUnauthorized, "invalid_token")
		if n := w.events(t, latchkey.RegistrationRefused, c.reason); n != before+1 {
			t.Errorf("%s: %d events with reason %s, want 1 more than %d", c.name, n, c.reason, before)
		}
	}
	wantRegistrationFault(t, w.send(t, "POST", "/oauth2/register?access_token="+good, "", asTheSuite()), http.StatusBadRequest, "invalid_request")
	wantRegistrationFault(t, w.send(t, "POST", "/oauth2/register", "", asTheSuite().with("access_token", good)), http.StatusUnauthorized, "invalid_token")
	for header, status := range map[string]int{"Basic " + good: 401, "Bearer": 401, "bearer " + good: 201} {
		r, err := http.NewRequest("POST", w.issuer+"/oauth2/register", strings.NewReader(`{"redirect_uris":["`+callback+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", header)
		if got := w.browser().do(t, r); got.status != status {
			t.Errorf("%.6s…: answered %d %s, want %d", header, got.status, got.body, status)
		}
		r.Header.Add("Authorization", "Bearer "+good)
		r.Body, _ = r.GetBody()
		wantRegistrationFault(t, w.browser().do(t, r), http.StatusBadRequest, "invalid_request")
	}
	if n := w.count(t, `SELECT count(*) FROM clients`); n != 2 {
		t.Errorf("%d applications are registered, want 2", n)
	}
	// Where everybody may register, a token that is shown has to be good all the same.
	open := newWorld(t, openRegistration)
	wantRegistrationFault(t, open.send(t, "POST", "/oauth2/register", "lk_iat_x", asTheSuite()), http.StatusUnauthorized, "invalid_token")
}

// TestInitialTokensBound: an application gets the profile and no scopes beyond
// those of its initial access token, and is told so.
func TestInitialTokensBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw, made := w.initialToken(t, func(it *latchkey.InitialToken) {
		it.Name, it.Profile, it.Scopes = "Partners", latchkey.ProfileOAuth21, []string{"openid", "email", "jobs:run"}
	})
	got := w.send(t, "POST", "/oauth2/register", raw, asTheSuite())
	s := w.registered(t, got, http.StatusCreated)
	if got.json(t)["scope"] != "openid email" {
		t.Errorf("without a scope it got %v", got.json(t)["scope"])
	}
	if c := s.app(t).Client; c.Profile != latchkey.ProfileOAuth21 || c.Registration.TokenID != made.ID || c.Registration.TokenName != "Partners" {
		t.Errorf("registered as %+v %+v", c, c.Registration)
	}
	for scope, want := range map[string]string{"openid profile": "openid", "jobs:run openid": "jobs:run openid"} {
		if got := w.send(t, "POST", "/oauth2/register", raw, asTheSuite().with("scope", scope)); got.json(t)["scope"] != want {
			t.Errorf("with %q it got %v, want %q", scope, got.json(t)["scope"], want)
		}
	}
	wantRegistrationFault(t, w.send(t, "POST", "/oauth2/register", raw, asTheSuite().with("scope", "profile")), http.StatusBadRequest, "invalid_client_metadata")
	wantRegistrationFault(t, w.send(t, "POST", "/oauth2/register", raw, asTheSuite().with("response_types", []string{"id_token"}, "grant_types", []string{"implicit"})), http.StatusBadRequest, "invalid_client_metadata")
	wider := s.replace(t, asTheSuite().with("scope", "openid profile email groups"))
	if w.registered(t, wider, http.StatusOK); wider.json(t)["scope"] != "openid email" {
		t.Errorf("a replacement got %v", wider.json(t)["scope"])
	}
	if n := storagetest.Value[int](t, w.url, `SELECT uses FROM initial_tokens WHERE id = $1`, made.ID); n != 3 {
		t.Errorf("the token was used %d times, want 3: refusals and replacements do not count", n)
	}
}

// TestTheLastUseCountsOnce: of many at once, as many register as the token is
// for.
func TestTheLastUseCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw, _ := w.initialToken(t, func(it *latchkey.InitialToken) { it.MaxUses = 2 })
	statuses := parallel(20, func() int { return w.send(t, "POST", "/oauth2/register", raw, asTheSuite()).status })
	if statuses[http.StatusCreated] != 2 || statuses[http.StatusUnauthorized] != 18 || w.count(t, `SELECT count(*) FROM clients`) != 2 {
		t.Errorf("answered %v", statuses)
	}
}

// TestRegistrationOff: no address is advertised.
func TestRegistrationOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *oidc.Options) { o.Registration = latchkey.RegistrationOff })
	if address, told := w.browser().get(t, "/.well-known/openid-configuration").json(t)["registration_endpoint"]; told {
		t.Errorf("discovery says %v", address)
	}
}
