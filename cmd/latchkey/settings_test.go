package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongSettings: each stops with exit 2 and one line that names it.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct {
		name      string
		arguments []string
		names     string
	}{
		{"an issuer without a scheme", []string{"--issuer", "id.example.com"}, "--issuer"},
		{"an issuer with a path", []string{"--issuer", "https://id.example.com/auth"}, "--issuer"},
		{"an issuer with a slash", []string{"--issuer", "https://id.example.com/"}, "--issuer"},
		{"an issuer with a query", []string{"--issuer", "https://id.example.com?x"}, "--issuer"},
		{"an issuer with an empty query", []string{"--issuer", "https://id.example.com?"}, "--issuer"},
		{"an issuer with a fragment", []string{"--issuer", "https://id.example.com#x"}, "--issuer"},
		{"an issuer with an empty fragment", []string{"--issuer", "https://id.example.com#"}, "--issuer"},
		{"an issuer with a user", []string{"--issuer", "https://me@id.example.com"}, "--issuer"},
		{"an IPv4 issuer", []string{"--issuer", "https://192.0.2.1"}, "passkeys need a domain"},
		{"an IPv6 issuer", []string{"--issuer", "http://[::1]:8080"}, "passkeys need a domain"},
		{"http for another host", []string{"--issuer", "http://id.example.com"}, "must be https"},
		{"an upper-case issuer", []string{"--issuer", "https://ID.example.com"}, "upper-case"},
		{"an issuer ending with a dot", []string{"--issuer", "https://id.example.com."}, "dot"},
		{"another scheme", []string{"--issuer", "ftp://id.example.com"}, "must be https"},
		{"an RP ID of another domain", []string{"--issuer", "https://id.example.com", "--rp-id", "example.org"}, "--rp-id"},
		{"an RP ID below the issuer", []string{"--issuer", "https://id.example.com", "--rp-id", "a.id.example.com"}, "--rp-id"},
		{"an RP ID that ends within a label", []string{"--issuer", "https://id.example.com", "--rp-id", "ample.com"}, "--rp-id"},
		{"a public suffix as RP ID", []string{"--issuer", "https://id.example.co.uk", "--rp-id", "co.uk"}, "public suffix"},
		{"a certificate without its key", []string{"--tls-cert", "c.pem"}, "--tls-key"},
		{"TLS 1.1", []string{"--tls-min", "1.1"}, "--tls-min"},
		{"no connections", []string{"--db-max-conns", "0"}, "--db-max-conns"},
		{"more idle connections than all", []string{"--db-max-conns", "4", "--db-min-idle-conns", "5"}, "--db-min-idle-conns"},
		{"a connect timeout of nothing", []string{"--db-connect-timeout", "0s"}, "--db-connect-timeout"},
		{"a proxy that is no network", []string{"--trusted-proxies", "here"}, "--trusted-proxies"},
		{"an unknown log format", []string{"--log-format", "xml"}, "--log-format"},
		{"an unknown log level", []string{"--log-level", "loud"}, "log-level"},
		{"rate limits neither on nor off", []string{"--rate-limits", "maybe"}, "rate-limits"},
		{"an owner's URL alone", []string{"--migrate-database-url", "postgres://o@db/x"}, "--database-url"},
		{"an unknown flag", []string{"--isuer", "x"}, "--isuer"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			code := run(t.Context(), append([]string{"version"}, wrong.arguments...), &stdout, &stderr)
			if code != exitUsage {
				t.Errorf("exit %d, want %d", code, exitUsage)
			}
			if !strings.Contains(stderr.String(), wrong.names) {
				t.Errorf("the message does not name %q: %s", wrong.names, stderr.String())
			}
			if stdout.Len() != 0 {
				t.Errorf("standard output: %q", stdout.String())
			}
		})
	}
}

// TestRightSettings: neighbours of the wrong ones that must work.
func TestRightSettings(t *testing.T) {
	t.Parallel()
	for _, right := range [][]string{
		nil,
		{"--issuer", "https://id.example.com"},
		{"--issuer", "https://id.example.com:8443"},
		{"--issuer", "http://id.localhost:8080"},
		{"--issuer", "https://id.example.com", "--rp-id", "example.com"},
		{"--issuer", "https://id.example.com", "--rp-id", "id.example.com"},
		{"--trusted-proxies", "10.0.0.0/8,::1/128"},
	} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), append([]string{"version"}, right...), &stdout, &stderr); code != exitDone {
			t.Errorf("%v: exit %d: %s", right, code, stderr.String())
		}
	}
}

// TestSettingFromFile: LATCHKEY_…_FILE is how mounted secrets arrive.
func TestSettingFromFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := func(want int, names string) {
		t.Helper()
		var stdout, stderr strings.Builder
		if code := run(t.Context(), []string{"version"}, &stdout, &stderr); code != want || !strings.Contains(stderr.String(), names) {
			t.Errorf("exit %d, want %d: %s", code, want, stderr.String())
		}
	}
	t.Setenv("LATCHKEY_ISSUER_FILE", write("good", "https://id.example.com\n"))
	check(exitDone, "")
	t.Setenv("LATCHKEY_ISSUER_FILE", write("bad", "http://192.0.2.1\n"))
	check(exitUsage, "passkeys need a domain")
	t.Setenv("LATCHKEY_ISSUER_FILE", write("empty", "\n"))
	check(exitUsage, "empty")
	t.Setenv("LATCHKEY_ISSUER_FILE", filepath.Join(dir, "missing"))
	check(exitUsage, "LATCHKEY_ISSUER_FILE")
	t.Setenv("LATCHKEY_ISSUER_FILE", write("good", "https://id.example.com\n"))
	t.Setenv("LATCHKEY_ISSUER", "https://id.example.com")
	check(exitUsage, "both set")
}

// TestConfigFile: the same names in YAML; the command line wins.
func TestConfigFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "latchkey.yaml")
	if err := os.WriteFile(path, []byte("issuer: http://192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"version", "--config", path}, &stdout, &stderr); code != exitUsage {
		t.Errorf("the file's issuer: exit %d, want %d", code, exitUsage)
	}
	if code := run(t.Context(), []string{"version", "--config", path, "--issuer", "https://id.example.com"}, &stdout, &stderr); code != exitDone {
		t.Errorf("the command line over the file: exit %d: %s", code, stderr.String())
	}
}
