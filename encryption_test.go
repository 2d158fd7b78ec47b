package latchkey_test

import (
	"encoding/json"
	"strings"
	"testing"

	"latchkey"
)

// TestEncryptionRulesOfRequests: how request objects are encrypted to us needs no
// key of the application, and goes by the keys that we have.
func TestEncryptionRulesOfRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ alg, enc, member, says string }{
		{"RSA-OAEP-256", "", "", ""}, {"ECDH-ES", "A256GCM", "", ""}, {"", "", "", ""},
		{"RSA1_5", "", "request_object_encryption_alg", "does not exist here"},
		{"RSA-OAEP", "", "request_object_encryption_alg", "does not exist here"},
		{"dir", "", "request_object_encryption_alg", "does not exist here"},
		{"ECDH-ES", "A192GCM", "request_object_encryption_enc", "does not exist here"},
		{"", "A128GCM", "request_object_encryption_enc", "goes with"},
	} {
		app := wiki(latchkey.TypeWeb)
		app.Protocol.RequestObjectEncAlg, app.Protocol.RequestObjectEnc = c.alg, c.enc
		if got := fields(t, app.Check()); c.says == "" && len(got) > 0 || c.says != "" && (len(got) != 1 || !strings.Contains(got[c.member], c.says)) {
			t.Errorf("%s %s: got %v, want only %s with %q", c.alg, c.enc, got, c.member, c.says)
		}
	}
}

// TestEncryptionRules: what a registration may say about encrypted answers, and
// each thing that it may not, alone.
func TestEncryptionRules(t *testing.T) {
	t.Parallel()
	const (
		point  = `"crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
		plain  = `{"kty":"EC",` + point + `}`
		sealed = `{"kty":"EC","use":"enc","alg":"ECDH-ES",` + point + `}`
		signs  = `{"kty":"EC","use":"sig",` + point + `}`
		other  = `{"kty":"EC","use":"enc","alg":"ECDH-ES+A128KW",` + point + `}`
		edward = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	)
	set := func(keys ...string) json.RawMessage {
		return json.RawMessage(`{"keys":[` + strings.Join(keys, ",") + `]}`)
	}
	for _, c := range []struct {
		name     string
		says     string // about WHAT_alg, or WHAT_enc with a leading "enc:"; "" = it is right
		keys     json.RawMessage
		uri      string
		alg, enc string
	}{
		{"a key for everything", "", set(plain), "", "ECDH-ES+A256KW", ""},
		{"a key for it", "", set(signs, sealed), "", "ECDH-ES", "A256GCM"},
		{"keys at an address", "", nil, "https://wiki.example.com/jwks", "RSA-OAEP-256", "A256CBC-HS512"},
		{"keys and no encryption", "", set(plain), "", "", ""},
		{"content without a key", "enc:goes with", set(plain), "", "", "A128GCM"},
		{"the broken one", "does not exist here", set(plain), "", "RSA1_5", ""},
		{"a shared secret", "does not exist here", set(plain), "", "dir", ""},
		{"a wrapped shared secret", "does not exist here", set(plain), "", "A128KW", ""},
		{"a password", "does not exist here", set(plain), "", "PBES2-HS256+A128KW", ""},
		{"unknown content", "enc:does not exist here", set(plain), "", "ECDH-ES", "A192GCM"},
		{"no key at all", "jwks_uri", nil, "", "ECDH-ES", ""},
		{"a key of the other kind", "no key for RSA-OAEP", set(plain), "", "RSA-OAEP", ""},
		{"a key for signatures", "no key for ECDH-ES", set(signs), "", "ECDH-ES", ""},
		{"a key that can only sign", "no key for ECDH-ES", set(edward), "", "ECDH-ES", ""},
		{"a key of another algorithm", "no key for ECDH-ES", set(other), "", "ECDH-ES", ""},
	} {
		for what, put := range map[string]func(*latchkey.ClientProtocol){
			"id_token_encrypted_response":      func(p *latchkey.ClientProtocol) { p.IDTokenEncAlg, p.IDTokenEnc = c.alg, c.enc },
			"userinfo_encrypted_response":      func(p *latchkey.ClientProtocol) { p.UserinfoEncAlg, p.UserinfoEnc = c.alg, c.enc },
			"authorization_encrypted_response": func(p *latchkey.ClientProtocol) { p.AuthorizationEncAlg, p.AuthorizationEnc = c.alg, c.enc },
		} {
			app := wiki(latchkey.TypeWeb)
			app.Protocol.JWKS, app.Protocol.JWKSURI = c.keys, c.uri
			put(&app.Protocol)
			got := fields(t, app.Check())
			member, says := what+"_alg", c.says
			if rest, enc := strings.CutPrefix(c.says, "enc:"); enc {
				member, says = what+"_enc", rest
			}
			if says == "" && len(got) > 0 || says != "" && (len(got) != 1 || !strings.Contains(got[member], says)) {
				t.Errorf("%s, %s: got %v, want only %s with %q", what, c.name, got, member, says)
			}
		}
	}
}
