package main

import (
	"context"
	"fmt"
	"strings"

	"latchkey/migrations"
)

// migrateCmd is `latchkey migrate up` and `latchkey migrate status`.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Bring the schema up to this release. Several nodes may call it at once."`
	Status migrateStatusCmd `cmd:"" help:"Show the schema's version and what is pending."`
}

type (
	migrateUpCmd     struct{}
	migrateStatusCmd struct{}
)

// Run migrates.
func (*migrateUpCmd) Run(ctx context.Context, c *commands) error {
	return c.withCluster(ctx, func(url string) error {
		status, err := migrations.Up(ctx, c.ownerURL(url))
		if err != nil {
			return err
		}
		return c.print(status, describe(status))
	})
}

// Run shows the state and changes nothing.
func (*migrateStatusCmd) Run(ctx context.Context, c *commands) error {
	return c.withCluster(ctx, func(url string) error {
		status, err := migrations.Read(ctx, c.ownerURL(url))
		if err != nil {
			return err
		}
		return c.print(status, describe(status))
	})
}

// ownerURL is the connection string for changes to the schema.
func (s *settings) ownerURL(url string) string {
	if s.MigrateURL != "" {
		return s.MigrateURL
	}
	return url
}

func describe(s migrations.Status) string {
	if len(s.Pending) == 0 {
		return fmt.Sprintf("The schema is at version %d, the newest that this release knows.", s.Current)
	}
	return fmt.Sprintf("The schema is at version %d of %d. Pending: %s", s.Current, s.Latest, strings.Join(s.Pending, ", "))
}
