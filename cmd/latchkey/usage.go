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
