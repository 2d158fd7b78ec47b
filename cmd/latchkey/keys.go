package main

import (
	"context"
	"fmt"
	"strings"

	"latchkey/admin"
)

// keysCmd is `latchkey keys …`.
type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the published signing keys."`
	Rotate keysRotateCmd `cmd:"" help:"Make new signing keys. They are published at once and sign after a day."`
	Retire keysRetireCmd `cmd:"" help:"Take a key that does not sign out of the published ones: what it signed is refused from then on."`
}

type keysListCmd struct{}

// Run lists keys.
func (*keysListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		found, err := s.Keys(ctx)
		if err != nil {
			return err
		}
		return c.printKeys(found)
	})
}

type keysRotateCmd struct {
	Alg string `help:"Only the key of this algorithm: RS256, ES256, PS256 or EdDSA. Without it, all of them. RSA-OAEP-256 or ECDH-ES: the key that applications encrypt to; a new one takes its place at once, and the old one opens requests for 30 days more." placeholder:"ALG"`
	Now bool   `help:"Sign with the new key at once. Applications that keep the old key set for up to an hour may refuse tokens until they look again."`
}

// Run rotates.
func (cmd *keysRotateCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		after, err := s.RotateKeys(ctx, cmd.Alg, cmd.Now)
		if err != nil {
			return err
		}
		return c.printKeys(after)
	})
}

type keysRetireCmd struct {
	KID string `arg:"" help:"Key id, as keys list has it."`
}

// Run takes a key out.
func (cmd *keysRetireCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		after, err := s.RetireKey(ctx, cmd.KID)
		if err != nil {
			return err
		}
		return c.printKeys(after)
	})
}

func (c *commands) printKeys(found []admin.KeyOut) error {
	var rows [][]string
	for _, k := range found {
		row := []string{k.KID, k.Alg, string(k.State), at(k.ActivateAt), "", ""}
		if k.RetireAt != nil {
			row[4] = at(*k.RetireAt)
		}
		if k.DeleteAt != nil {
			row[5] = at(*k.DeleteAt)
		}
		rows = append(rows, row)
	}
	text := table("No key yet: `latchkey serve` makes the first ones.",
		[]string{"KEY ID", "ALG", "STATE", "SIGNS FROM", "SIGNS UNTIL", "PUBLISHED UNTIL"}, rows)
	return c.print(page[admin.KeyOut]{Items: found}, text+newKeys(found))
}

// newKeys says of each new key which applications have not fetched it yet.
func newKeys(found []admin.KeyOut) string {
	var text strings.Builder
	for _, k := range found {
		switch {
		case k.NotFetchedBy == nil:
		case len(k.NotFetchedBy) == 0:
			fmt.Fprintf(&text, "\n\nEvery application that is known to need the new %s key has fetched it.", k.Alg)
		default:
			var rows [][]string
			for _, r := range k.NotFetchedBy {
				fetched := "never"
				if r.FetchedAt != nil {
					fetched = at(*r.FetchedAt)
				}
				rows = append(rows, []string{r.ClientName, r.ClientID, r.Text(), at(r.CalledAt), fetched})
			}
			fmt.Fprintf(&text, "\n\nThe new %s key was not fetched yet by:\n%s", k.Alg, table("",
				[]string{"APPLICATION", "CLIENT ID", "HOW FAR", "LAST CALL", "KEY SET FETCHED"}, rows))
		}
	}
	return text.String()
}
