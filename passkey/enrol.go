package passkey

import (
	"context"
	"net/http"
	"time"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// enrolment is a verified registration on its way into the database.
type enrolment struct {
	*Service
	state    *state
	passkey  *latchkey.Passkey
	acr      string
	amr      []string
	user     *latchkey.User
	session  *latchkey.Session
	rawToken string // of a new session; empty when the old one goes on
	codes    []string
	held     []*latchkey.Passkey // what the person has afterwards
	next     string
}

// inTx runs f and reads what the answer tells, all or nothing: after the commit
// nothing may fail, since recovery codes are shown once.
func (e *enrolment) inTx(ctx context.Context, f func(context.Context, *storage.Tx) error) error {
	return e.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		if err := f(ctx, tx); err != nil {
			return err
		}
		e.held, err = tx.Passkeys(ctx, e.user.ID)
		return err
	})
}

// setUp makes the first administrator with passkey and recovery codes, ends the
// set-up links, freezes the RP ID and signs in, all or nothing.
func (e *enrolment) setUp(ctx context.Context, tx *storage.Tx) error {
	if err := tx.BeginSetup(ctx); err != nil {
		return err
	}
	if err := e.create(ctx, tx); err != nil {
		return err
	}
	if err := tx.EndSetupLinks(ctx); err != nil {
		return err
	}
	return tx.FreezeRPID(ctx, e.rpID)
}

// join makes the person of an invitation.
func (e *enrolment) join(ctx context.Context, tx *storage.Tx) error {
	if e.noInvites { // begun on a node that still allowed it
		return latchkey.SignUpOff()
	}
	if err := e.create(ctx, tx); err != nil {
		return err
	}
	return tx.JoinGroups(ctx, e.user.ID, e.state.Newcomer.Groups)
}

func (e *enrolment) create(ctx context.Context, tx *storage.Tx) error {
	n := e.state.Newcomer
	e.user = &latchkey.User{
		ID: storage.NewID(), WebAuthnHandle: n.Handle, Username: n.Username, DisplayName: n.DisplayName, Email: n.Email, Role: n.Role,
	}
	if n.EmailVerified {
		e.user.EmailVerifiedAt = time.Now() // storage writes the database's own time
	}
	// The link first: of two ceremonies with one link, the second waits here
	// and finds it used.
	if err := tx.UseLink(ctx, e.state.LinkID, ""); err != nil {
		return err
	}
	if err := tx.CreateUser(ctx, e.user); err != nil {
		return err
	}
	if err := e.store(ctx, tx); err != nil {
		return err
	}
	codes, err := tx.NewRecoveryCodes(ctx, e.user.ID)
	if err != nil {
		return err
	}
	e.codes, e.next = codes, "/account"
	return e.start(ctx, tx)
}

func (e *enrolment) store(ctx context.Context, tx *storage.Tx) error {
	e.passkey.UserID = e.user.ID
	return tx.AddPasskey(ctx, e.passkey)
}

func (e *enrolment) start(ctx context.Context, tx *storage.Tx) (err error) {
	e.session = &latchkey.Session{
		UserID: e.user.ID, CredentialID: e.passkey.ID, Kind: latchkey.SessionFull, ACR: e.acr, AMR: e.amr,
	}
	e.rawToken, err = tx.StartSession(ctx, e.session, e.sessions.Times())
	return err
}

// add gives a signed-in person one more passkey. The session goes on as it is.
func (e *enrolment) add(ctx context.Context, userID string) error {
	current := session.FromContext(ctx)
	if current == nil || current.UserID != userID {
		return refusal(session.Required(), "session_ended", nil)
	}
	e.session, e.next = current, "/account/passkeys"
	return e.inTx(ctx, func(ctx context.Context, tx *storage.Tx) (err error) {
		if e.user, err = tx.FindUser(ctx, userID); err != nil {
			return err
		}
		return e.store(ctx, tx)
	})
}

// recover gives a person who proved a code or link a new passkey, ends whatever
// else was left open, and makes the recovery session a full one.
func (e *enrolment) recover(ctx context.Context, userID string) error {
	current := session.RecoveryFrom(ctx)
	if current == nil || current.UserID != userID {
		return refusal(session.Required(), "session_ended", nil)
	}
	e.next = "/account/passkeys?done=recovered"
	return e.inTx(ctx, func(ctx context.Context, tx *storage.Tx) (err error) {
		if e.user, err = tx.FindUser(ctx, userID); err != nil {
			return err
		}
		if _, err = tx.EndSessions(ctx, storage.Ending{Cause: storage.Recovered, UserID: userID}); err != nil {
			return err
		}
		if err = tx.EndRecoveryLinks(ctx, userID); err != nil {
			return err
		}
		if err = e.store(ctx, tx); err != nil {
			return err
		}
		if e.user.Passkeys == 0 {
			if e.codes, err = tx.NewRecoveryCodes(ctx, userID); err != nil {
				return err
			}
		}
		return e.start(ctx, tx)
	})
}

func (e *enrolment) answer() *VerifyOut {
	out := &VerifyOut{Status: http.StatusCreated, Body: VerifyBody{
		User: userOut(e.user), Session: sessionOut(e.session), Passkey: passkeyOut(e.passkey),
		RecoveryCodes: e.codes, RedirectTo: e.state.continueAt(e.next),
		Signals: latchkey.SignalsFor(e.rpID, e.user, latchkey.CredentialIDs(e.rpID, e.held)),
	}}
	if e.rawToken != "" {
		out.SetCookie = []http.Cookie{e.sessions.Cookie(e.rawToken)}
	}
	return out
}
