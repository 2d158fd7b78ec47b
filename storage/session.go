package storage

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const purposeSession seal.Purpose = "session"

// RecoverySessionTTL is how long a recovery session may take to make a passkey.
const RecoverySessionTTL = 15 * time.Minute

// sessionColumns are the columns of a session s and its person u, in the order
// of scanSession.
const sessionColumns = `
	s.id, s.user_id, s.credential_id, s.kind, s.auth_time, s.acr, s.amr, s.created_at, s.last_activity,
	s.idle_expires_at, s.expires_at, s.ip_address, s.user_agent, now(),
	u.username, u.display_name, u.role, u.subject`

func scanSession(row pgx.CollectableRow) (*latchkey.Session, error) {
	s := &latchkey.Session{}
	var credential *string
	var address *netip.Prefix
	err := row.Scan(&s.ID, &s.UserID, &credential, &s.Kind, orZero{&s.AuthTime}, &s.ACR, &s.AMR, orZero{&s.CreatedAt}, orZero{&s.LastActivity},
		orZero{&s.IdleExpiresAt}, orZero{&s.ExpiresAt}, &address, &s.UserAgent, orZero{&s.FoundAt},
		&s.Username, &s.DisplayName, &s.Role, &s.Subject)
	s.CredentialID = textOf(credential)
	if address != nil {
		s.Address = address.Addr().String()
	}
	return s, err
}

// FindSession returns the live session of a cookie, with its person, or
// ErrNotFound: unknown, over, or its person disabled, all alike. Being used
// moves its idle end by idle, written at most once a minute; a recovery session
// has only its absolute end.
func (qs *queries) FindSession(ctx context.Context, rawToken string, idle time.Duration) (*latchkey.Session, error) {
	hash, err := qs.ring.HashToken(purposeSession, rawToken)
	if err != nil {
		return nil, latchkey.ErrNotFound
	}
	var found *latchkey.Session
	err = qs.do(ctx, func(q querier) error {
		found, err = one(ctx, q, findSession, args{"token": hash, "idle": idle}, scanSession)
		return err
	})
	return found, wrapFind(err, "look up a session")
}

const findSession = `
	WITH live AS (
		SELECT s.* FROM sessions s
		WHERE s.token_hash = @token AND s.expires_at > now() AND s.idle_expires_at > now()
	), used AS (
		UPDATE sessions s
		SET last_activity = now(), idle_expires_at = least(now() + @idle, s.expires_at)
		FROM live
		WHERE s.id = live.id AND s.kind = 'full' AND s.last_activity < now() - interval '1 minute'
	)
	SELECT ` + sessionColumns + `
	FROM live s JOIN users u ON u.id = s.user_id
	WHERE u.status = 'active'`

// Sessions returns a person's live sessions, the last used first.
func (qs *queries) Sessions(ctx context.Context, userID string) ([]*latchkey.Session, error) {
	var found []*latchkey.Session
	err := qs.do(ctx, func(q querier) (err error) {
		found, err = list(ctx, q, `
			SELECT `+sessionColumns+`
			FROM sessions s JOIN users u ON u.id = s.user_id
			WHERE s.user_id = @user AND s.expires_at > now() AND s.idle_expires_at > now()
			ORDER BY s.last_activity DESC, s.id`, args{"user": userID}, scanSession)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return found, nil
}

// SessionQuery says which sessions are listed.
type SessionQuery struct {
	UserID string // whose; "" = everybody's
	Cursor string // Next of the page before; "" = the first page
	Limit  int    // 1 to MaxPageSize; 0 = PageSize
}

// SessionPage is one page of the list of live sessions, the newest first.
type SessionPage struct {
	Items []*latchkey.Session
	Next  string // cursor of the next page; "" = this is the last
}

// AllSessions lists the live sessions of one person or of everybody. A cursor
// that is none of ours is the problem invalid_cursor.
func (qs *queries) AllSessions(ctx context.Context, sq SessionQuery) (*SessionPage, error) {
	before, err := readCursor(sq.Cursor)
	if err == nil && before != "" {
		before, err = rowID(before)
	}
	if err != nil {
		return nil, errNoPage()
	}
	limit := pageSize(sq.Limit)
	page := &SessionPage{}
	err = qs.do(ctx, func(q querier) (err error) {
		page.Items, err = list(ctx, q, `
			SELECT `+sessionColumns+`
			FROM sessions s JOIN users u ON u.id = s.user_id
			WHERE s.expires_at > now() AND s.idle_expires_at > now()
			  AND (@user::uuid IS NULL OR s.user_id = @user::uuid) AND (@before::uuid IS NULL OR s.id < @before::uuid)
			ORDER BY s.id DESC
			LIMIT @limit`,
			args{"user": orNull(sq.UserID), "before": orNull(before), "limit": limit + 1}, scanSession)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		page.Next = cursorAfter(page.Items[limit-1].ID)
	}
	return page, nil
}

// FindSessionByID returns a live session by its id (`sid`), or ErrNotFound.
func (qs *queries) FindSessionByID(ctx context.Context, id string) (*latchkey.Session, error) {
	id, err := rowID(id)
	if err != nil {
		return nil, err
	}
	var found *latchkey.Session
	err = qs.do(ctx, func(q querier) (err error) {
		found, err = one(ctx, q, `
			SELECT `+sessionColumns+`
			FROM sessions s JOIN users u ON u.id = s.user_id
			WHERE s.id = @id AND s.expires_at > now() AND s.idle_expires_at > now()`, args{"id": id}, scanSession)
		return err
	})
	return found, wrapFind(err, "find a session")
}

// SessionTimes bound a session's life.
type SessionTimes struct {
	Idle time.Duration // without use
	Max  time.Duration // in all
}

// sessionInsert begins a session for each row of from; its idle and absolute
// ends are times by the database clock.
func sessionInsert(from string) string {
	return `
		INSERT INTO sessions (id, token_hash, user_id, credential_id, kind, auth_time, acr, amr, idle_expires_at, expires_at, ip_address, user_agent)
		SELECT @s_id::uuid, @s_token::bytea, @s_user::uuid, @s_credential::uuid, @s_kind::text, now(), @s_acr::text, @s_amr::text[],
		       now() + least(@s_idle::interval, @s_max::interval), now() + @s_max::interval, @s_address::inet, @s_agent::text
		FROM ` + from + `
		RETURNING auth_time, created_at, last_activity, idle_expires_at, expires_at, now()`
}

// sessionArgs fills a new session's id, address and agent and returns the raw
// token of its cookie and the arguments of sessionInsert.
func (qs *queries) sessionArgs(ctx context.Context, s *latchkey.Session, t SessionTimes) (rawToken string, a args) {
	actor := latchkey.ActorFrom(ctx)
	rawToken, hash := qs.ring.NewToken(purposeSession)
	s.ID, s.UserAgent = newID(), actor.Agent
	if actor.Address.IsValid() {
		s.Address = actor.Address.Unmap().WithZone("").String()
	}
	amr := s.AMR
	if amr == nil {
		amr = []string{}
	}
	return rawToken, args{
		"s_id": s.ID, "s_token": hash, "s_user": s.UserID, "s_credential": orNull(s.CredentialID), "s_kind": string(s.Kind),
		"s_acr": s.ACR, "s_amr": amr, "s_idle": t.Idle, "s_max": t.Max, "s_address": orNull(s.Address), "s_agent": s.UserAgent,
	}
}

func scanSessionTimes(s *latchkey.Session) pgx.RowToFunc[struct{}] {
	return func(row pgx.CollectableRow) (struct{}, error) {
		return struct{}{}, row.Scan(orZero{&s.AuthTime}, orZero{&s.CreatedAt}, orZero{&s.LastActivity}, orZero{&s.IdleExpiresAt}, orZero{&s.ExpiresAt}, orZero{&s.FoundAt})
	}
}

// StartSession begins a session of s.Kind for s.UserID, fills the rest of s,
// records session.started and returns the raw token for the cookie. The person
// must be active: the row lock makes a parallel disabling wait or win. A
// person who is not is ErrForbidden.
func (tx *Tx) StartSession(ctx context.Context, s *latchkey.Session, t SessionTimes) (rawToken string, err error) {
	rawToken, a := tx.sessionArgs(ctx, s, t)
	err = tx.addEvent(ctx, a, "ev", latchkey.Event{
		Kind: latchkey.SessionStarted, Subject: s.UserID, PasskeyID: s.CredentialID, SessionID: s.ID,
		Detail: map[string]any{"kind": string(s.Kind), "acr": s.ACR},
	})
	if err != nil {
		return "", err
	}
	err = tx.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			WITH person AS (
				SELECT id FROM users WHERE id = @s_user::uuid AND status = 'active' FOR SHARE
			), started AS (`+sessionInsert("person")+`
			), ev AS (`+eventSelect("ev", "started")+`)
			SELECT * FROM started`, a, scanSessionTimes(s))
		return err
	})
	if err == latchkey.ErrNotFound {
		return "", accountDisabled()
	}
	return rawToken, wrapFind(err, "start a session")
}

// AccountDisabled is the answer to a person who is turned off.
func accountDisabled() error {
	return latchkey.Refuse(latchkey.ErrForbidden, "account_disabled", "This account is turned off. Ask your administrator.")
}
