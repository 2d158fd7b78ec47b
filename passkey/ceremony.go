package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// Kinds of ceremony, as challenges are stored.
const (
	registration   = "registration"
	authentication = "authentication"
)

// Purposes of ceremonies.
const (
	purposeSetup   = "setup"
	purposeInvite  = "invite"
	purposeSignup  = "signup"
	purposeAdd     = "add"
	purposeRecover = "recover"
	purposeLogin   = "login"
	purposeReauth  = "reauth"
)

// stateVersion is part of what is kept between options and verify: what another
// version of the library wrote is not read, and the page asks again.
const stateVersion = "go-webauthn v0.18.2/1"

// state is what a ceremony remembers between options and verify. The library's
// part is kept whole: rebuilt by hand it would lose what verify compares.
type state struct {
	Version  string               `json:"version"`
	Session  webauthn.SessionData `json:"session"`
	LinkID   string               `json:"link_id,omitempty"`
	Newcomer *newcomer            `json:"newcomer,omitempty"`
	Request  string               `json:"request,omitempty"`
}

// newcomer is who a passkey will belong to that is not stored yet: set-up and
// invitations create the person at verify.
type newcomer struct {
	Handle        []byte        `json:"handle"`
	Username      string        `json:"username"`
	DisplayName   string        `json:"display_name"`
	Email         string        `json:"email,omitempty"`
	EmailVerified bool          `json:"email_verified,omitempty"`
	Role          latchkey.Role `json:"role"`
	Groups        []string      `json:"groups,omitempty"`
}

// begin stores an open ceremony bound to this browser: to its session where the
// purpose needs one, else to the cookie it has before sign-in.
func (s *Service) begin(ctx context.Context, c storage.Challenge, st *state) (id string, expires time.Time, err error) {
	st.Version = stateVersion
	if c.Data, err = json.Marshal(st); err != nil {
		return "", time.Time{}, fmt.Errorf("write a ceremony: %w", err)
	}
	return s.db.PutChallenge(ctx, c, ceremonyLife)
}

// take spends the challenge of a ceremony before anything of it is verified, and
// looks up the browser's session in the same round trip: the returned context
// carries it.
func (s *Service) take(ctx context.Context, kind, id string) (context.Context, *storage.Challenge, *state, error) {
	b := session.BrowserFrom(ctx)
	cookie := storage.Cookie{RawToken: b.Session, Idle: s.sessions.Times().Idle}
	c, live, err := s.db.TakeChallengeAs(ctx, cookie, id, kind, b.Pre, b.Session)
	if live != nil {
		ctx = session.WithSession(ctx, live)
	}
	if errors.Is(err, latchkey.ErrNotFound) {
		return ctx, nil, nil, refusal(errExpired(), "no_challenge", nil)
	}
	if err != nil {
		return ctx, nil, nil, err
	}
	st := &state{}
	if err := json.Unmarshal(c.Data, st); err != nil || st.Version != stateVersion {
		return ctx, nil, nil, refusal(errExpired(), "other_version", err)
	}
	return ctx, c, st, nil
}

// The answers that verify gives. Outward one code covers all that is wrong with
// a ceremony; the exact reason is in the log and in the event.
func errExpired() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrExpired, "challenge_expired", "This page was open for a while. Try again.")
}

func errVerification() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "verification_failed", "This passkey could not be checked. Try again.")
}

func errMalformed() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrInvalid, "malformed_credential", "Your browser sent something that could not be read. Try again.")
}

func errUserVerification() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrForbidden, "user_verification_required", "Your security key needs a PIN. Set one, then try again.")
}

func errUnsupportedKey() *latchkey.Problem {
	p := latchkey.Refuse(latchkey.ErrInvalid, "unsupported_key",
		"This device cannot keep a passkey that works here. Use another device or security key.")
	p.Status = http.StatusUnprocessableEntity
	return p
}

func errNotDiscoverable() *latchkey.Problem {
	p := latchkey.Refuse(latchkey.ErrInvalid, "not_discoverable",
		"This device cannot keep a passkey that works here. Use another device or security key.")
	p.Status = http.StatusUnprocessableEntity
	return p
}

func errDisabled() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrForbidden, "account_disabled", "This account is turned off. Ask your administrator.")
}

// reasoned is a refusal with the reason that its event states.
type reasoned struct {
	*latchkey.Problem
	reason string
}

// Unwrap keeps the problem visible to errors.As.
func (r *reasoned) Unwrap() error { return r.Problem }

// refusal is p for the outside, with the exact reason and cause for the log.
func refusal(p *latchkey.Problem, reason string, cause error) error {
	if cause == nil {
		cause = errors.New(reason)
	}
	p.Cause = cause
	return &reasoned{Problem: p, reason: reason}
}

// libraryRefusal is what go-webauthn found wrong. DevInfo, which holds challenges
// and hashes, is left out.
func libraryRefusal(err error) error {
	reason := "refused"
	if e := (*protocol.Error)(nil); errors.As(err, &e) {
		reason = e.Type
	}
	return refusal(errVerification(), reason, err)
}

// record writes the refusal of a ceremony down; faults of ours are no refusals
// and pass. It returns err, or why it could not be recorded: a refusal that
// leaves no trace is not given.
func (s *Service) record(ctx context.Context, kind latchkey.EventKind, purpose string, who subject, err error) error {
	p := (*latchkey.Problem)(nil)
	if !errors.As(err, &p) {
		return err
	}
	reason := p.Code
	if r := (*reasoned)(nil); errors.As(err, &r) {
		reason = r.reason
	}
	recorded := s.db.RecordRefusal(ctx, latchkey.Event{
		Kind: kind, Subject: who.userID, PasskeyID: who.passkeyID, Outcome: latchkey.Failure, Reason: reason,
		Detail: map[string]any{"purpose": purpose, "code": p.Code},
	})
	if recorded != nil {
		return fmt.Errorf("record a refusal: %w", recorded)
	}
	return err
}

// subject is whom a refusal is about, as far as it is known; nothing of it is
// proven.
type subject struct{ userID, passkeyID string }

// continueAt is where a browser goes after a ceremony: to the authorization
// request that waits, or to byDefault.
func (st *state) continueAt(byDefault string) string {
	if st.Request != "" {
		return "/oauth2/authorize?request=" + st.Request
	}
	return byDefault
}

// requestID tells whether s can be the id of an authorization request: what
// goes into an address must not be able to change it.
func requestID(s string) bool {
	return len(s) <= 128 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// localPath tells whether s is a page of ours that people return to after they
// confirmed: never another host (//evil.example, /\evil.example).
func localPath(s string) bool {
	if len(s) > 512 || strings.ContainsAny(s, "\\\r\n\t ") {
		return false
	}
	for _, root := range []string{"/account", "/admin"} {
		if s == root || strings.HasPrefix(s, root+"/") || strings.HasPrefix(s, root+"?") {
			return true
		}
	}
	return false
}
