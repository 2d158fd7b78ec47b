package storage_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/storage"
)

// TestClaimsAsTyped: what is kept of each claim, in the spelling of the standard.
func TestClaimsAsTyped(t *testing.T) {
	t.Parallel()
	typed := map[string]any{
		"name": "  Zoë  A. ", "given_name": "Zoe\u0308", "middle_name": "", "family_name": nil, "nickname": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
		"profile": "https://example.com/~zoe?x=1#y", "picture": "http://example.com/a%20b.png", "website": "https://xn--bcher-kva.example/",
		"gender": "non-binary", "birthdate": "0000-02-29", "zoneinfo": "America/Argentina/Buenos_Aires", "locale": "DE_at",
		"phone_number": "+1 (425) 555-1212;ext=77",
		"address":      map[string]any{"formatted": "1 Main St\r\n\r\n Springfield ", "country": "USA", "region": " ", "locality": nil},
	}
	want := map[string]any{
		"name": "Zoë  A.", "given_name": "Zo\u00eb", "middle_name": nil, "family_name": nil, "nickname": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
		"profile": "https://example.com/~zoe?x=1#y", "picture": "http://example.com/a%20b.png", "website": "https://xn--bcher-kva.example/",
		"gender": "non-binary", "birthdate": "0000-02-29", "zoneinfo": "America/Argentina/Buenos_Aires", "locale": "de-AT",
		"phone_number": "+14255551212;ext=77",
		"address":      map[string]any{"formatted": "1 Main St\nSpringfield", "country": "USA"},
	}
	clean, wrong := storage.CleanClaims(typed, false)
	if diff := cmp.Diff(want, clean); diff != "" || len(wrong) > 0 {
		t.Errorf("kept (-want +got):\n%s\nwrong: %v", diff, wrong)
	}
	for name, values := range map[string][]any{
		"birthdate": {"1990", "2000-02-29", "0001-01-01"}, "zoneinfo": {"UTC", "Etc/GMT+5", "Europe/Kyiv"}, "locale": {"en", "zh-Hant-TW", "nb-NO"},
		"phone_number": {"+358401234567", "+49.30.123456", "+861065529988"}, "address": {nil, map[string]any{}},
	} {
		for _, value := range values {
			if _, wrong := storage.CleanClaims(map[string]any{name: value}, false); len(wrong) > 0 {
				t.Errorf("%s %v is refused: %v", name, value, wrong)
			}
		}
	}
	clean, wrong = storage.CleanClaims(map[string]any{"email": " Zoe@EXAMPLE.com ", "phone_number_verified": true}, true)
	if diff := cmp.Diff(map[string]any{"email": "Zoe@example.com", "phone_number_verified": true}, clean); diff != "" || len(wrong) > 0 {
		t.Errorf("an administrator's (-want +got):\n%s\nwrong: %v", diff, wrong)
	}
}

// TestClaimsThatAreRefused, each with only one thing wrong, and by its field.
func TestClaimsThatAreRefused(t *testing.T) {
	t.Parallel()
	for field, values := range map[string][]any{
		"name":       {"", " ", nil, strings.Repeat("x", 129), "a\u202eb", "a\x00b", "a\nb", 7.0, "a\u200bb", "\xff"},
		"given_name": {strings.Repeat("x", 129), "a\u2066b", true, map[string]any{}, []any{"a"}},
		"website": {"example.com", "//example.com/", "javascript:alert(1)", "data:text/html,x", "ftp://example.com/", "https://", "https:///x", "https://user@example.com/",
			"https://example.com/a b", "https://ex\u00e4mple.com/", "https://example.com/\u202e", "https://example.com/\"x", "https://[::1", "https://example.com/" + strings.Repeat("x", 2000)},
		"picture":               {"data:image/png;base64,AAAA"},
		"profile":               {"HTTPS:example.com"},
		"birthdate":             {"31.12.1990", "1990-2-3", "1990-02-30", "0000", "1990-00-01", "0000-13-01", "19901231", "1990-12-31T00:00:00Z", "19a0", "90", "+990"},
		"zoneinfo":              {"Local", "localtime", "posixrules", "Mars/Olympus", "../etc/passwd", "Europe/Paris\x00", "europe/paris", "+01:00", "right/UTC", "posix/UTC", "zone.tab"},
		"locale":                {"english", "en-", "x", "und", "de AT", "xx-YY-zz-1"},
		"phone_number":          {"0140000000", "0033140000000", "+0140000000", "+12345", "+1234567890123456", "+1 800 FLOWERS", "+1425555\u0661\u0662", "+14255551212;ext=", "+14255551212;ext=1a", "+14255551212;ext=12345678901", "+"},
		"address":               {"1 rue X", 7.0, []any{}},
		"address.country":       {map[string]any{"country": "a\nb"}, map[string]any{"country": 33.0}},
		"address.formatted":     {map[string]any{"formatted": "a\n\u202eb"}, map[string]any{"formatted": strings.Repeat("xx\n", 251)}, map[string]any{"formatted": "a\rb"}},
		"address.planet":        {map[string]any{"planet": "Earth"}},
		"preferred_username":    {"root"},
		"updated_at":            {1.0},
		"email_verified":        {true},
		"groups":                {[]any{"admins"}},
		"sub":                   {"x"},
		"given_name#de":         {"Zo"},
		"phone_number_verified": {true},
		"email":                 {"eve@example.com"},
	} {
		for _, value := range values {
			name, _, _ := strings.Cut(field, ".")
			_, wrong := storage.CleanClaims(map[string]any{name: value, "nickname": "Al"}, false)
			if got := slices.Collect(maps.Keys(wrong)); !slices.Equal(got, []string{field}) || wrong[field] == "" {
				t.Errorf("%s %.60q: wrong are %v, want the one field", field, value, wrong)
			}
		}
	}
	for field, value := range map[string]any{"phone_number_verified": "yes", "email": "nobody", "email_verified": true} {
		if _, wrong := storage.CleanClaims(map[string]any{field: value}, true); wrong[field] == "" {
			t.Errorf("an administrator's %s %v is taken", field, value)
		}
	}
}

// FuzzClaims: whatever is kept is kept again as it is, so that a profile that
// was saved can be saved once more.
func FuzzClaims(f *testing.F) {
	for _, seed := range [][2]string{
		{"name", "Zoë"}, {"website", "https://example.com/"}, {"birthdate", "0000-12-31"}, {"birthdate", "1990"}, {"zoneinfo", "Europe/Paris"},
		{"locale", "zh-Hant-TW"}, {"phone_number", "+1 (425) 555-1212;ext=7"}, {"address", "1 Main St\r\nSpringfield"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		value := any(text)
		if name == "address" {
			value = map[string]any{"formatted": text, "country": text}
		}
		clean, wrong := storage.CleanClaims(map[string]any{name: value}, true)
		if len(wrong) > 0 {
			return
		}
		again, wrong := storage.CleanClaims(maps.Clone(clean), true)
		if diff := cmp.Diff(clean, again); diff != "" || len(wrong) > 0 {
			t.Errorf("%s %q is kept as %v, which is refused or kept otherwise: %v\n%s", name, text, clean, wrong, diff)
		}
	})
}
