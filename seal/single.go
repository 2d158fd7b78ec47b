package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

// Single is one random key of its own, for what must be erasable by itself:
// whoever destroys it has erased every value sealed under it. It is kept sealed
// by a Ring. It prints as [redacted].
type Single struct {
	hidden
	key Key
}

// NewSingle makes a random key.
func NewSingle() Single { return Single{key: randomKey()} }

// ReadSingle is the key that Secret spelled.
func ReadSingle(secret []byte) (Single, error) {
	if len(secret) != keySize {
		return Single{}, fmt.Errorf("%w: a key of %d bytes, want %d", ErrMismatch, len(secret), keySize)
	}
	return Single{key: newKey(secret)}, nil
}

// Secret is the key itself, to be sealed and stored and nothing else.
func (s Single) Secret() []byte { return s.key.open()[:] }

// Seal encrypts a value for one place: nonce (12), ciphertext, tag (16). One key
// is good for 2^32 values.
func (s Single) Seal(at Place, plaintext []byte) ([]byte, error) {
	aead, context, err := s.aead(at)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(nil, nil, plaintext, context), nil
}

// Open decrypts a value that Seal made for the same place. Every refusal wraps
// ErrMismatch.
func (s Single) Open(at Place, sealed []byte) ([]byte, error) {
	aead, context, err := s.aead(at)
	if err != nil {
		return nil, fmt.Errorf("open: %w: %w", ErrMismatch, err)
	}
	plaintext, err := aead.Open([]byte{}, nil, sealed, context)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w: altered, moved from another place, or another key", at.Table, at.Column, ErrMismatch)
	}
	return plaintext, nil
}

func (s Single) aead(at Place) (cipher.AEAD, []byte, error) {
	if err := at.check(); err != nil {
		return nil, nil, err
	}
	if s.key.isZero() {
		return nil, nil, errors.New("no key")
	}
	block, err := aes.NewCipher(s.key.open()[:])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return aead, at.spell("latchkey single"), err
}

// spell writes a place in one way only under a label: every part is led by its
// length, so that no two places read the same.
func (p Place) spell(label string) []byte {
	b := make([]byte, 0, 64+len(p.Table)+len(p.Column)+len(p.Row)+len(p.Owner))
	b = append(b, label...)
	b = append(b, format)
	for _, part := range []string{p.Table, p.Column, p.Row, p.Owner} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}
