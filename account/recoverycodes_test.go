package account_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"latchkey/passkey/passkeytest"
)

// codesOn are the recovery codes that a page shows.
func codesOn(t testing.TB, page *passkeytest.Answer) (codes []string) {
	t.Helper()
	for n := range node(t, page).Descendants() {
		if n.Type == html.TextNode && n.Parent.Data == "li" && attr(n.Parent.Parent, "id") == "recovery-codes" {
			codes = append(codes, n.Data)
		}
	}
	return codes
}

// redeems tells whether a code still opens a recovery for alice.
func (w *world) redeems(t testing.TB, code string) bool {
	t.Helper()
	got := passkeytest.NewBrowser(t, w.URL).Post("/api/v1/recovery/redeem", passkeytest.Fields{"username": "alice", "code": code})
	if got.Status != 200 && got.Status != 401 {
		t.Fatalf("redeeming answered %d %s", got.Status, got.Raw)
	}
	return got.Status == 200
}

// TestNewRecoveryCodes are shown once, in the answer to the form; the old ones
// end; no other page ever shows them.
func TestNewRecoveryCodes(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	old := w.codes(t, alice)
	page := alice.Get("/account/recovery-codes")
	wantPage(t, page, 200, "account-recovery")
	wantText(t, page, "8 of 8 codes left")
	page = submit(t, alice, page, "/account/recovery-codes", nil)
	wantPage(t, page, 200, "recovery-codes")
	made := codesOn(t, page)
	if len(made) != 8 || attrOf(t, page, "saved-form", "action") != "/account/recovery-codes" {
		t.Fatalf("the page shows %d codes and leads to %q", len(made), attrOf(t, page, "saved-form", "action"))
	}
	for _, path := range []string{"/account/recovery-codes", "/account/recovery-codes?saved=yes", "/account/passkeys", "/api/v1/me/recovery-codes"} {
		got := alice.Get(path)
		wantStatus(t, got, 200)
		if slices.ContainsFunc(made, func(code string) bool { return strings.Contains(string(got.Raw), code) }) {
			t.Errorf("%s shows a code again", path)
		}
	}
	wantText(t, alice.Get("/account/recovery-codes?saved=yes"), "The old ones stopped working.")
	events := w.events(t, "recovery.codes_made")
	if len(events) != 3 || events[2].Subject != w.user(t, "alice") || strings.Contains(events[2].Detail, made[0]) {
		t.Errorf("events are %+v, want one for set-up and one for each new set", events)
	}
	if w.redeems(t, old[0]) {
		t.Error("an old code works")
	}
	if !w.redeems(t, made[7]) {
		t.Error("a new code does not work")
	}
}

// codes makes new ones by the API.
func (w *world) codes(t testing.TB, b *passkeytest.Browser) []string {
	t.Helper()
	got := b.Post("/api/v1/me/recovery-codes", nil)
	wantStatus(t, got, 201)
	codes := decode[struct{ Codes []string }](t, got).Codes
	if len(codes) != 8 || got.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d codes, Cache-Control %q", len(codes), got.Header.Get("Cache-Control"))
	}
	return codes
}

// TestTheStateOfRecoveryCodes: how many are left and since when.
func TestTheStateOfRecoveryCodes(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	type state struct {
		Remaining, Total int
		CreatedAt        *string `json:"created_at"`
		LastUsedAt       *string `json:"last_used_at"`
	}
	got := decode[state](t, alice.Get("/api/v1/me/recovery-codes"))
	if got.Remaining != 8 || got.Total != 8 || got.CreatedAt == nil || got.LastUsedAt != nil {
		t.Errorf("after set-up the state is %+v", got)
	}
	code := w.codes(t, alice)[0]
	w.Exec(t, "UPDATE recovery_codes SET used_at = now() WHERE id IN (SELECT id FROM recovery_codes LIMIT 6)")
	page := alice.Get("/account/passkeys")
	wantText(t, page, "2 of 8 codes left Make new ones soon", "Last used just now")
	w.Exec(t, "DELETE FROM recovery_codes")
	wantText(t, alice.Get("/account/recovery-codes"), "No recovery codes", "Not made yet")
	if got := decode[state](t, alice.Get("/api/v1/me/recovery-codes")); got.Total != 0 || got.CreatedAt != nil {
		t.Errorf("without codes the state is %+v", got)
	}
	if w.redeems(t, code) {
		t.Error("a deleted code works")
	}
}

// TestNewCodesAskForThePasskeyAgain after ten minutes.
func TestNewCodesAskForThePasskeyAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	old := w.codes(t, alice)
	w.stale(t)
	page := alice.Form("/account/recovery-codes", nil)
	wantPage(t, page, 403, "stepup")
	wantRefused(t, alice.Post("/api/v1/me/recovery-codes", nil), 403, "reauthentication_required")
	wantStatus(t, alice.Reauth(""), 200)
	if n := len(w.events(t, "recovery.codes_made")); n != 2 {
		t.Errorf("codes were made %d times, want only before", n)
	}
	wantPage(t, submit(t, alice, page, "/account/recovery-codes", nil), 200, "recovery-codes")
	if w.redeems(t, old[0]) {
		t.Error("an old code works")
	}
}
