package keys_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage/storagetest"
)

// TestVerifyRefuses bends one thing of a good token at a time.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	published := h.published(t)
	b64 := base64.RawURLEncoding.EncodeToString
	// craft signs as our own key would, under a header of the attacker's.
	craft := func(key any, alg string, head map[string]any) string {
		options := &jose.SignerOptions{}
		for name, value := range head {
			options.WithHeader(jose.HeaderKey(name), value)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(`{"sub":"alice"}`))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for _, alg := range latchkey.SigningAlgs() {
		kid, key := h.private(t, alg)
		typed := map[string]any{"kid": kid, "typ": "JWT"}
		good := craft(key, alg, typed)
		if _, err := h.Verify(t.Context(), good, keys.TypeJWT); err != nil {
			t.Fatalf("%s: the token that is bent here is refused itself: %v", alg, err)
		}
		public := published[kid].public()
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		spki := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		part := strings.Split(good, ".")
		last := len(part[2]) - 1
		attacks := map[string]string{
			"alg none":                       b64([]byte(`{"alg":"none","kid":"`+kid+`","typ":"JWT"}`)) + "." + part[1] + ".",
			"alg None":                       b64([]byte(`{"alg":"None","kid":"`+kid+`","typ":"JWT"}`)) + "." + part[1] + "." + part[2],
			"public key as a secret":         craft(spki, "HS256", typed),
			"no kid":                         craft(key, alg, map[string]any{"typ": "JWT"}),
			"unknown kid":                    craft(key, alg, map[string]any{"kid": "nobody", "typ": "JWT"}),
			"kid a file name":                craft(key, alg, map[string]any{"kid": "../../" + kid, "typ": "JWT"}),
			"no typ":                         craft(key, alg, map[string]any{"kid": kid}),
			"typ in other letters":           craft(key, alg, map[string]any{"kid": kid, "typ": "jwt"}),
			"typ of another kind":            craft(key, alg, map[string]any{"kid": kid, "typ": "at+jwt"}),
			"typ a number":                   craft(key, alg, map[string]any{"kid": kid, "typ": 1}),
			"an extension to obey":           craft(key, alg, map[string]any{"kid": kid, "typ": "JWT", "crit": []string{"exp"}, "exp": 1}),
			"no signature":                   part[0] + "." + part[1] + ".",
			"no signature, no dot":           part[0] + "." + part[1],
			"signature cut":                  part[0] + "." + part[1] + "." + part[2][:last],
			"signature with bits at its end": part[0] + "." + part[1] + "." + part[2][:last] + sibling(part[2][last]),
			"signature longer":               good + "AAAA",
			"signature of zeros":             part[0] + "." + part[1] + "." + strings.Repeat("A", len(part[2])),
			"another payload":                part[0] + "." + b64([]byte(`{"sub":"bob"}`)) + "." + part[2],
			"a fourth part":                  good + "." + part[2],
			"padded":                         part[0] + "." + part[1] + "." + part[2] + "==",
			"a space before":                 " " + good,
			"a line break inside":            part[0] + ".\n" + part[1] + "." + part[2],
			"JSON serialization":             `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`,
			"over the length":                part[0] + "." + b64([]byte(`{"sub":"`+strings.Repeat("a", 16<<10)+`"}`)) + "." + part[2],
			"nothing":                        "",
			"two dots":                       "..",
			"a header that is a list":        b64([]byte(`[]`)) + "." + part[1] + "." + part[2],
			"a header with two kids":         b64([]byte(`{"alg":"`+alg+`","kid":"`+kid+`","kid":"`+kid+`","typ":"JWT"}`)) + "." + part[1] + "." + part[2],
			"a key brought along":            ownKey(t, craft, alg, "nobody"),
			"our kid, a key brought":         ownKey(t, craft, alg, kid),
			"a key of somebody else":         newForeign(t, alg, kid, craft),
		}
		for _, other := range latchkey.SigningAlgs() {
			if otherKID, _ := h.private(t, other); other != alg {
				attacks["kid of the "+other+" key"] = craft(key, alg, map[string]any{"kid": otherKID, "typ": "JWT"})
			}
		}
		// One key, one algorithm: RSA keys could do the other's work, too.
		if other := map[string]string{latchkey.RS256: latchkey.PS256, latchkey.PS256: latchkey.RS256}[alg]; other != "" {
			attacks["signed by the same key as "+other] = craft(key, other, typed)
		}
		for name, token := range attacks {
			for range 2 {
				if payload, err := h.Verify(t.Context(), token, keys.TypeJWT); !errors.Is(err, keys.ErrUntrusted) {
					t.Errorf("%s, %s: %s, %v", alg, name, payload, err)
				}
			}
		}
		// What was good as one type, and is remembered, is good as no other.
		for _, typ := range []string{keys.TypeAccessToken, keys.TypeLogout, keys.TypeIntrospection, ""} {
			if _, err := h.Verify(t.Context(), good, typ); !errors.Is(err, keys.ErrUntrusted) {
				t.Errorf("%s: an ID token verifies as %q: %v", alg, typ, err)
			}
		}
	}
}

// sibling is the character of base64url whose unused last bits are others.
func sibling(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)^1])
}

type crafting func(key any, alg string, head map[string]any) string

// ownKey signs by a key of the attacker's and brings it in the header.
func ownKey(t *testing.T, craft crafting, alg, kid string) string {
	t.Helper()
	key := foreignKey(t, alg)
	return craft(key, alg, map[string]any{"kid": kid, "typ": "JWT", "jwk": &jose.JSONWebKey{Key: key.Public()}})
}

// newForeign signs by a key of the attacker's under our kid.
func newForeign(t *testing.T, alg, kid string, craft crafting) string {
	t.Helper()
	return craft(foreignKey(t, alg), alg, map[string]any{"kid": kid, "typ": "JWT"})
}

// TestKeyAtItsEnd: a key whose time is over verifies nothing, also before the
// ring was read anew.
func TestKeyAtItsEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.sign(t, latchkey.EdDSA, keys.TypeJWT)
	kid, _ := h.private(t, latchkey.EdDSA)
	if err := h.Rotate(t.Context(), []string{latchkey.EdDSA}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Verify(t.Context(), token, keys.TypeJWT); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	storagetest.SQL(t, h.url, `UPDATE signing_keys SET delete_at = now() + interval '300 milliseconds' WHERE kid = $1`, kid)
	if err := h.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second) // it is time itself that is waited for
	for {
		_, err := h.Verify(t.Context(), token, keys.TypeJWT)
		if errors.Is(err, keys.ErrUntrusted) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("past its end: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
