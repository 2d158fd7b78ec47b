package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// RegistrationOptionsIn asks for the options of a new passkey.
type RegistrationOptionsIn struct{ Body RegistrationRequest }

// RegistrationOptions serves POST /api/v1/webauthn/registration/options. What
// vouches for the request depends on the purpose: a link for setup and invite,
// a fresh session for add, a recovery session for recover.
func (s *Service) RegistrationOptions(ctx context.Context, in *RegistrationOptionsIn) (*OptionsOut, error) {
	r := &in.Body
	if r.wrong != nil {
		return nil, malformed(r.wrong)
	}
	hints, ok := hintsOf(r.Hint)
	if !ok {
		return nil, latchkey.InvalidFields(map[string]string{"hint": "Unknown kind of device."})
	}
	b := session.BrowserFrom(ctx)
	switch r.Purpose {
	case purposeSetup, purposeInvite:
		return s.beginNewcomer(ctx, r, hints)
	case purposeAdd:
		owner, err := session.RequireFresh(ctx)
		if err != nil {
			return nil, err
		}
		return s.beginOwner(ctx, r.Purpose, owner.UserID, b.Session, hints)
	case purposeRecover:
		owner := session.RecoveryFrom(ctx)
		if owner == nil {
			return nil, session.Required()
		}
		return s.beginOwner(ctx, r.Purpose, owner.UserID, b.Session, hints)
	case purposeSignup:
		return nil, latchkey.Refuse(latchkey.ErrForbidden, "policy_restricted", "You need an invitation to make an account here.")
	}
	return nil, latchkey.InvalidFields(map[string]string{"purpose": "Unknown purpose."})
}

// beginNewcomer begins a registration whose person is created at verify, so
// that nobody is half made.
func (s *Service) beginNewcomer(ctx context.Context, r *RegistrationRequest, hints []protocol.PublicKeyCredentialHints) (*OptionsOut, error) {
	pre, cookies := s.sessions.EnsurePre(ctx)
	link, err := s.openLink(ctx, r, pre)
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, r.Purpose, subject{}, err)
	}
	n, err := newcomerOf(r, link)
	if err != nil {
		return nil, err
	}
	// Told now and not at verify: a passkey for a name that is taken would stay
	// on the device and never work.
	if _, err := s.db.FindUserByUsername(ctx, n.Username); err == nil {
		return nil, latchkey.Refuse(latchkey.ErrConflict, "username_taken", "That username is taken.")
	} else if !errors.Is(err, latchkey.ErrNotFound) {
		return nil, err
	}
	out, err := s.beginRegistration(ctx,
		&account{handle: n.Handle, name: n.Username, displayName: n.DisplayName}, nil, hints,
		storage.Challenge{Type: registration, Purpose: r.Purpose, Binding: pre}, &state{LinkID: link.ID, Newcomer: n})
	if err != nil {
		return nil, err
	}
	out.SetCookie = cookies
	return out, nil
}

func (s *Service) openLink(ctx context.Context, r *RegistrationRequest, binding string) (*latchkey.Link, error) {
	if r.Purpose == purposeInvite {
		if s.noInvites {
			return nil, latchkey.SignUpOff()
		}
		return s.db.OpenLink(ctx, latchkey.LinkInvite, r.Token, binding)
	}
	done, err := s.db.HasAdmin(ctx)
	if err != nil {
		return nil, err
	}
	if done {
		return nil, storage.SetupDone()
	}
	return s.db.OpenLink(ctx, latchkey.LinkSetup, r.Token, binding)
}

// newcomerOf takes what the person typed, and the invitation where nothing was
// typed. An e-mail address counts as verified when an administrator vouches for
// it: the first one for their own, and the one who wrote it into the invitation.
func newcomerOf(r *RegistrationRequest, link *latchkey.Link) (*newcomer, error) {
	n := &newcomer{Handle: storage.NewHandle(), Role: latchkey.RoleAdmin}
	invite := link.Invite
	if link.Purpose == latchkey.LinkInvite {
		n.Role, n.Groups = invite.Role, invite.Groups
	}
	fields := map[string]string{}
	var ok bool
	if n.Username, _, ok = storage.CleanUsername(orElse(r.Username, invite.Username)); !ok {
		fields["username"] = "Use 1 to 64 letters, digits, dots, dashes or underscores, without spaces and without @."
	}
	if n.DisplayName, ok = storage.CleanName(orElse(r.DisplayName, invite.DisplayName, n.Username), storage.MaxDisplayName); !ok {
		fields["display_name"] = "Use 1 to 128 characters."
	}
	if typed := orElse(r.Email, invite.Email); typed != "" {
		if n.Email, ok = storage.CleanEmail(typed); !ok {
			fields["email"] = "This is no e-mail address."
		}
	}
	if len(fields) > 0 {
		return nil, latchkey.InvalidFields(fields)
	}
	n.EmailVerified = n.Email != "" && (link.Purpose == latchkey.LinkSetup || strings.EqualFold(n.Email, invite.Email))
	return n, nil
}

func orElse(values ...string) string {
	for _, v := range values {
		if strings.TrimSpace(v) != "" {
			return v
		}
	}
	return ""
}

// beginOwner begins a registration for a person who is there already.
func (s *Service) beginOwner(ctx context.Context, purpose, userID, binding string, hints []protocol.PublicKeyCredentialHints) (*OptionsOut, error) {
	owner, err := s.db.FindUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	held, err := s.db.Passkeys(ctx, userID)
	if err != nil {
		return nil, err
	}
	return s.beginRegistration(ctx,
		&account{handle: owner.WebAuthnHandle, name: owner.Username, displayName: owner.DisplayName}, descriptorsOf(held), hints,
		storage.Challenge{Type: registration, Purpose: purpose, UserID: userID, Binding: binding}, &state{})
}

func (s *Service) beginRegistration(ctx context.Context, a *account, exclude []protocol.CredentialDescriptor,
	hints []protocol.PublicKeyCredentialHints, c storage.Challenge, st *state) (*OptionsOut, error) {
	options := []webauthn.RegistrationOption{
		webauthn.WithCredentialParameters(offered()),
		webauthn.WithRegistrationOrigin(s.origin),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()),
		webauthn.WithExclusions(exclude),
	}
	if len(hints) > 0 {
		options = append(options, webauthn.WithPublicKeyCredentialHints(hints))
	}
	creation, data, err := s.rp.BeginRegistration(a, options...)
	if err != nil {
		return nil, fmt.Errorf("begin registration: %w", err)
	}
	st.Session = *data
	publicKey, err := json.Marshal(creation.Response)
	if err != nil {
		return nil, fmt.Errorf("write registration options: %w", err)
	}
	id, expires, err := s.begin(ctx, c, st)
	if err != nil {
		return nil, err
	}
	return &OptionsOut{Body: OptionsBody{ChallengeID: id, ExpiresAt: expires, PublicKey: publicKey}}, nil
}

// VerifyRegistration serves POST /api/v1/webauthn/registration/verify.
func (s *Service) VerifyRegistration(ctx context.Context, in *VerifyIn) (*VerifyOut, error) {
	if err := in.Body.check(); err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, registration, subject{}, err)
	}
	name, ok := "", true
	if in.Body.DeviceName != "" {
		if name, ok = storage.CleanName(in.Body.DeviceName, storage.MaxDeviceName); !ok {
			return nil, latchkey.InvalidFields(map[string]string{"device_name": "Use 1 to 64 characters."})
		}
	}
	ctx, c, st, err := s.take(ctx, registration, in.Body.ChallengeID)
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, registration, subject{}, err)
	}
	out, err := s.register(ctx, c, st, in.Body.Credential, name)
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, c.Purpose, subject{userID: c.UserID}, err)
	}
	return out, nil
}

func (s *Service) register(ctx context.Context, c *storage.Challenge, st *state, credential []byte, name string) (*VerifyOut, error) {
	made, flags, err := s.newPasskey(ctx, st, credential)
	if err != nil {
		return nil, err
	}
	made.DeviceName = orElse(name, made.DeviceName)
	acr, amr := methodsOf(flags)
	e := &enrolment{Service: s, state: st, passkey: made, acr: acr, amr: amr}
	switch c.Purpose {
	case purposeSetup:
		err = e.inTx(ctx, e.setUp)
	case purposeInvite:
		err = e.inTx(ctx, e.join)
	case purposeAdd:
		err = e.add(ctx, c.UserID)
	case purposeRecover:
		err = e.recover(ctx, c.UserID)
	default:
		err = refusal(errExpired(), "purpose", fmt.Errorf("challenge of purpose %q", c.Purpose))
	}
	if err != nil {
		return nil, err
	}
	return e.answer(), nil
}

// newPasskey verifies a registration response (WebAuthn §7.1) and turns it into
// a record that is not stored yet.
func (s *Service) newPasskey(ctx context.Context, st *state, credential []byte) (*latchkey.Passkey, protocol.AuthenticatorFlags, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, 0, refusal(errMalformed(), "unreadable", err)
	}
	flags := parsed.Response.AttestationObject.AuthData.Flags
	if err := s.checkOrigin(&parsed.Response.CollectedClientData); err != nil {
		return nil, 0, err
	}
	if err := checkUserVerified(flags); err != nil {
		return nil, 0, err
	}
	if err := checkNewCredential(parsed, st.Session.CredParams); err != nil {
		return nil, 0, err
	}
	record, err := s.rp.CreateCredential(&account{handle: st.Session.UserID}, st.Session, parsed)
	if err != nil {
		return nil, 0, libraryRefusal(err)
	}
	return passkeyOf(record, s.rpID, s.origin, latchkey.ActorFrom(ctx).Agent), flags, nil
}
