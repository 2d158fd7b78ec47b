package storage

import (
	"encoding/base64"
	"strings"
	"testing"

	"latchkey"
	"latchkey/seal"
)

// FuzzParseRefresh: what is read is a token of ours in its one spelling. Nobody
// makes one without the key, whatever of a real one is changed.
func FuzzParseRefresh(f *testing.F) {
	file, err := seal.Parse([]byte(`{"version":1,"created_at":"2026-01-02T03:04:05Z",
		"credential_encryption_key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"session_signing_key":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=","previous":[]}`))
	if err != nil {
		f.Fatal(err)
	}
	ring, err := seal.NewRing(file)
	if err != nil {
		f.Fatal(err)
	}
	qs := &queries{ring: ring}
	grant := &latchkey.Grant{ID: "01a20b62-0000-7000-8000-000000000001", RefreshSalt: make([]byte, 16)}
	genuine, err := qs.MintRefresh(grant, 7)
	if err != nil {
		f.Fatal(err)
	}
	if read, ok := qs.ParseRefresh(genuine); !ok || read.GrantID != grant.ID || read.Generation != 7 || !qs.genuine(read, grant) {
		f.Fatalf("a token of ours is read as %+v %v", read, ok)
	}
	for _, seed := range []string{genuine, genuine + "=", genuine[:len(genuine)-1], strings.ToUpper(genuine), strings.TrimPrefix(genuine, RefreshPrefix),
		RefreshPrefix, RefreshPrefix + strings.Repeat("A", 92), genuine[:40] + "A" + genuine[41:], genuine + genuine, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		read, ok := qs.ParseRefresh(token)
		if ok != (token == genuine) {
			t.Fatalf("%q is read: %v", token, ok)
		}
		if ok && RefreshPrefix+base64.RawURLEncoding.EncodeToString(read.raw) != token {
			t.Fatalf("%q has another spelling", token)
		}
	})
}
