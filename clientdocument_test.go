package latchkey_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestMetadataIsMerged: named members are set, null ones go back to the
// default, the others stay; and the client that was read stays as it is.
func TestMetadataIsMerged(t *testing.T) {
	t.Parallel()
	before := wiki(latchkey.TypeWeb)
	before.AccessTokenTTL, before.Scopes = time.Minute, []string{"openid"}
	before.Metadata.Contacts = []string{"ops@example.com"}
	after, err := before.ApplyMetadata([]byte(`{
		"client_name": "Docs", "access_token_ttl": null, "scope": null, "id_token_ttl": 120, "refresh_grace": 0,
		"first_party": true, "allowed_groups": ["staff"], "tags": ["a"], "default_max_age": 60
	}`))
	if err != nil {
		t.Fatal(fields(t, err))
	}
	after.FillDefaults()
	if err := after.Check(); err != nil {
		t.Fatal(fields(t, err))
	}
	got := after.Document()
	if got.Name != "Docs" || got.AccessTokenTTL != nil || got.Scope != "openid profile email groups offline_access" || *got.IDTokenTTL != 120 ||
		*got.RefreshGrace != 0 || !got.FirstParty || got.AllowedGroups[0] != "staff" || got.Contacts[0] != "ops@example.com" || !got.Enabled || *got.DefaultMaxAge != 60 {
		t.Errorf("got %+v", got)
	}
	if before.Name != "Wiki" || before.AccessTokenTTL != time.Minute {
		t.Error("the client before was changed")
	}
	want := []string{"client_name", "scope", "default_max_age", "first_party", "allowed_groups", "access_token_ttl", "id_token_ttl", "refresh_grace", "tags"}
	if diff := cmp.Diff(want, latchkey.ChangedMembers(&before, after)); diff != "" {
		t.Errorf("changed members:\n%s", diff)
	}
}

// TestAnAnswerIsInputOfTheNext: what show prints may be given back, and then
// changes nothing.
func TestAnAnswerIsInputOfTheNext(t *testing.T) {
	t.Parallel()
	c := wiki(latchkey.TypeNative)
	c.CreatedAt, c.UpdatedAt, c.Version = time.Now(), time.Now(), 7
	c.Secrets = []latchkey.ClientSecret{{ID: "1", Prefix: "lk_cs_abc"}}
	document, err := json.Marshal(c.Document())
	if err != nil {
		t.Fatal(err)
	}
	same, err := c.ApplyMetadata(document)
	if err != nil {
		t.Fatal(fields(t, err))
	}
	if changed := latchkey.ChangedMembers(&c, same); len(changed) > 0 || same.Version != 7 || len(same.Secrets) != 1 {
		t.Errorf("changed %v, version %d, %d secrets", changed, same.Version, len(same.Secrets))
	}
}

// TestMetadataThatIsRefused: each alone, with the member and why.
func TestMetadataThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct{ document, member, says string }{
		{``, "malformed_metadata", "one JSON object"},
		{`null`, "malformed_metadata", "one JSON object"},
		{`[]`, "malformed_metadata", "one JSON object"},
		{`{"client_name": "x"} {}`, "malformed_metadata", "one JSON object"},
		{`{"client_name": "x"`, "malformed_metadata", "one JSON object"},
		{`{"client_name": 7}`, "client_name", "number, not text"},
		{`{"redirect_uris": "https://a.example/"}`, "redirect_uris", "string, not a list of texts"},
		{`{"redirect_uris": [1]}`, "redirect_uris", "number"},
		{`{"first_party": "yes"}`, "first_party", "string, not true or false"},
		{`{"access_token_ttl": 1.5}`, "access_token_ttl", "not a whole number"},
		{`{"access_token_ttl": -1}`, "access_token_ttl", "fits"},
		{`{"refresh_token_ttl": 9223372036854775807}`, "refresh_token_ttl", "fits"},
		{`{"refresh_grace": -5}`, "refresh_grace", "fits"},
		{`{"client_nmae": "x"}`, "client_nmae", "Nobody knows"},
		{`{"Client_Name": "x"}`, "Client_Name", "Nobody knows"},
		{`{"client_nmae": null}`, "client_nmae", "Nobody knows"},
		{`{"client_secret": "x"}`, "client_secret", "no metadata"},
		{`{"client_id": "docs"}`, "client_id", "cannot be changed"},
		{`{"application_type": "desktop"}`, "application_type", "web or native"},
		{`{"application_type": "native"}`, "application_type", "type web"},
		{`{"jwks_uri": 7}`, "jwks_uri", "number, not text"},
		{`{"tls_client_auth_subject_dn": "CN=a"}`, "tls_client_auth_subject_dn", "Certificates"},
		{`{"backchannel_token_delivery_mode": "poll"}`, "backchannel_token_delivery_mode", "another device"},
		{`{"introspection_encrypted_response_alg": "RSA-OAEP"}`, "introspection_encrypted_response_alg", "encrypted"},
		{`{"software_statement": "x.y.z"}`, "software_statement", "Software statements"},
		{`{"dpop_bound_access_tokens": true}`, "dpop_bound_access_tokens", "not built"},
		{`{"authorization_details_types": ["a"]}`, "authorization_details_types", "not built"},
		{`{"claims": {"a": "b"}}`, "claims", "not built"},
		{`{"client_name#de": "x"}`, "client_name#de", "languages"},
	} {
		c := wiki(latchkey.TypeWeb)
		_, err := c.ApplyMetadata([]byte(wrong.document))
		got := fields(t, err)
		if len(got) != 1 || !strings.Contains(got[wrong.member], wrong.says) {
			t.Errorf("%s: got %v, want only %s with %q", wrong.document, got, wrong.member, wrong.says)
		}
	}
}

// TestUnbuiltMembersThatAskNothing are those of libraries that write everything.
func TestUnbuiltMembersThatAskNothing(t *testing.T) {
	t.Parallel()
	c := wiki(latchkey.TypeWeb)
	same, err := c.ApplyMetadata([]byte(`{"jwks_uri": null, "request_uris": [], "dpop_bound_access_tokens": false,
		"backchannel_logout_uri": "", "claims": {}, "subject_type": "public", "client_id": "wiki", "registration_client_uri": "https://x"}`))
	if err != nil {
		t.Fatal(fields(t, err))
	}
	if changed := latchkey.ChangedMembers(&c, same); len(changed) > 0 {
		t.Errorf("changed %v", changed)
	}
}

func TestSecretsThatPeopleBring(t *testing.T) {
	t.Parallel()
	random := func(letters string, n int) string {
		var s strings.Builder
		for range n {
			s.WriteByte(letters[rand.IntN(len(letters))])
		}
		return s.String()
	}
	const hex, base64 = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for range 1000 {
		// One of 22 random characters in 100,000 has no small letter, or no large
		// one, and is taken for a poorer choice; the first letters see to it.
		for _, right := range []string{"f" + random(hex, 31), "aZ" + random(base64, 20), "F" + random(strings.ToUpper(hex), 31), random("0123456789", 40), random(base64, 512)} {
			if what := latchkey.SecretProblem(right); what != "" {
				t.Fatalf("%q is refused: %s", right, what)
			}
		}
	}
	for _, wrong := range []string{
		"", "correct horse battery staple", "hunter2", random(hex, 31), random("0123456789", 38), random(base64, 21),
		strings.Repeat("a", 64), strings.Repeat("ab12", 20), random(base64, 513), random(base64, 30) + "\n", random(base64, 30) + "é",
	} {
		if latchkey.SecretProblem(wrong) == "" {
			t.Errorf("%q is taken as a secret of 128 bits", wrong)
		}
	}
}
