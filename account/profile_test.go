package account_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/passkey/passkeytest"
)

// stored is what is kept of a person's claims, as JSON.
func (w *world) stored(t testing.TB, username string) string {
	t.Helper()
	return w.Text(t, "SELECT claims::text FROM users WHERE username = '"+username+"'")
}

// claimsOf are the claims that the API tells the person.
func claimsOf(t testing.TB, b *passkeytest.Browser) map[string]any {
	t.Helper()
	got := b.Get("/api/v1/me")
	wantStatus(t, got, 200)
	return decode[struct{ Claims map[string]any }](t, got).Claims
}

// TestTheProfileOnThePage: everything that applications may ask for is typed,
// kept and shown again; the event names the claims and not what they say.
func TestTheProfileOnThePage(t *testing.T) {
	t.Parallel()
	w := start(t)
	bob := w.enroll(t, "bob")
	page := bob.Get("/account/profile")
	wantPage(t, page, 200, "account-profile")
	wantText(t, page, "bob@example.com, not verified")
	typed := url.Values{
		"name": {" Bob Builder "}, "given_name": {"Bob"}, "middle_name": {"T"}, "family_name": {"Builder"}, "nickname": {"Bobby"},
		"profile": {"https://bob.example/me"}, "picture": {"https://bob.example/me.png"}, "website": {"https://bob.example/"},
		"gender": {"male"}, "birthdate": {"0000-12-31"}, "locale": {"de_AT"}, "zoneinfo": {"Europe/Vienna"}, "phone_number": {"+43 1 234 567"},
		"street_address": {"Ring 1\r\nTop 2"}, "postal_code": {"1010"}, "locality": {"Wien"}, "region": {""}, "country": {"Austria"}, "formatted": {""},
	}
	wantTo(t, submit(t, bob, page, "/account/profile", typed), "/account/profile?done=saved")
	want := map[string]any{
		"given_name": "Bob", "middle_name": "T", "family_name": "Builder", "nickname": "Bobby", "profile": "https://bob.example/me",
		"picture": "https://bob.example/me.png", "website": "https://bob.example/", "gender": "male", "birthdate": "0000-12-31", "locale": "de-AT",
		"zoneinfo": "Europe/Vienna", "phone_number": "+431234567", "phone_number_verified": false,
		"address": map[string]any{"street_address": "Ring 1\nTop 2", "postal_code": "1010", "locality": "Wien", "country": "Austria"},
	}
	if diff := cmp.Diff(want, claimsOf(t, bob)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	page = bob.Get("/account/profile?done=saved")
	if said := statusLine(t, page); said != "Your profile was saved." {
		t.Errorf("the page says %q", said)
	}
	for field, value := range map[string]string{"name": "Bob Builder", "locale": "de-AT", "phone_number": "+431234567", "postal_code": "1010"} {
		if got := attrOf(t, page, field, "value"); got != value {
			t.Errorf("the field %s has %q, want %q", field, got, value)
		}
	}
	happened := w.events(t, "user.updated")
	if len(happened) != 1 || happened[0].Subject != w.user(t, "bob") {
		t.Fatalf("events: %+v", happened)
	}
	names := `"address", "birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname", "phone_number", "picture", "profile", "website", "zoneinfo"`
	if got := happened[0].Detail; got != `{"claims": [`+names+`]}` {
		t.Errorf("the event says %s", got)
	}
	if got := w.Text(t, "SELECT coalesce(encode(personal, 'escape'), '') FROM audit_pending WHERE kind = 'user.updated'"); strings.Contains(got, "Builder") {
		t.Errorf("the event holds %s", got)
	}
	// The same once more is no change; and empty fields take everything away.
	wantTo(t, submit(t, bob, page, "/account/profile", typed), "/account/profile?done=same")
	none := url.Values{}
	for name := range typed {
		none.Set(name, "")
	}
	none.Set("name", "Bob")
	wantTo(t, submit(t, bob, bob.Get("/account/profile"), "/account/profile", none), "/account/profile?done=saved")
	if got := w.stored(t, "bob"); got != "{}" {
		t.Errorf("after emptying the form, there is %s", got)
	}
	if n := len(w.events(t, "user.updated")); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// TestWhatIsWrongWithAProfile stands above its field, with what was typed;
// nothing is kept.
func TestWhatIsWrongWithAProfile(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	page := alice.Get("/account/profile")
	got := submit(t, alice, page, "/account/profile", url.Values{
		"name": {"\u202eevil"}, "website": {"javascript:alert(1)"}, "birthdate": {"31.12.1990"}, "country": {"a\u2066b"}, "given_name": {"Alice"},
		"street_address": {strings.Repeat("x", 501)},
	})
	wantPage(t, got, 422, "account-profile")
	for _, field := range []string{"name", "website", "birthdate", "country", "street_address"} {
		if attrOf(t, got, field+"-error", "class") != "error" || attrOf(t, got, field, "aria-invalid") != "true" {
			t.Errorf("nothing stands above the field %s", field)
		}
	}
	if attrOf(t, got, "given_name-error", "class") != "" || attrOf(t, got, "given_name", "value") != "Alice" || attrOf(t, got, "birthdate", "value") != "31.12.1990" {
		t.Error("what was typed does not stand in its fields")
	}
	if w.stored(t, "alice") != "{}" || w.Text(t, "SELECT display_name FROM users") != "Alice" || len(w.events(t, "user.updated")) != 0 {
		t.Error("something was kept")
	}
}

// TestAProfileThatWasChangedMeanwhile is not overwritten unseen.
func TestAProfileThatWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	page := alice.Get("/account/profile")
	wantTo(t, submit(t, alice, page, "/account/profile", url.Values{"nickname": {"first"}}), "/account/profile?done=saved")
	stale := submit(t, alice, page, "/account/profile", url.Values{"nickname": {"second"}})
	wantPage(t, stale, 409, "account-profile")
	wantText(t, stale, "Your profile was changed meanwhile")
	if got := w.stored(t, "alice"); got != `{"nickname": "first"}` {
		t.Errorf("there is %s", got)
	}
	wantTo(t, submit(t, alice, stale, "/account/profile", nil), "/account/profile?done=saved")
	if got := w.stored(t, "alice"); got != `{"nickname": "second"}` {
		t.Errorf("saved again, there is %s", got)
	}
	// A form that never was ours shows the profile.
	wantPage(t, alice.Form("/account/profile", url.Values{"nickname": {"third"}}), 409, "account-profile")
}

// TestTheProfileByTheAPI: members that are named change, null takes away, the
// others stay.
func TestTheProfileByTheAPI(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	patch := func(body any) *passkeytest.Answer { return alice.Do("PATCH", "/api/v1/me", body) }
	got := patch(map[string]any{"display_name": "Alice L", "claims": map[string]any{"given_name": "Alice", "family_name": "L", "address": map[string]any{"country": "FR", "locality": "Paris"}}})
	wantStatus(t, got, 200)
	me := decode[struct {
		DisplayName string `json:"display_name"`
		Claims      map[string]any
	}](t, got)
	if me.DisplayName != "Alice L" || got.Header.Get("ETag") == "" {
		t.Errorf("answered %s", got.Raw)
	}
	wantStatus(t, patch(map[string]any{"claims": map[string]any{"family_name": nil, "address": map[string]any{"country": "DE"}}}), 200)
	want := map[string]any{"given_name": "Alice", "address": map[string]any{"country": "DE"}}
	if diff := cmp.Diff(want, claimsOf(t, alice)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	before := w.Text(t, "SELECT to_jsonb(u)::text FROM users u")
	for field, body := range map[string]any{
		"display_name":                 map[string]any{"display_name": " "},
		"claims.name":                  map[string]any{"claims": map[string]any{"name": "x"}},
		"claims.birthdate":             map[string]any{"claims": map[string]any{"birthdate": "yesterday"}},
		"claims.address.country":       map[string]any{"claims": map[string]any{"address": map[string]any{"country": 1}}},
		"claims.email":                 map[string]any{"claims": map[string]any{"email": "eve@example.com"}},
		"claims.email_verified":        map[string]any{"claims": map[string]any{"email_verified": true}},
		"claims.phone_number_verified": map[string]any{"claims": map[string]any{"phone_number": "+33140000000", "phone_number_verified": true}},
		"claims.groups":                map[string]any{"claims": map[string]any{"groups": []string{"admins"}}},
		"claims.preferred_username":    map[string]any{"claims": map[string]any{"preferred_username": "root"}},
		"claims.sub":                   map[string]any{"claims": map[string]any{"sub": "x"}},
		"role":                         map[string]any{"role": "admin"},
	} {
		got := patch(body)
		wantRefused(t, got, 422, "validation_failed")
		if fields := decode[struct{ Fields map[string]string }](t, got).Fields; len(fields) != 1 || fields[field] == "" {
			t.Errorf("%s: the fields are %v", field, fields)
		}
	}
	if after := w.Text(t, "SELECT to_jsonb(u)::text FROM users u"); after != before {
		t.Errorf("a refused change left something: %s", after)
	}
	wantRefused(t, passkeytest.NewBrowser(t, w.URL).Do("PATCH", "/api/v1/me", map[string]any{}), 401, "session_required")
}

// TestTheProfileByTheAPIMeanwhile: If-Match names what was read.
func TestTheProfileByTheAPIMeanwhile(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	tag := alice.Get("/api/v1/me").Header.Get("ETag")
	match := func(tag string) *passkeytest.Browser {
		b := alice.For(t)
		b.Header = map[string][]string{"If-Match": {tag}}
		return b
	}
	nickname := func(name string) map[string]any { return map[string]any{"claims": map[string]any{"nickname": name}} }
	wantStatus(t, match(tag).Do("PATCH", "/api/v1/me", nickname("a")), 200)
	for _, older := range []string{tag, "W/" + tag, `"x"`, "1", `"0"`} {
		wantRefused(t, match(older).Do("PATCH", "/api/v1/me", nickname("b")), 412, "conflict")
	}
	wantStatus(t, match("*").Do("PATCH", "/api/v1/me", nickname("c")), 200)
	if got := w.stored(t, "alice"); got != `{"nickname": "c"}` {
		t.Errorf("there is %s", got)
	}
}

// TestAPhoneNumberThatWasChecked is not checked any more once its owner writes
// another one; and who writes the same one again changes nothing.
func TestAPhoneNumberThatWasChecked(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	checked := func() {
		w.Exec(t, `UPDATE users SET claims = '{"phone_number": "+33140000000", "phone_number_verified": true}'`)
	}
	for number, want := range map[any]string{
		"+33 1 40 00 00 00": `{"phone_number": "+33140000000", "phone_number_verified": true}`,
		"+33140000001":      `{"phone_number": "+33140000001"}`,
		nil:                 `{}`,
	} {
		checked()
		wantStatus(t, alice.Do("PATCH", "/api/v1/me", map[string]any{"claims": map[string]any{"phone_number": number}}), 200)
		if got := w.stored(t, "alice"); got != want {
			t.Errorf("after writing %v there is %s, want %s", number, got, want)
		}
	}
	// By the form too, where the field for administrators is only made up.
	checked()
	wantTo(t, submit(t, alice, alice.Get("/account/profile"), "/account/profile", url.Values{"phone_number": {"+33140000002"}, "phone_number_verified": {"yes"}, "email": {"eve@example.com"}}), "/account/profile?done=saved")
	if got := w.stored(t, "alice"); got != `{"phone_number": "+33140000002"}` || w.Text(t, "SELECT email FROM users") != "alice@example.com" {
		t.Errorf("by the form there is %s", got)
	}
	if !strings.Contains(w.events(t, "user.updated")[0].Detail, "phone_number_verified") {
		t.Errorf("the event says %s", w.events(t, "user.updated")[0].Detail)
	}
}
