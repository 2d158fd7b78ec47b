package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"latchkey/storage/storagetest"
)

const callback = "http://127.0.0.1:9/callback"

// visibleIn is how long a change by a command may take to be seen by a running
// server.
const visibleIn = 5 * time.Second

// soon waits until something holds on the running server.
func (h *house) soon(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(visibleIn); ; time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s: not within %v", what, visibleIn)
		}
	}
}

// file writes a file and returns its path.
func (h *house) file(name, content string) string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// config is an application's side of the code flow.
func (h *house) config(id, secret string) (*goidc.Provider, oauth2.Config) {
	h.t.Helper()
	provider, err := goidc.NewProvider(h.t.Context(), h.issuer)
	if err != nil {
		h.t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if secret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return provider, oauth2.Config{ClientID: id, ClientSecret: secret, Endpoint: endpoint, RedirectURL: callback, Scopes: []string{"openid", "email", "offline_access"}}
}

// authorize sends alice to an application and returns the parameters of its
// answer, or the status of the page where she was stopped. She allows whatever
// she is asked.
func (h *house) authorize(config oauth2.Config, more ...oauth2.AuthCodeOption) (answer url.Values, status int) {
	h.t.Helper()
	address := config.AuthCodeURL("s", more...)
	for range 6 {
		res, err := h.alice.HTTP.Get(address)
		if err != nil {
			h.t.Fatal(err)
		}
		res.Body.Close()
		to, err := res.Location()
		if err != nil {
			return nil, res.StatusCode
		}
		if strings.HasPrefix(to.String(), config.RedirectURL+"?") {
			return to.Query(), http.StatusFound
		}
		address = to.String()
	}
	h.t.Fatal("no end of redirects")
	return nil, 0
}

// signIn goes through the code flow and verifies the ID token.
func (h *house) signIn(id, secret string) *oauth2.Token {
	h.t.Helper()
	provider, config := h.config(id, secret)
	verifier := oauth2.GenerateVerifier()
	answer, status := h.authorize(config, oauth2.S256ChallengeOption(verifier))
	if answer.Get("code") == "" {
		h.t.Fatalf("authorize stopped at %d with %v", status, answer)
	}
	tokens, err := config.Exchange(h.t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		h.t.Fatal(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	if _, err := provider.Verifier(&goidc.Config{ClientID: id}).Verify(h.t.Context(), raw); err != nil {
		h.t.Fatal(err)
	}
	return tokens
}

// TestAnApplicationsLifeByCommand: connected, signed in to, changed, off, on,
// deleted; each seen by the running server visibleIn 5 s.
func TestAnApplicationsLifeByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.json("group", "create", "staff")
	made := h.json("client", "create", "--name", "Wiki", "--redirect-uri", callback, "--first-party", "--post-logout-redirect-uri", "https://wiki.example.com/")
	id, _ := made["client_id"].(string)
	secret, _ := made["client_secret"].(string)
	if !strings.HasPrefix(id, "wiki-") || len(secret) < 40 || made["client_id_issued_at"].(float64) < 1e9 || made["client_secret_expires_at"] != 0.0 {
		t.Fatalf("client create prints %v", made)
	}
	want := object{
		"client_name": "Wiki", "token_endpoint_auth_method": "client_secret_basic", "scope": "openid profile email groups offline_access",
		"profile": "oidc", "first_party": true, "enabled": true, "type": "web", "application_type": "web", "subject_type": "public",
		"access_token_format": "jwt", "id_token_signed_response_alg": "RS256", "access_token_ttl": nil, "refresh_without_offline_access": false,
		"introspects": false, "notes": "",
	}
	for member, value := range want {
		if got, there := made[member]; !there || got != value {
			t.Errorf("%s is %v, want %v", member, got, value)
		}
	}
	for member, list := range map[string]string{
		"redirect_uris": callback, "grant_types": "authorization_code refresh_token", "response_types": "code",
		"post_logout_redirect_uris": "https://wiki.example.com/", "allowed_groups": "", "tags": "", "allowed_cors_origins": "",
	} {
		if got := listOf(made[member]); got != list {
			t.Errorf("%s is %q, want %q", member, got, list)
		}
	}
	tokens := h.signIn(id, secret)

	shown := h.json("client", "show", id)
	if _, there := shown["client_secret"]; there || len(shown["secrets"].([]any)) != 1 {
		t.Errorf("client show prints %v", shown)
	}
	listed := h.json("client", "list", "--find", "WIKI")
	if items := listed["items"].([]any); len(items) != 1 || items[0].(object)["client_id"] != id || listed["next_cursor"] != nil || items[0].(object)["client_secret"] != nil {
		t.Errorf("client list prints %v", listed)
	}

	_, config := h.config(id, secret)
	moved := config
	moved.RedirectURL = "http://127.0.0.1:9/moved"
	changed := h.json("client", "update", id, "--redirect-uri", moved.RedirectURL, "--name", "Docs")
	if listOf(changed["redirect_uris"]) != moved.RedirectURL || changed["client_name"] != "Docs" || changed["first_party"] != true {
		t.Errorf("client update prints %v", changed)
	}
	h.soon("another redirect URI", func() bool { answer, _ := h.authorize(moved); return answer.Get("code") != "" })
	if _, status := h.authorize(config); status != http.StatusBadRequest {
		t.Errorf("the old redirect URI answers %d", status)
	}

	h.json("client", "update", id, "--group", "staff")
	h.soon("closed to alice", func() bool { _, status := h.authorize(moved); return status == http.StatusForbidden })
	if _, err := moved.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token(); err == nil {
		t.Error("a refresh token lives on for somebody who is shut out")
	}
	h.json("client", "update", id, "--everyone", "--no-first-party")
	h.soon("open, with consent", func() bool { _, status := h.authorize(moved); return status == http.StatusOK })
	h.json("client", "update", id, "--first-party")
	h.soon("without consent", func() bool { answer, _ := h.authorize(moved); return answer.Get("code") != "" })

	if off := h.json("client", "disable", id); off["enabled"] != false {
		t.Errorf("client disable prints %v", off)
	}
	h.soon("off", func() bool { _, status := h.authorize(moved); return status == http.StatusBadRequest })
	if on := h.json("client", "enable", id); on["enabled"] != true {
		t.Errorf("client enable prints %v", on)
	}
	h.soon("on", func() bool { answer, _ := h.authorize(moved); return answer.Get("code") != "" })
	if gone := h.json("client", "delete", id); gone["deleted"] != id || len(gone) != 1 {
		t.Errorf("client delete prints %v", gone)
	}
	h.soon("deleted", func() bool { _, status := h.authorize(moved); return status == http.StatusBadRequest })
	for kind, n := range map[string]int64{"client.registered": 1, "client.updated": 6, "client.deleted": 1} {
		if got := h.events(kind); got != n {
			t.Errorf("%d events %s, want %d", got, kind, n)
		}
	}
	h.refused(exitNotFound, "not_found", "client", "show", id)
}

func listOf(v any) string {
	var texts []string
	items, _ := v.([]any)
	for _, item := range items {
		texts = append(texts, item.(string))
	}
	return strings.Join(texts, " ")
}

// TestEveryTypeOfApplication by command: the defaults that the contract names,
// and each really works.
func TestEveryTypeOfApplication(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, typ := range []string{"spa", "native"} {
		made := h.json("client", "create", "--name", typ, "--type", typ, "--redirect-uri", callback, "--first-party")
		if made["client_secret"] != nil || made["token_endpoint_auth_method"] != "none" || made["profile"] != "oauth21" {
			t.Errorf("%s: %v", typ, made)
		}
		h.signIn(made["client_id"].(string), "")
	}
	made := h.json("client", "create", "--name", "Nightly", "--type", "machine", "--scope", "backup:read backup:write")
	if listOf(made["grant_types"]) != "client_credentials" || listOf(made["redirect_uris"]) != "" || made["token_endpoint_auth_method"] != "client_secret_basic" {
		t.Errorf("machine: %v", made)
	}
	machine := clientcredentials.Config{
		ClientID: made["client_id"].(string), ClientSecret: made["client_secret"].(string), TokenURL: h.issuer + "/oauth2/token",
		Scopes: []string{"backup:read"}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	if _, err := machine.Token(t.Context()); err != nil {
		t.Error(err)
	}
	post := h.json("client", "create", "--name", "Post", "--auth-method", "client_secret_post", "--redirect-uri", callback, "--first-party")
	_, config := h.config(post["client_id"].(string), post["client_secret"].(string))
	config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	answer, _ := h.authorize(config)
	if _, err := config.Exchange(t.Context(), answer.Get("code")); err != nil {
		t.Error(err)
	}
}

// TestWhatPeopleReadOfAnApplication: the secret once, what to type into the
// application, and what is next; nothing that a terminal would obey.
func TestWhatPeopleReadOfAnApplication(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	said := h.says("client", "create", "--name", "Wiki", "--id", "wiki", "--redirect-uri", callback)
	at := strings.Index(said, "lk_cs_")
	if at < 0 || strings.Count(said, "lk_cs_") != 1 {
		t.Fatalf("the secret does not stand there once: %s", said)
	}
	for _, must := range []string{
		"Wiki is connected", h.issuer + "/.well-known/openid-configuration", "wiki\n", callback, "openid profile email groups offline_access",
		"everyone", "each person is asked once", "shown only now", "client update wiki --auth-method client_secret_post",
	} {
		if !strings.Contains(said, must) {
			t.Errorf("client create does not say %q: %s", must, said)
		}
	}
	secret, _, _ := strings.Cut(said[at:], "\n")
	if shown := h.says("client", "show", "wiki"); strings.Contains(shown, secret) || !strings.Contains(shown, secret[:12]+"…") || !strings.Contains(shown, "never") {
		t.Errorf("client show says %s", shown)
	}
	if said := h.says("client", "create", "--name", "Phone", "--type", "native", "--redirect-uri", callback, "--first-party"); strings.Contains(said, "lk_cs_") || !strings.Contains(said, "PKCE") || !strings.Contains(said, "not asked") {
		t.Errorf("client create of a native application says %s", said)
	}
	if said := h.says("client", "create", "--name", "Nightly", "--id", "nightly", "--type", "machine"); !strings.Contains(said, "curl -u 'nightly:SECRET' -d grant_type=client_credentials "+h.issuer+"/oauth2/token") {
		t.Errorf("client create of a machine says %s", said)
	}
	if said := h.says("client", "update", "wiki", "--name", "Docs"); !strings.HasPrefix(said, "Changed: client_name.\n") {
		t.Errorf("client update says %s", said)
	}
	if said := h.says("client", "update", "wiki", "--name", "Docs"); !strings.HasPrefix(said, "Nothing was different.\n") {
		t.Errorf("client update of nothing says %s", said)
	}
	storagetest.SQL(t, h.url, "UPDATE clients SET name = E'a\\x1b[2J\\u202eb' WHERE id = 'wiki'")
	for _, arguments := range [][]string{{"list"}, {"show", "wiki"}, {"disable", "wiki"}, {"enable", "wiki"}, {"delete", "wiki"}} {
		if said := h.says(append([]string{"client"}, arguments...)...); strings.ContainsAny(said, "\x1b\u202e") || !strings.Contains(said, "a\uFFFD[2J\uFFFDb") {
			t.Errorf("client %v says %q", arguments, said)
		}
	}
}

// TestMetadataByCommand: RFC 7591 documents, merged; what show prints may be
// given back.
func TestMetadataByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	document := `{"client_name": "Wiki", "redirect_uris": ["` + callback + `"], "contacts": ["ops@example.com"], "client_uri": "https://wiki.example.com/",
		"access_token_ttl": 300, "refresh_grace": 0, "tags": ["docs"], "notes": "of the house", "first_party": true, "id_token_signed_response_alg": "ES256"}`
	made := h.json("client", "create", "--metadata", h.file("wiki.json", document), "--name", "Docs")
	id := made["client_id"].(string)
	if made["client_name"] != "Docs" || made["access_token_ttl"] != 300.0 || made["refresh_grace"] != 0.0 || listOf(made["tags"]) != "docs" ||
		listOf(made["contacts"]) != "ops@example.com" || made["id_token_signed_response_alg"] != "ES256" || made["notes"] != "of the house" {
		t.Errorf("created %v", made)
	}
	h.signIn(id, made["client_secret"].(string))
	if made := h.json("client", "update", id, "--access-token-format", "opaque"); made["access_token_format"] != "opaque" {
		t.Errorf("updated to %v", made)
	}
	h.signIn(id, made["client_secret"].(string))
	if made := h.json("client", "update", id, "--metadata", h.file("jwt.json", `{"access_token_format": null}`)); made["access_token_format"] != "jwt" {
		t.Errorf("updated to %v", made)
	}

	before := h.json("client", "show", id)
	back, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if same := h.json("client", "update", id, "--metadata", h.file("same.json", string(back))); same["version"] != before["version"] {
		t.Errorf("what show prints changes something: %v", same)
	}
	next := h.json("client", "update", id, "--metadata", h.file("next.json", `{"access_token_ttl": null, "notes": "", "enabled": false}`))
	if next["access_token_ttl"] != nil || next["notes"] != "" || next["enabled"] != false || next["client_name"] != "Docs" || listOf(next["tags"]) != "docs" {
		t.Errorf("updated to %v", next)
	}
	document = `{"client_id": "from-file", "client_name": "From a file", "type": "spa", "redirect_uris": ["` + callback + `"]}`
	if got := h.json("client", "create", "--metadata", h.file("id.json", document)); got["client_id"] != "from-file" || got["token_endpoint_auth_method"] != "none" {
		t.Errorf("created %v", got)
	}
}

// TestASecretOfOnesOwn comes from a file and works; it is never printed but in
// the answer that RFC 7591 asks for.
func TestASecretOfOnesOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const own = "Zk3vQ9xT4mN2bKc7RzBw8HfYpL3sJd6U"
	file := h.file("wiki.secret", own+"\n")
	said := h.says("client", "create", "--name", "Wiki", "--id", "wiki", "--redirect-uri", callback, "--first-party", "--secret-file", file)
	if strings.Contains(said, own) || !strings.Contains(said, "the one in your file") {
		t.Errorf("client create says %q", said)
	}
	h.signIn("wiki", own)
	const second = "0123456789abcdef0123456789abcdef"
	added := h.json("client", "secret", "add", "wiki", "--secret-file", h.file("second", second))
	if added["client_secret"] != second || added["prefix"] != "" || added["expires_at"] != nil {
		t.Errorf("client secret add prints %v", added)
	}
	h.soon("the second", func() bool { return h.authenticates("wiki", second) })
}

// authenticates tells whether a secret opens the token endpoint: a right one is
// told that the code is wrong.
func (h *house) authenticates(id, secret string) bool {
	h.t.Helper()
	_, config := h.config(id, secret)
	_, err := config.Exchange(h.t.Context(), "no-code")
	return err != nil && strings.Contains(err.Error(), "invalid_grant")
}

// TestSecretsSideBySide: a second works beside the first, each ends alone.
func TestSecretsSideBySide(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := h.json("client", "create", "--name", "Wiki", "--id", "wiki", "--redirect-uri", callback, "--first-party")
	first := made["client_secret"].(string)
	added := h.json("client", "secret", "add", "wiki", "--ttl", "90d")
	second := added["client_secret"].(string)
	ends, err := time.Parse(time.RFC3339, added["expires_at"].(string))
	if left := time.Until(ends); err != nil || left < 89*24*time.Hour || left > 91*24*time.Hour {
		t.Errorf("it ends %v, %v", added["expires_at"], err)
	}
	if got := keys(added); got != "client_id client_secret expires_at id prefix" || !strings.HasPrefix(second, added["prefix"].(string)) || added["client_id"] != "wiki" {
		t.Errorf("client secret add prints %v", added)
	}
	tokens := h.signIn("wiki", first)
	h.soon("the second", func() bool { return h.authenticates("wiki", second) })
	if !h.authenticates("wiki", first) {
		t.Error("the second ended the first")
	}
	var oldest object
	for _, s := range h.json("client", "show", "wiki")["secrets"].([]any) {
		if s.(object)["id"] != added["id"] {
			oldest = s.(object)
		}
	}
	if gone := h.json("client", "secret", "revoke", "wiki", oldest["id"].(string)); gone["deleted"] != oldest["id"] {
		t.Errorf("client secret revoke prints %v", gone)
	}
	h.soon("the first is over", func() bool { return !h.authenticates("wiki", first) })
	if !h.authenticates("wiki", second) {
		t.Error("revoking the first ended the second")
	}
	_, config := h.config("wiki", second)
	if _, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token(); err != nil {
		t.Errorf("what was got with the first ended: %v", err)
	}
	h.refused(exitNotFound, "not_found", "client", "secret", "revoke", "wiki", oldest["id"].(string))
	dump := storagetest.Value[string](t, h.url, "SELECT database_to_xml(true, false, '')::text")
	for _, secret := range []string{first, second} {
		if strings.Contains(dump, secret) || strings.Contains(dump, strings.TrimPrefix(secret, "lk_cs_")) {
			t.Error("a secret stands in the database")
		}
	}
	if !strings.Contains(dump, first[:12]) {
		t.Error("the dump does not hold the secrets' prefixes: it is the wrong one")
	}
}

// TestRefusedCommandsOfApplications: each with one thing wrong, its exit code,
// and words that name the flag or the member.
func TestRefusedCommandsOfApplications(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.json("client", "create", "--name", "Wiki", "--id", "wiki", "--redirect-uri", callback)
	h.json("client", "create", "--name", "Phone", "--id", "phone", "--type", "native", "--redirect-uri", callback)
	create := func(more ...string) []string {
		return append([]string{"client", "create", "--redirect-uri", callback, "--name", "New"}, more...)
	}
	metadata := func(document string) []string {
		return []string{"client", "create", "--name", "New", "--redirect-uri", callback, "--metadata", h.file("m.json", document)}
	}
	for _, refused := range []struct {
		name      string
		exit      int
		code      string
		says      string
		arguments []string
	}{
		{"no name", exitUsage, "validation_failed", "--name", []string{"client", "create", "--redirect-uri", callback}},
		{"no redirect URI", exitUsage, "validation_failed", "--redirect-uri", []string{"client", "create", "--name", "New"}},
		{"http", exitUsage, "validation_failed", "--redirect-uri: http://wiki.example.com/cb: use https", create("--redirect-uri", "http://wiki.example.com/cb")},
		{"a wildcard after sign-out", exitUsage, "validation_failed", "--post-logout-redirect-uri: https://*.example.com/", create("--post-logout-redirect-uri", "https://*.example.com/")},
		{"an unknown type", exitUsage, "validation_failed", "--type", create("--type", "server")},
		{"an unknown method", exitUsage, "validation_failed", "--auth-method", create("--auth-method", "tls_client_auth")},
		{"an unknown format", exitUsage, "validation_failed", "--access-token-format", create("--access-token-format", "xml")},
		{"profile fapi2", exitUsage, "validation_failed", "--profile", create("--profile", "fapi2")},
		{"an unknown group", exitUsage, "validation_failed", "--group: There is no group with the name staff", create("--group", "staff")},
		{"a broken scope", exitUsage, "validation_failed", "--scope", create("--scope", `a"b`)},
		{"a broken id", exitUsage, "validation_failed", "--id", create("--id", "a b")},
		{"a taken id", exitRefused, "client_exists", "id", create("--id", "wiki")},
		{"a weak secret", exitUsage, "validation_failed", "--secret-file: The secret needs 128", create("--secret-file", h.file("weak", "hunter2hunter2"))},
		{"no secret in the file", exitUsage, "validation_failed", "--secret-file", create("--secret-file", h.file("none", "\n"))},
		{"no file", exitUsage, "usage", "--secret-file", create("--secret-file", "/nowhere")},
		{"a secret for none", exitUsage, "validation_failed", "--secret-file", create("--type", "spa", "--secret-file", h.file("own", "Zk3vQ9xT4mN2bKc7RzBw8HfYpL3sJd6U"))},
		{"no metadata", exitUsage, "usage", "--metadata", create("--metadata", "/nowhere")},
		{"no JSON", exitUsage, "malformed_metadata", "JSON object", metadata("[]")},
		{"an unknown member", exitUsage, "validation_failed", "client_nmae", metadata(`{"client_nmae": "x"}`)},
		{"an unbuilt member", exitUsage, "validation_failed", "dpop_bound_access_tokens", metadata(`{"dpop_bound_access_tokens": true}`)},
		{"a key that is nowhere", exitUsage, "validation_failed", "--jwks-uri", create("--auth-method", "private_key_jwt")},
		{"keys at home", exitUsage, "validation_failed", "--outbound-allow 127.0.0.1/32", create("--jwks-uri", "https://localhost/jwks")},
		{"keys by http", exitUsage, "validation_failed", "--jwks-uri: Write https", create("--jwks-uri", "http://9.9.9.9/jwks")},
		{"keys in a file that is none", exitUsage, "usage", "--jwks", create("--jwks", "/nowhere")},
		{"keys that are no JSON", exitUsage, "usage", "--jwks", create("--jwks", h.file("no-keys", "x"))},
		{"keys that are none", exitUsage, "validation_failed", "--jwks: This is no set", create("--jwks", h.file("none.json", `{"keys": []}`))},
		{"keys twice", exitUsage, "usage", "exclude one another", create("--jwks", h.file("keys.json", `{}`), "--jwks-uri", "https://a.example/jwks")},
		{"a secret beside a key", exitUsage, "validation_failed", "--secret-file", create("--auth-method", "private_key_jwt", "--jwks-uri", "https://9.9.9.9/", "--secret-file", h.file("own2", "Zk3vQ9xT4mN2bKc7RzBw8HfYpL3sJd6U"))},
		{"a secret too short for its algorithm", exitUsage, "validation_failed", "--secret-file: With HS256", create("--auth-method", "client_secret_jwt", "--secret-file", h.file("short", "Zk3vQ9xT4mN2bKc7RzBw8HfY"))},
		{"a secret in metadata", exitUsage, "validation_failed", "--secret-file", metadata(`{"client_secret": "x"}`)},
		{"showing nothing", exitNotFound, "not_found", "no application", []string{"client", "show", "blog"}},
		{"showing what is no id", exitNotFound, "not_found", "no application", []string{"client", "show", "a/b"}},
		{"updating nothing", exitNotFound, "not_found", "no application", []string{"client", "update", "blog", "--name", "x"}},
		{"disabling nothing", exitNotFound, "not_found", "no application", []string{"client", "disable", "blog"}},
		{"enabling nothing", exitNotFound, "not_found", "no application", []string{"client", "enable", "blog"}},
		{"deleting nothing", exitNotFound, "not_found", "no application", []string{"client", "delete", "blog"}},
		{"a wrong update", exitUsage, "validation_failed", "--redirect-uri", []string{"client", "update", "wiki", "--redirect-uri", "x"}},
		{"metadata of another", exitUsage, "validation_failed", "another one", []string{"client", "update", "wiki", "--metadata", h.file("o.json", `{"client_id": "phone"}`)}},
		{"everyone and a group", exitUsage, "usage", "--everyone", []string{"client", "update", "wiki", "--everyone", "--group", "staff"}},
		{"a secret for nothing", exitNotFound, "not_found", "no application", []string{"client", "secret", "add", "blog"}},
		{"a secret for a device", exitRefused, "public_client", "PKCE", []string{"client", "secret", "add", "phone"}},
		{"a secret of no time", exitUsage, "validation_failed", "--ttl", []string{"client", "secret", "add", "wiki", "--ttl", "0"}},
		{"a secret of a century", exitUsage, "validation_failed", "--ttl", []string{"client", "secret", "add", "wiki", "--ttl", "36500d"}},
		{"revoking no secret", exitNotFound, "not_found", "no such secret", []string{"client", "secret", "revoke", "wiki", "x"}},
		{"a cursor of nobody", exitUsage, "invalid_cursor", "page", []string{"client", "list", "--limit", "1", "--cursor", "!"}},
		{"an odd limit", exitUsage, "usage", "--limit", []string{"client", "list", "--limit", "201"}},
	} {
		if said := h.refused(refused.exit, refused.code, refused.arguments...); !strings.Contains(said, refused.says) {
			t.Errorf("%s: it says %q, want %q", refused.name, said, refused.says)
		}
	}
}
