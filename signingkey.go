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

// KeyReader is an application that has to know a new signing key, with what is
// known of its fetching it. A fetch names nobody: it is matched with the places
// from where the application fetches tokens.
type KeyReader struct {
	ClientID   string
	ClientName string
	Callers    int       // places (address and agent) it calls from
	Fetched    int       // of them that were given the new key
	Perhaps    int       // of the others: where another agent at the same address was
	CalledAt   time.Time // it called last, to the hour
	FetchedAt  time.Time // the key set was fetched last from one of its addresses, to the hour; zero = never
}

// HasKey tells whether every place the application calls from has the new key.
func (r *KeyReader) HasKey() bool { return r.Fetched >= r.Callers }
