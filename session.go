package latchkey

import "time"

// SessionKind says what a session may do.
type SessionKind string

// The kinds of session.
const (
	SessionFull     SessionKind = "full"
	SessionRecovery SessionKind = "recovery" // may make a passkey, nothing else
)

// Session is one browser that signed in once. ID is the `sid` of OpenID Connect
// and stays the same while the token in the cookie rotates.
type Session struct {
	ID            string
	UserID        string
	CredentialID  string // our uuid of the passkey that made it; empty for recovery
	Kind          SessionKind
	AuthTime      time.Time // when the passkey was last used in it
	ACR           string
	AMR           []string
	CreatedAt     time.Time
	LastActivity  time.Time
	IdleExpiresAt time.Time
	ExpiresAt     time.Time
	Address       string    // empty when unknown
	UserAgent     string    // family and system, such as "Firefox on Linux"
	FoundAt       time.Time // the database's time when it was looked up; ages are counted from here

	// Of the owner, joined where sessions are looked up by token.
	Username    string
	DisplayName string
	Role        Role
	Subject     string
}

// ACRPhishingResistant is the level of every sign-in by a passkey (EAP ACR Values
// 1.0). phrh, a key known to be in hardware, needs an attestation checked against
// metadata, which is not asked for.
const ACRPhishingResistant = "phr"

// ACRValues are the levels that a sign-in here can have: the values of acr.
func ACRValues() []string { return []string{ACRPhishingResistant} }

// StepUpAge is how long after the last use of a passkey sensitive actions are
// still allowed (SECURITY: step-up 10 min).
const StepUpAge = 10 * time.Minute

// Fresh tells whether the session's last passkey use was recent enough for a
// sensitive action when the session was looked up.
func (s *Session) Fresh() bool { return s.FoundAt.Sub(s.AuthTime) <= StepUpAge }

// LinkPurpose is what a one-time link is good for.
type LinkPurpose string

// The purposes of one-time links.
const (
	LinkSetup   LinkPurpose = "setup"
	LinkInvite  LinkPurpose = "invite"
	LinkRecover LinkPurpose = "recover"
)

// Link is a one-time link; its token exists only in the answer that makes it.
type Link struct {
	ID        string
	Purpose   LinkPurpose
	UserID    string // whom a recovery link is for
	CreatedBy string // user id of the administrator; empty for an operator
	Invite    Invite // payload of an invitation; sealed at rest
	ExpiresAt time.Time
	CreatedAt time.Time
	UsedAt    time.Time
}

// Invite is what an invitation already knows of the person.
type Invite struct {
	Username    string   `json:"username,omitempty"`
	DisplayName string   `json:"display_name,omitempty"`
	Email       string   `json:"email,omitempty"`
	Mailed      bool     `json:"mailed,omitempty"` // the link went to Email, so using it proves the address
	Groups      []string `json:"groups,omitempty"` // names
	Role        Role     `json:"role,omitempty"`
	InvitedBy   string   `json:"invited_by,omitempty"` // display name, for the page
}
