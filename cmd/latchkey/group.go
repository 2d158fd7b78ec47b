package main

import (
	"context"
	"fmt"
	"strconv"

	"latchkey"
	"latchkey/admin"
	"latchkey/storage"
)

// groupCmd is `latchkey group …`.
type groupCmd struct {
	List   groupListCmd   `cmd:"" help:"List groups by name."`
	Create groupCreateCmd `cmd:"" help:"Make a group."`
	Delete groupDeleteCmd `cmd:"" help:"Delete a group that no application is open to."`
	Add    groupAddCmd    `cmd:"" help:"Put a person into a group."`
	Remove groupRemoveCmd `cmd:"" help:"Take a person out of a group, and out of the applications that only it opened."`
}

type groupListCmd struct{ paging }

// Run lists groups.
func (cmd *groupListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		var rows [][]string
		found, err := collect(cmd.paging, func(cursor string, limit int) ([]admin.GroupOut, string, error) {
			p, err := s.ListGroups(ctx, storage.GroupQuery{Cursor: cursor, Limit: limit})
			if err != nil {
				return nil, "", err
			}
			items := make([]admin.GroupOut, 0, len(p.Items))
			for _, g := range p.Items {
				items = append(items, admin.GroupOutOf(g))
				rows = append(rows, []string{g.Name, strconv.Itoa(g.Members), at(g.CreatedAt), g.ID})
			}
			return items, p.Next, nil
		})
		if err != nil {
			return err
		}
		return c.print(found, table("No group.", []string{"NAME", "PEOPLE", "SINCE", "ID"}, rows))
	})
}

type groupCreateCmd struct {
	Name string `arg:"" help:"Name that applications learn, such as engineering."`
}

// Run makes a group.
func (cmd *groupCreateCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		g, err := s.CreateGroup(ctx, cmd.Name)
		if err != nil {
			return err
		}
		return c.print(admin.GroupOutOf(g), fmt.Sprintf("Made the group %s.", plain(g.Name)))
	})
}

// which names a group.
type which struct {
	Group string `arg:"" help:"Name or id of the group."`
}

type groupDeleteCmd struct{ which }

// Run deletes a group.
func (cmd *groupDeleteCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		g, err := s.FindGroup(ctx, cmd.Group)
		if err != nil {
			return err
		}
		if err := s.DeleteGroup(ctx, g.ID); err != nil {
			return err
		}
		return c.print(deleted{g.ID}, fmt.Sprintf("Deleted the group %s.", plain(g.Name)))
	})
}

type groupAddCmd struct {
	which
	who
}

// Run adds a person.
func (cmd *groupAddCmd) Run(ctx context.Context, c *commands) error {
	return c.member(ctx, cmd.which, cmd.who, "%s is in %s.", (*admin.Service).AddMember)
}

type groupRemoveCmd struct {
	which
	who
}

// Run takes a person out.
func (cmd *groupRemoveCmd) Run(ctx context.Context, c *commands) error {
	return c.member(ctx, cmd.which, cmd.who, "%s is no longer in %s.", (*admin.Service).RemoveMember)
}

func (c *commands) member(ctx context.Context, group which, person who, says string, change func(*admin.Service, context.Context, string, string) error) error {
	return c.withUser(ctx, person, func(ctx context.Context, s *admin.Service, u *latchkey.User) error {
		g, err := s.FindGroup(ctx, group.Group)
		if err != nil {
			return err
		}
		if err := change(s, ctx, g.ID, u.ID); err != nil {
			return err
		}
		out := struct {
			Group  string `json:"group"`
			UserID string `json:"user_id"`
		}{g.Name, u.ID}
		return c.print(out, fmt.Sprintf(says, plain(u.Username), plain(g.Name)))
	})
}
