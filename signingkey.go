package latchkey

import "time"

// KeyState is where a signing key stands in its life, judged by the database's
// clock.
type KeyState string

// The states of a signing key.
const (
	StateAnnounced KeyState = "announced" // published, not signing yet
	StateActive    KeyState = "active"    // signs
	StateRetired   KeyState = "retired"   // published for what it signed
)

// Algorithms of signing keys (RFC 7518 §3.1).
const (
	RS256 = "RS256"
	ES256 = "ES256"
)

// SigningKey is a key that signs tokens of one algorithm.
type SigningKey struct {
	KID        string // RFC 7638 thumbprint
	Alg        string
	State      KeyState
	PublicJWK  []byte // JSON
	PrivateKey []byte // PKCS #8; sealed at rest; empty in lists
	CreatedAt  time.Time
	ActivateAt time.Time
	RetireAt   time.Time // zero = not decided
	DeleteAt   time.Time // when it leaves the JWKS; zero = not decided
}
