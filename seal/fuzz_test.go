package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"latchkey/seal"
)

// FuzzParse: whatever is accepted is a JSON document, makes a ring, and is
// read back the same after being written; whatever is not is ErrRefused.
func FuzzParse(f *testing.F) {
	good := document(f, nil)
	f.Add(good)
	f.Add(document(f, func(file, _ map[string]any) { delete(file, "previous") }))
	f.Add(document(f, func(file, _ map[string]any) { file["version"] = 255 }))
	f.Add([]byte(`{"version":1,"version":1}`))
	f.Add([]byte(`{"previous":[[]]}`))
	f.Add([]byte(`{"version":1e0,"Version":1,"":null}`))
	f.Add(append(bytes.Clone(good), good...))
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := seal.Parse(content)
		if err != nil {
			if !errors.Is(err, seal.ErrRefused) || keys != nil {
				t.Fatalf("parse answered %v", err)
			}
			return
		}
		if !json.Valid(content) {
			t.Fatal("accepted what is not JSON")
		}
		if _, err := seal.NewRing(keys); err != nil {
			t.Fatalf("make the ring of accepted keys: %v", err)
		}
		first, err := keys.Encode()
		if err != nil {
			t.Fatalf("encode accepted keys: %v", err)
		}
		again, err := seal.Parse(first)
		if err != nil {
			t.Fatalf("parse encoded keys: %v", err)
		}
		second, err := again.Encode()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("keys changed on their way through a file: %v", err)
		}
	})
}

// FuzzOpen: nothing opens but what was sealed, and the rest is ErrMismatch
// without a value. The sealed value is a constant, since the fuzzer runs in
// several processes that must agree on it.
func FuzzOpen(f *testing.F) {
	r := ring(f, fixed(f))
	good, err := hex.DecodeString(foreign)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:seal.Overhead])
	f.Add(append(bytes.Clone(good), 0))
	f.Add([]byte{1, 0, 0, 0, 2})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, s []byte) {
		got, err := r.Open(place, s)
		if err == nil && !bytes.Equal(s, good) {
			t.Fatalf("opened %x", s)
		}
		if err != nil && (!errors.Is(err, seal.ErrMismatch) || got != nil || bytes.Equal(s, good)) {
			t.Fatalf("open answered %d bytes, %v", len(got), err)
		}
	})
}

// FuzzHashToken: whatever is accepted has the right length and is hashed as it
// is spelled.
func FuzzHashToken(f *testing.F) {
	r := ring(f, fixed(f))
	token, _ := r.NewToken("session")
	f.Add(token)
	f.Add(token[:43] + "=")
	f.Add(token[:40] + "\n\n\n\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		hash, err := r.HashToken("session", token)
		if err != nil {
			if !errors.Is(err, seal.ErrSpelling) || hash != nil {
				t.Fatalf("HashToken answered %x, %v", hash, err)
			}
			return
		}
		want, err := r.HashWith("session", uint32(hash[0]), token)
		if err != nil || !bytes.Equal(hash, want) || len(token) != seal.TokenLength {
			t.Fatalf("HashToken answered %x, want %x, %v", hash, want, err)
		}
	})
}
