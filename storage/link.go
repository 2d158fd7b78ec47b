package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

const purposeLink seal.Purpose = "one-time link"

// CreateLink stores a one-time link that lives for ttl, fills its id and times
// and records link.created, and user.invited for an invitation. The token is
// returned here and never again. A maker who is no administrator any more is
// ErrForbidden.
func (tx *Tx) CreateLink(ctx context.Context, l *latchkey.Link, ttl time.Duration) (rawToken string, err error) {
	if err := tx.holdMaker(ctx, l.CreatedBy); err != nil {
		return "", err
	}
	l.ID = newID()
	rawToken, hash := tx.ring.NewToken(purposeLink)
	payload, err := json.Marshal(l.Invite)
	if err != nil {
		return "", fmt.Errorf("write a link: %w", err)
	}
	sealed, err := tx.seal("one_time_links", "payload", l.ID, l.UserID, payload)
	if err != nil {
		return "", fmt.Errorf("seal a link: %w", err)
	}
	err = tx.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			INSERT INTO one_time_links (id, token_hash, purpose, user_id, created_by, payload, expires_at)
			VALUES (@id, @token, @purpose, @user, @by, @payload, now() + @ttl)
			RETURNING created_at, expires_at`,
			args{
				"id": l.ID, "token": hash, "purpose": string(l.Purpose), "user": orNull(l.UserID), "by": orNull(l.CreatedBy),
				"payload": sealed, "ttl": ttl,
			},
			func(row pgx.CollectableRow) (struct{}, error) {
				return struct{}{}, row.Scan(orZero{&l.CreatedAt}, orZero{&l.ExpiresAt})
			})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store a link: %w", err)
	}
	return rawToken, tx.recordLink(ctx, l)
}

// holdMaker keeps the administrator who makes a link one until it is stored, so
// that whoever turns them off in the meantime ends this link too. An operator
// has no row: by is empty then.
func (tx *Tx) holdMaker(ctx context.Context, by string) error {
	if by == "" {
		return nil
	}
	err := tx.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `SELECT id FROM users WHERE id = @by AND role = 'admin' AND status = 'active' FOR SHARE`,
			args{"by": by}, pgx.RowTo[string])
		return err
	})
	if err == latchkey.ErrNotFound {
		return latchkey.ErrForbidden
	}
	return wrapFind(err, "look at who makes a link")
}

func (tx *Tx) recordLink(ctx context.Context, l *latchkey.Link) error {
	event := latchkey.Event{
		Kind: latchkey.LinkCreated, Subject: l.UserID, Object: l.ID,
		Detail: map[string]any{"purpose": string(l.Purpose), "expires_at": l.ExpiresAt},
	}
	if err := tx.Record(ctx, event); err != nil || l.Purpose != latchkey.LinkInvite {
		return err
	}
	event.Kind = latchkey.UserInvited
	event.Detail = map[string]any{"role": string(l.Invite.Role), "groups": len(l.Invite.Groups)}
	event.Personal = map[string]string{"username": l.Invite.Username, "email": l.Invite.Email}
	return tx.Record(ctx, event)
}

// Answers to tokens of links.
func errNoLink() error {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "invalid_token", "This link is not valid. Ask for a new one.")
}

func errLinkOver() error {
	return latchkey.Refuse(latchkey.ErrExpired, "token_expired", "This link was used or has expired. Ask for a new one.")
}

func errLinkTaken() error {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "invalid_token",
		"This link was opened in another browser first and works only there. Go back to that browser, or ask for a new link.")
}

// OpenLink returns the link of a token and binds it to the browser that asks
// first (binding is its raw cookie value); looking does not spend it. Problems:
// invalid_token for an unknown one, one of another purpose or one bound
// elsewhere, token_expired for a used or old one.
func (db *DB) OpenLink(ctx context.Context, purpose latchkey.LinkPurpose, rawToken, binding string) (*latchkey.Link, error) {
	hash, err := db.ring.HashToken(purposeLink, rawToken)
	if err != nil || binding == "" {
		return nil, errNoLink()
	}
	l := &latchkey.Link{Purpose: purpose}
	var sealed []byte
	var live, here bool
	err = db.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			WITH asked AS (
				SELECT *, used_at IS NULL AND expires_at > now() AS live
				FROM one_time_links WHERE token_hash = @token AND purpose = @purpose FOR UPDATE
			), bound AS (
				UPDATE one_time_links l SET first_browser = @browser
				FROM asked WHERE l.id = asked.id AND asked.live AND asked.first_browser IS NULL
			)
			SELECT id, user_id, created_by, payload, created_at, expires_at, used_at, live,
			       first_browser IS NULL OR first_browser = ANY(@browsers)
			FROM asked`,
			args{
				"token": hash, "purpose": string(purpose),
				"browser": db.ring.Hash(purposeBinding, binding), "browsers": db.ring.HashAll(purposeBinding, binding),
			},
			func(row pgx.CollectableRow) (struct{}, error) {
				var user, by *string
				err := row.Scan(&l.ID, &user, &by, &sealed, orZero{&l.CreatedAt}, orZero{&l.ExpiresAt}, orZero{&l.UsedAt}, &live, &here)
				l.UserID, l.CreatedBy = textOf(user), textOf(by)
				return struct{}{}, err
			})
		return err
	})
	switch {
	case err == latchkey.ErrNotFound:
		return nil, errNoLink()
	case err != nil:
		return nil, fmt.Errorf("open a link: %w", err)
	case !live:
		return nil, errLinkOver()
	case !here:
		return nil, errLinkTaken()
	}
	return l, db.openInvite(l, sealed)
}

func (qs *queries) openInvite(l *latchkey.Link, sealed []byte) error {
	payload, err := qs.open("one_time_links", "payload", l.ID, l.UserID, sealed)
	if err != nil {
		return fmt.Errorf("open link %s: %w", l.ID, err)
	}
	if err := json.Unmarshal(payload, &l.Invite); err != nil {
		return fmt.Errorf("read link %s: %w", l.ID, err)
	}
	return nil
}

// UseLink spends a link in the transaction that does what it is good for, and
// records link.used for the person it made or let in. A link that is used or
// old by now is the problem token_expired.
func (tx *Tx) UseLink(ctx context.Context, id, subject string) error {
	a := args{"id": id}
	if err := tx.addEvent(ctx, a, "ev", latchkey.Event{Kind: latchkey.LinkUsed, Subject: subject, Object: id}); err != nil {
		return err
	}
	err := tx.do(ctx, func(q querier) error {
		_, err := one(ctx, q, `
			WITH spent AS (
				UPDATE one_time_links SET used_at = now()
				WHERE id = @id AND used_at IS NULL AND expires_at > now()
				RETURNING id
			), ev AS (`+eventSelect("ev", "spent")+`)
			SELECT id FROM spent`, a, pgx.RowTo[string])
		return err
	})
	if err == latchkey.ErrNotFound {
		return errLinkOver()
	}
	return wrapFind(err, "use a link")
}

// BeginSetup makes this transaction the one that sets latchkey up: it waits for
// any other and refuses with setup_done when an administrator exists.
func (tx *Tx) BeginSetup(ctx context.Context) error {
	err := tx.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `SELECT pg_advisory_xact_lock(@lock)`, args{"lock": int64(lockAdmins)})
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for the set-up: %w", err)
	}
	done, err := tx.HasAdmin(ctx)
	if err != nil {
		return err
	}
	if done {
		return SetupDone()
	}
	return nil
}

// SetupDone is the answer to whoever comes to set up what is set up.
func SetupDone() error {
	return latchkey.Refuse(latchkey.ErrConflict, "setup_done", "This latchkey is set up already. Sign in instead.")
}

// EndSetupLinks ends every set-up link that still works, after one succeeded.
func (tx *Tx) EndSetupLinks(ctx context.Context) error {
	_, err := tx.revokeLinks(ctx, linksForSetup, nil, "set_up")
	return err
}

// EndRecoveryLinks ends all recovery links of a person who got in.
func (tx *Tx) EndRecoveryLinks(ctx context.Context, userID string) error {
	return tx.endLinks(ctx, linksFor, userID, string(Recovered))
}

// Which links revokeLinks ends.
const (
	linksForSetup = `purpose = 'setup'`
	linksFor      = `user_id = @user::uuid AND purpose = 'recover'`
	linksBy       = `created_by = @user::uuid AND purpose IN ('invite', 'recover')`
)

// endLinks ends the open links of a person that which names.
func (tx *Tx) endLinks(ctx context.Context, which, userID, reason string) error {
	_, err := tx.revokeLinks(ctx, which, args{"user": userID}, reason)
	return err
}

// revokeLinks ends open links before they were used, records link.revoked for
// each, and returns how many there were.
func (tx *Tx) revokeLinks(ctx context.Context, which string, a args, reason string) (int, error) {
	type ended struct {
		ID      string
		Purpose string
		UserID  *string
	}
	var links []ended
	err := tx.do(ctx, func(q querier) (err error) {
		links, err = list(ctx, q, `
			UPDATE one_time_links SET used_at = now()
			WHERE `+which+` AND used_at IS NULL AND expires_at > now()
			RETURNING id, purpose, user_id`, a, pgx.RowToStructByPos[ended])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end links: %w", err)
	}
	for _, l := range links {
		err := tx.Record(ctx, latchkey.Event{
			Kind: latchkey.LinkRevoked, Subject: textOf(l.UserID), Object: l.ID, Reason: reason, Detail: map[string]any{"purpose": l.Purpose},
		})
		if err != nil {
			return 0, err
		}
	}
	return len(links), nil
}
