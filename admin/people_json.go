package admin

import (
	"time"

	"latchkey"
)

// UserOut is a person as commands print them.
type UserOut struct {
	ID                string              `json:"id"`
	Subject           string              `json:"subject"`
	Username          string              `json:"username"`
	DisplayName       string              `json:"display_name"`
	Email             *string             `json:"email"` // null = none
	EmailVerified     bool                `json:"email_verified"`
	Status            latchkey.UserStatus `json:"status"`
	Role              latchkey.Role       `json:"role"`
	Groups            []string            `json:"groups"`
	Passkeys          int                 `json:"passkeys"`
	RecoveryCodesLeft int                 `json:"recovery_codes_left"`
	Claims            map[string]any      `json:"claims"` // as applications learn of them, beside the members above
	CreatedAt         time.Time           `json:"created_at"`
	DisabledAt        *time.Time          `json:"disabled_at"` // null = active
}

// UserOutOf is a person with counts and groups filled.
func UserOutOf(u *latchkey.User) UserOut {
	return UserOut{
		ID: u.ID, Subject: u.Subject, Username: u.Username, DisplayName: u.DisplayName,
		Email: orNull(u.Email), EmailVerified: !u.EmailVerifiedAt.IsZero(),
		Status: u.Status, Role: u.Role, Groups: texts(u.Groups), Passkeys: u.Passkeys, RecoveryCodesLeft: u.RecoveryCodesLeft,
		Claims: u.KeptClaims(), CreatedAt: u.CreatedAt.UTC(), DisabledAt: orNull(u.DisabledAt),
	}
}

// PasskeyOut is a passkey as commands print it: what its owner sees of it.
type PasskeyOut struct {
	ID          string     `json:"id"`
	DeviceName  string     `json:"device_name"`
	AAGUID      string     `json:"aaguid"`
	Provider    string     `json:"provider"` // "" = not known
	Synced      bool       `json:"synced"`
	BackupState bool       `json:"backup_state"`
	Transports  []string   `json:"transports"`
	CreatedAt   time.Time  `json:"created_at"`
	LastUsedAt  *time.Time `json:"last_used_at"` // null = never
}

// PasskeyOutOf is one passkey.
func PasskeyOutOf(p *latchkey.Passkey) PasskeyOut {
	return PasskeyOut{
		ID: p.ID, DeviceName: p.DeviceName, AAGUID: p.AAGUID, Provider: latchkey.Provider(p.AAGUID),
		Synced: p.BackupEligible, BackupState: p.BackupState, Transports: texts(p.Transports),
		CreatedAt: p.CreatedAt.UTC(), LastUsedAt: orNull(p.LastUsedAt),
	}
}

// InviteOut is an open invitation. URL is in the answer that makes it only.
type InviteOut struct {
	ID          string        `json:"id"`
	URL         string        `json:"url,omitempty"`
	ExpiresAt   time.Time     `json:"expires_at"`
	Email       *string       `json:"email"`
	Username    *string       `json:"username"`
	DisplayName *string       `json:"display_name"`
	Groups      []string      `json:"groups"`
	Role        latchkey.Role `json:"role"`
	InvitedBy   *string       `json:"invited_by"` // user id; null = an operator
	CreatedAt   time.Time     `json:"created_at"`
}

// InviteOutOf is the invitation of a link.
func InviteOutOf(l *latchkey.Link, url string) InviteOut {
	return InviteOut{
		ID: l.ID, URL: url, ExpiresAt: l.ExpiresAt.UTC(), Email: orNull(l.Invite.Email), Username: orNull(l.Invite.Username),
		DisplayName: orNull(l.Invite.DisplayName), Groups: texts(l.Invite.Groups), Role: l.Invite.Role,
		InvitedBy: orNull(l.CreatedBy), CreatedAt: l.CreatedAt.UTC(),
	}
}

// GroupOut is a group as commands print it.
type GroupOut struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Members   int       `json:"members"`
	CreatedAt time.Time `json:"created_at"`
}

// GroupOutOf is one group.
func GroupOutOf(g *latchkey.Group) GroupOut {
	return GroupOut{ID: g.ID, Name: g.Name, Members: g.Members, CreatedAt: g.CreatedAt.UTC()}
}

// SessionOut is a live session as commands print it.
type SessionOut struct {
	ID            string               `json:"id"`
	UserID        string               `json:"user_id"`
	Username      string               `json:"username"`
	Kind          latchkey.SessionKind `json:"kind"`
	AuthTime      *time.Time           `json:"auth_time"` // null for recovery: no passkey was used
	CreatedAt     time.Time            `json:"created_at"`
	LastActivity  time.Time            `json:"last_activity"`
	IdleExpiresAt time.Time            `json:"idle_expires_at"` // when it ends unless it is used
	ExpiresAt     time.Time            `json:"expires_at"`      // when it ends whatever happens
	IPAddress     *string              `json:"ip_address"`
	UserAgent     string               `json:"user_agent"`
	ACR           string               `json:"acr"`
	AMR           []string             `json:"amr"`
}

// SessionOutOf is one session.
func SessionOutOf(s *latchkey.Session) SessionOut {
	out := SessionOut{
		ID: s.ID, UserID: s.UserID, Username: s.Username, Kind: s.Kind,
		CreatedAt: s.CreatedAt.UTC(), LastActivity: s.LastActivity.UTC(), IdleExpiresAt: s.IdleExpiresAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
		IPAddress: orNull(s.Address), UserAgent: s.UserAgent, ACR: s.ACR, AMR: texts(s.AMR),
	}
	if s.Kind == latchkey.SessionFull {
		out.AuthTime = orNull(s.AuthTime.UTC())
	}
	return out
}

// orNull makes the zero value null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// texts makes no list an empty one.
func texts(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
