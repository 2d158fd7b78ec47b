package main

import (
	"context"
	"strings"
	"time"

	"latchkey"
	"latchkey/admin"
)

// clientSecretCmd is `latchkey client secret …`.
type clientSecretCmd struct {
	Add    clientSecretAddCmd    `cmd:"" help:"Make a further secret. It is shown once; the old ones go on working."`
	Revoke clientSecretRevokeCmd `cmd:"" help:"End one secret. Tokens that were got with it live on."`
}

type clientSecretAddCmd struct {
	application
	SecretFile string    `help:"File with a secret of your own, of 128 random bits at least. Without it, one is made." placeholder:"FILE"`
	TTL        *lifetime `name:"ttl" help:"When it ends by itself, such as 90d. Without it, never." placeholder:"TIME"`
}

// Run adds a secret.
func (cmd *clientSecretAddCmd) Run(ctx context.Context, c *commands) error {
	own, err := readSecret(cmd.SecretFile)
	if err != nil {
		return err
	}
	var life time.Duration
	if cmd.TTL != nil {
		life = orTiny(*cmd.TTL)
	}
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		added, err := s.AddSecret(ctx, cmd.Client, own, life)
		if err != nil {
			return byFlag(err)
		}
		ends, secret, said := "never", added.Secret, "The secret is shown only now. "
		if added.ExpiresAt != nil {
			ends = at(*added.ExpiresAt)
		}
		if own != "" {
			secret, said = "the one in your file", ""
		}
		return c.print(added, facts("client id", added.ClientID, "client secret", secret, "ends", ends, "secret id", added.ID)+
			"\n\n"+said+"Put it into the application, see it work, then end the old one:"+
			"\nlatchkey client show "+added.ClientID+"    (which is which)"+
			"\nlatchkey client secret revoke "+added.ClientID+" SECRET-ID")
	})
}

type clientSecretRevokeCmd struct {
	application
	ID string `arg:"" help:"Secret id, as client show has it."`
}

// Run ends a secret.
func (cmd *clientSecretRevokeCmd) Run(ctx context.Context, c *commands) error {
	return c.withClient(ctx, cmd.application, func(ctx context.Context, s *admin.Service, found *latchkey.Client) error {
		if err := s.RevokeSecret(ctx, found.ID, cmd.ID); err != nil {
			return err
		}
		return c.print(deleted{strings.ToLower(cmd.ID)}, "The secret ended. Tokens that were got with it live on.")
	})
}
