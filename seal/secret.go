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
	// A pointer, because fmt does not ask what lies in an unexported field for
	// its Format method: within somebody else's struct this prints an address,
	// where an array would print the key.
	bytes *[keySize]byte
}

func newKey(bytes []byte) Key {
	k := Key{bytes: new([keySize]byte)}
	copy(k.bytes[:], bytes)
	return k
}

// Equal reports whether both hold the same key, in constant time.
func (k Key) Equal(other Key) bool {
	if k.bytes == nil || other.bytes == nil {
		return k.bytes == other.bytes
	}
	return subtle.ConstantTimeCompare(k.bytes[:], other.bytes[:]) == 1
}

func (k Key) isZero() bool {
	return k.bytes == nil || *k.bytes == [keySize]byte{}
}

func (k Key) spell() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }
