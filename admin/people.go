package admin

import (
	"context"
	"errors"

	"latchkey"
	"latchkey/storage"
)

// ListUsers lists people by username, searched and paged.
func (s *Service) ListUsers(ctx context.Context, q storage.UserQuery) (*storage.UserPage, error) {
	return s.db.Users(ctx, q)
}

// FindUser returns the person that somebody names by id, username or verified
// e-mail address.
func (s *Service) FindUser(ctx context.Context, name string) (*latchkey.User, error) {
	u, err := s.db.ResolveUser(ctx, name)
	return u, orNobody(err)
}

// Passkeys lists the passkeys of a person, the last used first.
func (s *Service) Passkeys(ctx context.Context, userID string) ([]*latchkey.Passkey, error) {
	return s.db.Passkeys(ctx, userID)
}

// orNobody gives ErrNotFound its words.
func orNobody(err error) error {
	if err == latchkey.ErrNotFound {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such person. Name one by username, verified e-mail address or id.")
	}
	return err
}

const ownDisable = "You cannot turn yourself off. Ask another administrator."

// Disable turns a person off and ends whatever they are signed in to.
// Administrators do not turn themselves off: that is a slip, and nobody could
// be asked to undo it.
func (s *Service) Disable(ctx context.Context, userID string) (*latchkey.User, error) {
	return s.change(ctx, userID, ownDisable, func(tx *storage.Tx, id string) (*latchkey.User, error) {
		return tx.DisableUser(ctx, id)
	})
}

// Enable lets a person in again.
func (s *Service) Enable(ctx context.Context, userID string) (*latchkey.User, error) {
	return s.change(ctx, userID, "You are on already.", func(tx *storage.Tx, id string) (*latchkey.User, error) {
		return tx.EnableUser(ctx, id)
	})
}

// SetRole gives a person another role. Administrators do not change their own.
func (s *Service) SetRole(ctx context.Context, userID string, role latchkey.Role) (*latchkey.User, error) {
	if !role.Known() {
		return nil, latchkey.InvalidFields(map[string]string{"role": "There are the roles user and admin."})
	}
	return s.change(ctx, userID, "You cannot change your own role. Ask another administrator.", func(tx *storage.Tx, id string) (*latchkey.User, error) {
		return tx.SetRole(ctx, id, role)
	})
}

// change does what may be done to others only, in one transaction.
func (s *Service) change(ctx context.Context, userID, own string, do func(*storage.Tx, string) (*latchkey.User, error)) (u *latchkey.User, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		if u, err = tx.FindUser(ctx, userID); err != nil {
			return err
		}
		if u.ID == latchkey.ActorFrom(ctx).UserID {
			return latchkey.Refuse(latchkey.ErrConflict, "own_account", own)
		}
		u, err = do(tx, u.ID)
		return err
	})
	return u, orNobody(err)
}

// SignOut signs a person out everywhere: every session, and what applications
// can do in their name.
func (s *Service) SignOut(ctx context.Context, userID string) (ended storage.Ended, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		ended, err = tx.SignOutUser(ctx, userID)
		return err
	})
	return ended, orNobody(err)
}

// ListSessions lists live sessions, the newest first.
func (s *Service) ListSessions(ctx context.Context, q storage.SessionQuery) (*storage.SessionPage, error) {
	return s.db.AllSessions(ctx, q)
}

// EndSession ends one session, as its person's own sign-out does.
func (s *Service) EndSession(ctx context.Context, id string) (ended storage.Ended, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		ended, err = tx.SignOutSession(ctx, id)
		return err
	})
	if errors.Is(err, latchkey.ErrNotFound) {
		return ended, latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such session: it was ended or has expired.")
	}
	return ended, err
}
