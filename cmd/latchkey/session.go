package main

import (
	"context"
	"errors"
	"strings"

	"latchkey/admin"
	"latchkey/storage"
)

// sessionCmd is `latchkey session …`.
type sessionCmd struct {
	List sessionListCmd `cmd:"" help:"List live sessions, the newest first."`
	End  sessionEndCmd  `cmd:"" help:"End one session, or all of a person."`
}

type sessionListCmd struct {
	User string `help:"Only of this person: username, verified e-mail address or id." placeholder:"USER"`
	paging
}

// Run lists sessions.
func (cmd *sessionListCmd) Run(ctx context.Context, c *commands) error {
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		q := storage.SessionQuery{}
		if cmd.User != "" {
			u, err := s.FindUser(ctx, cmd.User)
			if err != nil {
				return err
			}
			q.UserID = u.ID
		}
		var rows [][]string
		found, err := collect(cmd.paging, func(cursor string, limit int) ([]admin.SessionOut, string, error) {
			q.Cursor, q.Limit = cursor, limit
			p, err := s.ListSessions(ctx, q)
			if err != nil {
				return nil, "", err
			}
			items := make([]admin.SessionOut, 0, len(p.Items))
			for _, one := range p.Items {
				items = append(items, admin.SessionOutOf(one))
				rows = append(rows, []string{one.Username, string(one.Kind), one.UserAgent, one.Address, at(one.CreatedAt), at(one.LastActivity), one.ID})
			}
			return items, p.Next, nil
		})
		if err != nil {
			return err
		}
		return c.print(found, table("Nobody is signed in.", []string{"USERNAME", "KIND", "BROWSER", "ADDRESS", "SIGNED IN", "LAST SEEN", "ID"}, rows))
	})
}

type sessionEndCmd struct {
	ID   string `arg:"" optional:"" help:"Id of the session."`
	User string `help:"All sessions of this person, and what applications can do in their name." placeholder:"USER"`
}

// Run ends sessions.
func (cmd *sessionEndCmd) Run(ctx context.Context, c *commands) error {
	if (cmd.ID == "") == (cmd.User == "") {
		return usageError{errors.New("session end: name either the id of a session or --user USER")}
	}
	if cmd.User != "" {
		return c.signOut(ctx, who{User: cmd.User})
	}
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		ended, err := s.EndSession(ctx, cmd.ID)
		if err != nil {
			return err
		}
		return c.print(endedOut{ID: strings.ToLower(cmd.ID), Sessions: ended.Sessions, Grants: ended.Grants}, "The session ended.")
	})
}
