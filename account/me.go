package account

import (
	"context"
	"time"

	"latchkey"
	"latchkey/session"
)

// MeOut is the signed-in person and the session of the request.
type MeOut struct {
	ETag string `header:"ETag"`
	Body struct {
		ID                string         `json:"id"`
		Subject           string         `json:"subject" doc:"The sub that applications know"`
		Username          string         `json:"username"`
		DisplayName       string         `json:"display_name"`
		Email             string         `json:"email"`
		EmailVerified     bool           `json:"email_verified"`
		Role              latchkey.Role  `json:"role"`
		Groups            []string       `json:"groups"`
		Passkeys          int            `json:"passkeys"`
		RecoveryCodesLeft int            `json:"recovery_codes_left"`
		CreatedAt         time.Time      `json:"created_at"`
		Claims            map[string]any `json:"claims" doc:"What is set of the claims of OpenID Connect that the person writes themselves"`
		Session           MeSession      `json:"session"`
	}
}

// MeSession is the session of the request.
type MeSession struct {
	ID         string    `json:"id"`
	AuthTime   time.Time `json:"auth_time"`
	ACR        string    `json:"acr"`
	AMR        []string  `json:"amr"`
	FreshUntil time.Time `json:"fresh_until" doc:"Until then sensitive actions go without another use of the passkey"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// Me serves GET /api/v1/me.
func (s *Service) Me(ctx context.Context, _ *struct{}) (*MeOut, error) {
	owner, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.db.FindUser(ctx, owner.UserID)
	if err != nil {
		return nil, err
	}
	return meOf(u, owner), nil
}

func meOf(u *latchkey.User, owner *latchkey.Session) *MeOut {
	out := &MeOut{ETag: etag(u.Version)}
	b := &out.Body
	b.ID, b.Subject, b.Username, b.DisplayName = u.ID, u.Subject, u.Username, u.DisplayName
	b.Email, b.EmailVerified, b.Role, b.Groups = u.Email, !u.EmailVerifiedAt.IsZero(), u.Role, append([]string{}, u.Groups...)
	b.Passkeys, b.RecoveryCodesLeft, b.CreatedAt = u.Passkeys, u.RecoveryCodesLeft, u.CreatedAt
	b.Claims = u.KeptClaims()
	b.Session = MeSession{
		ID: owner.ID, AuthTime: owner.AuthTime, ACR: owner.ACR, AMR: append([]string{}, owner.AMR...),
		FreshUntil: owner.AuthTime.Add(latchkey.StepUpAge), ExpiresAt: owner.ExpiresAt,
	}
	return out
}
