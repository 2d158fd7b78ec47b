package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A sealed value is format (1 byte), key version (4, big endian), nonce (12),
// ciphertext, tag (16).
const (
	format     = 1
	headerSize = 1 + 4
	// Overhead is by how many bytes a sealed value is longer than its text.
	Overhead = headerSize + 12 + 16
)

// Ring seals, opens and hashes under the keys of one key file. It is made once
// and safe for concurrent use. It prints as [redacted].
type Ring struct {
	hidden
	current  uint32
	versions []uint32                // live ones, the current first, then falling
	roots    map[uint32]func() roots // functions for the reason given at Key
}

// roots are the pseudorandom keys (RFC 5869 section 2.2) of one key version.
type roots struct {
	sealing []byte // from the credential encryption key
	hashing []byte // from the session signing key
}

// NewRing prepares the keys for use. It refuses keys that Parse would refuse.
func NewRing(keys *Keys) (*Ring, error) {
	if err := keys.check(); err != nil {
		return nil, err
	}
	r := &Ring{
		current:  keys.Version,
		versions: []uint32{keys.Version},
		roots:    make(map[uint32]func() roots, 1+len(keys.Previous)),
	}
	if err := r.add(keys.Version, keys.CredentialEncryptionKey, keys.SessionSigningKey); err != nil {
		return nil, err
	}
	for _, p := range keys.Previous {
		r.versions = append(r.versions, p.Version)
		if err := r.add(p.Version, p.CredentialEncryptionKey, p.SessionSigningKey); err != nil {
			return nil, err
		}
	}
	slices.Sort(r.versions)
	slices.Reverse(r.versions)
	return r, nil
}

func (r *Ring) add(version uint32, sealing, hashing Key) error {
	s, err := hkdf.Extract(sha256.New, sealing.open()[:], nil)
	if err != nil {
		return fmt.Errorf("derive sealing root: %w", err)
	}
	h, err := hkdf.Extract(sha256.New, hashing.open()[:], nil)
	if err != nil {
		return fmt.Errorf("derive hashing root: %w", err)
	}
	r.roots[version] = func() roots { return roots{sealing: s, hashing: h} }
	return nil
}

// Current is the version under which everything new is sealed and hashed.
func (r *Ring) Current() uint32 { return r.current }

// Versions returns every version that the ring can open and recognise, the
// current first.
func (r *Ring) Versions() []uint32 { return slices.Clone(r.versions) }

// Place is where a sealed value lives. A value opens only at the place it was
// sealed for, so nobody who can write to the database can give one row the
// passkey or the name of another.
type Place struct {
	// Table and Column name the column. Neither may be empty.
	Table, Column string
	// Row is the primary key, never empty: without it rows could be exchanged.
	Row string
	// Owner is the id of whom the row belongs to; empty when it is nobody's.
	Owner string
}

// context spells a place and a key version in one way only: every part is led
// by its length, so that no two places read the same.
func (p Place) context(version uint32) []byte {
	const label = "latchkey seal"
	b := make([]byte, 0, 64+len(p.Table)+len(p.Column)+len(p.Row)+len(p.Owner))
	b = append(b, label...)
	b = append(b, format)
	b = binary.BigEndian.AppendUint32(b, version)
	for _, part := range []string{p.Table, p.Column, p.Row, p.Owner} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

func (p Place) check() error {
	if p.Table == "" || p.Column == "" || p.Row == "" {
		return errors.New("a sealed value needs a table, a column and a row")
	}
	return nil
}

// Seal encrypts a value for one place under the current key version.
func (r *Ring) Seal(at Place, plaintext []byte) ([]byte, error) {
	return r.sealUnder(r.current, at, plaintext)
}

func (r *Ring) sealUnder(version uint32, at Place, plaintext []byte) ([]byte, error) {
	if err := at.check(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	context := at.context(version)
	aead, err := r.aead(version, context)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sealed := make([]byte, 0, Overhead+len(plaintext))
	sealed = append(sealed, format)
	sealed = binary.BigEndian.AppendUint32(sealed, version)
	return aead.Seal(sealed, nil, plaintext, context), nil
}

// Open decrypts a value that Seal made for the same place. Every refusal wraps
// ErrMismatch; there is no value with it, not even an empty one.
func (r *Ring) Open(at Place, sealed []byte) ([]byte, error) {
	if err := at.check(); err != nil {
		return nil, fmt.Errorf("open: %w: %w", ErrMismatch, err)
	}
	version, err := Version(sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, err)
	}
	context := at.context(version)
	aead, err := r.aead(version, context)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w: %w", at.Table, at.Column, ErrMismatch, err)
	}
	plaintext, err := aead.Open([]byte{}, nil, sealed[headerSize:], context)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w: altered, moved from another place, or another key", at.Table, at.Column, ErrMismatch)
	}
	return plaintext, nil
}

// aead returns the cipher of one place. Its key is derived for that place
// alone, so the bound on random nonces (2^32 messages a key) counts per value
// and not per installation.
func (r *Ring) aead(version uint32, context []byte) (cipher.AEAD, error) {
	root, ok := r.roots[version]
	if !ok {
		return nil, fmt.Errorf("%w %d", ErrVersion, version)
	}
	block, err := aes.NewCipher(expand(root().sealing, context))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Version reads the key version that a sealed value claims; only Open vouches
// for it. It refuses, with ErrMismatch, what is too short or of another format.
func Version(sealed []byte) (uint32, error) {
	if len(sealed) < Overhead {
		return 0, fmt.Errorf("%w: %d bytes, at least %d", ErrMismatch, len(sealed), Overhead)
	}
	if sealed[0] != format {
		return 0, fmt.Errorf("%w: unknown format %d", ErrMismatch, sealed[0])
	}
	return binary.BigEndian.Uint32(sealed[1:headerSize]), nil
}
