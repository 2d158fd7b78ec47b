package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// TestTheKeyThatIsEncryptedTo: one that is meant for it before one that is meant
// for nothing in particular, and never one for signatures or of another kind.
func TestTheKeyThatIsEncryptedTo(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const oaep, ecdh = "RSA-OAEP-256", "ECDH-ES+A256KW"
	one := func(kid, use, alg string, key any) jose.JSONWebKey {
		return jose.JSONWebKey{KeyID: kid, Use: use, Algorithm: alg, Key: key}
	}
	p := &Provider{}
	p.clientKeys = newKeyStore(&Options{Now: time.Now}, nil)
	for i, c := range []struct {
		name string
		keys []jose.JSONWebKey
		alg  string
		kid  string // "" = none
	}{
		{"meant for it by its algorithm", []jose.JSONWebKey{one("a", "", "", &rsaKey.PublicKey), one("b", "enc", "", &rsaKey.PublicKey), one("c", "enc", oaep, &rsaKey.PublicKey)}, oaep, "c"},
		{"meant for encryption", []jose.JSONWebKey{one("a", "", oaep, &rsaKey.PublicKey), one("b", "enc", "", &rsaKey.PublicKey)}, oaep, "b"},
		{"meant for the algorithm", []jose.JSONWebKey{one("a", "", "", &rsaKey.PublicKey), one("b", "", oaep, &rsaKey.PublicKey)}, oaep, "b"},
		{"the first of two equal ones", []jose.JSONWebKey{one("a", "enc", "", &rsaKey.PublicKey), one("b", "enc", "", &rsaKey.PublicKey)}, oaep, "a"},
		{"of the right kind", []jose.JSONWebKey{one("a", "enc", "", &ecKey.PublicKey), one("b", "", "", &rsaKey.PublicKey)}, oaep, "b"},
		{"of the other kind", []jose.JSONWebKey{one("a", "enc", "", &rsaKey.PublicKey), one("b", "", "", &ecKey.PublicKey)}, ecdh, "b"},
		{"for signatures", []jose.JSONWebKey{one("a", "sig", "", &rsaKey.PublicKey)}, oaep, ""},
		{"for another algorithm", []jose.JSONWebKey{one("a", "enc", "RSA-OAEP", &rsaKey.PublicKey)}, oaep, ""},
		{"that only signs", []jose.JSONWebKey{one("a", "", "", edKey)}, ecdh, ""},
	} {
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: c.keys})
		if err != nil {
			t.Fatal(err)
		}
		client := &latchkey.Client{ID: "app", Version: int64(i), Protocol: latchkey.ClientProtocol{JWKS: set}}
		key, err := p.encryptionKey(t.Context(), client, c.alg)
		switch {
		case c.kid == "" && !errors.Is(err, errNoKey):
			t.Errorf("%s: %v, %v; want none", c.name, key, err)
		case c.kid != "" && (err != nil || key.KeyID != c.kid):
			t.Errorf("%s: %v, %v; want %s", c.name, key, err, c.kid)
		}
	}
	if _, err := p.encryptionKey(t.Context(), &latchkey.Client{ID: "none"}, oaep); !errors.Is(err, errNoKey) {
		t.Errorf("an application without keys: %v", err)
	}
}

// FuzzAssertion: what the decoder lets through is a compact JWT of one of our
// algorithms, whose claims another decoder reads in the same way.
func FuzzAssertion(f *testing.F) {
	part := base64.RawURLEncoding.EncodeToString
	for _, header := range []string{`{"alg":"ES256","kid":"a"}`, `{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"RS256","crit":["x"]}`, `{"alg":"ES256","b64":false,"crit":["b64"]}`, `{}`, `x`} {
		for _, claims := range []string{`{"iss":"a","sub":"a","aud":"b","exp":1,"jti":"c"}`, `{"aud":["b"],"exp":1e400}`, `{"aud":["b","c"],"exp":-1.5,"nbf":null}`, `{"sub":"a","sub":"b"}`, `{"Sub":"A"}`, `[]`, `{"aud":{"x":1}}`, "\xff"} {
			f.Add(part([]byte(header)) + "." + part([]byte(claims)) + "." + part([]byte("signature")))
		}
	}
	f.Add("a.b")
	f.Add("....")
	f.Add(`{"payload":"e30","signatures":[]}`)
	algs := []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"}
	f.Fuzz(func(t *testing.T, raw string) {
		a, why := readAssertion(raw)
		if (a == nil) == (why == "") {
			t.Fatalf("%q: %v and %q", raw, a, why)
		}
		if a == nil {
			return
		}
		if !slices.Contains(algs, a.alg) || strings.Count(raw, ".") != 2 || len(raw) > maxAssertion {
			t.Fatalf("%q was let through with %s", raw, a.alg)
		}
		var other map[string]json.RawMessage
		if err := json.Unmarshal(a.signed.UnsafePayloadWithoutVerification(), &other); err != nil {
			t.Fatalf("%q: the other decoder says %v", raw, err)
		}
		for name, read := range map[string]string{"iss": a.claims.Issuer, "sub": a.claims.Subject, "jti": a.claims.ID} {
			text := ""
			if value := other[name]; value != nil && json.Unmarshal(value, &text) != nil || text != read {
				t.Fatalf("%q: %s is %q and %q", raw, name, read, text)
			}
		}
		if exp := other["exp"]; (a.claims.Expires == nil) != (exp == nil || string(exp) == "null") {
			t.Fatalf("%q: exp is %v and %s", raw, a.claims.Expires, exp)
		}
		if a.claims.Expires != nil {
			instant(*a.claims.Expires) // whatever it is, it is a time
		}
	})
}
