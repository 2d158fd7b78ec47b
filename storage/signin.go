package storage

import (
	"context"
	"fmt"

	"latchkey"
)

// Assertion is what a verified use of a passkey reports.
type Assertion struct {
	UserID      string
	PasskeyID   string // our id
	SignCount   uint32
	BackupState bool
	ACR         string
	AMR         []string
}

// usedPasskey locks the person against being disabled and the passkey against
// being removed, judges the counter against the highest seen (WebAuthn §7.2
// step 22: both zero is a device that does not count), and writes the use back.
// Without a counter a second use within a minute has nothing to write: parallel
// sign-ins with one passkey would only wait for one another's commits.
// Where from names more than users, an empty one of them makes it do nothing.
func usedPasskey(from string) string {
	return `
	person AS (
		SELECT users.id FROM ` + from + ` WHERE users.id = @user::uuid AND users.status = 'active' FOR SHARE OF users
	), used AS (
		SELECT c.id
		FROM credentials c JOIN person ON c.user_id = person.id
		WHERE c.id = @passkey::uuid
		FOR KEY SHARE OF c
	), written AS (
		UPDATE credentials c
		SET sign_count = greatest(c.sign_count, @count::bigint), backup_state = @backup_state::boolean, last_used_at = now(),
		    clone_warning_at = CASE WHEN (c.sign_count > 0 OR @count::bigint > 0) AND @count::bigint <= c.sign_count
		                            THEN now() ELSE c.clone_warning_at END
		FROM used
		WHERE c.id = used.id AND (c.sign_count > 0 OR @count::bigint > 0 OR c.backup_state <> @backup_state::boolean
		                          OR c.last_used_at IS NULL OR c.last_used_at < now() - interval '1 minute')
		RETURNING c.id, c.clone_warning_at = now() AS cloned
	), suspected AS (
		SELECT id FROM written WHERE cloned
	)`
}

func (qs *queries) assertionArgs(ctx context.Context, as Assertion, sessionID string) (args, error) {
	a := args{
		"user": as.UserID, "passkey": as.PasskeyID, "count": int64(as.SignCount), "backup_state": as.BackupState,
	}
	event := latchkey.Event{Subject: as.UserID, PasskeyID: as.PasskeyID, SessionID: sessionID}
	event.Kind, event.Detail = latchkey.PasskeyUsed, map[string]any{"acr": as.ACR}
	if err := qs.addEvent(ctx, a, "use", event); err != nil {
		return nil, err
	}
	event.Kind, event.Detail = latchkey.PasskeyCloneSuspect, map[string]any{"sign_count": as.SignCount}
	return a, qs.addEvent(ctx, a, "clone", event)
}

var signIn = `
	WITH ` + usedPasskey("users") + `, started AS (` + sessionInsert("used") + `
	), events AS (` + insertEvents(eventRow("use", "used"), eventRow("clone", "suspected"), eventRow("start", "started")) + `)
	SELECT * FROM started`

// SignIn writes a verified sign-in down in one statement: the passkey's use, a
// full session, and their events. It returns the session and the raw token of
// its cookie. A person who was disabled or lost the passkey since it was
// looked up is ErrForbidden (account_disabled).
//
// A counter that did not grow is recorded as passkey.clone_suspected and kept
// in clone_warning_at; the sign-in goes on, since an alarm that locks people
// out is the worse harm, and the highest counter seen stays.
func (db *DB) SignIn(ctx context.Context, as Assertion, t SessionTimes) (*latchkey.Session, string, error) {
	s := &latchkey.Session{UserID: as.UserID, CredentialID: as.PasskeyID, Kind: latchkey.SessionFull, ACR: as.ACR, AMR: as.AMR}
	rawToken, a := db.sessionArgs(ctx, s, t)
	use, err := db.assertionArgs(ctx, as, s.ID)
	if err != nil {
		return nil, "", err
	}
	for name, value := range use {
		a[name] = value
	}
	err = db.addEvent(ctx, a, "start", latchkey.Event{
		Kind: latchkey.SessionStarted, Subject: as.UserID, PasskeyID: as.PasskeyID, SessionID: s.ID,
		Detail: map[string]any{"kind": string(s.Kind), "acr": s.ACR},
	})
	if err != nil {
		return nil, "", err
	}
	err = db.do(ctx, func(q querier) error {
		_, err := one(ctx, q, signIn, a, scanSessionTimes(s))
		return err
	})
	if err == latchkey.ErrNotFound {
		return nil, "", accountDisabled()
	}
	if err != nil {
		return nil, "", fmt.Errorf("sign in: %w", err)
	}
	return s, rawToken, nil
}

var stepUp = `
	WITH live AS (
		SELECT id FROM sessions
		WHERE id = @s_id::uuid AND user_id = @user::uuid AND kind = 'full' AND expires_at > now() AND idle_expires_at > now()
		FOR NO KEY UPDATE
	), ` + usedPasskey("users, live") + `, renewed AS (
		UPDATE sessions s
		SET token_hash = @s_token::bytea, auth_time = now(), acr = @s_acr::text, amr = @s_amr::text[], credential_id = used.id,
		    last_activity = now(), idle_expires_at = least(now() + @s_idle::interval, s.expires_at)
		FROM used, live
		WHERE s.id = live.id
		RETURNING s.auth_time, s.created_at, s.last_activity, s.idle_expires_at, s.expires_at, now()
	), events AS (` + insertEvents(eventRow("use", "used"), eventRow("clone", "suspected"), eventRow("step", "renewed")) + `)
	SELECT * FROM renewed`

// StepUp writes a verified confirmation down in one statement: the passkey's
// use and the session's new token, time, acr, amr and passkey, with their
// events. The session keeps its id and its absolute end; the old cookie ends.
// s is updated; the raw token of the new cookie is returned. A session that
// ended meanwhile is ErrUnauthorized.
func (db *DB) StepUp(ctx context.Context, s *latchkey.Session, as Assertion, t SessionTimes) (rawToken string, err error) {
	a, err := db.assertionArgs(ctx, as, s.ID)
	if err != nil {
		return "", err
	}
	rawToken, hash := db.ring.NewToken(purposeSession)
	a["s_id"], a["s_token"], a["s_acr"], a["s_amr"], a["s_idle"] = s.ID, hash, as.ACR, as.AMR, t.Idle
	err = db.addEvent(ctx, a, "step", latchkey.Event{
		Kind: latchkey.SessionSteppedUp, Subject: as.UserID, PasskeyID: as.PasskeyID, SessionID: s.ID,
		Detail: map[string]any{"acr": as.ACR},
	})
	if err != nil {
		return "", err
	}
	err = db.do(ctx, func(q querier) error {
		_, err := one(ctx, q, stepUp, a, scanSessionTimes(s))
		return err
	})
	if err == latchkey.ErrNotFound {
		return "", latchkey.Refuse(latchkey.ErrUnauthorized, "session_required", "You are no longer signed in. Sign in again.")
	}
	if err != nil {
		return "", fmt.Errorf("step up: %w", err)
	}
	s.ACR, s.AMR, s.CredentialID = as.ACR, as.AMR, as.PasskeyID
	return rawToken, nil
}
