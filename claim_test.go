package latchkey_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

func everything() *latchkey.User {
	return &latchkey.User{
		Username: "alice", DisplayName: "Alice A", Email: "alice@example.com", EmailVerifiedAt: time.Unix(1_700_000_000, 0),
		UpdatedAt: time.Unix(1_700_000_001, 5), Groups: []string{"staff"},
		Claims: map[string]any{
			"given_name": "Alice", "family_name": "A", "middle_name": "M", "nickname": "Al", "profile": "https://example.com/al",
			"picture": "https://example.com/al.png", "website": "https://al.example", "gender": "female", "birthdate": "1990-12-31",
			"zoneinfo": "Europe/Paris", "locale": "fr", "phone_number": "+33140000000", "phone_number_verified": true,
			"address": map[string]any{"formatted": "1 rue X", "street_address": "1 rue X", "locality": "Paris", "region": "IDF", "postal_code": "75001", "country": "France"},
		},
	}
}

// TestEveryClaimHasItsType is OpenID Connect Core §5.1: the claims of the four
// standard scopes, and ours, each in its JSON type.
func TestEveryClaimHasItsType(t *testing.T) {
	t.Parallel()
	text, flag, number := "text", true, 1.0
	want := map[string]map[string]any{
		"profile": {"name": text, "family_name": text, "given_name": text, "middle_name": text, "nickname": text, "preferred_username": text, "profile": text,
			"picture": text, "website": text, "gender": text, "birthdate": text, "zoneinfo": text, "locale": text, "updated_at": number},
		"email": {"email": text, "email_verified": flag}, "address": {"address": map[string]any{}},
		"phone": {"phone_number": text, "phone_number_verified": flag}, "groups": {"groups": []any{}},
	}
	seen := map[string]map[string]any{}
	u := everything()
	for _, c := range latchkey.Claims() {
		value, ok := u.Claim(c.Name)
		if !ok {
			t.Errorf("%s is not told", c.Name)
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var decoded any
		if err := json.Unmarshal(raw, &decoded); err != nil {
			t.Fatal(err)
		}
		if seen[c.Scope] == nil {
			seen[c.Scope] = map[string]any{}
		}
		switch decoded.(type) {
		case string:
			seen[c.Scope][c.Name] = text
		case bool:
			seen[c.Scope][c.Name] = flag
		case float64:
			seen[c.Scope][c.Name] = number
		case []any:
			seen[c.Scope][c.Name] = []any{}
		case map[string]any:
			seen[c.Scope][c.Name] = map[string]any{}
		}
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("claims by scope (-want +got):\n%s", diff)
	}
	if at, _ := u.Claim("updated_at"); at != int64(1_700_000_001) {
		t.Errorf("updated_at is %v", at)
	}
}

// TestClaimsThatAreNotTold: what is not set, what nobody proved, and what is
// kept in a type that the standard does not have.
func TestClaimsThatAreNotTold(t *testing.T) {
	t.Parallel()
	bare := &latchkey.User{Username: "bob", DisplayName: "Bob", Email: "bob@example.com", UpdatedAt: time.Unix(1, 0)}
	var told []string
	for _, c := range latchkey.Claims() {
		if _, ok := bare.Claim(c.Name); ok {
			told = append(told, c.Name)
		}
	}
	if diff := cmp.Diff([]string{"name", "preferred_username", "updated_at", "groups"}, told); diff != "" {
		t.Errorf("of somebody who set nothing (-want +got):\n%s", diff)
	}
	for name, value := range map[string]any{
		"given_name": 7.0, "birthdate": "", "phone_number": true, "address": "1 rue X", "website": nil,
	} {
		u := everything()
		u.Claims[name] = value
		if got, ok := u.Claim(name); ok {
			t.Errorf("%s is told as %v", name, got)
		}
	}
	for name, address := range map[string]map[string]any{
		"empty": {}, "a number": {"postal_code": 75001.0}, "an unknown part": {"planet": "Earth"}, "an empty part": {"country": ""},
	} {
		u := everything()
		u.Claims["address"] = address
		if got, ok := u.Claim("address"); ok {
			t.Errorf("an address with %s is told as %v", name, got)
		}
	}
	u := everything()
	delete(u.Claims, "phone_number")
	if got, ok := u.Claim("phone_number_verified"); ok {
		t.Errorf("without a number, it is told that it was checked: %v", got)
	}
	u = everything()
	delete(u.Claims, "phone_number_verified")
	if got, ok := u.Claim("phone_number_verified"); got != false || !ok {
		t.Errorf("of a number that nobody checked, phone_number_verified is %v, %v", got, ok)
	}
	if _, ok := everything().Claim("given_name#fr"); ok {
		t.Error("a claim with a language is known")
	}
}
