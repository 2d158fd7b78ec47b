package latchkey

import "time"

// Role is what a person may do beyond using the applications.
type Role string

// The roles; more may follow.
const (
	RoleUser  Role = "user"
	RoleAdmin Role = "admin"
)

// Known tells whether there is such a role.
func (r Role) Known() bool { return r == RoleUser || r == RoleAdmin }

// UserStatus says whether a person may sign in.
type UserStatus string

// The states of a person's account.
const (
	StatusActive   UserStatus = "active"
	StatusDisabled UserStatus = "disabled"
)

// User is a person.
type User struct {
	ID              string // uuid v7; never leaves in tokens
	Subject         string // the `sub` of OpenID Connect: unique, never reused
	WebAuthnHandle  []byte // user.id of WebAuthn §5.4.3: 1–64 bytes, fixed for life
	Username        string // as typed
	DisplayName     string
	Email           string    // may be empty
	EmailVerifiedAt time.Time // zero = not verified, and then never released
	Claims          map[string]any
	Role            Role
	Status          UserStatus
	Version         int64 // grows with each change; the ETag
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DisabledAt      time.Time // zero unless disabled

	// Counts and names that lists and pages show; filled by the finders that say so.
	Passkeys          int
	RecoveryCodesLeft int
	Groups            []string
}

// IsAdmin tells whether the person may administer.
func (u *User) IsAdmin() bool { return u.Role == RoleAdmin }

// Passkey is one credential of a person (a credential record of WebAuthn §4).
type Passkey struct {
	ID              string // our uuid; the credential id never leaves but in ceremonies
	UserID          string
	CredentialID    []byte // 16–1023 bytes
	PublicKey       []byte // COSE; sealed at rest
	AttestationType string
	Attestation     []byte // raw, kept only where attestation was asked for; sealed at rest
	AAGUID          string // uuid spelling
	SignCount       uint32
	Transports      []string
	BackupEligible  bool
	BackupState     bool
	UserVerified    bool
	DeviceName      string
	RPID            string
	Metadata        PasskeyMetadata // sealed at rest
	CloneWarningAt  time.Time       // zero = never suspected
	CreatedAt       time.Time
	LastUsedAt      time.Time // zero = never used to sign in
}

// PasskeyMetadata is what is kept about a passkey beside the columns.
type PasskeyMetadata struct {
	AttestationFormat string `json:"attestation_format,omitempty"`
	Attachment        string `json:"attachment,omitempty"`
	Flags             byte   `json:"flags"`
	ResidentKey       *bool  `json:"resident_key,omitempty"`
	Origin            string `json:"origin,omitempty"`
	UserAgentFamily   string `json:"user_agent_family,omitempty"`
}

// RecoveryCodes is how a person stands with their recovery codes.
type RecoveryCodes struct {
	Left       int       // unused
	Total      int       // as many as were made; 0 = none ever
	MadeAt     time.Time // zero = never
	LastUsedAt time.Time // zero = never
}

// Group is a named set of people.
type Group struct {
	ID        string
	Name      string
	Members   int
	CreatedAt time.Time
}

// RemovalState is what MayRemovePasskey judges: the state of the owner's
// account under the owner's row lock.
type RemovalState struct {
	Passkeys      int  // now, the one to remove included
	RecoveryCodes int  // unused
	OnlyAdmin     bool // the owner is the last administrator who can sign in
	Confirmed     bool // the owner typed that the last passkey goes
}

// MayRemovePasskey says whether one passkey may be removed. The last one stays
// unless unused recovery codes exist and the owner confirmed; the only
// administrator's last one always stays, since nobody could let them in again.
func MayRemovePasskey(s RemovalState) error {
	if s.Passkeys > 1 {
		return nil
	}
	if s.OnlyAdmin || s.RecoveryCodes == 0 || !s.Confirmed {
		return Refuse(ErrConflict, "last_passkey", "This is your only passkey. Add another first.")
	}
	return nil
}
