package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"

	"latchkey"
)

var foreignRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// foreignKey is a key of the right kind that nobody here knows.
func foreignKey(t testing.TB, alg string) (key crypto.Signer) {
	t.Helper()
	var err error
	switch alg {
	case latchkey.RS256, latchkey.PS256:
		key, err = foreignRSA()
	case latchkey.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case latchkey.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}
