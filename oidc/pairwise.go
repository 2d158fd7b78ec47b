package oidc

import (
	"context"

	"latchkey"
)

// subjectFor is the subject by which an application knows a person: their own
// one, or a pairwise one (OpenID Connect Core §8). Whatever leaves for an
// application, and whatever comes back from one, goes through here. Nobody stays
// nobody.
func (p *Provider) subjectFor(ctx context.Context, c *latchkey.Client, subject string) (string, error) {
	sector := c.Sector()
	if sector == "" || subject == "" {
		return subject, nil
	}
	return p.DB.PairwiseSubject(ctx, sector, subject)
}

// checkSector fetches the list of redirect URIs that a sector is proved by, and
// judges it.
func (p *Provider) checkSector(ctx context.Context, c *latchkey.Client) error {
	uri := c.Protocol.SectorIdentifierURI
	if uri == "" {
		return nil
	}
	answer, err := p.Outbound.Get(ctx, uri, "application/json")
	if lost := p.blocked(ctx, c.ID, "sector_identifier_uri", err); lost != nil {
		return lost
	}
	if err != nil {
		p.Log.WarnContext(ctx, "a sector of an application could not be fetched", "client_id", c.ID, "cause", err.Error())
		return latchkey.InvalidFields(map[string]string{"sector_identifier_uri": "What it shows could not be fetched."})
	}
	return c.CheckSector(answer.Body)
}
