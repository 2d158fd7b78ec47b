package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestClaimsByCommand: flags and a file set what applications learn of a person,
// an empty flag or null takes it away.
func TestClaimsByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	file := h.file("alice.json", `{
		"middle_name": "M", "nickname": "Al", "profile": "https://alice.example/me", "gender": "female", "birthdate": "1990-12-31",
		"zoneinfo": "Europe/Paris", "locale": "fr", "given_name": "From the file",
		"address": {"formatted": "1 rue X\n75001 Paris", "street_address": "1 rue X", "locality": "Paris", "region": "IDF", "postal_code": "75001", "country": "France"}
	}`)
	changed := h.json("user", "update", "alice", "--name", "Alice L", "--given-name", "Alice", "--family-name", "L", "--picture", "https://alice.example/a.png",
		"--website", "https://alice.example/", "--phone-number", "+33 1 40 00 00 00", "--phone-verified", "--email", "al@example.com", "--claims", file)
	want := object{
		"given_name": "Alice", "middle_name": "M", "family_name": "L", "nickname": "Al", "profile": "https://alice.example/me", "picture": "https://alice.example/a.png",
		"website": "https://alice.example/", "gender": "female", "birthdate": "1990-12-31", "zoneinfo": "Europe/Paris", "locale": "fr",
		"phone_number": "+33140000000", "phone_number_verified": true,
		"address": object{"formatted": "1 rue X\n75001 Paris", "street_address": "1 rue X", "locality": "Paris", "region": "IDF", "postal_code": "75001", "country": "France"},
	}
	if diff := cmp.Diff(want, changed["claims"]); diff != "" || changed["display_name"] != "Alice L" || changed["email"] != "al@example.com" || changed["email_verified"] != true {
		t.Errorf("user update prints %v (-want +got):\n%s", changed, diff)
	}
	said := h.says("user", "update", "alice", "--nickname", "", "--birthdate=", "--no-phone-verified")
	if !strings.HasPrefix(said, "Changed: birthdate, nickname, phone_number_verified.\n\nusername") || !strings.Contains(said, "+33140000000, not checked") {
		t.Errorf("user update says %s", said)
	}
	if said := h.says("user", "update", "alice"); !strings.HasPrefix(said, "Nothing was different.\n\n") {
		t.Errorf("user update without anything says %s", said)
	}
	if n := h.events("user.updated"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	if got := h.refused(exitUsage, "validation_failed", "user", "update", "alice", "--website", "alice.example", "--locale", "english"); !strings.Contains(got, "locale: ") || !strings.Contains(got, "website: ") {
		t.Errorf("wrong flags are answered with %q", got)
	}
	if got := h.refused(exitUsage, "validation_failed", "user", "update", "alice", "--claims", h.file("x.json", `{"given_name#fr": "x", "address": {"planet": "Earth"}}`)); !strings.Contains(got, "given_name#fr: ") || !strings.Contains(got, "address.planet: ") {
		t.Errorf("a wrong file is answered with %q", got)
	}
	for _, content := range []string{`[]`, `null`, `{`, `"x"`} {
		h.refused(exitUsage, "usage", "user", "update", "alice", "--claims", h.file("x.json", content))
	}
	h.refused(exitUsage, "usage", "user", "update", "alice", "--claims", "/nowhere.json")
	h.refused(exitNotFound, "not_found", "user", "update", "nobody", "--name", "x")
}
