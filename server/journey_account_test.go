package server_test

import (
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest/chrome"
)

// second gives a person one more passkey beside the browser, on a key of its
// own, and returns the key.
func (j *journey) second(t *testing.T, device *passkeytest.Authenticator) *passkeytest.Authenticator {
	t.Helper()
	b := passkeytest.NewBrowserWith(t, j.URL, device)
	if got := b.SignIn(""); got.Status != 200 {
		t.Fatalf("sign-in answered %d %s", got.Status, got.Raw)
	}
	b.Device = j.device()
	if got := b.Register("add", "", nil); got.Status != 201 {
		t.Fatalf("a second passkey answered %d %s", got.Status, got.Raw)
	}
	if got := b.Post("/api/v1/session/logout", passkeytest.Fields{}); got.Status != 200 {
		t.Fatalf("sign-out answered %d %s", got.Status, got.Raw)
	}
	return b.Device
}

// stale makes every session one whose passkey was used too long ago for
// anything sensitive.
func (j *journey) stale(t *testing.T) {
	t.Helper()
	j.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '20 minutes', created_at = created_at - interval '20 minutes'")
}

// TestJourneyAddAndRename puts a security key beside the device, names it, and
// signs in with it.
func TestJourneyAddAndRename(t *testing.T) {
	j := begin(t)
	p, a := j.signedIn(t, j.admin(t))
	p.Want("account-passkeys")
	p.WantText(".only-one", "Only one passkey")
	p.Click("#add-passkey")
	p.WantAlert("already_registered")
	p.Want("account-passkeys")
	a.Remove()
	key := p.SecurityKey()
	p.Click("#add-passkey")
	p.WantStatus("Passkey added.")
	p.Want("account-passkeys")
	p.WantText(".badge", "Only on this key")
	p.WantNone(".only-one")
	if got := chrome.Eval[string](p, `document.activeElement.name`); got != "name" {
		t.Errorf("the focus is at %q, want the name of the new passkey", got)
	}
	p.Fill("form.rename:not([hidden]) input", "  ")
	p.Click("form.rename:not([hidden]) button")
	p.WantText("form.rename .error", "1 to 64")
	p.Expect("422")
	p.Want("account-passkeys")
	p.Fill("form.rename:not([hidden]) input", "Key on my <keyring>")
	p.Click("form.rename:not([hidden]) button")
	p.WantStatus("The passkey has its new name.")
	p.WantText("[data-name]", "Key on my <keyring>")
	if got := len(key.Credentials()); got != 1 {
		t.Errorf("the key holds %d passkeys", got)
	}
	p.Click(".me form button")
	p.Want("signed-out")
	p.Click("main .actions a")
	p.Await("login")
	press(p, key, "#sign-in")
	p.Await("account-passkeys")
	p.WantText("li:has(.badge.accent) [data-name]", "Key on my <keyring>")
}

// TestJourneyRename in place, by keyboard: Keep the old name puts the focus back.
func TestJourneyRename(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Click("[data-show]")
	p.WantText("label", "Name of this passkey")
	p.Axe()
	p.Click("[data-hide]")
	p.WantNone("form.rename")
	if got := chrome.Eval[bool](p, `document.activeElement.matches("[data-show]")`); !got {
		t.Error("the focus is lost")
	}
}

// TestJourneyRemove asks, names the consequence, and tells the device, which
// forgets the passkey too.
func TestJourneyRemove(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	p, a := j.signedIn(t, device)
	key := p.SecurityKey()
	key.Presence(false)
	key.Hold(j.second(t, device))
	p.Reload()
	other := `#passkeys > li:not(:has(.badge.accent)) `
	gone := chrome.Eval[string](p, `document.querySelector("`+other+`").dataset.id`)
	p.Click(other + "[data-dialog]")
	p.WantText("dialog[open] h2", "Delete “")
	p.Axe()
	if got := chrome.Eval[string](p, `document.activeElement.textContent`); got != "Keep it" {
		t.Errorf("the focus is at %q, want the safe button", got)
	}
	p.Click("dialog[open] button[formmethod=dialog]")
	p.WantNone("dialog[open]")
	p.Click(other + "[data-dialog]")
	p.Click("dialog[open] .danger")
	p.WantStatus("The passkey was deleted.")
	p.Want("account-passkeys")
	if chrome.Eval[bool](p, `Boolean(document.querySelector("[data-id='`+gone+`']"))`) {
		t.Error("the passkey is still on the list")
	}
	key.Await(0)
	a.Await(1)
}

// TestJourneyRemoveAfterAWhile: the question is asked, the passkey is used
// again, and what was wanted happens then.
func TestJourneyRemoveAfterAWhile(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	j.second(t, device)
	p, a := j.signedIn(t, device)
	a.Presence(false)
	j.stale(t)
	p.Click(`li:not(:has(.badge.accent)) [data-dialog]`)
	p.Click("dialog[open] .danger")
	p.Expect("403")
	p.Want("stepup")
	if n := j.Text(t, "SELECT count(*) FROM credentials"); n != "2" {
		t.Errorf("%s passkeys before the confirmation, want 2", n)
	}
	press(p, a, "#confirm")
	p.WantStatus("The passkey was deleted.")
}

// TestJourneyAddAfterAWhile confirms first and comes back to the list.
func TestJourneyAddAfterAWhile(t *testing.T) {
	j := begin(t)
	p, a := j.signedIn(t, j.admin(t))
	a.Presence(false)
	j.stale(t)
	p.Click("#add-passkey")
	p.Expect("403")
	p.Want("stepup")
	press(p, a, "#confirm")
	p.Await("account-passkeys")
	a.Remove()
	p.SecurityKey()
	p.Click("#add-passkey")
	p.WantStatus("Passkey added.")
}

// TestJourneyLastPasskey: the only administrator keeps it; somebody else may
// give it up for their recovery codes, knowing what they do.
func TestJourneyLastPasskey(t *testing.T) {
	j := begin(t)
	admin, _ := j.signedIn(t, j.admin(t))
	admin.Click(".danger[href]")
	admin.Want("account-passkey-remove")
	admin.WantNone("main form button")
	p, _ := j.signedIn(t, j.person(t, "bob"))
	p.Click(".danger[href]")
	p.Want("account-passkey-remove")
	p.WantText(".notice", "This is your only passkey")
	p.Fill("#confirm", "alice")
	p.Click("main form button")
	p.WantText("#confirm-error", "")
	p.Expect("409")
	p.Want("account-passkey-remove")
	p.Fill("#confirm", "bob")
	p.Click("main form button")
	p.Want("signed-out")
	if n := j.Text(t, "SELECT count(*) FROM credentials c JOIN users u ON u.id = c.user_id WHERE username = 'bob'"); n != "0" {
		t.Errorf("bob has %s passkeys", n)
	}
}

// TestJourneyNewRecoveryCodes shows them once, on an answer that no reload
// repeats unasked.
func TestJourneyNewRecoveryCodes(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Click("nav [href='/account/recovery-codes']")
	p.Want("account-recovery")
	p.WantText("h3", "8 of 8 codes left")
	p.Click("main form button")
	p.Want("recovery-codes")
	codes := p.Texts("#recovery-codes li")
	if len(codes) != 8 {
		t.Errorf("the codes are %q", codes)
	}
	p.Click("[name=saved]")
	p.Click("#continue")
	p.Await("account-recovery")
	p.Goto(j.URL + "/recover")
	p.Await("recover")
	p.Fill("#username", "ines")
	p.Fill("#code", strings.ToLower(strings.ReplaceAll(codes[3], "-", " ")))
	p.Click("#redeem")
	p.WantText("h1", "Create a new passkey")
}

// TestJourneyDownloadCodes writes a file that says what it is for.
func TestJourneyDownloadCodes(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Goto(j.URL + "/account/recovery-codes")
	p.Await("account-recovery")
	p.Click("main form button")
	p.Await("recovery-codes")
	first := p.Texts("#recovery-codes li")[0]
	chrome.Eval[any](p, `{ const real = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => { window.file = text }); return real(blob) } }`)
	p.Click("#download")
	p.WantStatus("Your recovery codes were downloaded.")
	p.Until("window.file", "the file")
	file := chrome.Eval[string](p, `file`)
	for _, want := range []string{"Recovery codes for localhost", "ines", "1  " + first} {
		if !strings.Contains(file, want) {
			t.Errorf("the file lacks %q: %s", want, file)
		}
	}
}

// TestJourneySessions lists the browsers, and ends the others.
func TestJourneySessions(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	here, _ := j.signedIn(t, device)
	there, _ := j.signedIn(t, device)
	here.Click("nav [href='/account/sessions']")
	here.Want("account-sessions")
	here.WantText("li:has(.badge.accent) .row-title", "Chrome on Linux")
	here.WantText("li:has(.badge.accent) .meta", "Passkey: ")
	here.Click("#end-others")
	here.WantStatus("All other sessions ended")
	there.Reload()
	there.Want("login")
	if got := here.Texts("#sessions > li"); len(got) != 1 {
		t.Errorf("the list holds %q", got)
	}
	again, _ := j.signedIn(t, device)
	again.Goto(j.URL + "/account/sessions")
	again.Await("account-sessions")
	again.Click("#sessions > li:not(:has(.badge.accent)) button")
	again.WantStatus("The session ended.")
	here.Reload()
	here.Await("login")
	again.Click("#end-all")
	again.Want("signed-out")
	again.Goto(j.URL + "/account")
	again.Await("login")
}

// TestJourneySignOut from the account; the browser's cookie opens nothing then.
func TestJourneySignOut(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Click(".me form button")
	p.Want("signed-out")
	p.WantText("h1", "You are signed out")
	p.Back()
	p.Await("login")
	j.wantEvents(t, "session.ended", "1")
}

// TestJourneySignOutAsks when somebody comes to the address by a link.
func TestJourneySignOutAsks(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Goto(j.URL + "/logout")
	p.Want("logout")
	p.Click("#logout a")
	p.Want("account-passkeys")
	p.Goto(j.URL + "/oauth2/logout")
	p.Want("logout")
	p.Click("#logout [value=yes]")
	p.Want("signed-out")
}

// TestJourneySignOutByTheApplication: with the ID token of this session nobody
// is asked; with that of another one they are, and go back all the same.
func TestJourneySignOutByTheApplication(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	p, a := j.open(t, j.admin(t))
	for _, asked := range []bool{false, true} {
		p.Goto(w.authorize())
		p.Await("login")
		press(p, a, "#sign-in")
		w.wantSignedIn(t, p, "ines")
		hint := w.hint()
		if asked {
			j.Exec(t, "DELETE FROM sessions")
			p.Goto(w.authorize())
			p.Await("login")
			press(p, a, "#sign-in")
			w.wantSignedIn(t, p, "ines")
		}
		p.Goto(w.signOut(hint))
		if asked {
			p.Want("logout")
			p.WantText("main", "Wiki asks for it.")
			p.Click("#logout [value=yes]")
		}
		p.WantURL(w.url + "/bye")
		p.WantText("main", "You left the wiki, state so long")
	}
}

// TestJourneyAccountNoScript: lists and forms need none.
func TestJourneyAccountNoScript(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	j.second(t, device)
	p, _ := j.signedIn(t, device)
	p.NoScript()
	p.Reload()
	p.Want("account-passkeys")
	p.WantText("main", "Adding a passkey needs JavaScript.")
	p.WantNone("#add-passkey")
	p.Click("li:not(:has(.badge.accent)) [data-show]")
	p.Await("account-passkeys")
	p.Fill("form.rename:not([hidden]) input", "Drawer")
	p.Click("form.rename:not([hidden]) button")
	p.WantStatus("The passkey has its new name.")
	p.Click("li:not(:has(.badge.accent)) .danger[href]")
	p.Want("account-passkey-remove")
	p.WantText("h1", "Delete “Drawer”?")
	p.Click("main form button")
	p.WantStatus("The passkey was deleted.")
	p.Goto(j.URL + "/account/recovery-codes")
	p.Await("account-recovery")
	p.Click("main form button")
	p.Want("recovery-codes")
	p.Click("[name=saved]")
	p.Click("#continue")
	p.WantURL(j.URL + "/account")
	p.Click(".me form button")
	p.Want("signed-out")
}

// TestJourneyMenu: on a phone the navigation opens from its button.
func TestJourneyMenu(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Width(320)
	p.WantNone("#side")
	p.Click("[popovertarget=side]")
	p.WantText("#side", "Sessions")
	p.Axe()
	p.Click("#side [href='/account/sessions']")
	p.Want("account-sessions")
	p.WantNone("#side")
}

// TestJourneyApps: what was allowed stands there, and removing it makes the
// application ask again.
func TestJourneyApps(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Await("login")
	press(p, a, "#sign-in")
	p.Await("consent")
	p.Click("#consent [value=allow]")
	w.wantSignedIn(t, p, "ines")
	p.Goto(j.URL + "/account/apps")
	p.Want("account-apps")
	p.WantText("#apps .row-title", "Wiki")
	p.WantText("#apps .badge", "Stays signed in")
	p.Click("#apps summary")
	p.WantText("#apps details", "e-mail")
	p.Click("#apps button.danger")
	p.WantStatus("The application was removed.")
	p.Want("account-apps")
	p.WantText(".empty", "No apps yet")
	p.Goto(w.authorize())
	p.Await("consent")
	j.wantEvents(t, "consent.revoked", "1")
}
