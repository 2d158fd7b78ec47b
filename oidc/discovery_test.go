package oidc_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	got := b.get(t, "/.well-known/openid-configuration")
	want := map[string]any{
		"issuer":                                         w.issuer,
		"authorization_endpoint":                         w.issuer + "/oauth2/authorize",
		"token_endpoint":                                 w.issuer + "/oauth2/token",
		"userinfo_endpoint":                              w.issuer + "/oauth2/userinfo",
		"jwks_uri":                                       w.issuer + "/oauth2/jwks",
		"end_session_endpoint":                           w.issuer + "/oauth2/logout",
		"introspection_endpoint":                         w.issuer + "/oauth2/introspect",
		"revocation_endpoint":                            w.issuer + "/oauth2/revoke",
		"scopes_supported":                               []any{"openid", "profile", "email", "groups", "offline_access"},
		"response_types_supported":                       []any{"code"},
		"response_modes_supported":                       []any{"query"},
		"grant_types_supported":                          []any{"authorization_code", "refresh_token", "client_credentials"},
		"acr_values_supported":                           []any{"phr"},
		"subject_types_supported":                        []any{"public"},
		"id_token_signing_alg_values_supported":          []any{"RS256", "ES256"},
		"token_endpoint_auth_methods_supported":          []any{"client_secret_basic", "client_secret_post", "none"},
		"introspection_endpoint_auth_methods_supported":  []any{"client_secret_basic", "client_secret_post"},
		"revocation_endpoint_auth_methods_supported":     []any{"client_secret_basic", "client_secret_post", "none"},
		"claim_types_supported":                          []any{"normal"},
		"prompt_values_supported":                        []any{"none", "login", "consent", "select_account"},
		"code_challenge_methods_supported":               []any{"S256"},
		"authorization_response_iss_parameter_supported": true,
		"claims_parameter_supported":                     false,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
		"require_request_uri_registration":               false,
	}
	document := got.json(t)
	want["claims_supported"] = document["claims_supported"]
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
		if k.KeyID != base64.RawURLEncoding.EncodeToString(sum) || k.Use != "sig" || !k.IsPublic() || raw.Keys[i]["d"] != nil {
			t.Errorf("key %v", raw.Keys[i])
		}
		algs[k.Algorithm] = true
	}
	if !cmp.Equal(algs, map[string]bool{"RS256": true, "ES256": true}) {
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
