package oidc_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// knownMetadata are the members that the standards behind our metadata define
// and that conformance tools know: OpenID Connect Discovery §3, RP-Initiated,
// Front-Channel and Back-Channel Logout, Session Management, Prompt Create, RFC
// 8414, 8628, 8705, 9101, 9126, 9207, 9396, 9449, 9701, 9728 and JARM. By their
// type in JSON.
func knownMetadata() map[string]string {
	known := map[string]string{}
	for kind, names := range map[string]string{
		"address": `issuer authorization_endpoint token_endpoint userinfo_endpoint jwks_uri registration_endpoint service_documentation
			op_policy_uri op_tos_uri revocation_endpoint introspection_endpoint end_session_endpoint check_session_iframe
			pushed_authorization_request_endpoint device_authorization_endpoint backchannel_authentication_endpoint`,
		"list": `scopes_supported response_types_supported response_modes_supported grant_types_supported acr_values_supported subject_types_supported
			token_endpoint_auth_methods_supported token_endpoint_auth_signing_alg_values_supported
			revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported
			introspection_endpoint_auth_methods_supported introspection_endpoint_auth_signing_alg_values_supported
			introspection_signing_alg_values_supported introspection_encryption_alg_values_supported introspection_encryption_enc_values_supported
			id_token_signing_alg_values_supported id_token_encryption_alg_values_supported id_token_encryption_enc_values_supported
			userinfo_signing_alg_values_supported userinfo_encryption_alg_values_supported userinfo_encryption_enc_values_supported
			request_object_signing_alg_values_supported request_object_encryption_alg_values_supported request_object_encryption_enc_values_supported
			authorization_signing_alg_values_supported authorization_encryption_alg_values_supported authorization_encryption_enc_values_supported
			display_values_supported claim_types_supported claims_supported claims_locales_supported ui_locales_supported prompt_values_supported
			code_challenge_methods_supported dpop_signing_alg_values_supported authorization_details_types_supported protected_resources
			backchannel_token_delivery_modes_supported backchannel_authentication_request_signing_alg_values_supported`,
		"bool": `claims_parameter_supported request_parameter_supported request_uri_parameter_supported require_request_uri_registration
			require_signed_request_object require_pushed_authorization_requests authorization_response_iss_parameter_supported
			frontchannel_logout_supported frontchannel_logout_session_supported backchannel_logout_supported backchannel_logout_session_supported
			tls_client_certificate_bound_access_tokens backchannel_user_code_parameter_supported`,
		"text":   `signed_metadata`,
		"object": `mtls_endpoint_aliases`,
	} {
		for name := range strings.FieldsSeq(names) {
			known[name] = kind
		}
	}
	return known
}

// TestMetadataIsWhatToolsKnow: every member is one that a standard defines, of
// its type, and every address is our own.
func TestMetadataIsWhatToolsKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := knownMetadata()
	document := w.browser().get(t, "/.well-known/openid-configuration").json(t)
	for name, value := range document {
		fits := false
		switch known[name] {
		case "address":
			address, ok := value.(string)
			u, err := url.Parse(address)
			fits = ok && err == nil && u.IsAbs() && u.Fragment == "" && (address == w.issuer || strings.HasPrefix(address, w.issuer+"/"))
		case "list":
			list, ok := value.([]any)
			fits = ok && len(list) > 0
			for _, one := range list {
				text, isText := one.(string)
				fits = fits && isText && text != ""
			}
		case "bool":
			_, fits = value.(bool)
		case "text":
			_, fits = value.(string)
		case "object":
			_, fits = value.(map[string]any)
		}
		if !fits {
			t.Errorf("%s is %v, of kind %q", name, value, known[name])
		}
	}
	// What OpenID Connect demands of a provider that anybody may register at
	// (Discovery §3, Core §15.1 and §15.2).
	for name, wanted := range map[string][]string{
		"response_types_supported":              {"code", "id_token", "id_token token"},
		"grant_types_supported":                 {"authorization_code", "implicit"},
		"subject_types_supported":               {"public"},
		"id_token_signing_alg_values_supported": {"RS256"},
		"scopes_supported":                      {"openid"},
		"code_challenge_methods_supported":      {"S256"},
	} {
		for _, one := range wanted {
			if list, _ := document[name].([]any); !slices.Contains(list, any(one)) {
				t.Errorf("%s is %v, without %s", name, list, one)
			}
		}
	}
	// Unsigned is on offer nowhere.
	for name, value := range document {
		if list, ok := value.([]any); ok && strings.Contains(name, "_alg_values_") && slices.Contains(list, any("none")) {
			t.Errorf("%s holds none", name)
		}
	}
}
