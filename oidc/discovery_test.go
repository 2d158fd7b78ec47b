package oidc_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"latchkey"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	got := b.get(t, "/.well-known/openid-configuration")
	want := (&answer{body: strings.ReplaceAll(discovered, "ISSUER", w.issuer)}).json(t)
	document := got.json(t)
	want["claims_supported"], want["signed_metadata"] = document["claims_supported"], document["signed_metadata"]
	if diff := cmp.Diff(want, document); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if other := b.get(t, "/.well-known/oauth-authorization-server"); other.body != got.body {
		t.Error("the two documents differ")
	}
	if got.header.Get("Cache-Control") != "public, max-age=3600" || got.header.Get("ETag") == "" {
		t.Errorf("headers %v", got.header)
	}
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	got := b.get(t, "/oauth2/jwks")
	if got.header.Get("Cache-Control") != "public, max-age=3600" || got.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("headers %v", got.header)
	}
	var raw struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(got.body), &raw); err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(got.body), &set); err != nil {
		t.Fatal(err)
	}
	algs := map[string]bool{}
	for i, k := range set.Keys {
		sum, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if k.KeyID != base64.RawURLEncoding.EncodeToString(sum) || (k.Use != "sig") != slices.Contains(latchkey.DecryptionAlgs(), k.Algorithm) || !k.IsPublic() || raw.Keys[i]["d"] != nil {
			t.Errorf("key %v", raw.Keys[i])
		}
		algs[k.Algorithm] = true
	}
	if !cmp.Equal(algs, map[string]bool{"RS256": true, "ES256": true, "PS256": true, "EdDSA": true, "RSA-OAEP-256": true, "ECDH-ES": true}) {
		t.Errorf("algorithms %v", algs)
	}
	r, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("If-None-Match", `"x", W/`+got.header.Get("ETag"))
	if again := b.do(t, r); again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("the known answer came again: %d", again.status)
	}
}

// Whatever discovery says works, and what works is said (CONTRACT 5.13).
func TestEveryAdvertisedValueWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document := w.browser().get(t, "/.well-known/openid-configuration").json(t)
	said := func(name string) (list []string) {
		for _, v := range document[name].([]any) {
			list = append(list, v.(string))
		}
		return list
	}
	alice := w.user(t, "alice")
	claims := map[string]any{}
	for _, name := range []string{"family_name", "given_name", "middle_name", "nickname", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "phone_number"} {
		claims[name] = "x"
	}
	claims["address"] = map[string]any{"country": "x"}
	w.sql(t, `UPDATE users SET email_verified_at = now(), claims = $1`, claims)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, alice)
	tk := a.tokens(t, b, "scope", strings.Join(said("scopes_supported"), " "))
	told := claimsIn(t, tk.id)
	hybrid := w.app(t, "hybrid", every, func(c *latchkey.Client) { c.Protocol.AuthorizationAlg = latchkey.RS256 })
	for name, value := range claimsIn(t, b.get(t, hybrid.request("response_type", "code id_token")).toApp(t).params.Get("id_token")) {
		told[name] = value
	}
	for name, value := range w.userinfo(t, tk.access).json(t) {
		told[name] = value
	}
	var names []string
	for name := range told {
		names = append(names, name)
	}
	sort := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(said("claims_supported"), names, sort); diff != "" {
		t.Errorf("claims (-advertised +told):\n%s", diff)
	}
	if told["acr"] != said("acr_values_supported")[0] {
		t.Errorf("acr %v", told["acr"])
	}
	for _, alg := range said("authorization_signing_alg_values_supported") {
		own := w.app(t, "jarm-"+alg, func(c *latchkey.Client) { c.Protocol.AuthorizationAlg = alg })
		w.signedBy(t, b.get(t, own.request("response_mode", "jwt")).toApp(t).params.Get("response"), alg)
	}
	for _, alg := range said("id_token_signing_alg_values_supported") {
		own := w.app(t, "alg-"+alg, func(c *latchkey.Client) { c.IDTokenAlg = alg })
		signed, err := jose.ParseSignedCompact(own.tokens(t, b).id, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil || signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != "JWT" {
			t.Errorf("%s: %v", alg, err)
		}
	}
	for _, prompt := range said("prompt_values_supported") {
		got := b.get(t, a.request("prompt", prompt))
		if q := got.location(t).Query(); q.Get("error") != "" || (q.Get("code") != "") != (prompt == "none") {
			t.Errorf("prompt %s: %v", prompt, got.location(t))
		}
	}
	for _, mode := range said("response_modes_supported") {
		for _, types := range said("response_types_supported") {
			to := b.get(t, hybrid.request("response_mode", mode, "response_type", types)).toApp(t)
			refused := strings.HasPrefix(mode, "query") && types != "code"
			way, _, signed := strings.Cut(mode, ".jwt")
			if signed = signed || mode == "jwt"; to.params.Has("error") != refused || !refused && (to.params.Has("response") != signed || way != "jwt" && to.mode != way) {
				t.Errorf("%s by %s: went by %s with %v", types, mode, to.mode, to.params)
			}
		}
	}
	for endpoint, path := range map[string]string{"token": "/oauth2/token", "introspection": "/oauth2/introspect", "revocation": "/oauth2/revoke"} {
		for _, method := range said(endpoint + "_endpoint_auth_methods_supported") {
			own := w.app(t, endpoint+"-"+method, func(c *latchkey.Client) { c.AuthMethod = method })
			got := own.call(t, path, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "token": {"x"}})
			if got.status == 401 {
				t.Errorf("%s by %s: %s", endpoint, method, got.body)
			}
		}
	}
	for _, grant := range said("grant_types_supported") {
		if grant == "implicit" {
			continue // has no call of its own; above
		}
		own := w.app(t, "grant-"+grant, func(c *latchkey.Client) { c.GrantTypes = []string{grant} })
		got := own.call(t, "/oauth2/token", url.Values{"grant_type": {grant}, "code": {"x"}, "refresh_token": {"x"}})
		if code := got.json(t)["error"]; code == "unsupported_grant_type" || code == "unauthorized_client" {
			t.Errorf("grant %s: %s", grant, got.body)
		}
	}
}

// discovered is the whole document: what works, nothing else.
const discovered = `{
"issuer": "ISSUER",
"authorization_endpoint": "ISSUER/oauth2/authorize",
"token_endpoint": "ISSUER/oauth2/token",
"userinfo_endpoint": "ISSUER/oauth2/userinfo",
"jwks_uri": "ISSUER/oauth2/jwks",
"end_session_endpoint": "ISSUER/oauth2/logout",
"introspection_endpoint": "ISSUER/oauth2/introspect",
"revocation_endpoint": "ISSUER/oauth2/revoke",
"pushed_authorization_request_endpoint": "ISSUER/oauth2/par",
"registration_endpoint": "ISSUER/oauth2/register",
"require_pushed_authorization_requests": false,
"scopes_supported": ["openid", "profile", "email", "address", "phone", "groups", "offline_access"],
"response_types_supported": ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"],
"response_modes_supported": ["query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"],
"authorization_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
"grant_types_supported": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
"acr_values_supported": ["phr"],
"subject_types_supported": ["public", "pairwise"],
"id_token_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
"userinfo_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
"id_token_encryption_alg_values_supported": ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"],
"id_token_encryption_enc_values_supported": ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"],
"userinfo_encryption_alg_values_supported": ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"],
"userinfo_encryption_enc_values_supported": ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"],
"authorization_encryption_alg_values_supported": ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"],
"authorization_encryption_enc_values_supported": ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"],
"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"],
"introspection_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA"],
"introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"],
"revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"],
"claim_types_supported": ["normal"],
"prompt_values_supported": ["none", "login", "consent", "select_account"],
"code_challenge_methods_supported": ["S256"],
"authorization_response_iss_parameter_supported": true,
"backchannel_logout_supported": true,
"check_session_iframe": "ISSUER/oauth2/check_session",
"frontchannel_logout_supported": true,
"frontchannel_logout_session_supported": true,
"backchannel_logout_session_supported": true,
"claims_parameter_supported": true,
"request_parameter_supported": true,
"request_object_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA", "Ed25519"],
"request_object_encryption_alg_values_supported": ["RSA-OAEP-256", "ECDH-ES"],
"request_object_encryption_enc_values_supported": ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"],
"request_uri_parameter_supported": true,
"require_request_uri_registration": true,
"token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"],
"introspection_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"],
"revocation_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256", "PS256", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"]
}`
