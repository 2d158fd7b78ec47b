package latchkey

import "time"

// Grant is one authorization for its whole life: from the code over all its
// refresh tokens to its end. One row; no row per token.
type Grant struct {
	ID            string // uuid v7; begins every jti, so that a token finds its grant
	Kind          string // code
	State         string // active
	ClientID      string
	UserID        string
	SessionID     string // `sid`
	CodeHash      []byte
	CodeExpiresAt time.Time
	CodeUses      int
	RedirectURI   string // as sent in the request; empty when none was
	CodeChallenge string // S256, or empty
	Nonce         string
	ScopesAsked   []string
	Scopes        []string // granted
	Audience      []string
	Claims        AskedClaims // that were asked for by name, as far as the application may have them
	ACR           string
	AMR           []string
	AuthTime      time.Time

	RefreshGeneration int    // of the newest refresh token; 0 = none was given
	RefreshSalt       []byte // 16 bytes, in the MAC of the refresh tokens
	RefreshRotatedAt  time.Time
	RefreshExpiresAt  time.Time // idle end
	ExpiresAt         time.Time // absolute end, at least that of the session
	RevokedAt         time.Time
	RevokeReason      string
	AccessNotBefore   time.Time // access tokens issued at or before it have ended
	CreatedAt         time.Time
}

// Offline tells whether offline_access was granted: such refresh tokens outlive
// the session.
func (g *Grant) Offline() bool {
	for _, s := range g.Scopes {
		if s == scopeOffline {
			return true
		}
	}
	return false
}

// Consent is what a person allowed an application to do.
type Consent struct {
	UserID   string
	ClientID string
	Scopes   []string
	Claims   []string // by name, beyond what the scopes give
	APIs     []string // resources
}

// AppUse is an application as one person stands to it.
type AppUse struct {
	ClientID     string
	Name         string
	URI          string // where it lives, as registered; empty = not said
	RedirectURIs []string
	FirstParty   bool
	Scopes       []string  // what the person allowed; none = nothing, or nobody asked
	Claims       []string  // and beyond that, by name
	AllowedAt    time.Time // zero = no consent that could be taken back
	UsedAt       time.Time // of a grant that lives; zero = none
}

// Interaction is a validated authorization request that waits for the person.
// Its id is known to one browser only, by the binding.
type Interaction struct {
	ID        string // raw; only its hash is stored
	ClientID  string
	Form      map[string][]string // the validated parameters
	Pushed    string              // raw id of the pushed request that it came from, when it is made; empty = none
	Needs     Needs
	CreatedAt time.Time
	ExpiresAt time.Time
}

// PushedTTL is how long a pushed request may begin a sign-in (SECURITY: 90 s).
const PushedTTL = 90 * time.Second

// Needs is the verdict of package oidc on an interaction: what the person has to
// do before the request can go on. Package passkey reads it; only oidc decides.
type Needs struct {
	Reason    string    `json:"reason,omitempty"`     // login, reauth, consent or empty
	UserID    string    `json:"user_id,omitempty"`    // for reauth: who has to confirm
	ACR       string    `json:"acr,omitempty"`        // wanted level
	NotBefore time.Time `json:"not_before,omitzero"`  // the ceremony must be later than this
	Done      []string  `json:"done,omitempty"`       // prompts already done
	Hint      string    `json:"login_hint,omitempty"` // what to put into the username field
}
