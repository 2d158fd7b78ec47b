package main

import (
	"strings"
	"testing"
)

// TestUnfinishedCommandLines: whoever does not know how to go on is shown what
// may come next; programs get one document.
func TestUnfinishedCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arguments []string
		shows     []string
	}{
		{nil, []string{"latchkey …", "  serve ", "  user …", "  doctor ", "`latchkey COMMAND --help`"}},
		{[]string{"--issuer", "https://id.example.com"}, []string{"latchkey …", "  serve "}},
		{[]string{"user"}, []string{"latchkey user …", "  invite ", "`latchkey user COMMAND --help`"}},
		{[]string{"migrate"}, []string{"latchkey migrate …", "  up ", "  status "}},
	} {
		code, stdout, stderr := command(t, c.arguments...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%q: exit %d, want %d; standard output %q", c.arguments, code, exitUsage, stdout)
		}
		for _, part := range c.shows {
			if !strings.Contains(stderr, part) {
				t.Errorf("%q does not show %q: %s", c.arguments, part, stderr)
			}
		}
	}
	code, stdout, stderr := command(t, "user", "--json")
	if code != exitUsage || !strings.HasPrefix(stdout, `{"error":{"code":"usage"`) || strings.Count(stdout, "\n") != 1 || stderr != "" {
		t.Errorf("--json: exit %d, %q, %q", code, stdout, stderr)
	}
}

// TestSlipsOfThePen: one line that says what was meant, or what is missing.
func TestSlipsOfThePen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"docter"}, `did you mean "doctor"?`},
		{[]string{"user", "lst"}, `did you mean "list"?`},
		{[]string{"serve", "--lisen", "x"}, `did you mean "--listen"?`},
		{[]string{"serve", "now"}, "unexpected argument now"},
		{[]string{"user", "show"}, "<user>"},
		{[]string{"user", "show"}, "`latchkey user show --help` says more"},
		{[]string{"serve", "--nonsense"}, "`latchkey serve --help` says more"},
	} {
		code, stdout, stderr := command(t, c.arguments...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit %d, want %d in one line with %q: %q %s", c.arguments, code, exitUsage, c.says, stdout, stderr)
		}
	}
}

// TestHelp: on standard output, also when a setting is wrong; commands stand
// before settings, a command's own flags before those of all.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arguments []string
		inOrder   []string
	}{
		{[]string{"--help"}, []string{"Commands:", "serve", "user invite", "doctor", "demo", "Flags:", "--issuer"}},
		{[]string{"help"}, []string{"Commands:", "serve", "--issuer"}},
		{[]string{"-h"}, []string{"Commands:", "serve", "--issuer"}},
		{[]string{"serve", "--help"}, []string{"Run the provider.", "--no-migrate", "Settings", "--issuer", "LATCHKEY_ISSUER"}},
		{[]string{"help", "serve"}, []string{"Run the provider.", "--no-migrate", "Settings", "--issuer"}},
		{[]string{"demo", "--help"}, []string{"127.0.0.1:8090", "--client-id", "Settings", "--issuer", "`latchkey --help` lists them"}},
		{[]string{"doctor", "--help"}, []string{"exits 1", "--health", "Settings"}},
		{[]string{"user", "sign-out", "--help"}, []string{"<user>", "--json", "Settings", "`latchkey --help` lists them"}},
		{[]string{"serve", "--issuer", "nonsense", "--help"}, []string{"--no-migrate"}},
	} {
		code, stdout, stderr := command(t, c.arguments...)
		if code != exitDone || stderr != "" {
			t.Errorf("%q: exit %d: %s", c.arguments, code, stderr)
		}
		rest := stdout
		for _, part := range c.inOrder {
			_, after, found := strings.Cut(rest, part)
			if !found {
				t.Errorf("%q does not show %q in its place:\n%s", c.arguments, part, stdout)
				break
			}
			rest = after
		}
		// Whatever is not built is not offered.
		if strings.Contains(stdout, "redis") || strings.Contains(stdout, "smtp") {
			t.Errorf("%q offers settings of later releases:\n%s", c.arguments, stdout)
		}
	}
}

// TestVersion: by either name.
func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{{"version"}, {"--version"}} {
		if code, stdout, stderr := command(t, arguments...); code != exitDone || !strings.HasPrefix(stdout, "latchkey ") {
			t.Errorf("%q: exit %d: %q %s", arguments, code, stdout, stderr)
		}
	}
}
