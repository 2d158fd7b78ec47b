package oidc

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey"
)

// FuzzClaimsParameter: whatever stands in the parameter claims, what comes of it
// are claims that the application may have, as they were spelled, and they are
// the same when the grant is read again.
func FuzzClaimsParameter(f *testing.F) {
	for _, raw := range []string{
		`{"userinfo": {"name": {"essential": true}, "picture": null}, "id_token": {"acr": {"values": ["phr"]}, "sub": {"value": "x"}}}`,
		`{"userinfo": {"email": {"value": "a@b", "values": ["c@d", 1, null, {}]}}}`, `{"id_token": {"sub": {"values": ["x", "y"]}}, "userinfo": {"sub": {"value": "y"}}}`,
		`{"id_token": {"phone_number": null, "address": {"value": {"country": "France"}}}}`, `{"userinfo": {"updated_at": {"value": 1e400}}}`,
		`{"userinfo": null}`, `{"Userinfo": {"name": null}}`, `{"userinfo": {"NAME": null}}`, `{"userinfo": {"name": null, "name": null}}`, `{"userinfo": {"name": {"values": []}}}`,
		`{"userinfo": {"name": {"value": "\ud800"}}}`, `{"userinfo": {"name": {"value": "\u0000"}}}`, `{"userinfo": {"address": {"value": {"\u0000": 1}}}}`, `{"userinfo": {"groups": {"value": [[[["x"]]]]}}}`, `{"userinfo": {"name#fr": null, "verified_claims": [[[[]]]]}}`, `null`, `[]`, `{`, ``, "{\"userinfo\": {\"name\xff\": null}}",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		rq := &request{client: &latchkey.Client{Scopes: []string{"openid", "profile", "email"}}}
		if !rq.readClaims(raw) {
			return
		}
		var loose struct {
			Userinfo, IDToken map[string]json.RawMessage
		}
		var places map[string]json.RawMessage
		if err := json.Unmarshal([]byte(raw), &places); err != nil {
			t.Fatalf("%q was taken: %v", raw, err)
		}
		for place, into := range map[string]*map[string]json.RawMessage{"userinfo": &loose.Userinfo, "id_token": &loose.IDToken} {
			if places[place] != nil {
				if err := json.Unmarshal(places[place], into); err != nil {
					t.Fatalf("%q was taken: %v", raw, err)
				}
			}
		}
		for place, asked := range map[*map[string]json.RawMessage]latchkey.AskedValues{&loose.Userinfo: rq.asked.Userinfo, &loose.IDToken: rq.asked.IDToken} {
			for name := range asked {
				c, known := latchkey.FindClaim(name)
				if _, there := (*place)[name]; !known || !there || !slices.Contains(rq.client.Scopes, c.Scope) {
					t.Fatalf("%q asks for %s", raw, name)
				}
			}
		}
		stored, err := json.Marshal(rq.asked)
		if err != nil {
			t.Fatalf("%q cannot be kept: %v", raw, err)
		}
		if bytes.Contains(bytes.ReplaceAll(stored, []byte(`\\`), nil), []byte(`\u0000`)) {
			t.Fatalf("%q cannot be kept: it holds a NUL", raw)
		}
		var read latchkey.AskedClaims
		if err := json.Unmarshal(stored, &read); err != nil {
			t.Fatalf("%q cannot be read again: %v", raw, err)
		}
		if diff := cmp.Diff(rq.asked, read, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q is kept otherwise:\n%s", raw, diff)
		}
	})
}
