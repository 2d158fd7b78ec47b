package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"latchkey"
	"latchkey/admin"
	"latchkey/storage"
	"latchkey/templates"
)

// userCmd is `latchkey user …`.
type userCmd struct {
	List        userListCmd        `cmd:"" help:"List people by username."`
	Show        userShowCmd        `cmd:"" help:"Show one person."`
	Invite      userInviteCmd      `cmd:"" help:"Print a link that lets one person make an account."`
	Invitations userInvitationsCmd `cmd:"" help:"List the invitations that still work."`
	Withdraw    userWithdrawCmd    `cmd:"" help:"End an invitation that was not used."`
	Update      userUpdateCmd      `cmd:"" help:"Change what applications learn of a person."`
	Disable     userDisableCmd     `cmd:"" help:"Turn a person off: sessions and tokens end at once."`
	Enable      userEnableCmd      `cmd:"" help:"Let a person in again."`
	Recover     userRecoverCmd     `cmd:"" help:"Print a link that lets a person make a new passkey."`
	Passkeys    userPasskeysCmd    `cmd:"" help:"List the passkeys of a person."`
	SignOut     userSignOutCmd     `cmd:"" help:"End every session and token of a person."`
	Role        userRoleCmd        `cmd:"" help:"Give a person another role."`
}

// who names a person.
type who struct {
	User string `arg:"" help:"Username, verified e-mail address or id."`
}

// withUser runs f with the person that is named.
func (c *commands) withUser(ctx context.Context, w who, f func(context.Context, *admin.Service, *latchkey.User) error) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		u, err := s.FindUser(ctx, w.User)
		if err != nil {
			return err
		}
		return f(ctx, s, u)
	})
}

type userListCmd struct {
	Find string `help:"Only whose username, name or e-mail address holds this." placeholder:"TEXT"`
	paging
}

// Run lists people.
func (cmd *userListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		var rows [][]string
		found, err := collect(cmd.paging, func(cursor string, limit int) ([]admin.UserOut, string, error) {
			p, err := s.ListUsers(ctx, storage.UserQuery{Text: cmd.Find, Cursor: cursor, Limit: limit})
			if err != nil {
				return nil, "", err
			}
			items := make([]admin.UserOut, 0, len(p.Items))
			for _, u := range p.Items {
				items = append(items, admin.UserOutOf(u))
				rows = append(rows, []string{u.Username, u.DisplayName, u.Email, string(u.Role), string(u.Status), strconv.Itoa(u.Passkeys), strings.Join(u.Groups, ", "), at(u.CreatedAt)})
			}
			return items, p.Next, nil
		})
		if err != nil {
			return err
		}
		return c.print(found, table("Nobody.", []string{"USERNAME", "NAME", "E-MAIL", "ROLE", "STATUS", "PASSKEYS", "GROUPS", "SINCE"}, rows))
	})
}

// printUser prints a person whole.
func (c *commands) printUser(u *latchkey.User) error { return c.printChanged(u, "") }

// printChanged is printUser after a sentence about what was done; "" = none.
func (c *commands) printChanged(u *latchkey.User, said string) error {
	email := u.Email
	if email != "" && u.EmailVerifiedAt.IsZero() {
		email += " (not verified)"
	}
	status := string(u.Status)
	if !u.DisabledAt.IsZero() {
		status += " since " + at(u.DisabledAt)
	}
	pairs := []string{
		"username", u.Username, "name", u.DisplayName, "e-mail", email, "role", string(u.Role), "status", status,
		"groups", strings.Join(u.Groups, ", "), "passkeys", strconv.Itoa(u.Passkeys), "recovery codes left", strconv.Itoa(u.RecoveryCodesLeft),
	}
	for _, claim := range templates.ProfileFacts(u, latchkey.ClaimName, latchkey.ClaimUsername, latchkey.ClaimEmail) {
		pairs = append(pairs, strings.ToLower(claim.Name), claim.Value)
	}
	if said != "" {
		said += "\n\n"
	}
	return c.print(admin.UserOutOf(u), said+facts(append(pairs, "since", at(u.CreatedAt), "id", u.ID, "subject", u.Subject)...))
}

type userShowCmd struct{ who }

// Run shows a person.
func (cmd *userShowCmd) Run(ctx context.Context, c *commands) error {
	return c.withUser(ctx, cmd.who, func(_ context.Context, _ *admin.Service, u *latchkey.User) error { return c.printUser(u) })
}

type userInviteCmd struct {
	Email       string   `help:"E-mail address; counts as verified. No mail is sent." placeholder:"ADDRESS"`
	Username    string   `help:"Username to propose." placeholder:"NAME"`
	DisplayName string   `help:"Name to propose." placeholder:"NAME"`
	Group       []string `help:"Group to put the person into; may be repeated." sep:"none" placeholder:"NAME"`
	Role        string   `help:"user or admin." default:"user" enum:"user,admin"`
	TTL         lifetime `name:"ttl" help:"How long the link works, 1d to 30d. Default ${default}." default:"7d" placeholder:"TIME"`
}

// Run makes an invitation.
func (cmd *userInviteCmd) Run(ctx context.Context, c *commands) error {
	return c.withLinks(ctx, func(ctx context.Context, s *admin.Service) error {
		made, err := s.Invite(ctx, admin.Invitation{
			Email: cmd.Email, Username: cmd.Username, DisplayName: cmd.DisplayName, Groups: cmd.Group,
			Role: latchkey.Role(cmd.Role), TTL: orTiny(cmd.TTL),
		})
		if err != nil {
			return err
		}
		return c.print(admin.InviteOutOf(made.Link, made.URL),
			fmt.Sprintf("Invitation (single use, until %s): %s", at(made.Link.ExpiresAt), made.URL))
	})
}

// orTiny makes a typed zero a time that is refused: only what was not typed is
// the default.
func orTiny(d lifetime) time.Duration { return max(time.Duration(d), 1) }

type userInvitationsCmd struct{}

// Run lists open invitations.
func (*userInvitationsCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		links, err := s.Invitations(ctx)
		if err != nil {
			return err
		}
		out, rows := page[admin.InviteOut]{Items: []admin.InviteOut{}}, [][]string{}
		for _, l := range links {
			in := l.Invite
			out.Items = append(out.Items, admin.InviteOutOf(l, ""))
			rows = append(rows, []string{l.ID, in.Email, in.Username, in.DisplayName, string(in.Role), strings.Join(in.Groups, ", "), in.InvitedBy, at(l.ExpiresAt)})
		}
		return c.print(out, table("No open invitation.", []string{"ID", "E-MAIL", "USERNAME", "NAME", "ROLE", "GROUPS", "BY", "UNTIL"}, rows))
	})
}

// deleted is what a command prints that takes something away.
type deleted struct {
	ID string `json:"deleted"`
}

type userWithdrawCmd struct {
	ID string `arg:"" help:"Id of the invitation."`
}

// Run ends an invitation.
func (cmd *userWithdrawCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		if err := s.WithdrawInvitation(ctx, cmd.ID); err != nil {
			return err
		}
		return c.print(deleted{strings.ToLower(cmd.ID)}, "The invitation ended.")
	})
}

type userDisableCmd struct{ who }

// Run turns a person off.
func (cmd *userDisableCmd) Run(ctx context.Context, c *commands) error {
	return c.changeUser(ctx, cmd.who, (*admin.Service).Disable)
}

type userEnableCmd struct{ who }

// Run turns a person on.
func (cmd *userEnableCmd) Run(ctx context.Context, c *commands) error {
	return c.changeUser(ctx, cmd.who, (*admin.Service).Enable)
}

type userRoleCmd struct {
	who
	Role string `arg:"" enum:"user,admin" help:"user or admin."`
}

// Run gives a role.
func (cmd *userRoleCmd) Run(ctx context.Context, c *commands) error {
	return c.changeUser(ctx, cmd.who, func(s *admin.Service, ctx context.Context, id string) (*latchkey.User, error) {
		return s.SetRole(ctx, id, latchkey.Role(cmd.Role))
	})
}

func (c *commands) changeUser(ctx context.Context, w who, change func(*admin.Service, context.Context, string) (*latchkey.User, error)) error {
	return c.withUser(ctx, w, func(ctx context.Context, s *admin.Service, u *latchkey.User) error {
		u, err := change(s, ctx, u.ID)
		if err != nil {
			return err
		}
		return c.printUser(u)
	})
}

type userRecoverCmd struct {
	who
	TTL lifetime `name:"ttl" help:"How long the link works, 15m to 24h. Default ${default}." default:"1h" placeholder:"TIME"`
}

// Run makes a recovery link.
func (cmd *userRecoverCmd) Run(ctx context.Context, c *commands) error {
	return c.withLinks(ctx, func(ctx context.Context, s *admin.Service) error {
		u, err := s.FindUser(ctx, cmd.User)
		if err != nil {
			return err
		}
		made, err := s.Recover(ctx, u.ID, orTiny(cmd.TTL))
		if err != nil {
			return err
		}
		out := struct {
			UserID    string    `json:"user_id"`
			URL       string    `json:"url"`
			ExpiresAt time.Time `json:"expires_at"`
		}{u.ID, made.URL, made.Link.ExpiresAt.UTC()}
		return c.print(out, fmt.Sprintf("Recovery link for %s (single use, until %s): %s", plain(u.Username), at(made.Link.ExpiresAt), made.URL))
	})
}

type userPasskeysCmd struct{ who }

// Run lists passkeys.
func (cmd *userPasskeysCmd) Run(ctx context.Context, c *commands) error {
	return c.withUser(ctx, cmd.who, func(ctx context.Context, s *admin.Service, u *latchkey.User) error {
		held, err := s.Passkeys(ctx, u.ID)
		if err != nil {
			return err
		}
		out, rows := page[admin.PasskeyOut]{Items: []admin.PasskeyOut{}}, [][]string{}
		for _, p := range held {
			where := "on one device"
			if p.BackupEligible {
				where = "synced"
			}
			out.Items = append(out.Items, admin.PasskeyOutOf(p))
			rows = append(rows, []string{p.DeviceName, latchkey.Provider(p.AAGUID), where, at(p.CreatedAt), at(p.LastUsedAt), p.ID})
		}
		return c.print(out, table("No passkey.", []string{"NAME", "PROVIDER", "KEPT", "MADE", "LAST USED", "ID"}, rows))
	})
}

// endedOut counts what a sign-out ended.
type endedOut struct {
	UserID   string `json:"user_id,omitempty"`
	ID       string `json:"deleted,omitempty"`
	Sessions int    `json:"sessions"`
	Grants   int    `json:"grants"` // lines of refresh tokens
}

type userSignOutCmd struct{ who }

// Run signs a person out everywhere.
func (cmd *userSignOutCmd) Run(ctx context.Context, c *commands) error {
	return c.signOut(ctx, cmd.who)
}

func (c *commands) signOut(ctx context.Context, w who) error {
	return c.withUser(ctx, w, func(ctx context.Context, s *admin.Service, u *latchkey.User) error {
		ended, err := s.SignOut(ctx, u.ID)
		if err != nil {
			return err
		}
		return c.print(endedOut{UserID: u.ID, Sessions: ended.Sessions, Grants: ended.Grants},
			fmt.Sprintf("%s is signed out everywhere. Sessions ended: %d.", plain(u.Username), ended.Sessions))
	})
}
