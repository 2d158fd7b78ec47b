package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/passkey/passkeytest"
	"latchkey/storage/storagetest"
)

// diagnosis is what doctor printed as JSON.
type diagnosis struct {
	OK       bool
	Findings []struct {
		Check, Level, Message string
		NextStep              string `json:"next_step"`
	}
}

// diagnose reads the output of doctor --json, and insists on what holds for
// every answer.
func diagnose(t *testing.T, code int, stdout, stderr string) diagnosis {
	t.Helper()
	var d diagnosis
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		t.Fatalf("doctor: exit %d, printed %q: %v: %s", code, stdout, err, stderr)
	}
	failed := false
	for _, f := range d.Findings {
		failed = failed || f.Level == "fail"
		if f.Check == "" || f.Message == "" || (f.NextStep == "") != (f.Level == "ok") {
			t.Errorf("finding without words: %+v", f)
		}
	}
	if want := map[bool]int{true: exitFailed, false: exitDone}[failed]; code != want || d.OK == failed {
		t.Errorf("doctor: exit %d, ok %v, want exit %d", code, d.OK, want)
	}
	return d
}

// troubles are the findings that are not ok.
func (d diagnosis) troubles() map[string]string {
	found := map[string]string{}
	for _, f := range d.Findings {
		if f.Level != "ok" {
			found[f.Check] = f.Level
		}
	}
	return found
}

// next is what to do about a check.
func (d diagnosis) next(check string) string {
	for _, f := range d.Findings {
		if f.Check == check {
			return f.NextStep
		}
	}
	return ""
}

// clinic is an installation behind a proxy, in good health at first.
type clinic struct {
	database, dir string
	settings      []string
	bend          atomic.Pointer[func(*httputil.ProxyRequest)]
	bendAnswer    atomic.Pointer[func(*http.Response) error]
}

func newClinic(t *testing.T, more ...string) *clinic {
	t.Helper()
	c := &clinic{database: storagetest.Empty(t), dir: t.TempDir()}
	if err := os.Chmod(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	listen := freeAddress(t)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: listen})
			r.SetXForwarded()
			r.Out.Host = r.In.Host
			if bend := c.bend.Load(); bend != nil {
				(*bend)(r)
			}
		},
		ModifyResponse: func(res *http.Response) error {
			if bend := c.bendAnswer.Load(); bend != nil {
				return (*bend)(res)
			}
			return nil
		},
	})
	t.Cleanup(front.Close)
	issuer := strings.Replace(front.URL, "127.0.0.1", "localhost", 1)
	c.settings = append([]string{"--issuer", issuer, "--listen", listen, "--database-url", c.database, "--data-dir", c.dir}, more...)
	lines, _ := start(t, c.settings...)
	_, token, _ := strings.Cut(lines[0], "/setup#token=")
	if answer := passkeytest.NewBrowser(t, issuer).Register("setup", token, passkeytest.Fields{"username": "alice"}); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	return c
}

func (c *clinic) doctor(t *testing.T, more ...string) diagnosis {
	t.Helper()
	code, stdout, stderr := command(t, append(append([]string{"doctor", "--json"}, c.settings...), more...)...)
	return diagnose(t, code, stdout, stderr)
}

var trustsProxy = []string{"--trusted-proxies", "127.0.0.1/32"}

// TestDoctorFindsNothing: a healthy installation, seen through its proxy.
func TestDoctorFindsNothing(t *testing.T) {
	t.Parallel()
	c := newClinic(t, trustsProxy...)
	d := c.doctor(t)
	if diff := cmp.Diff(map[string]string{}, d.troubles()); diff != "" {
		t.Errorf("troubles (-want +got):\n%s", diff)
	}
	var checks []string
	for _, f := range d.Findings {
		checks = append(checks, f.Check)
	}
	want := []string{"data_dir", "database", "clock", "schema", "key_file", "rp_id", "signing_keys", "audit", "issuer", "cookies", "proxy"}
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	code, stdout, _ := command(t, append([]string{"doctor"}, c.settings...)...)
	if code != exitDone || strings.Count(stdout, "\n") != len(want) || strings.Contains(stdout, "→") {
		t.Errorf("for people: exit %d: %s", code, stdout)
	}
}

// TestDoctorFindsWhatIsBroken breaks one thing at a time in a running
// installation: exactly that is found.
func TestDoctorFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	c := newClinic(t, trustsProxy...)
	keyFile := filepath.Join(c.dir, "keys.json")
	right, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sql := func(statement string) func() {
		return func() { storagetest.SQL(t, c.database, statement) }
	}
	databaseName := c.database[strings.LastIndex(c.database, "=")+1:]
	skew := func(by string) func() {
		return func() {
			storagetest.SQL(t, c.database, "CREATE SCHEMA skew")
			storagetest.SQL(t, c.database, "CREATE FUNCTION skew.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '"+by+"' $$")
			storagetest.SQL(t, c.database, "ALTER DATABASE "+databaseName+" SET search_path = public, skew, pg_catalog")
		}
	}
	unskew := func() {
		storagetest.SQL(t, c.database, "ALTER DATABASE "+databaseName+" RESET search_path")
		storagetest.SQL(t, c.database, "DROP SCHEMA skew CASCADE")
	}
	none := func() {}
	for _, broken := range []struct {
		name       string
		more       []string
		spoil      func()
		cure       func()
		check      string
		level      string
		says, next string
	}{
		{"a database that does not answer", []string{"--database-url", "postgres://x@" + freeAddress(t) + "/x"}, none, none, "database", "fail", "does not answer", "--database-url"},
		{"a clock that is off", nil, skew("10 s"), unskew, "clock", "warn", "differ by 10", "NTP"},
		{"a clock that is far behind", nil, skew("-2 min"), unskew, "clock", "fail", "differ by 2m", "NTP"},
		{"a newer schema", nil, sql("INSERT INTO schema_migrations (version_id, is_applied) VALUES (9999, true)"),
			sql("DELETE FROM schema_migrations WHERE version_id = 9999"), "schema", "fail", "newer", "release"},
		{"an older schema", nil, sql("UPDATE schema_migrations SET version_id = -1 WHERE version_id = (SELECT max(version_id) FROM schema_migrations)"),
			sql("UPDATE schema_migrations SET version_id = 1 + (SELECT max(version_id) FROM schema_migrations) WHERE version_id = -1"), "schema", "warn", "Pending", "latchkey migrate up"},
		{"passkeys of another domain", nil, sql(`UPDATE settings SET value = '"id.example.com"' WHERE key = 'rp_id'`),
			sql(`UPDATE settings SET value = '"localhost"' WHERE key = 'rp_id'`), "rp_id", "fail", "the 1 passkeys were made for id.example.com", "--rp-id id.example.com"},
		{"no key that signs", nil, sql("UPDATE signing_keys SET retire_at = now() WHERE alg = 'ES256'"),
			sql("UPDATE signing_keys SET retire_at = NULL"), "signing_keys", "fail", "No ES256 key", "keys rotate"},
		{"an old key", nil, sql("UPDATE signing_keys SET activate_at = activate_at - interval '370 days' WHERE alg = 'RS256'"),
			sql("UPDATE signing_keys SET activate_at = activate_at + interval '370 days' WHERE alg = 'RS256'"), "signing_keys", "warn", "RS256", "keys rotate"},
		{"a key that was exchanged", nil, sql("UPDATE signing_keys SET private_key = set_byte(private_key, 30, get_byte(private_key, 30) # 1) WHERE alg = 'RS256'"),
			sql("UPDATE signing_keys SET private_key = set_byte(private_key, 30, get_byte(private_key, 30) # 1) WHERE alg = 'RS256'"), "signing_keys", "fail", "open signing key", "Restore"},
		{"a key to encrypt to that was exchanged", nil, sql("UPDATE encryption_keys SET private_key = set_byte(private_key, 30, get_byte(private_key, 30) # 1) WHERE alg = 'ECDH-ES'"),
			sql("UPDATE encryption_keys SET private_key = set_byte(private_key, 30, get_byte(private_key, 30) # 1) WHERE alg = 'ECDH-ES'"), "signing_keys", "fail", "open encryption key", "Restore"},
		{"an application without a new key that signs", nil, func() {
			if code, _, stderr := command(t, append([]string{"keys", "rotate", "--alg", "EdDSA", "--now"}, c.settings...)...); code != exitDone {
				t.Fatalf("rotate: %s", stderr)
			}
			storagetest.SQL(t, c.database, `INSERT INTO clients (id, name, type, profile, grant_types, response_types, scopes, auth_method, id_token_alg)
				VALUES ('wiki', 'Wiki', 'web', 'oidc', '{authorization_code}', '{code}', '{openid}', 'client_secret_basic', 'EdDSA')`)
			storagetest.SQL(t, c.database, `INSERT INTO client_callers (client_id, address_prefix, agent, expires_at) VALUES ('wiki', '198.51.100.1/32', 'node', now() + interval '1 day')`)
		}, sql(`DELETE FROM clients WHERE id = 'wiki'`), "signing_keys", "warn", "The new EdDSA key: Wiki.", "keys list"},
		{"a sequencer that stopped", nil, sql("UPDATE audit_head SET halted = 'a leaf was changed'"),
			sql("UPDATE audit_head SET halted = ''"), "audit", "fail", "a leaf was changed", "audit verify"},
		{"a data dir that others can enter", nil, func() { must(os.Chmod(c.dir, 0o755)) }, func() { must(os.Chmod(c.dir, 0o700)) }, "data_dir", "warn", "0755", "chmod 700"},
		{"a data dir that is a file", []string{"--data-dir", keyFile}, none, none, "data_dir", "fail", "no folder", "--data-dir"},
		{"a key file that others can read", nil, func() { must(os.Chmod(keyFile, 0o644)) }, func() { must(os.Chmod(keyFile, 0o600)) }, "key_file", "fail", "0644", "key file"},
		{"a key file that is missing", nil, func() { must(os.Remove(keyFile)) }, func() { must(os.WriteFile(keyFile, right, 0o600)) }, "key_file", "fail", keyFile, "key file"},
		{"a key file of another installation", nil, func() {
			must(os.WriteFile(keyFile, []byte(`{"version":1,"created_at":"2026-01-02T03:04:05Z","credential_encryption_key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","session_signing_key":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=","previous":[]}`), 0o600))
		}, func() { must(os.WriteFile(keyFile, right, 0o600)) }, "key_file", "fail", "", "key file"},
		{"a key file that is cut short", nil, func() { must(os.WriteFile(keyFile, right[:40], 0o600)) }, func() { must(os.WriteFile(keyFile, right, 0o600)) }, "key_file", "fail", keyFile, "key file"},
		{"an issuer that is another", []string{"--issuer", "http://localhost:" + portOf(c.settings[3])}, none, none, "issuer", "fail", "calls itself " + c.settings[1], "--issuer"},
		{"an issuer where nobody is", []string{"--issuer", "http://localhost:" + portOf(freeAddress(t))}, none, none, "issuer", "fail", "Nothing answers", "latchkey itself answers at " + c.settings[3]},
	} {
		broken.spoil()
		d := c.doctor(t, broken.more...)
		broken.cure()
		if diff := cmp.Diff(map[string]string{broken.check: broken.level}, d.troubles()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", broken.name, diff)
		}
		for _, f := range d.Findings {
			if f.Check == broken.check && (!strings.Contains(f.Message, broken.says) || !strings.Contains(f.NextStep, broken.next)) {
				t.Errorf("%s: %q, next %q; want words of %q, next of %q", broken.name, f.Message, f.NextStep, broken.says, broken.next)
			}
		}
	}
	if diff := cmp.Diff(map[string]string{}, c.doctor(t).troubles()); diff != "" {
		t.Errorf("after every cure (-want +got):\n%s", diff)
	}
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// TestDoctorFindsWhatTheProxyDoes: one thing at a time that proxies get wrong.
func TestDoctorFindsWhatTheProxyDoes(t *testing.T) {
	t.Parallel()
	c := newClinic(t, trustsProxy...)
	drop := func(name string) func(*httputil.ProxyRequest) {
		return func(r *httputil.ProxyRequest) { r.Out.Header.Del(name) }
	}
	set := func(name, value string) func(*httputil.ProxyRequest) {
		return func(r *httputil.ProxyRequest) { r.Out.Header.Set(name, value) }
	}
	cookie := func(old, new string) func(*http.Response) error {
		return func(res *http.Response) error {
			for i, line := range res.Header["Set-Cookie"] {
				res.Header["Set-Cookie"][i] = strings.Replace(line, old, new, 1)
			}
			return nil
		}
	}
	for _, broken := range []struct {
		name         string
		request      func(*httputil.ProxyRequest)
		answer       func(*http.Response) error
		check, level string
		next         string
	}{
		{"it does not say for whom it asks", drop("X-Forwarded-For"), nil, "proxy", "fail", "X-Forwarded-For"},
		{"another proxy is in front of it", set("X-Forwarded-For", "198.51.100.7, 10.9.8.7"), nil, "proxy", "fail", "--trusted-proxies 127.0.0.1/32,10.9.8.7/32"},
		{"it speaks of another scheme", set("X-Forwarded-Proto", "https"), nil, "proxy", "warn", "X-Forwarded-Proto"},
		{"it asks for another host", func(r *httputil.ProxyRequest) { r.Out.Host = "backend" }, nil, "proxy", "warn", "Host"},
		{"it drops unknown headers", drop("X-Latchkey-Probe"), nil, "proxy", "warn", "X-Latchkey-Probe"},
		{"it answers health questions itself", nil, func(res *http.Response) error {
			if res.Request.URL.Path == "/healthz" {
				res.StatusCode, res.Body = http.StatusOK, http.NoBody
			}
			return nil
		}, "proxy", "fail", "/healthz"},
		{"it drops cookies", nil, func(res *http.Response) error { res.Header.Del("Set-Cookie"); return nil }, "cookies", "fail", "Set-Cookie"},
		{"it renames cookies", nil, cookie("latchkey-pre", "other"), "cookies", "fail", "Set-Cookie"},
		{"it widens cookies to a domain", nil, cookie("; HttpOnly", "; Domain=localhost; HttpOnly"), "cookies", "fail", "Set-Cookie"},
		{"it moves cookies to a path", nil, cookie("Path=/", "Path=/auth"), "cookies", "fail", "Set-Cookie"},
		{"it opens cookies to scripts", nil, cookie("; HttpOnly", ""), "cookies", "fail", "Set-Cookie"},
		{"it makes cookies secure over http", nil, cookie("; HttpOnly", "; HttpOnly; Secure"), "cookies", "fail", "Set-Cookie"},
		{"it sends cookies across sites", nil, cookie("SameSite=Lax", "SameSite=None"), "cookies", "fail", "Set-Cookie"},
		{"it keeps the discovery document to itself", nil, func(res *http.Response) error {
			if strings.HasPrefix(res.Request.URL.Path, "/.well-known/") {
				res.StatusCode = http.StatusNotFound
				res.Status = "404 Not Found"
			}
			return nil
		}, "issuer", "fail", "every path"},
	} {
		c.bend.Store(nil)
		c.bendAnswer.Store(nil)
		if broken.request != nil {
			c.bend.Store(&broken.request)
		}
		if broken.answer != nil {
			c.bendAnswer.Store(&broken.answer)
		}
		d := c.doctor(t)
		if diff := cmp.Diff(map[string]string{broken.check: broken.level}, d.troubles()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", broken.name, diff)
		}
		if next := d.next(broken.check); !strings.Contains(next, broken.next) {
			t.Errorf("%s: next %q, want words of %q", broken.name, next, broken.next)
		}
	}
}

// TestDoctorNamesTheProxies: a start with the setting it names has no trouble.
func TestDoctorNamesTheProxies(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	d := c.doctor(t)
	if diff := cmp.Diff(map[string]string{"proxy": "fail"}, d.troubles()); diff != "" {
		t.Fatalf("without the setting (-want +got):\n%s", diff)
	}
	_, value, _ := strings.Cut(d.next("proxy"), "--trusted-proxies ")
	value = strings.TrimSuffix(value, ".")
	if diff := cmp.Diff(map[string]string{}, newClinic(t, "--trusted-proxies", value).doctor(t).troubles()); diff != "" {
		t.Errorf("with --trusted-proxies %s (-want +got):\n%s", value, diff)
	}
}

// TestProbeIsForKeyHolders: nobody else learns what a node sees.
func TestProbeIsForKeyHolders(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for _, token := range []string{"", "x", "x.y", strings.Repeat("1", 500), fmt.Sprintf("%s.%s", "t5xk8g", strings.Repeat("A", 44))} {
		req := newRequest(t, "GET", c.settings[1]+"/healthz", nil)
		req.Header.Set("X-Latchkey-Probe", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		v := visitOf(t, res)
		res.Body.Close()
		if v.body != `{"status":"alive"}` {
			t.Errorf("token %q: %s", token, v.body)
		}
	}
}

// TestDoctorFindsALateSequencer: events that nobody takes into the tree.
func TestDoctorFindsALateSequencer(t *testing.T) {
	t.Parallel()
	database, dir, listen := storagetest.Empty(t), t.TempDir(), freeAddress(t)
	settings := []string{"--database-url", database, "--data-dir", dir, "--listen", listen, "--issuer", "http://localhost:" + portOf(listen)}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, settings...)
	stop()
	storagetest.SQL(t, database, `INSERT INTO audit_pending (id, kind, actor_kind, success, created_at)
		VALUES (gen_random_uuid(), 'user.updated', 'system', true, now() - interval '2 minutes')`)
	code, stdout, stderr := command(t, append([]string{"doctor", "--json"}, settings...)...)
	d := diagnose(t, code, stdout, stderr)
	if diff := cmp.Diff(map[string]string{"issuer": "fail", "audit": "warn"}, d.troubles()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
