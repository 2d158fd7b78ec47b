package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// FuzzSealed: whatever strangers send as an encrypted request object, nothing
// panics; what the decoder lets through is small, in five parts, by one of our
// algorithms and not compressed; and what opens was encrypted to the key.
func FuzzSealed(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	sealed := func(o *jose.EncrypterOptions) string {
		e, err := jose.NewEncrypter(jose.A128CBC_HS256, jose.Recipient{Algorithm: jose.ECDH_ES, Key: &key.PublicKey, KeyID: "k"}, o)
		if err != nil {
			f.Fatal(err)
		}
		jwe, err := e.Encrypt([]byte("content"))
		if err != nil {
			f.Fatal(err)
		}
		raw, err := jwe.CompactSerialize()
		if err != nil {
			f.Fatal(err)
		}
		return raw
	}
	whole := sealed(nil)
	f.Add(whole)
	f.Add(sealed(&jose.EncrypterOptions{Compression: jose.DEFLATE}))
	parts := strings.Split(whole, ".")
	for i := range parts {
		f.Add(strings.Join(slices.Replace(slices.Clone(parts), i, i+1, ""), "."))
	}
	for _, header := range []string{
		"eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0",                     // dir
		"eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIn0",                 // RSA1_5
		"eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSJ9",                // ECDH-ES without epk
		"eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSIsImVwayI6bnVsbH0", // epk of null
		"bnVsbA", "W10", "e30",
	} {
		f.Add(header + "..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")
	}
	f.Add("....")
	f.Add(`{"protected":"e30","ciphertext":""}`)
	f.Fuzz(func(t *testing.T, raw string) {
		jwe, err := parseSealed(raw, latchkey.DecryptionAlgs(), latchkey.ContentEncs())
		if err != nil {
			return
		}
		_, zipped := jwe.Header.ExtraHeaders["zip"]
		if !slices.Contains(latchkey.DecryptionAlgs(), jwe.Header.Algorithm) || strings.Count(raw, ".") != 4 || len(raw) > maxSealed || zipped {
			t.Fatalf("%q was let through with %s", raw, jwe.Header.Algorithm)
		}
		if content, err := jwe.Decrypt(key); err == nil && string(content) != "content" {
			t.Fatalf("%q opens to %q", raw, content)
		}
	})
}
