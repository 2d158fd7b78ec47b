package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// signer is the key of an application.
type signer struct {
	alg string
	kid string
	key any // private, or a secret
}

// rsaKeys are shared by all tests: each takes a while to make.
var rsaKeys [3]func() *rsa.PrivateKey

func init() {
	for i := range rsaKeys {
		rsaKeys[i] = sync.OnceValue(func() *rsa.PrivateKey {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			return key
		})
	}
}

// newSigner makes a key for an algorithm; those of RSA are the n-th of the few
// that there are.
func newSigner(t testing.TB, alg string, n int) *signer {
	t.Helper()
	s := &signer{alg: alg, kid: alg + strconv.Itoa(n)}
	var err error
	switch alg {
	case latchkey.RS256, latchkey.PS256:
		s.key = rsaKeys[n]()
	case latchkey.ES256:
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case latchkey.EdDSA:
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// public is the key as a set would have it.
func (s *signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.(crypto.Signer).Public(), KeyID: s.kid}
}

// jwks is a set of public keys.
func jwks(t testing.TB, keys ...jose.JSONWebKey) json.RawMessage {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sign signs claims as they are; header names the kid unless it is empty.
func (s *signer) sign(t testing.TB, claims any) string {
	t.Helper()
	key := s.key
	if _, shared := key.([]byte); !shared {
		key = jose.JSONWebKey{Key: s.key, KeyID: s.kid}
	}
	j, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.alg), Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, ok := claims.([]byte)
	if !ok {
		if payload, err = json.Marshal(claims); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := j.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// claims are those of a good assertion of a client.
func (w *world) claims(clientID string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": clientID, "sub": clientID, "aud": w.issuer, "exp": now + 60, "iat": now, "jti": rand.Text()}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// asserted asks for the state of a token with an assertion: 200 when it is
// believed.
func (w *world) asserted(t testing.TB, assertion string, pairs ...string) *answer {
	t.Helper()
	form := changed(url.Values{"token": {"x"}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}, pairs...)
	return w.browser().do(t, w.form(t, "/oauth2/introspect", form))
}

// signing makes an application prove itself by its own key, which stands in its
// registration.
func signing(t testing.TB, s *signer, more ...jose.JSONWebKey) func(*latchkey.Client) {
	return func(c *latchkey.Client) {
		c.AuthMethod = latchkey.AuthPrivateKeyJWT
		c.Protocol.JWKS = jwks(t, append(more, s.public())...)
	}
}

func sharing(c *latchkey.Client) { c.AuthMethod = latchkey.AuthSecretJWT }
