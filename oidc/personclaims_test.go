package oidc_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey"
	"latchkey/storage"
)

// fill gives a person every claim there is.
func (w *world) fill(t testing.TB, u *latchkey.User) {
	t.Helper()
	claims := map[string]any{
		"given_name": "Alice", "family_name": "L", "middle_name": "M", "nickname": "Al", "profile": "https://alice.example/me", "picture": "https://alice.example/a.png",
		"website": "https://alice.example/", "gender": "female", "birthdate": "1990-12-31", "zoneinfo": "Europe/Paris", "locale": "fr", "email": "alice@example.com",
		"phone_number": "+33140000000", "phone_number_verified": true, "address": map[string]any{"formatted": "1 rue X\n75001 Paris", "country": "France"},
	}
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, _, err := tx.ChangeUser(t.Context(), u.ID, storage.UserChange{Claims: claims, Trusted: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestScopesGiveTheirClaims is OpenID Connect Core §5.4: each scope gives its own
// claims at userinfo, all that are set, and no others; the ID token has none.
func TestScopesGiveTheirClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	profile := []string{"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"}
	all := []string{"sub"}
	for scope, names := range map[string][]string{
		"": nil, "profile": profile, "email": {"email", "email_verified"}, "address": {"address"}, "phone": {"phone_number", "phone_number_verified"}, "groups": {"groups"},
	} {
		all = append(all, names...)
		tk := a.tokens(t, b, "scope", strings.TrimSpace("openid "+scope))
		told := w.userinfo(t, tk.access).json(t)
		sort := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if diff := cmp.Diff(append([]string{"sub"}, names...), slices.Collect(maps.Keys(told)), sort); diff != "" {
			t.Errorf("scope %q (-want +told):\n%s", scope, diff)
		}
		for name := range claimsIn(t, tk.id) {
			if slices.Contains(names, name) {
				t.Errorf("scope %q: the ID token tells %s", scope, name)
			}
		}
	}
	told := w.userinfo(t, a.tokens(t, b, "scope", "phone groups address email profile openid").access).json(t)
	if len(told) != len(all) {
		t.Errorf("all scopes tell %d claims, want %d", len(told), len(all))
	}
	if diff := cmp.Diff(map[string]any{"formatted": "1 rue X\n75001 Paris", "country": "France"}, told["address"]); diff != "" {
		t.Errorf("the address (-want +told):\n%s", diff)
	}
	if at, ok := told["updated_at"].(float64); !ok || at < 1e9 || told["email_verified"] != true || told["phone_number_verified"] != true {
		t.Errorf("told is %v", told)
	}
}

// TestWhatIsNotSetIsNotTold: no null, no empty text; a phone number that nobody
// checked says so.
func TestWhatIsNotSetIsNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	bob := w.user(t, "bob")
	w.sql(t, `UPDATE users SET claims = '{}'`)
	b := w.browser().signIn(t, bob)
	token := a.tokens(t, b, "scope", "openid profile email address phone").access
	told := w.userinfo(t, token).json(t)
	sort := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff([]string{"sub", "name", "preferred_username", "updated_at"}, slices.Collect(maps.Keys(told)), sort); diff != "" {
		t.Errorf("(-want +told):\n%s", diff)
	}
	w.sql(t, `UPDATE users SET claims = '{"phone_number": "+33140000000"}'`)
	if told = w.userinfo(t, token).json(t); told["phone_number"] != "+33140000000" || told["phone_number_verified"] != false {
		t.Errorf("told is %v", told)
	}
}
