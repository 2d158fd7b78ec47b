package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"latchkey"
	"latchkey/admin"
	"latchkey/storage"
)

// clientCmd is `latchkey client …`.
type clientCmd struct {
	List    clientListCmd    `cmd:"" help:"List applications by name."`
	Show    clientShowCmd    `cmd:"" help:"Show one application: its settings, its secrets by their first letters, and what to type into it."`
	Create  clientCreateCmd  `cmd:"" help:"Connect an application. Its secret is shown once."`
	Update  clientUpdateCmd  `cmd:"" help:"Change an application. What is not named stays."`
	Disable clientDisableCmd `cmd:"" help:"Turn an application off: its tokens end at once, nobody can sign in to it."`
	Enable  clientEnableCmd  `cmd:"" help:"Turn an application on again."`
	Delete  clientDeleteCmd  `cmd:"" help:"Delete an application with its secrets, tokens and consents, for good."`
	Secret  clientSecretCmd  `cmd:"" help:"Secrets of an application: several may work side by side."`
	Token   clientTokenCmd   `cmd:"" help:"Initial access tokens, by which applications register themselves."`
}

// application names an application.
type application struct {
	Client string `arg:"" help:"Client id."`
}

// withClient runs f with the application that is named.
func (c *commands) withClient(ctx context.Context, w application, f func(context.Context, *admin.Service, *latchkey.Client) error) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		found, err := s.FindClient(ctx, w.Client)
		if err != nil {
			return err
		}
		return f(ctx, s, found)
	})
}

type clientListCmd struct {
	Find string `help:"Only whose name, id or redirect URI holds this." placeholder:"TEXT"`
	paging
}

// Run lists applications.
func (cmd *clientListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		var rows [][]string
		found, err := collect(cmd.paging, func(cursor string, limit int) ([]*latchkey.ClientDocument, string, error) {
			p, err := s.ListClients(ctx, storage.ClientQuery{Text: cmd.Find, Cursor: cursor, Limit: limit})
			if err != nil {
				return nil, "", err
			}
			items := make([]*latchkey.ClientDocument, 0, len(p.Items))
			for i := range p.Items {
				one := &p.Items[i]
				items = append(items, one.Document())
				rows = append(rows, []string{one.Name, one.ID, one.Type, whoMay(one), state(one), at(one.CreatedAt)})
			}
			return items, p.Next, nil
		})
		if err != nil {
			return err
		}
		return c.print(found, table("No application is connected.", []string{"NAME", "ID", "TYPE", "WHO MAY SIGN IN", "STATE", "SINCE"}, rows))
	})
}

// whoMay says in words whom an application lets in.
func whoMay(c *latchkey.Client) string {
	switch {
	case !c.SignsPeopleIn():
		return "no person"
	case len(c.AllowedGroups) == 0:
		return "everyone"
	}
	return strings.Join(c.AllowedGroups, ", ")
}

func state(c *latchkey.Client) string {
	if c.Enabled {
		return "on"
	}
	return "off"
}

type clientShowCmd struct{ application }

// Run shows an application.
func (cmd *clientShowCmd) Run(ctx context.Context, c *commands) error {
	return c.withClient(ctx, cmd.application, c.showClient)
}

type clientDisableCmd struct{ application }

// Run turns an application off.
func (cmd *clientDisableCmd) Run(ctx context.Context, c *commands) error {
	return c.switchClient(ctx, cmd.application, (*admin.Service).DisableClient, "is off. Its tokens have ended, and nobody can sign in to it.")
}

type clientEnableCmd struct{ application }

// Run turns an application on.
func (cmd *clientEnableCmd) Run(ctx context.Context, c *commands) error {
	return c.switchClient(ctx, cmd.application, (*admin.Service).EnableClient, "is on. People can sign in to it.")
}

func (c *commands) switchClient(ctx context.Context, w application, change func(*admin.Service, context.Context, string) (*latchkey.Client, error), said string) error {
	return c.withClient(ctx, w, func(ctx context.Context, s *admin.Service, found *latchkey.Client) error {
		changed, err := change(s, ctx, found.ID)
		if err != nil {
			return err
		}
		return c.print(changed.Document(), plain(changed.Name)+" ("+changed.ID+") "+said)
	})
}

type clientDeleteCmd struct{ application }

// Run deletes an application.
func (cmd *clientDeleteCmd) Run(ctx context.Context, c *commands) error {
	return c.withClient(ctx, cmd.application, func(ctx context.Context, s *admin.Service, found *latchkey.Client) error {
		gone, err := s.DeleteClient(ctx, found.ID)
		if err != nil {
			return err
		}
		return c.print(deleted{found.ID}, fmt.Sprintf("%s (%s) was deleted, with its secrets and the sign-ins (%d) and consents (%d) of people.",
			plain(found.Name), found.ID, gone.Grants, gone.Consents))
	})
}

// flagOf names the flag of a member of RFC 7591 metadata that has one.
var flagOf = map[string]string{
	"client_id": "--id", "client_secret": "--secret-file", "client_name": "--name", "redirect_uris": "--redirect-uri",
	"post_logout_redirect_uris": "--post-logout-redirect-uri", "type": "--type", "profile": "--profile", "scope": "--scope",
	"token_endpoint_auth_method": "--auth-method", "jwks": "--jwks", "jwks_uri": "--jwks-uri", "allowed_groups": "--group", "access_token_format": "--access-token-format", "ttl": "--ttl",
	"name": "--name", "max_uses": "--uses",
}

// byFlag says of wrong metadata which flag it was, or which member of the file.
func byFlag(err error) error { return byFlagIn(err, nil) }

// byFlagIn is byFlag with names that go before those of applications.
func byFlagIn(err error, first map[string]string) error {
	p := (*latchkey.Problem)(nil)
	if !errors.As(err, &p) || len(p.Fields) == 0 {
		return err
	}
	var wrong []string
	for _, member := range sortedKeys(p.Fields) {
		name := member
		if flag := cmp.Or(first[member], flagOf[member]); flag != "" {
			name = flag
		}
		wrong = append(wrong, name+": "+p.Fields[member])
	}
	said := *p
	said.Message, said.Fields = strings.Join(wrong, " "), nil
	return &said
}
