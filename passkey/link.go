package passkey

import (
	"context"
	"net/http"
	"time"

	"latchkey"
)

// LinkIn is the token of a link that lets somebody in.
type LinkIn struct {
	Body struct {
		Purpose string `json:"purpose" enum:"setup,invite"`
		Token   string `json:"token" maxLength:"128"`
	}
}

// LinkOut is what an invitation knows of its person.
type LinkOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Username    string    `json:"username,omitempty"`
		DisplayName string    `json:"display_name,omitempty"`
		Email       string    `json:"email,omitempty"`
		ExpiresAt   time.Time `json:"expires_at"`
	}
}

// Link serves POST /api/v1/webauthn/registration/link: whether a set-up link or
// an invitation still works, before anybody types anything. Like options it
// binds the link to the browser that asks first, and spends nothing.
func (s *Service) Link(ctx context.Context, in *LinkIn) (*LinkOut, error) {
	pre, cookies := s.sessions.EnsurePre(ctx)
	link, err := s.openLink(ctx, &RegistrationRequest{Purpose: in.Body.Purpose, Token: in.Body.Token}, pre)
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, in.Body.Purpose, subject{}, err)
	}
	out := &LinkOut{SetCookie: cookies}
	out.Body.Username, out.Body.DisplayName, out.Body.Email = link.Invite.Username, link.Invite.DisplayName, link.Invite.Email
	out.Body.ExpiresAt = link.ExpiresAt
	return out, nil
}
