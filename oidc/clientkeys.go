package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

var (
	// errNoKey says that no key of the application fits, or that none of those
	// made the signature.
	errNoKey = errors.New("no key of the application fits")

	// errKeysAway says that the keys of the application could not be fetched, and
	// that none are at hand.
	errKeysAway = errors.New("the keys of the application are not to be had")
)

// maxTries bounds how many keys one signature is tried with: keys without a kid,
// and several of the same one, are told apart by nothing else.
const maxTries = 8

// verifySigned returns what an application signed. Its keys are fetched anew when
// none of those at hand made the signature, at most once in 30 s.
func (p *Provider) verifySigned(ctx context.Context, c *latchkey.Client, signed *jose.JSONWebSignature) (payload []byte, err error) {
	if len(signed.Signatures) != 1 {
		return nil, errNoKey
	}
	header := signed.Signatures[0].Protected
	err = p.clientKeys.find(ctx, c, func(keys []jose.JSONWebKey) bool {
		for _, key := range signers(keys, header.KeyID, header.Algorithm) {
			if payload, err = signed.Verify(verifier(key.Key)); err == nil {
				return true
			}
		}
		payload = nil
		return false
	})
	return payload, err
}

// encryptionKey returns the public key of an application for an algorithm of
// RFC 7518 §4.1: one that is meant for encryption, else one that is meant for
// nothing in particular.
func (p *Provider) encryptionKey(ctx context.Context, c *latchkey.Client, alg string) (key *jose.JSONWebKey, err error) {
	err = p.clientKeys.find(ctx, c, func(keys []jose.JSONWebKey) bool {
		key = recipient(keys, alg)
		return key != nil
	})
	return key, err
}

// signers are the keys that may have made a signature: first those of the kid,
// then those without any.
func signers(keys []jose.JSONWebKey, kid, alg string) (fit []jose.JSONWebKey) {
	rank := func(k jose.JSONWebKey) int {
		if kid != "" && k.KeyID == "" {
			return 1
		}
		return 0
	}
	for _, k := range keys {
		named := kid == "" || k.KeyID == "" || k.KeyID == kid
		if named && k.Use != "enc" && algFits(k.Algorithm, alg) && signsWith(k.Key, alg) {
			fit = append(fit, k)
		}
	}
	slices.SortStableFunc(fit, func(a, b jose.JSONWebKey) int { return rank(a) - rank(b) })
	return fit[:min(len(fit), maxTries)]
}

// algFits tells whether a key that names its algorithm may be used with alg.
func algFits(named, alg string) bool { return named == "" || latchkey.SameAlg(named, alg) }

// signsWith tells whether a key is of the kind that an algorithm needs (RFC 7518
// §3.1, RFC 8037 §3.1).
func signsWith(key any, alg string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return alg == latchkey.RS256 || alg == latchkey.PS256
	case *ecdsa.PublicKey:
		return alg == latchkey.ES256 && k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return latchkey.SameAlg(alg, latchkey.EdDSA)
	}
	return false
}

// verifier is what the library verifies a signature by. It does not know the
// newer name of EdDSA.
func verifier(key any) any {
	if k, ok := key.(ed25519.PublicKey); ok {
		return edVerifier{k}
	}
	return key
}

type edVerifier struct{ key ed25519.PublicKey }

// VerifyPayload verifies what stands under either name (RFC 8037 §3.1).
func (v edVerifier) VerifyPayload(payload, signature []byte, alg jose.SignatureAlgorithm) error {
	if !signsWith(v.key, string(alg)) || !ed25519.Verify(v.key, payload, signature) {
		return jose.ErrCryptoFailure
	}
	return nil
}

func recipient(keys []jose.JSONWebKey, alg string) (best *jose.JSONWebKey) {
	bestRank := 0
	for i, k := range keys {
		rank := 0
		switch {
		case !latchkey.EncryptsTo(keyType(k.Key), k.Use, k.Algorithm, alg):
			continue
		case k.Use == "enc" && k.Algorithm == alg:
			rank = 4
		case k.Use == "enc":
			rank = 3
		case k.Algorithm == alg:
			rank = 2
		default:
			rank = 1
		}
		if rank > bestRank {
			best, bestRank = &keys[i], rank
		}
	}
	return best
}

// keyType is the kty of a key that can be encrypted to; "" of others.
func keyType(key any) string {
	switch key.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "EC"
	}
	return ""
}

// parseKeys reads a set of keys; those that cannot be used are passed over.
func parseKeys(set []byte) ([]jose.JSONWebKey, error) {
	usable, err := latchkey.UsableKeys(set)
	if err != nil {
		return nil, err
	}
	keys := make([]jose.JSONWebKey, 0, len(usable))
	for _, raw := range usable {
		var key jose.JSONWebKey
		// A point beside its curve, for example, is not usable either.
		if json.Unmarshal(raw, &key) == nil && key.IsPublic() && key.Valid() {
			// What else a key says about itself (certificates) is not kept.
			keys = append(keys, jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: key.Use})
		}
	}
	return keys, nil
}

// registered are the keys in the registration, by its version.
func registered(c *latchkey.Client) string { return "#" + strconv.FormatInt(c.Version, 10) }
