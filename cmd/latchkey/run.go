package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"

	"latchkey"
	"latchkey/migrations"
	"latchkey/seal"
	"latchkey/server"
	"latchkey/storage"
	"latchkey/storage/embedpg"
)

// Exit codes, the same for every command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // wrong usage or setting
	exitNotFound    = 3
	exitRefused     = 4 // a rule forbids it, foreign database version
	exitUnreachable = 5 // service or database cannot be reached, data dir in use
	exitKeys        = 6 // key file or sealed data refused
)

// commands is the command line. Every command sees the settings.
type commands struct {
	settings `embed:"" group:"Settings, the same for every command:"`
	JSON     bool `name:"json" help:"Print one JSON document and nothing else." env:"-"`

	Serve     serveCmd     `cmd:"" help:"Run the provider."`
	SetupLink setupLinkCmd `cmd:"" help:"Print a fresh set-up link while no administrator exists."`
	User      userCmd      `cmd:"" help:"People: who is here, invitations, recovery, roles."`
	Group     groupCmd     `cmd:"" help:"Groups of people."`
	Client    clientCmd    `cmd:"" help:"Applications: connect, change, turn off, their secrets."`
	API       apiCmd       `cmd:"" name:"api" help:"APIs that applications get access tokens for, and their permissions."`
	Session   sessionCmd   `cmd:"" help:"Browsers that are signed in."`
	Audit     auditCmd     `cmd:"" help:"The record: what happened, and proof that nobody changed it."`
	Keys      keysCmd      `cmd:"" help:"Signing keys: which there are, new ones, old ones."`
	Migrate   migrateCmd   `cmd:"" help:"Change the database's schema, or show how far it is."`
	Doctor    doctorCmd    `cmd:"" help:"Check the whole installation and say what to do about each finding."`
	Demo      demoCmd      `cmd:"" help:"Run a sample application that signs in at a running latchkey and shows the tokens."`
	Version   versionCmd   `cmd:"" help:"Show version, commit, Go and FIPS module."`

	stdout, stderr io.Writer
	log            *slog.Logger
	drop           func(dataDir string) error // gives up root; nil = stay who we are
	foreignKeys    *seal.Keys                 // read before that; nil when there are none
	operator       latchkey.Actor             // who typed the command
}

// errFault ends a command with exit code 1 that has printed what it found.
var errFault = errors.New("a check found a fault")

// usageError is a command line or setting that is wrong.
type usageError struct{ error }

// run is the program as whoever runs it: it returns the exit code.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	return execute(ctx, &commands{stdout: stdout, stderr: stderr}, arguments)
}

func execute(ctx context.Context, c *commands, arguments []string) int {
	stdout, stderr := c.stdout, c.stderr
	c.operator = whoTypes()
	code := exitDone
	done := false
	parser, err := kong.New(c,
		kong.Name("latchkey"),
		kong.Description("An OpenID Connect provider whose only way to sign in is a passkey."),
		kong.DefaultEnvars("LATCHKEY"),
		kong.Resolvers(envFiles()),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Writers(stdout, stderr),
		kong.Exit(func(status int) { code, done = status, true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(shortHelp),
	)
	if err != nil {
		fmt.Fprintln(stderr, "latchkey:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(customary(arguments))
	if done { // --help
		return code
	}
	if err == nil {
		c.log, err = c.newLogger()
	}
	if err != nil {
		c.JSON = c.JSON || slices.Contains(arguments, "--json") // it may stand behind what is wrong
		if text := menu(err); text != "" && !c.JSON {
			fmt.Fprintln(stderr, text)
			return exitUsage
		}
		return c.report(usageError{withHelp(withExample(parser.Model, err))})
	}
	return c.report(parsed.Run(c))
}

// newLogger logs to standard error, as text on a terminal.
func (c *commands) newLogger() (*slog.Logger, error) {
	format := c.LogFormat
	if format == "" {
		format = "json"
		if f, ok := c.stderr.(interface{ Fd() uintptr }); ok && isatty.IsTerminal(f.Fd()) {
			format = "text"
		}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, err
	}
	return server.NewLogger(c.stderr, format, level)
}

// print writes what a command found: v as JSON, or text for people.
func (c *commands) print(v any, text string) error {
	if !c.JSON {
		_, err := fmt.Fprintln(c.stdout, text)
		return err
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// report says what went wrong and returns the exit code for it.
func (c *commands) report(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errFault) {
		return exitFailed
	}
	code, name := exitCode(err)
	if c.JSON {
		failure := map[string]map[string]string{"error": {"code": name, "message": messageOf(err)}}
		if err := json.NewEncoder(c.stdout).Encode(failure); err != nil {
			fmt.Fprintln(c.stderr, "latchkey:", err)
		}
		return code
	}
	fmt.Fprintln(c.stderr, "latchkey:", messageOf(err))
	return code
}

func messageOf(err error) string {
	p := (*latchkey.Problem)(nil)
	if !errors.As(err, &p) || p.Message == "" {
		return err.Error()
	}
	if p.Code != "validation_failed" || len(p.Fields) == 0 {
		return p.Message
	}
	var wrong []string
	for _, field := range slices.Sorted(maps.Keys(p.Fields)) {
		wrong = append(wrong, "--"+strings.ReplaceAll(field, "_", "-")+": "+p.Fields[field])
	}
	return strings.Join(wrong, " ")
}

// exitCode maps the kinds of error; name is the code of --json.
func exitCode(err error) (code int, name string) {
	is := func(kinds ...error) bool {
		for _, k := range kinds {
			if errors.Is(err, k) {
				return true
			}
		}
		return false
	}
	usage := usageError{}
	switch {
	case errors.As(err, &usage):
		code, name = exitUsage, "usage"
	case is(seal.ErrMissing, seal.ErrRefused, seal.ErrMismatch, latchkey.ErrSealMismatch):
		code, name = exitKeys, "keys_refused"
	case is(embedpg.ErrDataDir):
		code, name = exitUsage, "data_dir"
	case is(embedpg.ErrInUse):
		code, name = exitUnreachable, "in_use"
	case is(latchkey.ErrUnavailable, embedpg.ErrUnavailable, embedpg.ErrNoBinaries):
		code, name = exitUnreachable, "unavailable"
	case is(migrations.ErrNewer, storage.ErrForeignVersion, embedpg.ErrForeignVersion):
		code, name = exitRefused, "foreign_version"
	case is(latchkey.ErrForbidden, latchkey.ErrConflict):
		code, name = exitRefused, "refused"
	case is(latchkey.ErrNotFound):
		code, name = exitNotFound, "not_found"
	case is(latchkey.ErrInvalid):
		code, name = exitUsage, "invalid"
	default:
		code, name = exitFailed, "failed"
	}
	if own := latchkey.CodeOf(err); own != "" {
		name = own
	}
	return code, name
}
