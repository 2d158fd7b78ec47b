package storage

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"latchkey/seal"
)

// AccessPrefix begins every opaque access token.
const AccessPrefix = "lk_at_"

// An opaque access token is its prefix and base64url of: salt (16), claims as
// sealed by package seal. No row: the key version in it names the key, the salt
// its place. Every token has a sealing key of its own that way, so the bound on
// random nonces says nothing about how many tokens there may be.
const (
	accessSalt = 16
	// maxAccess bounds what is decoded at all, in bytes; it is the bound of
	// signed ones.
	maxAccess = 16 << 10
)

// accessPlace is no column of the database: nothing that lies there opens as a
// token, and no token opens there.
func accessPlace(salt []byte) seal.Place {
	return seal.Place{Table: "no table", Column: "opaque access token", Row: string(salt)}
}

// SealAccess spells claims as an opaque access token.
func (qs *queries) SealAccess(claims []byte) (string, error) {
	raw := make([]byte, accessSalt, accessSalt+seal.Overhead+len(claims))
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	sealed, err := qs.ring.Seal(accessPlace(raw[:accessSalt]), claims)
	if err != nil {
		return "", fmt.Errorf("seal access token: %w", err)
	}
	return AccessPrefix + base64.RawURLEncoding.EncodeToString(append(raw, sealed...)), nil
}

// OpenAccess returns the claims of an opaque access token that somebody sent.
// What SealAccess did not make under a key that is still here, in that very
// spelling, is none.
func (qs *queries) OpenAccess(token string) (claims []byte, ok bool) {
	text, ok := strings.CutPrefix(token, AccessPrefix)
	if !ok || len(token) > maxAccess {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// Go's decoder skips line breaks: the length finds them.
	if err != nil || base64.RawURLEncoding.EncodedLen(len(raw)) != len(text) || len(raw) < accessSalt+seal.Overhead {
		return nil, false
	}
	claims, err = qs.ring.Open(accessPlace(raw[:accessSalt]), raw[accessSalt:])
	return claims, err == nil
}
