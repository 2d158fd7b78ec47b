package seal

import (
	"bytes"
	"fmt"
	"strconv"
)

const canaryText = "latchkey canary"

// Canary returns a sealed value that only the same pair of keys recognises. It
// is stored when a version is first used and checked at every start, so that
// the wrong key file is noticed before anything is written under it.
func (r *Ring) Canary(version uint32) ([]byte, error) {
	text, err := r.canary(version)
	if err != nil {
		return nil, fmt.Errorf("make canary: %w", err)
	}
	return r.sealUnder(version, canaryPlace(version), text)
}

// CheckCanary tells whether a stored canary was made under the same pair of
// keys. If not, the error wraps ErrMismatch.
func (r *Ring) CheckCanary(version uint32, sealed []byte) error {
	want, err := r.canary(version)
	if err != nil {
		return fmt.Errorf("check canary: %w: the key file has no version %d: %w", ErrMismatch, version, err)
	}
	got, err := r.Open(canaryPlace(version), sealed)
	if err != nil {
		return fmt.Errorf("check canary of key version %d: %w", version, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("check canary of key version %d: %w: the session signing key is another one", version, ErrMismatch)
	}
	return nil
}

// canary is the text of a canary. It holds a value derived from the session
// signing key: sealing alone would prove only the other key of the pair.
func (r *Ring) canary(version uint32) ([]byte, error) {
	root, ok := r.roots[version]
	if !ok {
		return nil, fmt.Errorf("%w %d", ErrVersion, version)
	}
	return append([]byte(canaryText), root().derive("latchkey canary", "", version)...), nil
}

func canaryPlace(version uint32) Place {
	return Place{Table: "seal_keys", Column: "canary", Row: strconv.FormatUint(uint64(version), 10)}
}
