// Package keys owns the keys that sign tokens: it makes them, announces the next
// one a day before it signs, retires the last one, signs, and publishes the
// public halves (RFC 7517). It owns as well the keys to which applications
// encrypt, and encrypts to theirs.
//
// It refuses to know what it signs: claims belong to package oidc. The threat it
// answers is the token that somebody else made: one key has one algorithm, `none`
// and symmetric algorithms do not exist here, and a key that was dropped verifies
// nothing from that moment on.
package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// rsaBits is the size of RSA keys (SECURITY: 2048).
const rsaBits = 2048

// generated is a new key of one algorithm.
type generated struct {
	kid, alg string
	public   crypto.PublicKey
	private  []byte // PKCS #8
}

// generate makes a key of one algorithm. An RSA key takes some hundred
// milliseconds: nobody's request waits for it.
func generate(alg string) (*generated, error) {
	signer, kid, err := newNamed(alg)
	if err != nil {
		return nil, fmt.Errorf("make %s key: %w", alg, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("encode %s key: %w", alg, err)
	}
	return &generated{kid: kid, alg: alg, public: signer.Public(), private: private}, nil
}

// signing is the key as one that signs.
func (g *generated) signing() (latchkey.SigningKey, error) {
	public, err := json.Marshal(jose.JSONWebKey{Key: g.public, KeyID: g.kid, Algorithm: g.alg, Use: "sig"})
	if err != nil {
		return latchkey.SigningKey{}, fmt.Errorf("encode public %s key: %w", g.alg, err)
	}
	return latchkey.SigningKey{KID: g.kid, Alg: g.alg, PublicJWK: public, PrivateKey: g.private}, nil
}

// encryption is the key as one to which others encrypt.
func (g *generated) encryption() latchkey.EncryptionKey {
	return latchkey.EncryptionKey{KID: g.kid, Alg: g.alg, PrivateKey: g.private}
}

// newNamed makes a key whose kid can be typed: one that begins with a hyphen
// would be read as a flag of the command that takes it.
func newNamed(alg string) (signer crypto.Signer, kid string, err error) {
	for kid == "" || kid[0] == '-' {
		if signer, err = newSigner(alg); err != nil {
			return nil, "", err
		}
		if kid, err = Thumbprint(signer.Public()); err != nil {
			return nil, "", err
		}
	}
	return signer, kid, nil
}

func newSigner(alg string) (crypto.Signer, error) {
	switch alg {
	case latchkey.RS256, latchkey.PS256: // a key each: the thumbprint, and so the kid, knows no algorithm
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case latchkey.RSAOAEP256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case latchkey.ES256, latchkey.ECDHES:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case latchkey.EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("no key is of algorithm %q", alg)
}

// Thumbprint is the kid of a public key: base64url of the SHA-256 thumbprint of
// RFC 7638.
func Thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint of key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// prepared is a key ready for use in memory.
type prepared struct {
	latchkey.SigningKey
	public  crypto.PublicKey
	signers map[string]jose.Signer // by `typ`
}

// Types of JWT that are signed here (the `typ` header). What is signed as one of
// them verifies as no other (RFC 8725 §3.11); those that share JWT are told apart
// by their claims.
const (
	TypeJWT           = "JWT"                     // ID tokens, userinfo, authorization responses (JARM), metadata
	TypeAccessToken   = "at+jwt"                  // RFC 9068 §2.1
	TypeLogout        = "logout+jwt"              // OpenID Connect Back-Channel Logout §2.4
	TypeIntrospection = "token-introspection+jwt" // RFC 9701 §5
)

func types() []string { return []string{TypeJWT, TypeAccessToken, TypeLogout, TypeIntrospection} }

// readPrivate reads the private key of a row. The row names the key; the key has
// to be the one that it names.
func readPrivate(kid string, pkcs8 []byte) (crypto.Signer, error) {
	private, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", kid, err)
	}
	key, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read key %s: no private key of ours", kid)
	}
	if found, err := Thumbprint(key.Public()); err != nil || found != kid {
		return nil, fmt.Errorf("key %s is not the one its kid names: %w", kid, latchkey.ErrSealMismatch)
	}
	return key, nil
}

func prepare(k latchkey.SigningKey) (*prepared, error) {
	signer, err := readPrivate(k.KID, k.PrivateKey)
	if err != nil {
		return nil, err
	}
	p := &prepared{SigningKey: k, public: signer.Public(), signers: map[string]jose.Signer{}}
	for _, typ := range types() {
		key := jose.SigningKey{
			Algorithm: jose.SignatureAlgorithm(k.Alg),
			Key:       jose.JSONWebKey{Key: signer, KeyID: k.KID},
		}
		p.signers[typ], err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return nil, fmt.Errorf("prepare signing key %s: %w", k.KID, err)
		}
	}
	return p, nil
}

// generateAll makes missing keys side by side.
func generateAll(ctx context.Context, algs []string) ([]*generated, error) {
	type made struct {
		key *generated
		err error
	}
	results := make(chan made, len(algs))
	for _, alg := range algs {
		go func() {
			key, err := generate(alg)
			results <- made{key, err}
		}()
	}
	var keys []*generated
	for range algs {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case m := <-results:
			if m.err != nil {
				return nil, m.err
			}
			keys = append(keys, m.key)
		}
	}
	return keys, nil
}
