package keys_test

import (
	"testing"

	"latchkey"
	"latchkey/keys"
)

// BenchmarkSign is a token of usual size, by algorithm.
func BenchmarkSign(b *testing.B) {
	h := newHouse(b)
	for _, alg := range latchkey.SigningAlgs() {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Sign(alg, keys.TypeJWT, usualClaims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerify is a token that is seen for the first time, and one that was
// seen before.
func BenchmarkVerify(b *testing.B) {
	h := newHouse(b)
	for _, alg := range latchkey.SigningAlgs() {
		token, err := h.Sign(alg, keys.TypeJWT, usualClaims)
		if err != nil {
			b.Fatal(err)
		}
		verify := func(b *testing.B, ring *keys.Ring) {
			if _, err := ring.Verify(b.Context(), token, keys.TypeJWT); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(alg+"/known", func(b *testing.B) {
			for b.Loop() {
				verify(b, h.Ring)
			}
		})
		b.Run(alg+"/new", func(b *testing.B) {
			for b.Loop() {
				h.Forget()
				verify(b, h.Ring)
			}
		})
	}
}

var usualClaims = map[string]any{
	"iss": "https://id.example.com", "sub": "Zk2vCq0yQe6n0l1c3v5xYg", "aud": "wiki", "exp": 1900000000, "iat": 1899996400,
	"auth_time": 1899990000, "nonce": "n-0S6_WzA2Mj", "acr": "phr", "amr": []string{"pop", "user", "mfa"}, "sid": "0199b2f0-0000-7000-8000-000000000000",
}
