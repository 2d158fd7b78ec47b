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
		{"an unknown log level", []string{"--log-level", "loud"}, "--log-level"},
		{"rate limits neither on nor off", []string{"--rate-limits", "maybe"}, "--rate-limits"},
		{"an owner's URL alone", []string{"--migrate-database-url", "postgres://o@db/x"}, "--database-url"},
		{"an issuer with its scheme's own port", []string{"--issuer", "https://id.example.com:443"}, "leave it out"},
		{"an http issuer with its scheme's own port", []string{"--issuer", "http://localhost:80"}, "leave it out"},
		{"an issuer with an empty port", []string{"--issuer", "https://id.example.com:"}, "leave it out"},
		{"an issuer in letters of another script", []string{"--issuer", "https://bücher.example"}, "xn--"},
		{"a listener without a port", []string{"--listen", "127.0.0.1"}, "--listen"},
		{"a listener with an empty port", []string{"--listen", "127.0.0.1:"}, "--listen"},
		{"a database URL that is none", []string{"--database-url", "there"}, "--database-url"},
		{"an owner's URL that is none", []string{"--database-url", "postgres://l@db/x", "--migrate-database-url", "there"}, "--migrate-database-url"},
		{"a number that is none", []string{"--db-max-conns", "many"}, "--db-max-conns"},
		{"a time that is none", []string{"--db-idle-timeout", "soon"}, "--db-idle-timeout"},
		{"an idle timeout of nothing", []string{"--db-idle-timeout", "0s"}, "--db-idle-timeout"},
		{"a lifetime of nothing", []string{"--db-max-lifetime", "1ms"}, "--db-max-lifetime"},
		{"a negative number of idle connections", []string{"--db-min-idle-conns=-1"}, "--db-min-idle-conns"},
		{"a certificate's key alone", []string{"--tls-key", "k.pem"}, "--tls-cert"},
		{"ACME beside a certificate", []string{"--issuer", "https://id.example.com", "--acme", "--tls-cert", "c.pem", "--tls-key", "k.pem"}, "--acme"},
		{"ACME for localhost", []string{"--acme"}, "--acme"},
		{"ACME for a name without a domain", []string{"--issuer", "https://intranet", "--acme"}, "--acme"},
		{"an authority without ACME", []string{"--acme-directory", "https://ca.example.com/dir"}, "needs --acme"},
		{"an authority over http", []string{"--issuer", "https://id.example.com", "--acme", "--acme-directory", "http://ca.example.com/dir"}, "--acme-directory"},
		{"a session too short", []string{"--session-ttl", "59s"}, "--session-ttl"},
		{"a session too long", []string{"--session-ttl", "31d", "--session-max-age", "40d"}, "--session-ttl"},
		{"a session that ends before it idles", []string{"--session-ttl", "13h"}, "--session-max-age"},
		{"a session for ever", []string{"--session-max-age", "91d"}, "--session-max-age"},
		{"a code too short", []string{"--code-ttl", "9s"}, "--code-ttl"},
		{"a code too long", []string{"--code-ttl", "11m"}, "--code-ttl"},
		{"an access token too short", []string{"--access-token-ttl", "29s"}, "--access-token-ttl"},
		{"an access token too long", []string{"--access-token-ttl", "25h"}, "--access-token-ttl"},
		{"an ID token too short", []string{"--id-token-ttl", "29s"}, "--id-token-ttl"},
		{"an ID token too long", []string{"--id-token-ttl", "25h"}, "--id-token-ttl"},
		{"a refresh token too short", []string{"--refresh-token-ttl", "59s"}, "--refresh-token-ttl"},
		{"a refresh token too long", []string{"--refresh-token-ttl", "91d", "--refresh-token-max-age", "100d"}, "--refresh-token-ttl"},
		{"a refresh line shorter than its tokens", []string{"--refresh-token-max-age", "13d"}, "--refresh-token-max-age"},
		{"a refresh line for ever", []string{"--refresh-token-max-age", "731d"}, "--refresh-token-max-age"},
		{"a time without a unit", []string{"--session-ttl", "60"}, "--session-ttl"},
		{"a negative time", []string{"--session-ttl=-1h"}, "--session-ttl"},
		{"a negative day", []string{"--session-ttl=-1d"}, "--session-ttl"},
		{"days without a number", []string{"--session-ttl", "d"}, "--session-ttl"},
		{"open sign-up", []string{"--sign-up", "open"}, "not available in this release"},
		{"domains for sign-up", []string{"--sign-up-domains", "example.com"}, "--sign-up-domains"},
		{"challenges in memory", []string{"--challenge-store", "memory"}, "not available in this release"},
		{"challenges in Redis", []string{"--challenge-store", "redis"}, "not available in this release"},
		{"Redis", []string{"--redis-url", "redis://cache"}, "--redis-url"},
		{"registration by a word of its own", []string{"--registration", "invite"}, "--registration"},
		{"mail", []string{"--smtp-url", "smtp://mail"}, "--smtp-url"},
		{"a sender of mail", []string{"--mail-from", "id@example.com"}, "--mail-from"},
		{"a network to fetch from that is none", []string{"--outbound-allow", "10.0.0.0/8,here"}, "--outbound-allow"},
		{"a network to fetch from by name", []string{"--outbound-allow", "app.example.com"}, "--outbound-allow"},
		{"a network to fetch from with a zone", []string{"--outbound-allow", "fe80::1%lo"}, "--outbound-allow"},
		{"authorities that are not there", []string{"--outbound-ca", "/nowhere.pem"}, "--outbound-ca"},
		{"authorities that are none", []string{"--outbound-ca", "settings_test.go"}, "no certificate"},
		{"metrics", []string{"--metrics-listen", "127.0.0.1:9090"}, "--metrics-listen"},
		{"a retention of the audit log", []string{"--audit-retention", "365d"}, "--audit-retention"},
		{"archives of the audit log", []string{"--audit-archive-dir", "/archive"}, "--audit-archive-dir"},
		{"a folder for backups", []string{"--backup-dir", "/backups"}, "--backup-dir"},
		{"a configuration file that is not there", []string{"--config", "/nowhere.yaml"}, "--config"},
		{"a flag without its value", []string{"--issuer"}, "--issuer"},
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
			if strings.Count(stderr.String(), "\n") != 1 || strings.Count(stderr.String(), "(example: ") != 1 {
				t.Errorf("not one line with one example: %s", stderr.String())
			}
		})
	}
}

// TestUnknownFlag: there is no example for what nobody knows, but a guess.
func TestUnknownFlag(t *testing.T) {
	t.Parallel()
	code, _, stderr := command(t, "version", "--isuer", "x")
	if code != exitUsage || !strings.Contains(stderr, `did you mean "--issuer"?`) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit %d, want %d with a guess in one line: %s", code, exitUsage, stderr)
	}
}

// TestSecretsStayOutOfMessages: a setting that holds a password is refused
// without repeating it.
func TestSecretsStayOutOfMessages(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{"--database-url", "postgres://latchkey:hunter2@db:port/latchkey"},
		{"--database-url", "postgres://latchkey:hunter2@db/latchkey?sslmode=maybe"},
		{"--redis-url", "redis://:hunter2@cache"},
		{"--smtp-url", "smtp://latchkey:hunter2@mail"},
	} {
		code, _, stderr := command(t, append([]string{"version"}, arguments...)...)
		if code != exitUsage || strings.Contains(stderr, "hunter2") {
			t.Errorf("exit %d, want %d without the password: %s", code, exitUsage, stderr)
		}
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
		{"--issuer", "https://id.example.com:80"},
		{"--issuer", "http://localhost:443"},
		{"--issuer", "https://xn--bcher-kva.example"},
		{"--trusted-proxies", "10.0.0.0/8,::1/128"},
		{"--listen", ":8080"},
		{"--listen", "[::1]:0"},
		{"--database-url", "postgres://latchkey@db1,db2/latchkey?target_session_attrs=read-write"},
		{"--issuer", "https://id.example.com", "--acme"},
		{"--issuer", "https://id.example.com:8443", "--acme", "--acme-directory", "https://ca.example.com/dir"},
		{"--session-ttl", "1m", "--session-max-age", "1m"},
		{"--session-ttl", "30d", "--session-max-age", "90d"},
		{"--session-max-age", "1d12h"},
		{"--code-ttl", "10s", "--access-token-ttl", "30s", "--id-token-ttl", "30s", "--refresh-token-ttl", "1m", "--refresh-token-max-age", "1m"},
		{"--code-ttl", "10m", "--access-token-ttl", "1d", "--id-token-ttl", "24h", "--refresh-token-ttl", "90d", "--refresh-token-max-age", "730d"},
		{"--sign-up", "invite", "--registration", "off", "--challenge-store", "postgres"},
		{"--registration", "token"}, {"--registration", "open"},
		{"--sign-up", "off"},
		{"--outbound-allow", "10.0.0.0/8,fd00::/8,192.168.1.5"},
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
