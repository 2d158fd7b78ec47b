package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// AuthenticationOptionsIn asks for the options of a sign-in or confirmation.
type AuthenticationOptionsIn struct{ Body AuthenticationRequest }

// AuthenticationOptions serves POST /api/v1/webauthn/authentication/options.
// For a sign-in they never name a credential and depend on no username: nobody
// learns from them who has an account.
func (s *Service) AuthenticationOptions(ctx context.Context, in *AuthenticationOptionsIn) (*OptionsOut, error) {
	r := &in.Body
	if r.wrong != nil {
		return nil, malformed(r.wrong)
	}
	hints, err := checkAuthenticationRequest(r)
	if err != nil {
		return nil, err
	}
	st := &state{Request: r.Request}
	if r.Purpose == purposeReauth {
		return s.beginReauth(ctx, st, hints)
	}
	options := []webauthn.LoginOption{webauthn.WithLoginOrigin(s.origin), webauthn.WithUserVerification(protocol.VerificationRequired)}
	if len(hints) > 0 {
		options = append(options, webauthn.WithAssertionPublicKeyCredentialHints(hints))
	}
	assertion, data, err := s.rp.BeginDiscoverableMediatedLogin(protocol.CredentialMediationRequirement(r.Mediation), options...)
	if err != nil {
		return nil, fmt.Errorf("begin sign-in: %w", err)
	}
	st.Session = *data
	pre, cookies := s.sessions.EnsurePre(ctx)
	out, err := s.beginAssertion(ctx, assertion, storage.Challenge{Type: authentication, Purpose: purposeLogin, Binding: pre}, st)
	if err != nil {
		return nil, err
	}
	out.SetCookie = cookies
	return out, nil
}

func checkAuthenticationRequest(r *AuthenticationRequest) ([]protocol.PublicKeyCredentialHints, error) {
	fields := map[string]string{}
	hints, ok := hintsOf(r.Hint)
	if !ok {
		fields["hint"] = "Unknown kind of device."
	}
	if r.Purpose != purposeLogin && r.Purpose != purposeReauth {
		fields["purpose"] = "Unknown purpose."
	}
	if r.Mediation != "" && (r.Mediation != string(protocol.MediationConditional) || r.Purpose != purposeLogin) {
		fields["mediation"] = "Unknown mediation."
	}
	if !requestID(r.Request) {
		fields["request"] = "This is no id of a request."
	}
	if len(fields) > 0 {
		return nil, latchkey.InvalidFields(fields)
	}
	return hints, nil
}

func (s *Service) beginAssertion(ctx context.Context, assertion *protocol.CredentialAssertion, c storage.Challenge, st *state) (*OptionsOut, error) {
	publicKey, err := json.Marshal(assertion.Response)
	if err != nil {
		return nil, fmt.Errorf("write sign-in options: %w", err)
	}
	id, expires, err := s.begin(ctx, c, st)
	if err != nil {
		return nil, err
	}
	return &OptionsOut{Body: OptionsBody{
		ChallengeID: id, ExpiresAt: expires, Mediation: string(assertion.Mediation), PublicKey: publicKey,
	}}, nil
}

// VerifyAuthentication serves POST /api/v1/webauthn/authentication/verify.
func (s *Service) VerifyAuthentication(ctx context.Context, in *VerifyIn) (*VerifyOut, error) {
	err := in.Body.check()
	if err == nil && in.Body.DeviceName != "" {
		err = malformed(errors.New("a sign-in names no device"))
	}
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, authentication, subject{}, err)
	}
	ctx, c, st, err := s.take(ctx, authentication, in.Body.ChallengeID)
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, authentication, subject{}, err)
	}
	who := subject{userID: c.UserID}
	out, err := s.authenticate(ctx, c, st, in.Body.Credential, &who)
	if err != nil {
		return nil, s.record(ctx, latchkey.PasskeyRefused, c.Purpose, who, err)
	}
	return out, nil
}

func (s *Service) authenticate(ctx context.Context, c *storage.Challenge, st *state, credential []byte, who *subject) (*VerifyOut, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return nil, refusal(errMalformed(), "unreadable", err)
	}
	if err := checkAssertion(parsed); err != nil {
		return nil, err
	}
	flags := parsed.Response.AuthenticatorData.Flags
	if err := s.checkOrigin(&parsed.Response.CollectedClientData); err != nil {
		return nil, err
	}
	if err := checkUserVerified(flags); err != nil {
		return nil, err
	}
	claimed, err := s.db.PasskeyOwner(ctx, parsed.RawID)
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, refusal(s.unknownCredential(parsed.RawID), "unknown_credential", nil)
	}
	if err != nil {
		return nil, err
	}
	who.passkeyID = claimed.Passkey.ID
	if claimed.Passkey.RPID != s.rpID {
		return nil, refusal(errVerification(), "other_rp_id", nil)
	}
	if c.Purpose == purposeReauth {
		err = s.validateReauth(c, st, parsed, claimed)
	} else {
		err = s.validateLogin(st, parsed, claimed)
	}
	if err != nil {
		return nil, err
	}
	// Proven from here on, and only now: whoever could name a passkey would
	// otherwise learn whether its owner is turned off.
	who.userID = claimed.User.ID
	if claimed.User.Status != latchkey.StatusActive {
		return nil, refusal(errDisabled(), "account_disabled", nil)
	}
	acr, amr := methodsOf(flags)
	as := storage.Assertion{
		UserID: claimed.User.ID, PasskeyID: claimed.Passkey.ID, SignCount: parsed.Response.AuthenticatorData.Counter,
		BackupState: flags.HasBackupState(), ACR: acr, AMR: amr,
	}
	if c.Purpose == purposeReauth {
		return s.finishReauth(ctx, st, claimed, as)
	}
	return s.finishLogin(ctx, st, claimed, as)
}

func (s *Service) unknownCredential(id []byte) *latchkey.Problem {
	p := latchkey.Refuse(latchkey.ErrUnauthorized, "unknown_credential",
		"This passkey was removed from your account. Choose another one, or use a recovery code.")
	p.Extra = map[string]any{"signal": UnknownCredential{RPID: s.rpID, CredentialID: encode(id)}}
	return p
}

// validateLogin verifies a usernameless sign-in (WebAuthn §7.2). The handle is
// the browser's claim and has to be that of the passkey's owner.
func (s *Service) validateLogin(st *state, parsed *protocol.ParsedCredentialAssertionData, claimed *storage.Owner) error {
	find := func(_, _ []byte) (webauthn.User, error) {
		return &account{handle: claimed.User.WebAuthnHandle, credentials: []webauthn.Credential{credentialOf(claimed.Passkey)}}, nil
	}
	if _, _, err := s.rp.ValidatePasskeyLogin(find, st.Session, parsed); err != nil {
		return libraryRefusal(err)
	}
	return nil
}

// finishLogin writes the sign-in down. A browser that is signed in as the same
// person keeps its session, renewed; one of somebody else is signed out first.
func (s *Service) finishLogin(ctx context.Context, st *state, owner *storage.Owner, as storage.Assertion) (*VerifyOut, error) {
	if current := session.FromContext(ctx); current != nil && current.UserID == as.UserID {
		return s.renew(ctx, st, current, owner, as)
	}
	started, rawToken, err := s.db.SignIn(ctx, as, s.sessions.Times())
	if err != nil {
		return nil, err
	}
	if err := s.endReplaced(ctx); err != nil {
		return nil, err
	}
	out := s.signedIn(st, owner, started, rawToken)
	if session.BrowserFrom(ctx).State != "" { // it is of the session before
		out.SetCookie = append(out.SetCookie, s.sessions.StateCookie(s.db.BrowserState(started.ID)))
	}
	return out, nil
}

// endReplaced ends the session whose cookie the new one overwrites, since
// nobody could end it any more.
func (s *Service) endReplaced(ctx context.Context) error {
	old := session.AnyFrom(ctx)
	if old == nil {
		return nil
	}
	return s.db.InTx(ctx, func(tx *storage.Tx) error {
		_, err := tx.EndSessions(ctx, storage.Ending{Cause: storage.SignedOut, UserID: old.UserID, SessionID: old.ID})
		return err
	})
}

func (s *Service) signedIn(st *state, owner *storage.Owner, live *latchkey.Session, rawToken string) *VerifyOut {
	return &VerifyOut{
		Status:    http.StatusOK,
		SetCookie: []http.Cookie{s.sessions.Cookie(rawToken)},
		Body: VerifyBody{
			User: userOut(owner.User), Session: sessionOut(live), Passkey: passkeyOut(owner.Passkey),
			RedirectTo: st.continueAt("/account"), Signals: latchkey.SignalsFor(s.rpID, owner.User, owner.CredentialIDs),
		},
	}
}
