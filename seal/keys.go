package seal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// maxVersion bounds key versions: a keyed hash spells its version in one byte.
const maxVersion = 255

// Keys is the content of a key file: the pair of keys in use and the pairs
// before it that still open older rows. It prints as [redacted].
type Keys struct {
	hidden
	// Version numbers the pair in use, from 1 to 255.
	Version uint32
	// CreatedAt is when the file was first made.
	CreatedAt time.Time
	// CredentialEncryptionKey is the root of every key that seals.
	CredentialEncryptionKey Key
	// SessionSigningKey is the root of every keyed hash and derived key.
	SessionSigningKey Key
	// Previous holds the pairs that were in use before.
	Previous []Previous
}

// Previous is a pair of keys that is no longer used for anything new. It
// prints as [redacted].
type Previous struct {
	hidden
	// Version is lower than that of the pair in use.
	Version uint32
	// CredentialEncryptionKey opens what was sealed under this version.
	CredentialEncryptionKey Key
	// SessionSigningKey recognises what was hashed under this version.
	SessionSigningKey Key
	// RetiredAt is when a newer pair took its place.
	RetiredAt time.Time
}

// Generate returns fresh random keys with version 1, made at now.
func Generate(now time.Time) *Keys {
	return &Keys{
		Version:                 1,
		CreatedAt:               now.UTC().Truncate(time.Second),
		CredentialEncryptionKey: randomKey(),
		SessionSigningKey:       randomKey(),
	}
}

func randomKey() Key {
	var raw [keySize]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead
	return newKey(raw[:])
}

// check refuses what no key file may say. Parse, Encode and NewRing share it,
// so that keys built by hand obey the rules of the file.
func (k *Keys) check() error {
	if k == nil {
		return refuse("no keys were given")
	}
	if k.Version < 1 || k.Version > maxVersion {
		return refuse("version is %d and must be from 1 to %d", k.Version, maxVersion)
	}
	if k.CreatedAt.IsZero() {
		return refuse("created_at is missing")
	}
	keys := map[string]Key{
		"credential_encryption_key": k.CredentialEncryptionKey,
		"session_signing_key":       k.SessionSigningKey,
	}
	seen := map[uint32]bool{k.Version: true}
	for i, p := range k.Previous {
		at := fmt.Sprintf("previous[%d].", i)
		switch {
		case p.Version < 1 || p.Version > maxVersion:
			return refuse("%sversion is %d and must be from 1 to %d", at, p.Version, maxVersion)
		case seen[p.Version]:
			return refuse("%sversion %d stands there twice", at, p.Version)
		case p.Version > k.Version:
			return refuse("%sversion %d is higher than the version in use, %d", at, p.Version, k.Version)
		case p.RetiredAt.IsZero():
			return refuse("%sretired_at is missing", at)
		}
		seen[p.Version] = true
		keys[at+"credential_encryption_key"] = p.CredentialEncryptionKey
		keys[at+"session_signing_key"] = p.SessionSigningKey
	}
	return checkDistinct(keys)
}

// checkDistinct refuses a key that is a placeholder, and one that stands in
// two places: a rotation that kept its key protects nothing.
func checkDistinct(keys map[string]Key) error {
	seen := make(map[[keySize]byte]string, len(keys))
	for name, key := range keys {
		if key.isZero() {
			return refuse("%s is empty or all zeros; make one with: openssl rand -base64 32", name)
		}
		if other, ok := seen[*key.open()]; ok {
			return refuse("%s and %s are the same key; each must be random on its own", min(name, other), max(name, other))
		}
		seen[*key.open()] = name
	}
	return nil
}

// keyFile is the spelling of a key file. Keys itself never meets an encoder.
type keyFile struct {
	Version                 uint32         `json:"version"`
	CreatedAt               time.Time      `json:"created_at"`
	CredentialEncryptionKey string         `json:"credential_encryption_key"`
	SessionSigningKey       string         `json:"session_signing_key"`
	Previous                []previousKeys `json:"previous"`
}

type previousKeys struct {
	Version                 uint32    `json:"version"`
	CredentialEncryptionKey string    `json:"credential_encryption_key"`
	SessionSigningKey       string    `json:"session_signing_key"`
	RetiredAt               time.Time `json:"retired_at"`
}

// Encode writes the keys as the content of a key file, in the clear. It
// refuses keys that Parse would not read back.
func (k *Keys) Encode() ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	file := keyFile{
		Version:                 k.Version,
		CreatedAt:               k.CreatedAt,
		CredentialEncryptionKey: k.CredentialEncryptionKey.spell(),
		SessionSigningKey:       k.SessionSigningKey.spell(),
		Previous:                make([]previousKeys, 0, len(k.Previous)),
	}
	for _, p := range k.Previous {
		file.Previous = append(file.Previous, previousKeys{
			Version:                 p.Version,
			CredentialEncryptionKey: p.CredentialEncryptionKey.spell(),
			SessionSigningKey:       p.SessionSigningKey.spell(),
			RetiredAt:               p.RetiredAt,
		})
	}
	content, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode keys: %w", err)
	}
	return append(content, '\n'), nil
}

// refuse words a refusal. Its arguments are never key material, nor anything
// else read from the file but numbers and harmless names.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
