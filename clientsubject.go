package latchkey

import (
	"encoding/json"
	"net/url"
	"slices"
)

// Sector is the host by which the subjects of an application with pairwise ones
// are made (OpenID Connect Core §8.1); "" when its subjects are public.
// Applications of one sector know a person by one subject.
func (c *Client) Sector() string {
	if c.Protocol.SubjectType != SubjectPairwise {
		return ""
	}
	if c.Protocol.SectorIdentifierURI != "" {
		return hostname(c.Protocol.SectorIdentifierURI)
	}
	for _, uri := range c.RedirectURIs {
		return hostname(uri) // that of all: checkSubject
	}
	return ""
}

func hostname(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// CheckSector judges what the address in sector_identifier_uri shows: a JSON list
// of texts in which every redirect URI stands, letter by letter (OpenID Connect
// Dynamic Client Registration §5).
func (c *Client) CheckSector(document []byte) error {
	var listed []string
	if err := json.Unmarshal(document, &listed); err != nil {
		return InvalidFields(map[string]string{"sector_identifier_uri": "What it shows is no JSON list of addresses."})
	}
	for _, uri := range c.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return InvalidFields(map[string]string{"sector_identifier_uri": "What it shows does not list the redirect URI " + uri + "."})
		}
	}
	return nil
}

// checkSubject judges how an application knows people.
func (c *Client) checkSubject(p problems) {
	checkAlg(p, "subject_type", c.Protocol.SubjectType, []string{SubjectPublic, SubjectPairwise})
	if c.Protocol.SectorIdentifierURI != "" {
		checkList(p, "sector_identifier_uri", []string{c.Protocol.SectorIdentifierURI}, func(uri string) string { return linkProblem(uri, true) })
		return
	}
	if c.Protocol.SubjectType != SubjectPairwise {
		return
	}
	hosts := map[string]bool{}
	for _, uri := range c.RedirectURIs {
		hosts[hostname(uri)] = true
	}
	switch {
	case c.Type == TypeNative:
		p.add("sector_identifier_uri", "The addresses of a native application are not its own: pairwise subjects need a sector_identifier_uri.")
	case len(hosts) != 1 || hosts[""]:
		p.add("sector_identifier_uri", "With redirect URIs on several hosts or none, pairwise subjects need a sector_identifier_uri.")
	}
}
