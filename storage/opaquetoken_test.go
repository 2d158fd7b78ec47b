package storage_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"latchkey/seal"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// TestEveryBitOfAnOpaqueTokenCounts: whichever is turned over, it is no token
// any more, and no other spelling of the same bytes is one.
func TestEveryBitOfAnOpaqueTokenCounts(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	claims := []byte(`{"sub":"somebody"}`)
	token, err := db.SealAccess(claims)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := db.OpenAccess(token); !ok || !bytes.Equal(got, claims) {
		t.Fatalf("opened to %s, %v", got, ok)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, storage.AccessPrefix))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		bent := bytes.Clone(raw)
		bent[bit/8] ^= 1 << (bit % 8)
		if _, ok := db.OpenAccess(storage.AccessPrefix + base64.RawURLEncoding.EncodeToString(bent)); ok {
			t.Errorf("bit %d says nothing", bit)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=\n\r "
	for i := len(storage.AccessPrefix); i <= len(token); i++ {
		for _, c := range alphabet {
			if longer := token[:i] + string(c) + token[i:]; opens(db, longer) {
				t.Errorf("%q at %d says nothing", c, i)
			}
			if i < len(token) && string(c) != token[i:i+1] && opens(db, token[:i]+string(c)+token[i+1:]) {
				t.Errorf("%q instead at %d says nothing", c, i)
			}
		}
	}
}

func opens(db *storage.DB, token string) bool {
	_, ok := db.OpenAccess(token)
	return ok
}

// TestOpaqueTokensHaveAPlaceOfTheirOwn: what the same keys sealed for a column is
// no token, and nothing moves from one token to another.
func TestOpaqueTokensHaveAPlaceOfTheirOwn(t *testing.T) {
	t.Parallel()
	db, ring := storagetest.Open(t), storagetest.Ring(t)
	salt := bytes.Repeat([]byte{7}, 16)
	for name, at := range map[string]seal.Place{
		"a column":      {Table: "credentials", Column: "metadata", Row: string(salt)},
		"another table": {Table: "grants", Column: "opaque access token", Row: string(salt)},
		"another owner": {Table: "no table", Column: "opaque access token", Row: string(salt), Owner: "somebody"},
		"another salt":  {Table: "no table", Column: "opaque access token", Row: string(salt[1:])},
	} {
		sealed, err := ring.Seal(at, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if opens(db, storage.AccessPrefix+base64.RawURLEncoding.EncodeToString(append(bytes.Clone(salt), sealed...))) {
			t.Errorf("what was sealed for %s opens as a token", name)
		}
	}
	here, err := ring.Seal(seal.Place{Table: "no table", Column: "opaque access token", Row: string(salt)}, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if !opens(db, storage.AccessPrefix+base64.RawURLEncoding.EncodeToString(append(bytes.Clone(salt), here...))) {
		t.Error("what was sealed for it does not open: this test is of another place")
	}
}

func BenchmarkOpaqueToken(b *testing.B) {
	db := storagetest.Open(b)
	claims := bytes.Repeat([]byte("x"), 400)
	token, err := db.SealAccess(claims)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			if _, err := db.SealAccess(claims); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if !opens(db, token) {
				b.Fatal("does not open")
			}
		}
	})
}
