package seal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// Purpose separates keyed hashes and derived keys: the same secret has another
// hash for every purpose. Purposes are constants of the program, never input.
type Purpose string

// Sizes in bytes.
const (
	// HashSize is the length of a keyed hash: key version and HMAC-SHA-256.
	HashSize = 1 + sha256.Size
	// TokenLength is the length of a token's spelling.
	TokenLength = 44

	tokenSize = 1 + 32
)

// Hash returns the hash of a secret under the current key version.
func (r *Ring) Hash(p Purpose, secret string) []byte {
	return r.hash(p, r.current, secret)
}

// HashAll returns the hashes of a secret under every live version, the current
// first: for codes that people type and secrets that were chosen elsewhere,
// whose spelling does not tell the version.
func (r *Ring) HashAll(p Purpose, secret string) [][]byte {
	hashes := make([][]byte, 0, len(r.versions))
	for _, version := range r.versions {
		hashes = append(hashes, r.hash(p, version, secret))
	}
	return hashes
}

// HashWith returns the hash of a secret under one version, or ErrVersion.
func (r *Ring) HashWith(p Purpose, version uint32, secret string) ([]byte, error) {
	if _, ok := r.roots[version]; !ok {
		return nil, fmt.Errorf("hash: %w %d", ErrVersion, version)
	}
	return r.hash(p, version, secret), nil
}

// NewToken makes a secret of 256 random bits and its hash. The spelling is
// base64url without padding of the key version (1 byte) and the random bytes.
func (r *Ring) NewToken(p Purpose) (token string, hash []byte) {
	var raw [tokenSize]byte
	raw[0] = byte(r.current)
	_, _ = rand.Read(raw[1:]) // never fails: it ends the program instead
	token = base64.RawURLEncoding.EncodeToString(raw[:])
	return token, r.hash(p, r.current, token)
}

// HashToken returns the hash by which a token that claims to come from
// NewToken is looked up. Anything that NewToken cannot have made under a live
// key is refused with ErrSpelling before a hash is computed, so each token has
// exactly one spelling. The error does not repeat the token.
func (r *Ring) HashToken(p Purpose, token string) ([]byte, error) {
	if len(token) != TokenLength {
		return nil, ErrSpelling
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// Go's decoder skips line breaks: the length finds them.
	if err != nil || len(raw) != tokenSize {
		return nil, ErrSpelling
	}
	version := uint32(raw[0])
	if _, ok := r.roots[version]; !ok {
		return nil, ErrSpelling
	}
	return r.hash(p, version, token), nil
}

// DeriveKey returns 32 bytes for one purpose and key version: the MAC key or
// the seed of something this package does not do itself. It is never equal to
// the key of a hash, even for the same purpose. The caller must not print it.
func (r *Ring) DeriveKey(p Purpose, version uint32) ([]byte, error) {
	root, ok := r.roots[version]
	if !ok {
		return nil, fmt.Errorf("derive key: %w %d", ErrVersion, version)
	}
	return root().derive("latchkey derive", p, version), nil
}

// hash is called with live versions only.
func (r *Ring) hash(p Purpose, version uint32, secret string) []byte {
	mac := hmac.New(sha256.New, r.roots[version]().derive("latchkey hash", p, version))
	mac.Write([]byte(secret))
	hash := make([]byte, 1, HashSize)
	hash[0] = byte(version)
	return mac.Sum(hash)
}

// derive makes the key of one use from the hashing root. The label and the
// purpose are led by their length, so that no two uses share a key.
func (r roots) derive(label string, p Purpose, version uint32) []byte {
	info := make([]byte, 0, 64)
	info = append(info, byte(len(label)))
	info = append(info, label...)
	info = binary.BigEndian.AppendUint64(info, uint64(len(p)))
	info = append(info, p...)
	info = binary.BigEndian.AppendUint32(info, version)
	return expand(r.hashing, info)
}

// expand is HKDF-Expand (RFC 5869 section 2.3) for one block of 32 bytes, where
// it is a single HMAC. crypto/hkdf computes the same, but returns an error that
// cannot happen and that a hash has no way to report.
func expand(root, info []byte) []byte {
	mac := hmac.New(sha256.New, root)
	mac.Write(info)
	mac.Write([]byte{1})
	return mac.Sum(nil)
}
