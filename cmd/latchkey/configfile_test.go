package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func configFileOf(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latchkey.yaml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConfigFile: the same names in YAML, in every spelling that YAML has for
// their values, also those of serve.
func TestConfigFile(t *testing.T) {
	t.Parallel()
	for _, lines := range [][]string{
		{"# nothing"},
		{"issuer: https://id.example.com", "acme: true", "no-migrate: false"},
		{"trusted-proxies: [10.0.0.0/8, 127.0.0.1]"},
		{"trusted-proxies:", "  - 10.0.0.0/8", "  - 127.0.0.1"},
		{"trusted-proxies: 10.0.0.0/8,127.0.0.1"},
		{"db-max-conns: 7", "db-idle-timeout: 5m", "session-max-age: 2d"},
	} {
		if code, _, stderr := command(t, "version", "--config", configFileOf(t, lines...)); code != exitDone {
			t.Errorf("%q: exit %d: %s", lines, code, stderr)
		}
	}
}

// TestConfigFileTakesEffect: each kind of value arrives.
func TestConfigFileTakesEffect(t *testing.T) {
	t.Parallel()
	for _, refused := range []struct{ line, says string }{
		{"issuer: http://192.0.2.1", "passkeys need a domain"},
		{"trusted-proxies: [10.0.0.0/8, here]", "--trusted-proxies"},
		{"db-max-conns: 0", "--db-max-conns"},
		{"acme: true", "--acme"},
		{"session-ttl: 5s", "--session-ttl"},
		{"registration: all", "--registration"},
	} {
		if code, _, stderr := command(t, "version", "--config", configFileOf(t, refused.line)); code != exitUsage || !strings.Contains(stderr, refused.says) {
			t.Errorf("%s: exit %d, want %d with %q: %s", refused.line, code, exitUsage, refused.says, stderr)
		}
	}
}

// TestWrongConfigFile: a slip of the pen must not leave a default in force.
func TestWrongConfigFile(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct {
		name  string
		lines []string
		says  string
	}{
		{"a misspelt name", []string{"isuer: https://id.example.com"}, "isuer"},
		{"a name with underscores", []string{"data_dir: /data"}, "data_dir"},
		{"a name of a command", []string{"username: alice"}, "username"},
		{"a file that names another", []string{"config: other.yaml"}, "config"},
		{"help", []string{"help: true"}, "help"},
		{"no value", []string{"issuer:"}, "empty"},
		{"a map", []string{"issuer:", "  url: https://id.example.com"}, "issuer"},
		{"a list of lists", []string{"trusted-proxies: [[10.0.0.0/8]]"}, "trusted-proxies"},
		{"a name twice", []string{"listen: 127.0.0.1:1", "listen: 127.0.0.1:2"}, "listen"},
		{"no YAML", []string{"issuer: ["}, "yaml"},
		{"a list of names", []string{"- issuer"}, "yaml"},
		{"too much of it", []string{"# " + strings.Repeat("x", maxSecretFile)}, "larger"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := command(t, "version", "--config", configFileOf(t, wrong.lines...))
			if code != exitUsage || !strings.HasPrefix(stderr, "latchkey: --config: ") || !strings.Contains(stderr, wrong.says) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, want %d in one line of --config with %q: %s", code, exitUsage, wrong.says, stderr)
			}
		})
	}
}

// TestLaterSourcesWin: default, file, variable (or the file it names), flag.
func TestLaterSourcesWin(t *testing.T) {
	file := configFileOf(t, "issuer: http://192.0.2.1", "log-format: xml")
	mounted := filepath.Join(t.TempDir(), "issuer")
	if err := os.WriteFile(mounted, []byte("https://id.example.com/path\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	issuer := func(want string, arguments ...string) {
		t.Helper()
		if _, _, stderr := command(t, append([]string{"version"}, arguments...)...); !strings.Contains(stderr, want) {
			t.Errorf("%v: want a complaint of %q: %s", arguments, want, stderr)
		}
	}
	issuer("IP address", "--config", file)
	t.Setenv("LATCHKEY_CONFIG", file)
	issuer("IP address")
	t.Setenv("LATCHKEY_ISSUER_FILE", mounted)
	issuer("more than scheme")
	issuer("ends with a dot", "--issuer", "https://id.example.com.")
	if err := os.Unsetenv("LATCHKEY_ISSUER_FILE"); err != nil { // t.Setenv brings it back
		t.Fatal(err)
	}
	t.Setenv("LATCHKEY_ISSUER", "https://ID.example.com")
	issuer("upper-case")
	issuer("ends with a dot", "--issuer", "https://id.example.com.")
	issuer("--log-format", "--issuer", "https://id.example.com") // the file's other line
}
