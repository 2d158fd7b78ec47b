package seal

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// hidden is embedded by every type that holds key material: the type then
// prints as [redacted] by fmt with any verb, JSON, text encoders and slog.
type hidden struct{}

// Format prints [redacted] for every verb.
func (hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns [redacted].
func (hidden) String() string { return redacted }

// GoString returns [redacted].
func (hidden) GoString() string { return redacted }

// MarshalText returns [redacted].
func (hidden) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]". Only (*Keys).Encode writes keys.
func (hidden) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns [redacted].
func (hidden) LogValue() slog.Value { return slog.StringValue(redacted) }

// keySize is the length of every key in this package, in bytes.
const keySize = 32

// Key is one master key of 32 bytes. It has no way out but (*Keys).Encode: it
// prints as [redacted] by every route.
type Key struct {
	hidden
	// A function, because fmt does not ask what lies in an unexported field
	// for its Format method. Within somebody else's struct it would print an
	// array, and with %s even what a pointer leads to; of a function it knows
	// the address alone.
	open func() *[keySize]byte
}

func newKey(bytes []byte) Key {
	var key [keySize]byte
	copy(key[:], bytes)
	return Key{open: func() *[keySize]byte { return &key }}
}

// Equal reports whether both hold the same key, in constant time.
func (k Key) Equal(other Key) bool {
	if k.open == nil || other.open == nil {
		return k.open == nil && other.open == nil
	}
	return subtle.ConstantTimeCompare(k.open()[:], other.open()[:]) == 1
}

func (k Key) isZero() bool {
	return k.open == nil || *k.open() == [keySize]byte{}
}

func (k Key) spell() string { return base64.StdEncoding.EncodeToString(k.open()[:]) }
