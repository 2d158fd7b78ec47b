package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 of crypto.Hash
	_ "crypto/sha512" // SHA-384 and SHA-512
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"latchkey/keys"
)

// jwk are the public members of a key of RFC 7518 §6 or RFC 8037 §2.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	KID string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	N   string `json:"n"`
	E   string `json:"e"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func decode(text string) []byte {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		panic(err)
	}
	return raw
}

func (k jwk) public() crypto.PublicKey {
	switch k.Kty {
	case "RSA":
		return &rsa.PublicKey{N: new(big.Int).SetBytes(decode(k.N)), E: int(new(big.Int).SetBytes(decode(k.E)).Int64())}
	case "EC":
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, decode(k.X)...), decode(k.Y)...))
		if err != nil {
			panic(err)
		}
		return key
	case "OKP":
		return ed25519.PublicKey(decode(k.X))
	}
	panic(k.Kty)
}

// header is that of a JWS (RFC 7515 §4.1) as it is written, nothing left out.
type header map[string]any

// verify checks a compact JWS with the standard library alone: no part of what
// signed it takes part. It returns the header and the payload.
func verify(token string, k jwk) (header, []byte, error) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return nil, nil, fmt.Errorf("%d parts", len(part))
	}
	var h header
	if err := json.Unmarshal(decode(part[0]), &h); err != nil {
		return nil, nil, err
	}
	signed, signature := []byte(part[0]+"."+part[1]), decode(part[2])
	hashes := map[string]crypto.Hash{"RS256": crypto.SHA256, "PS256": crypto.SHA256, "PS384": crypto.SHA384, "ES256": crypto.SHA256}
	alg, _ := h["alg"].(string)
	digest := signed
	if hash := hashes[alg]; hash != 0 {
		sum := hash.New()
		sum.Write(signed)
		digest = sum.Sum(nil)
	}
	var err error
	switch public := k.public(); alg {
	case "RS256":
		err = rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, digest, signature)
	case "PS256", "PS384": // the salt is as long as the hash (RFC 7518 §3.5)
		err = rsa.VerifyPSS(public.(*rsa.PublicKey), hashes[alg], digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES256": // R and S, 32 bytes each (RFC 7518 §3.4)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		if len(signature) != 64 || !ecdsa.Verify(public.(*ecdsa.PublicKey), digest, r, s) {
			err = errors.New("wrong signature")
		}
	case "EdDSA":
		if !ed25519.Verify(public.(ed25519.PublicKey), signed, signature) {
			err = errors.New("wrong signature")
		}
	default:
		err = fmt.Errorf("algorithm %q", alg)
	}
	return h, decode(part[1]), err
}

// Keys of the RFCs.
var (
	bilbo = jwk{Kty: "RSA", E: "AQAB", // RFC 7520 §3.3
		N: "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"}
	april = jwk{Kty: "RSA", E: "AQAB", // RFC 7638 §3.1
		N: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}
	joe = jwk{Kty: "EC", Crv: "P-256", // RFC 7515 §A.3.1
		X: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", Y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
	edwards = jwk{Kty: "OKP", Crv: "Ed25519", // RFC 8037 §A.2
		X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
)

// TestVectors: the signatures that the RFCs print verify by the standard library
// as this file uses it, so that it may judge what the ring signs.
func TestVectors(t *testing.T) {
	t.Parallel()
	const frodo = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
	for _, v := range []struct {
		name, token string
		key         jwk
	}{
		{"RFC 7520 4.1, RS256", "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + frodo + ".MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg", bilbo},
		{"RFC 7520 4.2, PS384", "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + frodo + ".cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw", bilbo},
		{"RFC 7515 A.3, ES256", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", joe},
		{"RFC 8037 A.4, EdDSA", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", edwards},
	} {
		if _, _, err := verify(v.token, v.key); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		part := strings.Split(v.token, ".")
		if _, _, err := verify(part[0]+".e30."+part[2], v.key); err == nil {
			t.Errorf("%s: another payload verifies too", v.name)
		}
	}
}

// TestThumbprints: the kid of a key is what RFC 7638 §3.1 and RFC 8037 §A.3 say.
func TestThumbprints(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, want string
		key        jwk
	}{
		{"RSA", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", april},
		{"Ed25519", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", edwards},
	} {
		if got, err := keys.Thumbprint(v.key.public()); err != nil || got != v.want {
			t.Errorf("%s: kid %s, want %s (%v)", v.name, got, v.want, err)
		}
	}
}
