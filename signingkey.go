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

// Algorithms of signing keys (RFC 7518 §3.1, RFC 8037 §3.1). EdDSA is that of
// Ed25519.
const (
	RS256 = "RS256"
	PS256 = "PS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// SigningAlgs are the algorithms that tokens are signed by, the default of ID
// tokens first. There is always a key of each: what discovery lists works for
// the first application that asks for it.
func SigningAlgs() []string { return []string{RS256, ES256, PS256, EdDSA} }

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
