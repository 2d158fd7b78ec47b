package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"latchkey/seal"
)

// The expected values were computed with OpenSSL 3.0 from the fixed key file,
// whose session signing keys are 40 41 … 5f (version 2) and a0 a1 … bf (1):
//
//	openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:4041…5f \
//	  -kdfopt hexinfo:0d6c617463686b65792068617368000000000000000773657373696f6e00000002 HKDF
//	printf 'a secret' | openssl mac -digest SHA256 -macopt hexkey:KEY HMAC
func TestHashAgreesWithOpenSSL(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	want := []string{
		"026daccb384c064f066442c09b15834b0617ae97d757f7eafeb95dad172f164d21",
		"01e2f6d2934fa1da426f3bbbd0eceb5cea4e1bb1a567b7a166d6c4e2c24e9ce4f7",
	}
	if got := hex.EncodeToString(r.Hash("session", "a secret")); got != want[0] {
		t.Errorf("Hash is %s, want %s", got, want[0])
	}
	var got []string
	for _, hash := range r.HashAll("session", "a secret") {
		got = append(got, hex.EncodeToString(hash))
	}
	if !slices.Equal(got, want) {
		t.Errorf("HashAll is %v, want %v", got, want)
	}
	for i, version := range r.Versions() {
		hash, err := r.HashWith("session", version, "a secret")
		if got := hex.EncodeToString(hash); err != nil || got != want[i] {
			t.Errorf("HashWith %d is %s, %v, want %s", version, got, err, want[i])
		}
	}
}

// As above with hexinfo:0f6c617463686b657920646572697665….
func TestDerivedKeyAgreesWithOpenSSL(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for version, want := range map[uint32]string{
		2: "21882bb9b7240e6784676fa518bc8b8ea2aeb70e44cf84a5911754b6ae02a249",
		1: "91651987c673dea333369fbd5aef6cdfd18ad25332759b980228249a2f7e3213",
	} {
		key, err := r.DeriveKey("session", version)
		if got := hex.EncodeToString(key); err != nil || got != want {
			t.Errorf("version %d: key is %s, %v, want %s", version, got, err, want)
		}
	}
}

// foreign is a value sealed by another implementation: key from openssl kdf (key
// 00 01 … 1f, info the place as this package spells it), AES-256-GCM from
// Python's cryptography with nonce 00 01 … 0b.
const foreign = "0100000002000102030405060708090a0b" +
	"d16d34bb60cbb2adbbffffef50b32f39a13b96cf450dba16f0"

// A change that breaks this test makes every existing database unreadable.
func TestOpensWhatAnotherImplementationSealed(t *testing.T) {
	t.Parallel()
	s, err := hex.DecodeString(foreign)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring(t, fixed(t)).Open(place, s)
	if err != nil || string(got) != "some text" {
		t.Errorf("open answered %q, %v", got, err)
	}
}

func TestHashIsStableOverRotation(t *testing.T) {
	t.Parallel()
	old := older(t).Hash("code", "ABCD-EFGH")
	now := ring(t, fixed(t)).HashAll("code", "ABCD-EFGH")
	if len(now) != 2 || !bytes.Equal(now[1], old) {
		t.Errorf("the hash of version 1 is not among %x", now)
	}
}

func TestHashRefusesUnknownVersion(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for _, version := range []uint32{0, 3, 255, 256 + 2} {
		if hash, err := r.HashWith("code", version, "x"); !errors.Is(err, seal.ErrVersion) || hash != nil {
			t.Errorf("HashWith %d: %v, want ErrVersion", version, err)
		}
		if key, err := r.DeriveKey("code", version); !errors.Is(err, seal.ErrVersion) || key != nil {
			t.Errorf("DeriveKey %d: %v, want ErrVersion", version, err)
		}
		if canary, err := r.Canary(version); !errors.Is(err, seal.ErrVersion) || canary != nil {
			t.Errorf("Canary %d: %v, want ErrVersion", version, err)
		}
	}
}

// Of all hashes and derived keys of many purposes, versions and secrets no two
// are alike: the parts of an input cannot be moved across a boundary.
func TestNoTwoHashesAreAlike(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	texts := []string{"", "a", "b", "ab", "ba", "aa", "\x00", "\x00\x00", "a\x00", "session", "sessio", "n"}
	seen := map[string]string{}
	note := func(what string, value []byte) {
		if other, ok := seen[string(value)]; ok {
			t.Errorf("%s and %s are alike", what, other)
		}
		seen[string(value)] = what
	}
	for _, purpose := range texts {
		for _, version := range r.Versions() {
			for _, secret := range texts {
				hash, err := r.HashWith(seal.Purpose(purpose), version, secret)
				if err != nil {
					t.Fatal(err)
				}
				// The version byte tells versions apart by itself: drop it.
				note(fmt.Sprintf("hash %q %d %q", purpose, version, secret), hash[1:])
			}
			key, err := r.DeriveKey(seal.Purpose(purpose), version)
			if err != nil {
				t.Fatal(err)
			}
			note(fmt.Sprintf("key %q %d", purpose, version), key)
		}
	}
}

func TestPurposesNeverMeet(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	same := func(p, q, secret string) bool {
		return bytes.Equal(r.Hash(seal.Purpose(p), secret), r.Hash(seal.Purpose(q), secret))
	}
	// Two of one length as well: by chance they almost never are.
	property := func(p, q, secret string) bool {
		return same(p, q, secret) == (p == q) && !same(p+"a", p+"b", secret)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestTokenIsFoundByItsHash(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	token, hash := r.NewToken("session")
	if len(token) != seal.TokenLength || len(hash) != seal.HashSize {
		t.Errorf("token of %d characters, hash of %d bytes", len(token), len(hash))
	}
	got, err := r.HashToken("session", token)
	if err != nil || !bytes.Equal(got, hash) {
		t.Errorf("HashToken answered %x, %v, want %x", got, err, hash)
	}
	if !bytes.Equal(r.Hash("session", token), hash) {
		t.Error("a token's hash is not the hash of its spelling")
	}
	if got, err := r.HashToken("recovery", token); err != nil || bytes.Equal(got, hash) {
		t.Errorf("another purpose answered %x, %v", got, err)
	}
}

func TestTokensNeverRepeat(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	seen := map[string]bool{}
	for range 1000 {
		token, _ := r.NewToken("session")
		if seen[token] {
			t.Fatal("one token twice")
		}
		seen[token] = true
	}
}

func TestOldTokenIsFoundAfterRotation(t *testing.T) {
	t.Parallel()
	token, hash := older(t).NewToken("session")
	got, err := ring(t, fixed(t)).HashToken("session", token)
	if err != nil || !bytes.Equal(got, hash) {
		t.Errorf("HashToken answered %x, %v, want %x", got, err, hash)
	}
}

func TestRetiredTokenIsRefused(t *testing.T) {
	t.Parallel()
	token, _ := older(t).NewToken("session")
	keys := fixed(t)
	keys.Previous = nil
	wantSpelling(t, ring(t, keys), token)
}

func wantSpelling(t *testing.T, r *seal.Ring, token string) {
	t.Helper()
	hash, err := r.HashToken("session", token)
	if !errors.Is(err, seal.ErrSpelling) {
		t.Errorf("%q answered %v, want ErrSpelling", token, err)
	}
	if hash != nil {
		t.Errorf("%q was hashed", token)
	}
	if err != nil && token != "" && strings.Contains(err.Error(), token) {
		t.Error("the error repeats the token")
	}
}

func TestHashTokenRefusesOtherSpellings(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	// All ones spell to "_" in base64url and to "/" in standard base64.
	raw := bytes.Repeat([]byte{0xff}, 33)
	raw[0] = 2
	token := base64.RawURLEncoding.EncodeToString(raw)
	if _, err := r.HashToken("session", token); err != nil {
		t.Fatalf("the token to bend is refused itself: %v", err)
	}
	for _, attack := range []struct{ name, token string }{
		{"empty", ""},
		{"standard base64", base64.RawStdEncoding.EncodeToString(raw)},
		{"hexadecimal", hex.EncodeToString(raw)},
		{"one byte more", base64.RawURLEncoding.EncodeToString(append(raw[:33:33], 0))},
		{"padded", token + "="},
		{"padding in place of a letter", token[:43] + "="},
		{"space before", " " + token},
		{"line break behind", token + "\n"},
		{"line breaks within", token[:20] + "\n\n\n\n" + token[24:]},
		{"carriage return in place of a letter", token[:43] + "\r"},
		{"NUL in place of a letter", token[:43] + "\x00"},
		{"letter beyond ASCII", token[:42] + "é"},
		{"twice", token + token},
		{"version 0", "AA" + token[2:]},
		{"version 3", "Aw" + token[2:]},
		{"version 255", "_w" + token[2:]},
	} {
		t.Run(attack.name, func(t *testing.T) { wantSpelling(t, r, attack.token) })
	}
	for n := range len(token) {
		wantSpelling(t, r, token[:n])
	}
}

// Every accepted string of the right length decodes to bytes that spell it
// again: no second spelling of a token exists.
func TestTokenHasOneSpelling(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	random := rand.New(rand.NewPCG(1, 2))
	token, _ := r.NewToken("session")
	for range 20_000 {
		bent := []byte(token)
		bent[random.IntN(len(bent))] = byte(random.UintN(256))
		if _, err := r.HashToken("session", string(bent)); err != nil {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(string(bent))
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != string(bent) {
			t.Errorf("%q is accepted and not canonical", bent)
		}
	}
}

func TestHashingUsesTheSessionSigningKey(t *testing.T) {
	t.Parallel()
	keys := fixed(t)
	want := ring(t, keys).Hash("session", "a secret")
	keys.CredentialEncryptionKey = seal.Generate(time.Now()).CredentialEncryptionKey
	if !bytes.Equal(ring(t, keys).Hash("session", "a secret"), want) {
		t.Error("the hash depends on the credential encryption key")
	}
	keys.SessionSigningKey = seal.Generate(time.Now()).SessionSigningKey
	if bytes.Equal(ring(t, keys).Hash("session", "a secret"), want) {
		t.Error("the hash does not depend on the session signing key")
	}
}
