package passkeytest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey/passkey/passkeytest"
)

const (
	rpID   = "idp.example"
	origin = "https://idp.example"
)

// person is a user as the library wants one.
type person struct {
	handle      []byte
	credentials []webauthn.Credential
}

func (p *person) WebAuthnID() []byte                         { return p.handle }
func (p *person) WebAuthnName() string                       { return "alice" }
func (p *person) WebAuthnDisplayName() string                { return "Alice" }
func (p *person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }

func relyingParty(t *testing.T) *webauthn.WebAuthn {
	t.Helper()
	rp, err := webauthn.New(&webauthn.Config{RPID: rpID, RPDisplayName: "Test", RPOrigins: []string{origin}})
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

// register runs one registration against the library.
func register(t *testing.T, rp *webauthn.WebAuthn, p *person, a *passkeytest.Authenticator) (*webauthn.Credential, error) {
	t.Helper()
	options, session, err := rp.BeginRegistration(p, webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()),
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()))
	if err != nil {
		t.Fatalf("begin registration: %v", err)
	}
	answer, err := a.Create(marshal(t, options.Response))
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	return rp.CreateCredential(p, *session, parsed)
}

// signIn runs one usernameless sign-in against the library.
func signIn(t *testing.T, rp *webauthn.WebAuthn, p *person, a *passkeytest.Authenticator) (*webauthn.Credential, error) {
	t.Helper()
	options, session, err := rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		t.Fatalf("begin sign-in: %v", err)
	}
	answer, err := a.Get(marshal(t, options.Response))
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	_, credential, err := rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if !bytes.Equal(handle, p.handle) {
			return nil, errors.New("unknown handle")
		}
		return p, nil
	}, *session, parsed)
	return credential, err
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheLibraryAcceptsAnHonestDevice(t *testing.T) {
	t.Parallel()
	for _, alg := range []struct {
		name string
		id   int64
	}{{"ES256", passkeytest.ES256}, {"EdDSA", passkeytest.EdDSA}, {"RS256", passkeytest.RS256}} {
		for _, statement := range []struct {
			name   string
			kind   passkeytest.Attestation
			format string
			want   string
		}{
			{"none", passkeytest.AttestNone, "none", "none"},
			{"self", passkeytest.AttestSelf, "packed", "basic_surrogate"},
			{"full", passkeytest.AttestFull, "packed", "basic_full"},
		} {
			t.Run(alg.name+" with attestation "+statement.name, func(t *testing.T) {
				t.Parallel()
				rp, p := relyingParty(t), &person{handle: []byte("0123456789abcdef0123456789abcdef")}
				a := passkeytest.NewSecurityKey(rpID, origin)
				a.Algorithm, a.Attestation = alg.id, statement.kind
				made, err := register(t, rp, p, a)
				if err != nil {
					t.Fatalf("registration refused: %v", err)
				}
				if made.AttestationFormat != statement.format || made.AttestationType != statement.want {
					t.Errorf("attestation is %s/%s, want %s/%s", made.AttestationFormat, made.AttestationType, statement.format, statement.want)
				}
				if _, err := webauthncose.ParsePublicKey(made.PublicKey); err != nil {
					t.Errorf("public key does not parse: %v", err)
				}
				p.credentials = append(p.credentials, *made)
				for want := uint32(1); want <= 2; want++ {
					used, err := signIn(t, rp, p, a)
					if err != nil {
						t.Fatalf("sign-in refused: %v", err)
					}
					if used.Authenticator.SignCount != want || used.Authenticator.CloneWarning {
						t.Errorf("counter is %d (clone warning %t), want %d", used.Authenticator.SignCount, used.Authenticator.CloneWarning, want)
					}
				}
			})
		}
	}
}

func TestTheDeviceReportsWhatItIsToldToReport(t *testing.T) {
	t.Parallel()
	rp, p := relyingParty(t), &person{handle: []byte("h")}
	a := passkeytest.New(rpID, origin)
	a.AAGUID[0], a.Transports = 7, []string{"internal", "smell-o-vision"}
	a.Extensions = map[string]any{"credProtect": 3}
	made, err := register(t, rp, p, a)
	if err != nil {
		t.Fatal(err)
	}
	if got := made.Flags; !got.BackupEligible || !got.BackupState || !got.UserVerified || !got.UserPresent {
		t.Errorf("flags are %+v, want all four", got)
	}
	if made.Authenticator.AAGUID[0] != 7 || len(made.Transport) != 2 {
		t.Errorf("aaguid %x and transports %v were not reported", made.Authenticator.AAGUID, made.Transport)
	}
	if made.Extensions.RK == nil || !*made.Extensions.RK {
		t.Errorf("credProps was not reported: %+v", made.Extensions)
	}
	if made.Extensions.CredProtect == "" {
		t.Errorf("credProtect was not reported: %+v", made.Extensions)
	}
}

func TestTheAttestationChainLeadsToTheRoot(t *testing.T) {
	t.Parallel()
	a := passkeytest.NewSecurityKey(rpID, origin)
	a.Attestation = passkeytest.AttestFull
	var chain [][]byte
	a.Bend.Statement = func(s *passkeytest.Statement) { chain = s.Fields["x5c"].([][]byte) }
	if _, err := register(t, relyingParty(t), &person{handle: []byte("h")}, a); err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	root, err := a.Root()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Errorf("the chain does not verify: %v", err)
	}
}

// TestEveryHookReachesTheServer bends each stage once and demands that the
// library notices, so that no hook is silently without effect.
func TestEveryHookReachesTheServer(t *testing.T) {
	t.Parallel()
	flip := func(b []byte) []byte { out := slices.Clone(b); out[len(out)/2] ^= 1; return out }
	for _, c := range []struct {
		name         string
		registration bool
		bend         func(*passkeytest.Authenticator)
	}{
		{"another origin", true, func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" }},
		{"another type", true, func(a *passkeytest.Authenticator) {
			a.Bend.ClientData = func(c *passkeytest.ClientData) { c.Type = "webauthn.get" }
		}},
		{"broken client data", true, func(a *passkeytest.Authenticator) {
			a.Bend.ClientDataJSON = func([]byte) []byte { return []byte("{") }
		}},
		{"another RP ID hash", true, func(a *passkeytest.Authenticator) {
			a.Bend.AuthData = func(d *passkeytest.AuthData) { d.RPIDHash[0] ^= 1 }
		}},
		{"short authenticator data", true, func(a *passkeytest.Authenticator) {
			a.Bend.AuthDataBytes = func(b []byte) []byte { return b[:36] }
		}},
		{"a key of unknown kind, attested", true, func(a *passkeytest.Authenticator) {
			a.Attestation = passkeytest.AttestSelf
			a.Bend.Key = func(k passkeytest.COSEKey) { k[passkeytest.KeyType] = 99 }
		}},
		{"unknown format", true, func(a *passkeytest.Authenticator) {
			a.Bend.Statement = func(s *passkeytest.Statement) { s.Format = "wax-seal" }
		}},
		{"bytes after the attestation object", true, func(a *passkeytest.Authenticator) {
			a.Bend.AttestationObject = func(b []byte) []byte { return append(b, 0) }
		}},
		{"another raw id", true, func(a *passkeytest.Authenticator) {
			a.Bend.Wire = func(w *passkeytest.Wire) { w.RawID = flip(w.RawID) }
		}},
		{"another credential type", true, func(a *passkeytest.Authenticator) {
			a.Bend.Response = func(m map[string]any) { m["type"] = "password" }
		}},
		{"bytes after the answer", true, func(a *passkeytest.Authenticator) {
			a.Bend.Body = func(b []byte) []byte { return append(b, '{') }
		}},
		{"extension flag without outputs", true, func(a *passkeytest.Authenticator) {
			a.Bend.AuthData = func(d *passkeytest.AuthData) { d.Flags |= passkeytest.FlagED }
		}},
		{"client extension outputs nobody asked for", true, func(a *passkeytest.Authenticator) {
			a.ClientExtensions = map[string]any{"appid": true}
		}},
		{"no verified user", false, func(a *passkeytest.Authenticator) { a.UserVerified = false }},
		{"another key", false, func(a *passkeytest.Authenticator) {
			key, err := passkeytest.GenerateKey(passkeytest.ES256)
			if err != nil {
				panic(err)
			}
			a.SignWith = key
		}},
		{"raw signature", false, func(a *passkeytest.Authenticator) { a.Bend.Signature = passkeytest.RawSignature }},
		{"signature changed afterwards", false, func(a *passkeytest.Authenticator) {
			a.Bend.Wire = func(w *passkeytest.Wire) { w.Signature = flip(w.Signature) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rp, p := relyingParty(t), &person{handle: []byte("h")}
			a := passkeytest.New(rpID, origin)
			a.Algorithm = passkeytest.ES256
			if c.registration {
				c.bend(a)
			}
			made, err := register(t, rp, p, a)
			if c.registration {
				if err == nil {
					t.Error("the library noticed nothing")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.credentials = append(p.credentials, *made)
			c.bend(a)
			if _, err := signIn(t, rp, p, a); err == nil {
				t.Error("the library noticed nothing")
			}
		})
	}
}

func TestAnHonestClientRefuses(t *testing.T) {
	t.Parallel()
	rp, p := relyingParty(t), &person{handle: []byte("h")}
	a := passkeytest.New(rpID, origin)
	if _, err := a.Get([]byte(`{"rpId":"idp.example","challenge":"AA"}`)); !errors.Is(err, passkeytest.ErrNoCredential) {
		t.Errorf("an empty device answered %v", err)
	}
	made, err := register(t, rp, p, a)
	if err != nil {
		t.Fatal(err)
	}
	exclude := marshal(t, map[string]any{"rp": map[string]any{"id": rpID}, "user": map[string]any{"id": "AA"}, "challenge": "AA",
		"pubKeyCredParams":   []map[string]any{{"type": "public-key", "alg": -7}},
		"excludeCredentials": []protocol.CredentialDescriptor{made.Descriptor()}})
	if _, err := a.Create(exclude); !errors.Is(err, passkeytest.ErrExcluded) {
		t.Errorf("an excluded device answered %v", err)
	}
	if _, err := a.Get([]byte(`{"rpId":"other.example","challenge":"AA"}`)); !errors.Is(err, passkeytest.ErrWrongSite) {
		t.Errorf("a device at another site answered %v", err)
	}
}

func TestAClonedDeviceCountsOnItsOwn(t *testing.T) {
	t.Parallel()
	rp, p := relyingParty(t), &person{handle: []byte("h")}
	a := passkeytest.NewSecurityKey(rpID, origin)
	made, err := register(t, rp, p, a)
	if err != nil {
		t.Fatal(err)
	}
	p.credentials = append(p.credentials, *made)
	p.credentials = append(p.credentials, *made)
	twin := a.Clone()
	for range 3 {
		if _, err := signIn(t, rp, p, a); err != nil {
			t.Fatal(err)
		}
	}
	if a.Credential().SignCount != 3 || twin.Credential().SignCount != 0 {
		t.Errorf("counters are %d and %d, want 3 and 0", a.Credential().SignCount, twin.Credential().SignCount)
	}
}
