package passkey

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// beginReauth begins the confirmation of the signed-in person, with their
// passkeys as the allow list.
func (s *Service) beginReauth(ctx context.Context, st *state, hints []protocol.PublicKeyCredentialHints) (*OptionsOut, error) {
	ctx, err := s.sessions.Load(ctx) // a sign-in has none to look up, so the route does not
	if err != nil {
		return nil, err
	}
	current, err := session.Require(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := s.db.FindUser(ctx, current.UserID)
	if err != nil {
		return nil, err
	}
	held, err := s.db.Passkeys(ctx, current.UserID)
	if err != nil {
		return nil, err
	}
	a := &account{handle: owner.WebAuthnHandle, name: owner.Username, displayName: owner.DisplayName}
	for _, p := range held {
		if p.RPID == s.rpID {
			a.credentials = append(a.credentials, credentialOf(p))
		}
	}
	if len(a.credentials) == 0 {
		return nil, session.Required() // the last passkey went, and this session is about to
	}
	options := []webauthn.LoginOption{webauthn.WithLoginOrigin(s.origin), webauthn.WithUserVerification(protocol.VerificationRequired)}
	if len(hints) > 0 {
		options = append(options, webauthn.WithAssertionPublicKeyCredentialHints(hints))
	}
	assertion, data, err := s.rp.BeginLogin(a, options...)
	if err != nil {
		return nil, fmt.Errorf("begin confirmation: %w", err)
	}
	st.Session = *data
	return s.beginAssertion(ctx, assertion, storage.Challenge{
		Type: authentication, Purpose: purposeReauth, UserID: current.UserID, Binding: session.BrowserFrom(ctx).Session,
	}, st)
}

// validateReauth verifies a confirmation: by a passkey of the list, of the very
// person the list was made for.
func (s *Service) validateReauth(c *storage.Challenge, st *state, parsed *protocol.ParsedCredentialAssertionData, claimed *storage.Owner) error {
	if claimed.User.ID != c.UserID {
		return refusal(errVerification(), "other_person", nil)
	}
	// The library wants every listed credential to be there still. One that was
	// removed since need not stop a confirmation by another: it stands in by its
	// id, with which nothing can be verified.
	a := &account{handle: claimed.User.WebAuthnHandle}
	for _, id := range st.Session.AllowedCredentialIDs {
		if bytes.Equal(id, parsed.RawID) {
			a.credentials = append(a.credentials, credentialOf(claimed.Passkey))
		} else {
			a.credentials = append(a.credentials, webauthn.Credential{ID: id})
		}
	}
	if _, err := s.rp.ValidateLogin(a, st.Session, parsed); err != nil {
		return libraryRefusal(err)
	}
	return nil
}

// finishReauth renews the session that asked for the confirmation.
func (s *Service) finishReauth(ctx context.Context, st *state, owner *storage.Owner, as storage.Assertion) (*VerifyOut, error) {
	current := session.FromContext(ctx)
	if current == nil || current.UserID != as.UserID {
		return nil, refusal(session.Required(), "session_ended", nil)
	}
	return s.renew(ctx, st, current, owner, as)
}

func (s *Service) renew(ctx context.Context, st *state, current *latchkey.Session, owner *storage.Owner, as storage.Assertion) (*VerifyOut, error) {
	renewed := *current
	rawToken, err := s.db.StepUp(ctx, &renewed, as, s.sessions.Times())
	if err != nil {
		return nil, err
	}
	return s.signedIn(st, owner, &renewed, rawToken), nil
}
