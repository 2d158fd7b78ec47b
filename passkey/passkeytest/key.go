package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// COSE algorithms that the device knows (IANA COSE registry).
const (
	ES256 int64 = -7
	EdDSA int64 = -8
	ES384 int64 = -35
	RS256 int64 = -257
)

// Labels of a COSE key (RFC 9052, RFC 9053, RFC 8230).
const (
	KeyType int64 = 1  // 1 OKP, 2 EC2, 3 RSA
	KeyAlg  int64 = 3  //
	KeyCrv  int64 = -1 // EC2 and OKP: 1 P-256, 2 P-384, 3 P-521, 6 Ed25519
	KeyX    int64 = -2
	KeyY    int64 = -3
	KeyN    int64 = -1 // RSA
	KeyE    int64 = -2 // RSA
)

// COSEKey is a public key by COSE labels.
type COSEKey map[int64]any

// GenerateKey makes a key pair for a COSE algorithm.
func GenerateKey(alg int64) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("algorithm %d: %w", alg, ErrUnsupported)
}

// Sign signs a message as the COSE algorithm asks: ECDSA in ASN.1 DER, RSA
// with PKCS #1 v1.5.
func Sign(key crypto.Signer, alg int64, message []byte) ([]byte, error) {
	switch alg {
	case ES256, RS256:
		digest := sha256.Sum256(message)
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	case ES384:
		digest := sha512.Sum384(message)
		return key.Sign(rand.Reader, digest[:], crypto.SHA384)
	case EdDSA:
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	return nil, fmt.Errorf("algorithm %d: %w", alg, ErrUnsupported)
}

// RawSignature turns an ECDSA signature from DER into r followed by s, as JOSE
// has it and WebAuthn does not.
func RawSignature(der []byte) []byte {
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return der
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out
}

// publicKey encodes the credential's public key, with the hook applied.
func (a *Authenticator) publicKey(c *Credential) ([]byte, error) {
	k, err := coseKey(c.Key.Public(), c.Algorithm)
	if err != nil {
		return nil, err
	}
	if a.Bend.Key != nil {
		a.Bend.Key(k)
	}
	return encodeCBOR(k)
}

func coseKey(public crypto.PublicKey, alg int64) (COSEKey, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil, fmt.Errorf("encode point: %w", err)
		}
		half := len(point) / 2
		curve := map[elliptic.Curve]int{elliptic.P256(): 1, elliptic.P384(): 2, elliptic.P521(): 3}[k.Curve]
		return COSEKey{KeyType: 2, KeyAlg: alg, KeyCrv: curve, KeyX: point[1 : 1+half], KeyY: point[1+half:]}, nil
	case ed25519.PublicKey:
		return COSEKey{KeyType: 1, KeyAlg: alg, KeyCrv: 6, KeyX: []byte(k)}, nil
	case *rsa.PublicKey:
		return COSEKey{KeyType: 3, KeyAlg: alg, KeyN: k.N.Bytes(), KeyE: big.NewInt(int64(k.E)).Bytes()}, nil
	}
	return nil, fmt.Errorf("a key of kind %T: %w", public, ErrUnsupported)
}
