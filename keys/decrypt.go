package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// ErrNotForUs means that something is not encrypted to a key of ours, or not in
// the one form that is opened here.
var ErrNotForUs = errors.New("not encrypted to us")

// maxSealed bounds what is opened at all, in bytes.
const maxSealed = 64 << 10

// opener is a key that opens what is encrypted to it.
type opener struct {
	latchkey.EncryptionKey
	private crypto.Signer // its interface serves for the public half only
}

func (r *Ring) loadOpeners(ctx context.Context, v *view) error {
	rows, err := r.db.EncryptionKeys(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		private, err := readPrivate(row.KID, row.PrivateKey)
		if err != nil {
			return err
		}
		v.openers = append(v.openers, &opener{EncryptionKey: row, private: private})
		v.expect(r.now(), row.DeleteAt)
	}
	return nil
}

// opens tells whether a key of alg is published.
func (r *Ring) opens(alg string) bool {
	return slices.ContainsFunc(r.current.Load().openers, func(o *opener) bool { return o.Alg == alg && o.RetireAt.IsZero() })
}

// Decrypt opens a compact JWE (RFC 7516) that is encrypted to a key of ours, by
// alg and enc; "" is any of latchkey.DecryptionAlgs and latchkey.ContentEncs.
// Whatever is wrong with it, the error wraps ErrNotForUs; who sent it must not
// learn more.
func (r *Ring) Decrypt(ctx context.Context, sealed, alg, enc string) ([]byte, error) {
	jwe, err := parseSealed(sealed, oneOr(alg, latchkey.DecryptionAlgs()), oneOr(enc, latchkey.ContentEncs()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotForUs, err)
	}
	candidates, err := r.openersFor(ctx, jwe.Header)
	if err != nil {
		return nil, err
	}
	err = errors.New("unknown key")
	for _, o := range candidates {
		var content []byte
		if content, err = jwe.Decrypt(o.private); err == nil {
			return content, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrNotForUs, err)
}

// oneOr is the one that is named, or all.
func oneOr(one string, all []string) []string {
	if one == "" {
		return all
	}
	return []string{one}
}

// parseSealed reads what is small enough, spelled in its one way, and encrypted
// by one of algs and encs. Compressed content is refused: what is small and grows
// when it is opened is an attack (RFC 8725 §3.6). So are extensions that would
// have to be understood (RFC 7516 §4.1.13).
func parseSealed(sealed string, algs, encs []string) (*jose.JSONWebEncryption, error) {
	if len(sealed) > maxSealed {
		return nil, errors.New("too long")
	}
	if !canonical(sealed) {
		return nil, errors.New("malformed")
	}
	jwe, err := jose.ParseEncryptedCompact(sealed, typed[jose.KeyAlgorithm](algs), typed[jose.ContentEncryption](encs))
	if err != nil {
		return nil, err
	}
	for _, name := range []jose.HeaderKey{"zip", "crit"} {
		if _, there := jwe.Header.ExtraHeaders[name]; there {
			return nil, fmt.Errorf("header %s", name)
		}
	}
	return jwe, nil
}

// openersFor are the keys that a header may mean: the one of its kid, or all of
// its algorithm when it names none.
func (r *Ring) openersFor(ctx context.Context, header jose.Header) ([]*opener, error) {
	found := r.pickOpeners(header)
	if len(found) > 0 || header.KeyID == "" {
		return found, nil
	}
	if err := r.lookAgain(ctx, header.KeyID); err != nil {
		return nil, err
	}
	return r.pickOpeners(header), nil
}

func (r *Ring) pickOpeners(header jose.Header) (found []*opener) {
	now := r.now()
	for _, o := range r.current.Load().openers {
		over := !o.DeleteAt.IsZero() && !o.DeleteAt.After(now)
		// One key, one algorithm: the header does not choose.
		if o.Alg == header.Algorithm && !over && (header.KeyID == "" || header.KeyID == o.KID) {
			found = append(found, o)
		}
	}
	return found
}

func typed[T ~string](names []string) []T {
	out := make([]T, len(names))
	for i, name := range names {
		out[i] = T(name)
	}
	return out
}
