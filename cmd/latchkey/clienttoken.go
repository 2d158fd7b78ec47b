package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"latchkey"
	"latchkey/admin"
)

// clientTokenCmd is `latchkey client token …`.
type clientTokenCmd struct {
	Create clientTokenCreateCmd `cmd:"" help:"Make a token by which applications may register themselves. It is shown once."`
	List   clientTokenListCmd   `cmd:"" help:"List the tokens, the newest first, also those that are over."`
	Revoke clientTokenRevokeCmd `cmd:"" help:"End a token. Applications that registered with it stay."`
}

type clientTokenCreateCmd struct {
	Name    string    `required:"" help:"What it is for. Administrators see it at each application that came with it." placeholder:"NAME"`
	Uses    int       `default:"1" help:"How many applications may register with it. Default ${default}." placeholder:"N"`
	TTL     *lifetime `name:"ttl" help:"How long it lives, from a minute to 365d. Default 7d." placeholder:"TIME"`
	Scope   []string  `sep:"none" help:"What its applications may ask for at most, separated by spaces; may be repeated. Without it, what is about a person." placeholder:"SCOPE"`
	Profile string    `default:"oidc" help:"Rules that its applications live by: oidc, or oauth21 (PKCE required)." placeholder:"PROFILE"`
}

// Run makes a token.
func (cmd *clientTokenCreateCmd) Run(ctx context.Context, c *commands) error {
	var ttl time.Duration
	if cmd.TTL != nil {
		ttl = orTiny(*cmd.TTL)
	}
	made := &latchkey.InitialToken{
		Name: cmd.Name, Profile: latchkey.Profile(cmd.Profile), Scopes: strings.Fields(strings.Join(cmd.Scope, " ")), MaxUses: cmd.Uses,
	}
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		raw, err := s.CreateInitialToken(ctx, made, ttl)
		if err != nil {
			return byFlag(err)
		}
		said := "\n\nThe token is shown only now. An application sends it as `Authorization: Bearer` when it registers."
		if c.Registration == string(latchkey.RegistrationOff) {
			said += "\n\nRegistration is off here: serve has to run with --registration token."
		}
		return c.print(s.InitialTokenOutOf(made, raw), facts("token", raw, "registration", c.Issuer+"/oauth2/register", "for", applications(made.MaxUses),
			"until", at(made.ExpiresAt), "profile", string(made.Profile), "scopes", orWord(strings.Join(made.Scopes, " "), "what is about a person"), "token id", made.ID)+said)
	})
}

func applications(n int) string {
	if n == 1 {
		return "1 application"
	}
	return fmt.Sprintf("%d applications", n)
}

type clientTokenListCmd struct{}

// Run lists tokens.
func (*clientTokenListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		tokens, err := s.InitialTokens(ctx)
		if err != nil {
			return err
		}
		out, rows := page[admin.InitialTokenOut]{Items: []admin.InitialTokenOut{}}, [][]string{}
		for _, t := range tokens {
			one := s.InitialTokenOutOf(t, "")
			out.Items = append(out.Items, one)
			rows = append(rows, []string{t.ID, t.Name, strings.ReplaceAll(one.State, "_", " "), fmt.Sprintf("%d of %d", t.Uses, t.MaxUses), string(t.Profile),
				orWord(strings.Join(t.Scopes, " "), "about a person"), at(t.ExpiresAt)})
		}
		return c.print(out, table("No token: only administrators connect applications.", []string{"ID", "NAME", "STATE", "USED", "PROFILE", "SCOPES", "UNTIL"}, rows))
	})
}

type clientTokenRevokeCmd struct {
	ID string `arg:"" help:"Token id, as the list has it."`
}

// Run ends a token.
func (cmd *clientTokenRevokeCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		if err := s.RevokeInitialToken(ctx, cmd.ID); err != nil {
			return err
		}
		return c.print(deleted{strings.ToLower(cmd.ID)}, "The token ended. Applications that registered with it stay.")
	})
}
