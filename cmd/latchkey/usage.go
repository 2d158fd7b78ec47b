package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// customary gives what people type at any program its meaning here.
func customary(arguments []string) []string {
	if len(arguments) == 0 {
		return arguments
	}
	switch rest := arguments[1:]; arguments[0] {
	case "help":
		return append(append([]string{}, rest...), "--help")
	case "--version":
		return append([]string{"version"}, rest...)
	}
	return arguments
}

// menu lists what may come next where a command line ends too early; it is
// empty for every other mistake.
func menu(err error) string {
	parse := (*kong.ParseError)(nil)
	if !errors.As(err, &parse) || !strings.HasPrefix(err.Error(), "expected one of ") {
		return ""
	}
	node := parse.Context.Selected()
	if node == nil {
		node = parse.Context.Model.Node
	}
	var rows [][]string
	for _, child := range node.Children {
		name := child.Name
		if len(child.Children) > 0 {
			name += " …"
		}
		rows = append(rows, []string{"  " + name, child.Help})
	}
	if len(rows) == 0 {
		return ""
	}
	path := strings.TrimSpace("latchkey " + node.Path())
	return table("", []string{path + " …", ""}, rows) + "\n\n`" + path + " COMMAND --help` says more."
}

// shortHelp lists the settings, three screens of them, where they are looked
// for: at the program itself and at serve. Other commands say where that is.
func shortHelp(options kong.HelpOptions, ctx *kong.Context) error {
	selected := ctx.Selected()
	if selected == nil || selected.Name == "serve" {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	for _, flag := range ctx.Model.Flags {
		flag.Hidden = flag.Hidden || flag.Group != nil && strings.HasPrefix(flag.Group.Title, "Settings")
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, "\nSettings such as --data-dir, --database-url and --issuer are those of every\ncommand: `latchkey --help` lists them.\n")
	return err
}

// withHelp says where to look, when what was typed is no command line: a
// wrong value is explained already.
func withHelp(err error) error {
	parse := (*kong.ParseError)(nil)
	if !errors.As(err, &parse) || parse.Context == nil || complaint.MatchString(err.Error()) {
		return err
	}
	path := "latchkey"
	if node := parse.Context.Selected(); node != nil {
		path += " " + node.Path()
	}
	if missing, found := strings.CutPrefix(err.Error(), `expected "`); found {
		err = errors.New(strings.TrimSuffix(missing, `"`) + " is missing")
	}
	return fmt.Errorf("%w (`%s --help` says more)", err, path)
}

// complaint is how the library begins when a flag's value cannot be read.
var complaint = regexp.MustCompile(`^--([a-z0-9-]+)(: | must be )`)

// withExample gives the library's complaint about a setting the example that
// ours have. Settings with a default are all that it judges.
func withExample(app *kong.Application, err error) error {
	found := complaint.FindStringSubmatch(err.Error())
	if found == nil || strings.Contains(err.Error(), "(example: ") {
		return err
	}
	for _, flag := range app.Flags {
		if flag.Name == found[1] && flag.Default != "" {
			return fmt.Errorf("%w (example: --%s %s)", err, flag.Name, flag.Default)
		}
	}
	return err
}
