package seal_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/seal"
)

func canary(t *testing.T, r *seal.Ring, version uint32) []byte {
	t.Helper()
	s, err := r.Canary(version)
	if err != nil {
		t.Fatalf("make the canary of version %d: %v", version, err)
	}
	return s
}

func TestCanaryKnowsItsKeys(t *testing.T) {
	t.Parallel()
	for _, version := range []uint32{1, 2} {
		s := canary(t, ring(t, fixed(t)), version)
		if err := ring(t, fixed(t)).CheckCanary(version, s); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestCanarySurvivesRotation(t *testing.T) {
	t.Parallel()
	if err := ring(t, fixed(t)).CheckCanary(1, canary(t, older(t), 1)); err != nil {
		t.Error(err)
	}
}

func TestCanaryRefuses(t *testing.T) {
	t.Parallel()
	for _, attack := range []struct {
		name    string
		bend    func(*seal.Keys)
		version uint32
	}{
		{"another credential encryption key", func(k *seal.Keys) {
			k.CredentialEncryptionKey = seal.Generate(time.Now()).CredentialEncryptionKey
		}, 2},
		{"another session signing key", func(k *seal.Keys) {
			k.SessionSigningKey = seal.Generate(time.Now()).SessionSigningKey
		}, 2},
		{"the two keys exchanged", func(k *seal.Keys) {
			k.CredentialEncryptionKey, k.SessionSigningKey = k.SessionSigningKey, k.CredentialEncryptionKey
		}, 2},
		{"a fresh key file", func(k *seal.Keys) { *k = *seal.Generate(time.Now()) }, 2},
		{"a fresh key file of the same version", func(k *seal.Keys) {
			*k = *seal.Generate(time.Now())
			k.Version = 2
		}, 2},
		{"a key file from before the rotation", func(k *seal.Keys) {
			p := k.Previous[0]
			*k = seal.Keys{
				Version: 1, CreatedAt: k.CreatedAt,
				CredentialEncryptionKey: p.CredentialEncryptionKey, SessionSigningKey: p.SessionSigningKey,
			}
		}, 2},
		{"the canary of another version", func(*seal.Keys) {}, 1},
	} {
		t.Run(attack.name, func(t *testing.T) {
			s := canary(t, ring(t, fixed(t)), 2)
			keys := fixed(t)
			attack.bend(keys)
			if err := ring(t, keys).CheckCanary(attack.version, s); !errors.Is(err, seal.ErrMismatch) {
				t.Errorf("CheckCanary answered %v, want ErrMismatch", err)
			}
		})
	}
}

func TestCanaryRefusesOtherSealedValue(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for _, s := range [][]byte{
		nil,
		sealed(t, r, place, []byte("latchkey canary")),
		sealed(t, r, seal.Place{Table: "seal_keys", Column: "canary", Row: "2"}, nil),
		sealed(t, r, seal.Place{Table: "seal_keys", Column: "canary", Row: "2"}, []byte("latchkey canary")),
	} {
		if err := r.CheckCanary(2, s); !errors.Is(err, seal.ErrMismatch) {
			t.Errorf("CheckCanary answered %v, want ErrMismatch", err)
		}
	}
}
