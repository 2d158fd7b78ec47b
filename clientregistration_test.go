package latchkey_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// unregistered is what an application is before it registers itself.
func unregistered() *latchkey.Client {
	return &latchkey.Client{ID: "new", Enabled: true, Profile: latchkey.ProfileOIDC, Registration: &latchkey.SelfRegistration{}}
}

// TestEveryMemberHasOneWhoDecides: a document that names every member there is
// changes those of the application and none of the administrator's; then one that
// names none takes the application's back, and leaves the administrator's again.
func TestEveryMemberHasOneWhoDecides(t *testing.T) {
	t.Parallel()
	grace := 5 * time.Second
	before := unregistered()
	before.ID, before.Name, before.Type, before.RedirectURIs = "abc", "Wiki", latchkey.TypeWeb, []string{"https://wiki.example.com/cb"}
	before.GrantTypes, before.ResponseTypes, before.AuthMethod = []string{"authorization_code"}, []string{"code"}, latchkey.AuthBasic
	before.FirstParty, before.Introspects, before.AllowedGroups, before.AllowedCORSOrigins = true, true, []string{"staff"}, []string{"https://wiki.example.com"}
	before.AccessTokenAlg, before.AccessTokenFormat, before.RefreshWithoutOffline, before.RefreshGrace = latchkey.RS256, "jwt", true, &grace
	before.AccessTokenTTL, before.IDTokenTTL, before.RefreshTokenTTL = time.Minute, time.Minute, time.Hour
	before.Metadata.Notes, before.Metadata.Tags, before.Metadata.Claims = "checked", []string{"core"}, map[string]any{"a": "b"}
	before.TokensNotBefore, before.Secrets = time.Unix(1, 0), []latchkey.ClientSecret{{ID: "1"}}
	const least = `{"redirect_uris":["https://wiki.example.com/cb"],"client_name":"Wiki"}`
	first, err := before.Register([]byte(least))
	if err != nil {
		t.Fatal(fields(t, err))
	}
	rich := `{"redirect_uris":["https://docs.example.com/cb"],"client_name":"Docs","client_uri":"https://docs.example.com","logo_uri":"https://docs.example.com/l",
		"policy_uri":"https://docs.example.com/p","tos_uri":"https://docs.example.com/t","initiate_login_uri":"https://docs.example.com/i","contacts":["a"],
		"software_id":"s","software_version":"1","default_max_age":5,"require_auth_time":true,"default_acr_values":["phr"],"application_type":"native",
		"post_logout_redirect_uris":["https://docs.example.com/bye"],"grant_types":["authorization_code","implicit"],"response_types":["id_token","code"],
		"scope":"openid","token_endpoint_auth_method":"client_secret_post","id_token_signed_response_alg":"ES256","response_modes":["form_post"],
		"first_party":false,"introspects":false,"allowed_groups":[],"allowed_cors_origins":[],"access_token_signed_response_alg":"ES256","access_token_format":"opaque",
		"refresh_without_offline_access":false,"refresh_grace":0,"access_token_ttl":null,"id_token_ttl":7,"refresh_token_ttl":null,"notes":"","tags":[],
		"enabled":false,"profile":"oauth21","type":"machine","registration":{"scopes":["admin:all"]},"client_id":"latchkey-demo"}`
	second, err := first.Register([]byte(rich))
	if err != nil {
		t.Fatal(fields(t, err))
	}
	changed := latchkey.ChangedMembers(first, second)
	want := []string{"client_name", "redirect_uris", "post_logout_redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "scope", "application_type",
		"id_token_signed_response_alg", "client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri", "contacts", "software_id", "software_version",
		"default_max_age", "require_auth_time", "default_acr_values", "response_modes", "type"}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("members that changed (-want +got):\n%s", diff)
	}
	again, err := second.Register([]byte(least))
	if err != nil {
		t.Fatal(fields(t, err))
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("what was left out is not the default again (-first +again):\n%s", diff)
	}
	if again.ID != "abc" || again.Metadata.Claims["a"] != "b" || len(again.Secrets) != 1 || !again.TokensNotBefore.Equal(time.Unix(1, 0)) {
		t.Errorf("afterwards it is %+v", again)
	}
}

// TestADocumentForTheApplication tells it what it may set, and nothing else.
func TestADocumentForTheApplication(t *testing.T) {
	t.Parallel()
	c := wiki(latchkey.TypeWeb)
	c.Metadata.Notes, c.Secrets, c.Version = "for us", []latchkey.ClientSecret{{ID: "1"}}, 3
	told, err := c.RegistrationDocument()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range told {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"application_type", "client_name", "grant_types", "id_token_signed_response_alg", "post_logout_redirect_uris", "redirect_uris",
		"response_types", "scope", "subject_type", "token_endpoint_auth_method"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestInitialTokensThatAreRefused: each wrong field alone.
func TestInitialTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	right := latchkey.InitialToken{Name: "CI", Profile: latchkey.ProfileOIDC, MaxUses: 1, Scopes: []string{"openid"}}
	if err := right.Check(time.Hour); err != nil {
		t.Fatal(fields(t, err))
	}
	for _, wrong := range []struct {
		field string
		ttl   time.Duration
		bend  func(*latchkey.InitialToken)
	}{
		{"name", time.Hour, func(it *latchkey.InitialToken) { it.Name = " " }},
		{"name", time.Hour, func(it *latchkey.InitialToken) { it.Name = "a\u202eb" }},
		{"name", time.Hour, func(it *latchkey.InitialToken) { it.Name = strings.Repeat("a", 129) }},
		{"profile", time.Hour, func(it *latchkey.InitialToken) { it.Profile = "fapi2" }},
		{"profile", time.Hour, func(it *latchkey.InitialToken) { it.Profile = "" }},
		{"scope", time.Hour, func(it *latchkey.InitialToken) { it.Scopes = []string{"a\"b"} }},
		{"scope", time.Hour, func(it *latchkey.InitialToken) { it.Scopes = strings.Split(strings.Repeat("a", 101), "") }},
		{"max_uses", time.Hour, func(it *latchkey.InitialToken) { it.MaxUses = 0 }},
		{"max_uses", time.Hour, func(it *latchkey.InitialToken) { it.MaxUses = latchkey.MaxTokenUses + 1 }},
		{"ttl", time.Second, func(*latchkey.InitialToken) {}},
		{"ttl", 366 * 24 * time.Hour, func(*latchkey.InitialToken) {}},
	} {
		it := right
		wrong.bend(&it)
		if wrong.field == "scope" && len(it.Scopes) == 101 { // each of its own name
			for i := range it.Scopes {
				it.Scopes[i] = strings.Repeat("a", i+1)
			}
		}
		if got := fields(t, it.Check(wrong.ttl)); len(got) != 1 || got[wrong.field] == "" {
			t.Errorf("%+v for %s: got %v, want only %s", it, wrong.ttl, got, wrong.field)
		}
	}
}

// FuzzRegistration: a document of a stranger is refused with a problem, or makes
// an application that may not do more than it was allowed, and whose own document
// makes the same one again.
func FuzzRegistration(f *testing.F) {
	for _, document := range []string{
		`{"redirect_uris":["https://a.example.com/cb"]}`,
		`{"redirect_uris":["https://a.example.com/cb"],"response_types":["token id_token","code"],"application_type":"web","scope":"openid x"}`,
		`{"redirect_uris":["com.example.app:/cb","http://127.0.0.1/"],"application_type":"native","token_endpoint_auth_method":"none"}`,
		`{"grant_types":["client_credentials"],"client_name":null,"first_party":true,"enabled":false,"profile":"fapi2"}`,
		`{"redirect_uris":["https://a.example.com/cb"],"Redirect_URIs":["https://evil.example.com"],"FIRST_PARTY":true,"redirect_uris":["https://b.example.com"]}`,
		`{"redirect_uris":["https://*.example.com/#x","javascript:x"],"jwks":{"keys":[]},"jwks_uri":"https://a.example.com","subject_type":"pairwise"}`,
		`{"redirect_uris":["https://a.example.com/cb"],"default_acr_values":["\ud800"],"client_name":"\u0000"}`,
		`{"redirect_uris":["https://a.example.com/cb"],"default_max_age":1e30,"software_statement":"a.b.c","client_id":"x","client_secret":"y"}`,
		`{}`, `null`, `[]`, `{}{}`, ``, `{"redirect_uris":{}}`, "\xff", `{"contacts":[[[[]]]]}`,
	} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		bounds := unregistered()
		bounds.Registration.Scopes = []string{"openid", "email", "jobs:run"}
		c, err := bounds.Register(document)
		if err != nil {
			wantProblem(t, document, err)
			return
		}
		if c.ID != bounds.ID || c.FirstParty || c.Introspects || !c.Enabled || c.Profile != latchkey.ProfileOIDC || len(c.AllowedGroups) > 0 || len(c.AllowedCORSOrigins) > 0 ||
			c.AccessTokenTTL != 0 || c.RefreshGrace != nil || c.RefreshWithoutOffline || c.Metadata.Notes != "" || len(c.Secrets) > 0 {
			t.Fatalf("%q made %+v", document, c)
		}
		for _, s := range c.Scopes {
			if !slices.Contains(bounds.Registration.Scopes, s) {
				t.Fatalf("%q got scope %q", document, s)
			}
		}
		for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
			wantSafeAddress(t, c, uri)
		}
		told, err := c.RegistrationDocument()
		if err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.Register(written)
		if err != nil {
			t.Fatalf("%q made %s, which is refused: %v", document, written, err)
		}
		if changed := latchkey.ChangedMembers(c, again); len(changed) > 0 {
			t.Fatalf("%q, written as %s, differs in %q", document, written, changed)
		}
	})
}
