package admin

import (
	"context"
	"errors"

	"latchkey"
	"latchkey/storage"
)

// ListGroups lists groups by name.
func (s *Service) ListGroups(ctx context.Context, q storage.GroupQuery) (*storage.GroupPage, error) {
	return s.db.Groups(ctx, q)
}

// FindGroup returns the group that somebody names by id or name.
func (s *Service) FindGroup(ctx context.Context, name string) (*latchkey.Group, error) {
	g, err := s.db.ResolveGroup(ctx, name)
	return g, orNoGroup(err)
}

func orNoGroup(err error) error {
	if errors.Is(err, latchkey.ErrNotFound) {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such group.")
	}
	return err
}

// CreateGroup makes a group that nobody is in. Problems: validation_failed with
// the field name, group_exists.
func (s *Service) CreateGroup(ctx context.Context, name string) (g *latchkey.Group, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		g, err = tx.CreateGroup(ctx, name)
		return err
	})
	return g, err
}

// DeleteGroup deletes a group by id. It refuses with group_in_use, and names
// them, while applications are open to it.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	return orNoGroup(s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.DeleteGroup(ctx, id) }))
}

// AddMember puts a person into a group; both are named by id. Whoever is in it
// already stays.
func (s *Service) AddMember(ctx context.Context, groupID, userID string) error {
	err := s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.AddMember(ctx, groupID, userID) })
	if errors.Is(err, latchkey.ErrNotFound) {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_found", "There is no such group or person.")
	}
	return err
}

// RemoveMember takes a person out of a group and ends what applications hold
// that only this group opened to them; both are named by id.
func (s *Service) RemoveMember(ctx context.Context, groupID, userID string) error {
	err := s.db.InTx(ctx, func(tx *storage.Tx) error { return tx.RemoveMember(ctx, groupID, userID) })
	if errors.Is(err, latchkey.ErrNotFound) {
		return latchkey.Refuse(latchkey.ErrNotFound, "not_member", "This person is not in this group.")
	}
	return err
}
