package account_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"latchkey/passkey/passkeytest"
)

// TestTheListOfPasskeys: names, kinds, facts, and which one is used now.
func TestTheListOfPasskeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.add(t, alice)
	page := alice.Get("/account/passkeys")
	wantPage(t, page, 200, "account-passkeys")
	wantText(t, page, "Used now", "Passkey, synced", "Last used just now", "8 of 8 codes left")
	noText(t, page, "Only one passkey", "Not used yet")
	wantText(t, phone.Get("/account/passkeys"), "Not used yet")
	if attrOf(t, page, "passkeys", "data-signals") != "" {
		t.Error("the page sends signals although nothing changed")
	}
	items := passkeys(t, phone)
	if len(items) != 2 {
		t.Fatalf("%d passkeys, want 2", len(items))
	}
	got := current(t, phone)
	if got.LastUsedAt == nil || !got.Synced || !got.BackupState || got.CreatedAt == "" || len(got.Transports) != 2 || uuid.Validate(got.ID) != nil {
		t.Errorf("the passkey used now is %+v", got)
	}
	if mine := current(t, alice); mine.ID == got.ID || mine.LastUsedAt != nil {
		t.Errorf("the passkey of the first browser is %+v, want another one that was only made", mine)
	}
}

// TestAccountLeadsToThePasskeys: where set-up and sign-in send people is there.
func TestAccountLeadsToThePasskeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := passkeytest.NewBrowser(t, w.URL)
	made := b.Register("setup", w.SetupToken(t), person("alice"))
	wantStatus(t, made, 201)
	if len(made.RecoveryCodes) != 8 || made.RedirectTo != "/account" {
		t.Fatalf("set-up leads to %q with %d codes", made.RedirectTo, len(made.RecoveryCodes))
	}
	// The form of the codes adds its check box to the address.
	got := b.Get(made.RedirectTo + "?saved=yes")
	wantTo(t, got, "/account/passkeys")
	page := b.Get(got.Header.Get("Location"))
	wantPage(t, page, 200, "account-passkeys")
	wantText(t, page, "Only one passkey", "8 of 8 codes left")
}

// TestWhoIsNotSignedInComesBack: pages lead to sign-in and back, forms do not.
func TestWhoIsNotSignedInComesBack(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	stranger := passkeytest.NewBrowser(t, w.URL)
	wantTo(t, stranger.Get("/account/passkeys?rename=x"), "/login?return=%2Faccount%2Fpasskeys%3Frename%3Dx")
	wantTo(t, stranger.Form("/account/passkeys/x/remove", nil), "/login?return=%2Faccount")
	wantRefused(t, stranger.Get("/api/v1/me/passkeys"), 401, "session_required")
}

// TestRenaming by the form on the page and by the API; what is stored is
// trimmed and NFC.
func TestRenaming(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	id := current(t, alice).ID
	page := alice.Get("/account/passkeys?rename=" + id)
	wantPage(t, page, 200, "account-passkeys")
	action := "/account/passkeys/" + id + "/rename"
	done := submit(t, alice, page, action, url.Values{"name": {"  Jose\u0301’s laptop "}})
	wantTo(t, done, "/account/passkeys?done=renamed")
	page = alice.Get("/account/passkeys?done=renamed")
	if got := statusLine(t, page); got != "The passkey has its new name." {
		t.Errorf("the status line says %q", got)
	}
	if got := current(t, alice).DeviceName; got != "José’s laptop" {
		t.Errorf("the passkey is called %q", got)
	}
	renamed := alice.Do("PATCH", "/api/v1/me/passkeys/"+id, passkeytest.Fields{"device_name": "Desk"})
	wantStatus(t, renamed, 200)
	if got := decode[passkey](t, renamed); got.DeviceName != "Desk" || got.ID != id {
		t.Errorf("renaming answered %+v", got)
	}
	events := w.events(t, "passkey.renamed")
	if len(events) != 2 || events[0].Subject != w.user(t, "alice") || events[0].Passkey != id || strings.Contains(events[0].Detail, "laptop") {
		t.Errorf("events are %+v, want two of this passkey, without its name in the open", events)
	}
}

// TestBadNamesAreRefused: the form keeps what was typed and says what is wrong.
func TestBadNamesAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	before := current(t, alice)
	for name, typed := range map[string]string{
		"empty": "", "only space": " \t ", "65 characters": strings.Repeat("ü", 65), "a control character": "a\x07b",
		"a line break": "a\nb", "text turned around": "a\u202eb", "an invisible character": "a\u200bb",
	} {
		page := alice.Form("/account/passkeys/"+before.ID+"/rename", url.Values{"name": {typed}})
		wantPage(t, page, 422, "account-passkeys")
		if attrOf(t, page, "name-"+before.ID, "aria-invalid") != "true" || !strings.Contains(string(page.Raw), `data-code="validation_failed"`) {
			t.Errorf("%s: the form does not say what is wrong", name)
		}
		got := alice.Do("PATCH", "/api/v1/me/passkeys/"+before.ID, passkeytest.Fields{"device_name": typed})
		wantRefused(t, got, 422, "validation_failed")
		if !strings.Contains(string(got.Raw), `"device_name"`) {
			t.Errorf("%s: the refusal does not name the field: %s", name, got.Raw)
		}
	}
	if got := current(t, alice); got.DeviceName != before.DeviceName || len(w.events(t, "passkey.renamed")) != 0 {
		t.Errorf("the passkey is called %q now", got.DeviceName)
	}
	wantStatus(t, alice.Do("PATCH", "/api/v1/me/passkeys/"+before.ID, passkeytest.Fields{"device_name": strings.Repeat("ü", 64)}), 200)
}

// TestRemoving by the page: the session made with it ends, the others live, the
// browser is told which passkeys are left.
func TestRemoving(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.add(t, alice)
	lost := current(t, phone)
	page := alice.Get("/account/passkeys/" + lost.ID + "/remove")
	wantPage(t, page, 200, "account-passkey-remove")
	noText(t, page, "Type your username", "you will be signed out")
	wantTo(t, submit(t, alice, page, "/account/passkeys/"+lost.ID+"/remove", nil), "/account/passkeys?done=deleted")
	page = alice.Get("/account/passkeys?done=deleted")
	if got := statusLine(t, page); got != "The passkey was deleted. It can no longer sign you in." {
		t.Errorf("the status line says %q", got)
	}
	wantSignals(t, attrOf(t, page, "passkeys", "data-signals"), alice)
	if signedIn(t, phone) {
		t.Error("the session made with the deleted passkey lives on")
	}
	wantRefused(t, phone.SignIn(""), 401, "unknown_credential")
	events := w.events(t, "passkey.deleted")
	if len(events) != 1 || events[0].Passkey != lost.ID || events[0].Subject != w.user(t, "alice") {
		t.Errorf("events are %+v, want one of the deleted passkey", events)
	}
	if ended := w.events(t, "session.ended"); len(ended) != 1 || ended[0].Reason != "passkey_removed" || ended[0].Passkey != lost.ID {
		t.Errorf("session events are %+v, want one because of the passkey", ended)
	}
}

// wantSignals demands that the browser is told of exactly the passkey on b's
// device, under its owner's handle.
func wantSignals(t *testing.T, text string, b *passkeytest.Browser) {
	t.Helper()
	var signals struct {
		AllAccepted struct {
			RPID                     string `json:"rpId"`
			UserID                   string `json:"userId"`
			AllAcceptedCredentialIDs []string
		}
		CurrentUser struct{ Name, DisplayName, UserID string }
	}
	if err := json.Unmarshal([]byte(text), &signals); err != nil {
		t.Fatalf("signals %q: %v", text, err)
	}
	held := b.Device.Credential()
	encode := base64.RawURLEncoding.EncodeToString
	all := signals.AllAccepted
	if all.RPID != "localhost" || all.UserID != encode(held.UserHandle) || len(all.AllAcceptedCredentialIDs) != 1 || all.AllAcceptedCredentialIDs[0] != encode(held.ID) {
		t.Errorf("accepted are %+v, want only the passkey of this browser", all)
	}
	if signals.CurrentUser.Name != "alice" || signals.CurrentUser.DisplayName != "Alice" || signals.CurrentUser.UserID != all.UserID {
		t.Errorf("the person is told as %+v", signals.CurrentUser)
	}
}

// TestRemovingTheOneInUse signs this browser out, and says so before and after.
func TestRemovingTheOneInUse(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	w.add(t, alice)
	mine := current(t, alice)
	page := alice.Get("/account/passkeys/" + mine.ID + "/remove")
	wantText(t, page, "this one too: you will be signed out")
	wantTo(t, submit(t, alice, page, "/account/passkeys/"+mine.ID+"/remove", nil), "/logout?done=passkey-deleted")
	for _, cookie := range alice.Cookies() {
		if !strings.Contains(cookie.Name, "-pre-") {
			t.Errorf("the browser keeps the cookie %s", cookie.Name)
		}
	}
	page = alice.Get("/logout?done=passkey-deleted")
	wantPage(t, page, 200, "signed-out")
	if got := statusLine(t, page); !strings.HasPrefix(got, "The passkey was deleted") {
		t.Errorf("the status line says %q", got)
	}
}

// TestRemovingByTheAPI answers what the browser should know.
func TestRemovingByTheAPI(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.add(t, alice)
	got := alice.Do("DELETE", "/api/v1/me/passkeys/"+current(t, phone).ID, nil)
	wantStatus(t, got, 200)
	wantSignals(t, string(got.Signals), alice)
	wantRefused(t, alice.Do("DELETE", "/api/v1/me/passkeys/"+current(t, alice).ID, nil), 409, "last_passkey")
	if signedIn(t, phone) || !signedIn(t, alice) {
		t.Error("the wrong session ended")
	}
}

// TestRemovingTheOneInUseByTheAPI takes the cookie along.
func TestRemovingTheOneInUseByTheAPI(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.add(t, alice)
	wantStatus(t, phone.Do("DELETE", "/api/v1/me/passkeys/"+current(t, phone).ID, nil), 200)
	if len(phone.Cookies()) > 1 || signedIn(t, phone) {
		t.Errorf("the browser keeps %d cookies", len(phone.Cookies()))
	}
}

// TestTheLastPasskey of a person who is not the only administrator goes only
// with recovery codes left and the username typed.
func TestTheLastPasskey(t *testing.T) {
	t.Parallel()
	w := start(t)
	bob := w.enroll(t, "bob")
	id := current(t, bob).ID
	action := "/account/passkeys/" + id + "/remove"
	for name, typed := range map[string]url.Values{"nothing": nil, "an empty word": {"confirm": {""}}, "another word": {"confirm": {"alice"}}} {
		page := bob.Form(action, typed)
		wantPage(t, page, 409, "account-passkey-remove")
		if attrOf(t, page, "confirm", "aria-invalid") != "true" {
			t.Errorf("%s: the page does not say what is missing", name)
		}
		if len(passkeys(t, bob)) != 1 {
			t.Fatalf("%s removed the passkey", name)
		}
	}
	page := bob.Get(action)
	wantText(t, page, "This is your only passkey", "Type your username, bob , to confirm")
	wantTo(t, submit(t, bob, page, action, url.Values{"confirm": {" Bob "}}), "/logout?done=passkey-deleted")
	if n := w.Text(t, "SELECT count(*) FROM credentials WHERE user_id = '"+w.user(t, "bob")+"'"); n != "0" {
		t.Errorf("%s passkeys are left", n)
	}
}

// TestTheLastPasskeyWithoutCodes stays, whatever is typed.
func TestTheLastPasskeyWithoutCodes(t *testing.T) {
	t.Parallel()
	w := start(t)
	bob := w.enroll(t, "bob")
	w.Exec(t, "UPDATE recovery_codes SET used_at = now() WHERE user_id = $1", w.user(t, "bob"))
	wantKept(t, bob, "bob", "you have no recovery codes")
}

// TestTheOnlyAdministratorsLastPasskey stays, codes or not.
func TestTheOnlyAdministratorsLastPasskey(t *testing.T) {
	t.Parallel()
	w := start(t)
	wantKept(t, w.admin(t), "alice", "you are the only administrator")
}

// TestAnotherAdministratorsLastPasskey goes like anybody's while one stays.
func TestAnotherAdministratorsLastPasskey(t *testing.T) {
	t.Parallel()
	w := start(t)
	bob := w.enroll(t, "bob")
	w.Exec(t, "UPDATE users SET role = 'admin' WHERE username = 'bob'")
	action := "/account/passkeys/" + current(t, bob).ID + "/remove"
	wantTo(t, bob.Form(action, url.Values{"confirm": {"bob"}}), "/logout?done=passkey-deleted")
	wantKept(t, w.admin(t), "alice", "you are the only administrator")
}

func wantKept(t *testing.T, b *passkeytest.Browser, username, why string) {
	t.Helper()
	action := "/account/passkeys/" + current(t, b).ID + "/remove"
	page := b.Get(action)
	wantPage(t, page, 200, "account-passkey-remove")
	wantText(t, page, why)
	if attrOf(t, page, "confirm", "name") != "" {
		t.Error("the page asks for a confirmation that does not help")
	}
	page = b.Form(action, url.Values{"confirm": {username}})
	wantPage(t, page, 409, "account-passkey-remove")
	if !strings.Contains(string(page.Raw), `data-code="last_passkey"`) {
		t.Error("the page does not name the rule")
	}
	wantText(t, page, why)
	if len(passkeys(t, b)) != 1 {
		t.Error("the passkey is gone")
	}
}

// TestParallelRemovalsLeaveOne: two browsers remove one another's passkeys. The
// rows are held until both are on their way, so that without the owner's lock
// both would have counted two.
func TestParallelRemovalsLeaveOne(t *testing.T) {
	t.Parallel()
	w := start(t)
	laptop := w.enroll(t, "bob")
	phone := w.add(t, laptop)
	ids := []string{current(t, phone).ID, current(t, laptop).ID}
	release := w.hold(t, "SELECT id FROM credentials FOR UPDATE")
	answers := make([]*passkeytest.Answer, 2)
	var both sync.WaitGroup
	for i, b := range []*passkeytest.Browser{laptop, phone} {
		both.Go(func() { answers[i] = b.Form("/account/passkeys/"+ids[i]+"/remove", nil) })
	}
	w.waiting(t, 2)
	release()
	both.Wait()
	if n := w.Text(t, "SELECT count(*) FROM credentials WHERE user_id = '"+w.user(t, "bob")+"'"); n != "1" {
		t.Errorf("%s passkeys are left, want 1 (answers %d, %d)", n, answers[0].Status, answers[1].Status)
	}
	if n := len(w.events(t, "passkey.deleted")); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// TestRemovingAsksForThePasskeyAgain after ten minutes: the form is kept on the
// page of the confirmation and goes through afterwards as it was.
func TestRemovingAsksForThePasskeyAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.add(t, alice)
	id := current(t, phone).ID
	action := "/account/passkeys/" + id + "/remove"
	w.stale(t)
	wantPage(t, alice.Get(action), 200, "account-passkey-remove")
	page := alice.Form(action, url.Values{"confirm": {"kept"}})
	wantPage(t, page, 403, "stepup")
	if attrOf(t, page, "resume", "action") != action {
		t.Errorf("the form goes on to %q", attrOf(t, page, "resume", "action"))
	}
	wantRefused(t, alice.Do("DELETE", "/api/v1/me/passkeys/"+id, nil), 403, "reauthentication_required")
	if len(passkeys(t, alice)) != 2 {
		t.Fatal("the passkey went without a confirmation")
	}
	wantStatus(t, alice.Reauth(""), 200)
	wantTo(t, submit(t, alice, page, action, nil), "/account/passkeys?done=deleted")
}

// TestAddingNeedsARecentSignIn, and opens the form for the new one's name.
func TestAddingNeedsARecentSignIn(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	w.stale(t)
	wantRefused(t, alice.RegistrationOptions("add", "", nil), 403, "reauthentication_required")
	wantStatus(t, alice.Reauth(""), 200)
	phone := w.add(t, alice)
	id := current(t, phone).ID
	page := alice.Get("/account/passkeys?added=" + id)
	if got := statusLine(t, page); !strings.HasPrefix(got, "Passkey added") {
		t.Errorf("the status line says %q", got)
	}
	for n := range node(t, page).Descendants() {
		if attr(n, "id") == "rename-"+id {
			for _, a := range n.Attr {
				if a.Key == "hidden" {
					t.Error("the form for the new passkey's name is closed")
				}
			}
		}
	}
	if attrOf(t, page, "passkeys", "data-signals") == "" {
		t.Error("the browser is not told of the new passkey")
	}
	if got := statusLine(t, alice.Get("/account/passkeys?added="+uuid.NewString())); got != "" {
		t.Errorf("of a passkey that is not there the page says %q", got)
	}
}

// TestTheAddressNeverCarriesWords: what is not a code of ours says nothing.
func TestTheAddressNeverCarriesWords(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	for _, path := range []string{"/account/passkeys?done=You+won", "/account/passkeys?added=You+won"} {
		if got := alice.Get(path); statusLine(t, got) != "" || strings.Contains(string(got.Raw), "You won") {
			t.Errorf("%s says %q", path, statusLine(t, got))
		}
	}
	noText(t, passkeytest.NewBrowser(t, w.URL).Get("/logout?done=You+won"), "You won")
}

// TestSomebodyElsesPasskeyIsNotThere: answered like one that never was, for
// pages and API, and nothing changes.
func TestSomebodyElsesPasskeyIsNotThere(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	w.add(t, alice)
	bob := w.enroll(t, "bob")
	before := w.Text(t, "SELECT jsonb_agg(to_jsonb(c) ORDER BY c.id) FROM credentials c")
	for name, id := range map[string]string{"Alice's": current(t, alice).ID, "nobody's": uuid.NewString(), "no id": "x"} {
		for _, got := range []*passkeytest.Answer{
			bob.Do("PATCH", "/api/v1/me/passkeys/"+id, passkeytest.Fields{"device_name": "mine"}),
			bob.Do("PATCH", "/api/v1/me/passkeys/"+id, passkeytest.Fields{"device_name": ""}),
			bob.Do("DELETE", "/api/v1/me/passkeys/"+id, nil),
		} {
			wantRefused(t, got, 404, "not_found")
		}
		path := "/account/passkeys/" + id
		for _, got := range []*passkeytest.Answer{
			bob.Get(path + "/remove"), bob.Form(path+"/remove", url.Values{"confirm": {"bob"}}),
			bob.Form(path+"/rename", url.Values{"name": {"mine"}}), bob.Form(path+"/rename", url.Values{"name": {""}}),
		} {
			if got.Status != 404 {
				t.Errorf("%s: answered %d, want 404", name, got.Status)
			}
		}
		noText(t, bob.Get("/account/passkeys?rename="+id), id)
	}
	if after := w.Text(t, "SELECT jsonb_agg(to_jsonb(c) ORDER BY c.id) FROM credentials c"); after != before {
		t.Errorf("passkeys changed:\n%s\n%s", before, after)
	}
}
