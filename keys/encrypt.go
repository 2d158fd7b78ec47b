package keys

import (
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// Recipient is a key of an application and how it wants to be encrypted to.
type Recipient struct {
	Key *jose.JSONWebKey // public; of the kind that Alg needs
	Alg string           // one of latchkey.EncryptionAlgs
	Enc string           // one of latchkey.ContentEncs; "" = A128CBC-HS256
}

// Encrypt makes a compact JWE (RFC 7516) of a signed JWT, or of claims that are
// not signed. A JWT inside is announced by cty (RFC 7519 §5.2).
func Encrypt(to Recipient, content []byte, isJWT bool) (string, error) {
	if to.Enc == "" {
		to.Enc = latchkey.A128CBCHS256
	}
	if !slices.Contains(latchkey.EncryptionAlgs(), to.Alg) || !slices.Contains(latchkey.ContentEncs(), to.Enc) {
		return "", fmt.Errorf("encrypt by %s and %s: no such algorithm here", to.Alg, to.Enc)
	}
	options := &jose.EncrypterOptions{}
	if isJWT {
		options = options.WithContentType("JWT")
	}
	recipient := jose.Recipient{Algorithm: jose.KeyAlgorithm(to.Alg), Key: to.Key.Key, KeyID: to.Key.KeyID}
	encrypter, err := jose.NewEncrypter(jose.ContentEncryption(to.Enc), recipient, options)
	if err != nil {
		return "", fmt.Errorf("encrypt by %s: %w", to.Alg, err)
	}
	jwe, err := encrypter.Encrypt(content)
	if err != nil {
		return "", fmt.Errorf("encrypt by %s and %s: %w", to.Alg, to.Enc, err)
	}
	return jwe.CompactSerialize()
}
