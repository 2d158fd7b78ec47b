package passkey_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"latchkey/passkey/passkeytest"
)

// vector is one example of WebAuthn Level 3, section 16 (Test Vectors).
type vector struct {
	Section      string
	Info         string // of the derivation of its random values
	CredentialID octets `json:"credential_id"`
	Registration struct {
		Challenge         octets
		ClientDataJSON    octets `json:"client_data_json"`
		AttestationObject octets `json:"attestation_object"`
	}
	Authentication struct {
		Challenge         octets
		ClientDataJSON    octets `json:"client_data_json"`
		AuthenticatorData octets `json:"authenticator_data"`
		Signature         octets
	}
}

// octets are bytes in hexadecimal, as the Recommendation prints them.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

func vectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/w3c-level-3-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTheVectorsAreThoseOfTheRecommendation derives the registration challenges
// again as section 16 says, so that no copy can drift.
func TestTheVectorsAreThoseOfTheRecommendation(t *testing.T) {
	t.Parallel()
	all := vectors(t)
	if len(all) != 14 {
		t.Errorf("%d vectors, want 14", len(all))
	}
	for _, v := range all {
		want, err := hkdf.Key(sha256.New, []byte("WebAuthn test vectors"), []byte{0}, v.Info, len(v.Registration.Challenge))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(v.Registration.Challenge, want) {
			t.Errorf("section %s: challenge %x, want %x", v.Section, v.Registration.Challenge, want)
		}
	}
}

// outcome is what our rules say of a vector.
type outcome struct {
	status int
	code   string
}

// TestTheRecommendationsVectors posts every vector at our edge, with the
// challenge of the vector in the place of ours. The examples vary the flags at
// random, so most of them meet one of our rules.
func TestTheRecommendationsVectors(t *testing.T) {
	t.Parallel()
	accepted := outcome{201, ""}
	unverified := outcome{403, "user_verification_required"}
	unsupported := outcome{422, "unsupported_key"}
	refused := outcome{401, "verification_failed"}
	for _, want := range []struct {
		info                 string
		registration, signIn outcome // signIn only where registration is accepted
	}{
		{"none.ES256", unverified, outcome{}},
		{"packed-self.ES256", accepted, unverified},
		{"none.ES256.crossOrigin", refused, outcome{}},
		{"none.ES256.topOrigin", unverified, outcome{}},
		{"none.ES256.long-credential-id", unverified, outcome{}},
		{"packed.ES256", accepted, outcome{200, ""}},
		{"packed.ES384", unverified, outcome{}},
		{"packed.ES512", unsupported, outcome{}},
		{"packed.RS256", accepted, unverified},
		{"packed.EdDSA", unverified, outcome{}},
		{"tpm.ES256", refused, outcome{}},         // no such manufacturer
		{"android-key.ES256", refused, outcome{}}, // its key description allows any use
		{"apple.ES256", unverified, outcome{}},
		{"fido-u2f.ES256", unverified, outcome{}},
	} {
		t.Run(want.info, func(t *testing.T) {
			t.Parallel()
			var v vector
			for _, candidate := range vectors(t) {
				if candidate.Info == want.info {
					v = candidate
				}
			}
			w := startAt(t, "https://example.org")
			b := w.admin(t)
			options := b.RegistrationOptions("add", "", nil)
			wantStatus(t, options, 200)
			id := w.rechallenge(t, b, "registration", options, v.Registration.Challenge)
			got := b.VerifyRegistration(id, credentialJSON(t, v.CredentialID, map[string][]byte{
				"clientDataJSON": v.Registration.ClientDataJSON, "attestationObject": v.Registration.AttestationObject,
			}), nil)
			if got.Status != want.registration.status || got.Code != want.registration.code {
				t.Fatalf("registration answered %d %s, want %d %s: %s", got.Status, got.Code, want.registration.status, want.registration.code, got.Raw)
			}
			if want.registration != accepted {
				return
			}
			login := b.AuthenticationOptions("login", "")
			wantStatus(t, login, 200)
			id = w.rechallenge(t, b, "authentication", login, v.Authentication.Challenge)
			got = b.VerifyAuthentication(id, credentialJSON(t, v.CredentialID, map[string][]byte{
				"clientDataJSON": v.Authentication.ClientDataJSON, "authenticatorData": v.Authentication.AuthenticatorData,
				"signature": v.Authentication.Signature, "userHandle": b.Device.Credential().UserHandle,
			}))
			if got.Status != want.signIn.status || got.Code != want.signIn.code {
				t.Errorf("sign-in answered %d %s, want %d %s: %s", got.Status, got.Code, want.signIn.status, want.signIn.code, got.Raw)
			}
		})
	}
}

// credentialJSON wraps binary parts as RegistrationResponseJSON or
// AuthenticationResponseJSON.
func credentialJSON(t *testing.T, id []byte, parts map[string][]byte) []byte {
	t.Helper()
	response := map[string]string{}
	for name, part := range parts {
		response[name] = encoded(part)
	}
	out, err := json.Marshal(map[string]any{"id": encoded(id), "rawId": encoded(id), "type": "public-key",
		"clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rechallenge puts another challenge into an open ceremony and returns the
// ceremony's new id. It is the one thing here that is not done over HTTP: no
// server lets a client choose the challenge.
func (w *world) rechallenge(t *testing.T, b *passkeytest.Browser, kind string, options *passkeytest.Answer, challenge []byte) string {
	t.Helper()
	var bindings []string
	for _, cookie := range b.Cookies() {
		bindings = append(bindings, cookie.Value)
	}
	for _, binding := range bindings {
		c, err := w.app.DB.TakeChallenge(t.Context(), options.ChallengeID, kind, binding)
		if err != nil {
			continue // the other cookie's
		}
		c.Binding = binding
		before := c.Data
		c.Data = bytes.ReplaceAll(c.Data, []byte(challengeOf(t, options)), []byte(encoded(challenge)))
		if bytes.Equal(before, c.Data) {
			t.Fatal("the ceremony does not hold its challenge as base64url")
		}
		id, _, err := w.app.DB.PutChallenge(t.Context(), *c, 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	t.Fatal("the ceremony belongs to none of the browser's cookies")
	return ""
}
