package storage

import (
	"context"
	"fmt"

	"latchkey"
)

// DisableUser turns a person off: all their sessions, tokens and recovery links
// end, and so do the invitations and recovery links that they made for others
// and nobody used. It refuses the last administrator who can sign in. Somebody
// who is off already stays as they are, and nothing is recorded.
func (tx *Tx) DisableUser(ctx context.Context, id string) (*latchkey.User, error) {
	u, err := tx.lockUser(ctx, id)
	if err != nil || u.Status == latchkey.StatusDisabled {
		return u, err
	}
	if err := tx.keepAnAdmin(ctx, u); err != nil {
		return nil, err
	}
	if err := tx.setStatus(ctx, u, latchkey.StatusDisabled); err != nil {
		return nil, err
	}
	if err := tx.Record(ctx, latchkey.Event{Kind: latchkey.UserDisabled, Subject: u.ID}); err != nil {
		return nil, err
	}
	if _, err := tx.EndSessions(ctx, Ending{Cause: UserDisabled, UserID: u.ID}); err != nil {
		return nil, err
	}
	if err := tx.endLinks(ctx, linksFor, u.ID, string(UserDisabled)); err != nil {
		return nil, err
	}
	if err := tx.endLinks(ctx, linksBy, u.ID, "maker_disabled"); err != nil {
		return nil, err
	}
	return tx.FindUser(ctx, u.ID)
}

// EnableUser lets a person in again. What ended stays ended.
func (tx *Tx) EnableUser(ctx context.Context, id string) (*latchkey.User, error) {
	u, err := tx.lockUser(ctx, id)
	if err != nil || u.Status == latchkey.StatusActive {
		return u, err
	}
	if err := tx.setStatus(ctx, u, latchkey.StatusActive); err != nil {
		return nil, err
	}
	if err := tx.Record(ctx, latchkey.Event{Kind: latchkey.UserEnabled, Subject: u.ID}); err != nil {
		return nil, err
	}
	return tx.FindUser(ctx, u.ID)
}

func (tx *Tx) setStatus(ctx context.Context, u *latchkey.User, status latchkey.UserStatus) error {
	err := tx.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `
			UPDATE users
			SET status = @status, disabled_at = CASE WHEN @status = 'disabled' THEN now() END,
			    version = version + 1, updated_at = now()
			WHERE id = @id`, args{"id": u.ID, "status": string(status)})
		return err
	})
	return wrapFind(err, "turn a person on or off")
}

// SetRole gives a person another role. It refuses to take it from the last
// administrator who can sign in; whoever stops being one loses the links that
// they made and nobody used. The same role again changes nothing.
func (tx *Tx) SetRole(ctx context.Context, id string, role latchkey.Role) (*latchkey.User, error) {
	u, err := tx.lockUser(ctx, id)
	if err != nil || u.Role == role {
		return u, err
	}
	event := latchkey.Event{Kind: latchkey.RoleGranted, Subject: u.ID, Detail: map[string]any{"role": string(role)}}
	if u.IsAdmin() {
		if err := tx.keepAnAdmin(ctx, u); err != nil {
			return nil, err
		}
		event.Kind, event.Detail["role"] = latchkey.RoleRevoked, string(u.Role)
		if err := tx.endLinks(ctx, linksBy, u.ID, "maker_demoted"); err != nil {
			return nil, err
		}
	}
	err = tx.do(ctx, func(q querier) error {
		_, err := exec(ctx, q, `UPDATE users SET role = @role, version = version + 1, updated_at = now() WHERE id = @id`,
			args{"id": u.ID, "role": string(role)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("set a role: %w", err)
	}
	if err := tx.Record(ctx, event); err != nil {
		return nil, err
	}
	return tx.FindUser(ctx, u.ID)
}

// keepAnAdmin refuses when u is the last administrator who can sign in; else
// nobody else can stop being one before this transaction ends.
func (tx *Tx) keepAnAdmin(ctx context.Context, u *latchkey.User) error {
	only, err := tx.OnlyAdmin(ctx, u)
	if err != nil || !only {
		return err
	}
	return latchkey.Refuse(latchkey.ErrConflict, "last_admin",
		"Nobody else who can sign in is an administrator. Make somebody else one first.")
}

// SignOutUser ends all sessions and tokens of a person. Somebody who has none
// is no error.
func (tx *Tx) SignOutUser(ctx context.Context, id string) (Ended, error) {
	u, err := tx.lockUser(ctx, id)
	if err != nil {
		return Ended{}, err
	}
	return tx.EndSessions(ctx, Ending{Cause: SignedOutAll, UserID: u.ID})
}

// SignOutSession ends a live session of whomever, as its person's own sign-out
// does, or is ErrNotFound.
func (tx *Tx) SignOutSession(ctx context.Context, id string) (Ended, error) {
	s, err := tx.FindSessionByID(ctx, id)
	if err != nil {
		return Ended{}, err
	}
	ended, err := tx.EndSessions(ctx, Ending{Cause: SignedOut, UserID: s.UserID, SessionID: s.ID})
	if err == nil && ended.Sessions == 0 {
		return ended, latchkey.ErrNotFound // somebody was faster
	}
	return ended, err
}
