package admin

import (
	"context"
	"errors"
	"slices"

	"latchkey"
)

// checkNewSector is checkSector for an application that exists: what was proved
// stays proved until one of the addresses changes.
func (s *Service) checkNewSector(ctx context.Context, next *latchkey.Client) error {
	before, err := s.db.FindClient(ctx, next.ID)
	switch {
	case errors.Is(err, latchkey.ErrNotFound):
		return nil // the change itself says so
	case err != nil:
		return err
	}
	if before.Protocol.SectorIdentifierURI == next.Protocol.SectorIdentifierURI && slices.Equal(before.RedirectURIs, next.RedirectURIs) {
		return nil
	}
	return s.checkSector(ctx, next)
}

// checkSector fetches the list of redirect URIs that a sector is proved by, and
// judges it (OpenID Connect Core §8.1).
func (s *Service) checkSector(ctx context.Context, c *latchkey.Client) error {
	uri := c.Protocol.SectorIdentifierURI
	if uri == "" {
		return nil
	}
	answer, err := s.out.Get(ctx, uri, "application/json")
	if err != nil {
		return latchkey.InvalidFields(map[string]string{"sector_identifier_uri": "What it shows could not be fetched: " + err.Error() + "."})
	}
	return c.CheckSector(answer.Body)
}
