package server_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"latchkey/server/servertest/chrome"
)

// TestJourneySetUpByKeyboard goes from the printed link to the account without
// a mouse.
func TestJourneySetUpByKeyboard(t *testing.T) {
	j := begin(t)
	p := chrome.Open(t)
	p.Device()
	p.Goto(j.URL + "/setup#token=" + j.SetupToken(t))
	p.Await("setup")
	p.WantText("#create-passkey", "Create your passkey")
	p.Press(kb.Tab)
	p.WantFocus(".skip")
	p.Press(kb.Enter)
	p.TabTo("#display_name")
	p.Press("Ines Okafor")
	p.TabTo("#username")
	p.Press("ines")
	p.TabTo("#create-passkey")
	p.Press(kb.Enter)
	p.Await("recovery-codes")
	p.WantFocus("#recovery-codes")
	p.TabTo("#download")
	p.TabTo("[name=saved]")
	p.Press(" ")
	p.TabTo("#continue")
	p.Press(kb.Enter)
	p.Await("account-passkeys")
	if got := j.Text(t, "SELECT display_name FROM users WHERE username = 'ines'"); got != "Ines Okafor" {
		t.Errorf("the account is of %q", got)
	}
}

// TestJourneyConfirmByKeyboard answers "Confirm it's you" and consent.
func TestJourneyConfirmByKeyboard(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.signedIn(t, j.admin(t))
	a.Presence(false)
	p.Goto(w.authorize("prompt", "login"))
	p.Await("stepup")
	p.TabTo("#confirm")
	a.Presence(true)
	p.Press(kb.Enter)
	p.Await("consent")
	p.TabTo("#consent [value=deny]")
	p.TabTo("#consent [value=allow]")
	p.Press(" ")
	w.wantSignedIn(t, p, "ines")
}

// TestJourneyDialogByKeyboard: the question opens on its safe button, keeps the
// focus to itself, and gives it back when it is closed.
func TestJourneyDialogByKeyboard(t *testing.T) {
	j := begin(t)
	device := j.admin(t)
	j.second(t, device)
	p, _ := j.signedIn(t, device)
	ask := `#passkeys > li:not(:has(.badge.accent)) [data-dialog]`
	p.TabTo(ask)
	for _, leave := range []string{kb.Escape, kb.Enter} {
		p.Press(kb.Enter)
		p.WantFocus("dialog[open] [formmethod=dialog]")
		for range 5 { // between the page's last and first element stands the browser itself
			p.Press(kb.Tab)
			if !chrome.Eval[bool](p, `document.activeElement.matches("body, dialog[open] *")`) {
				t.Errorf("the focus leaves the question for %s", chrome.Eval[string](p, `document.activeElement.outerHTML`))
			}
		}
		p.TabTo("dialog[open] [formmethod=dialog]")
		p.Press(leave)
		p.WantNone("dialog[open]")
		p.WantFocus(ask)
	}
	p.Press(kb.Enter)
	p.TabTo("dialog[open] .danger")
	p.Press(kb.Enter)
	p.WantStatus("The passkey was deleted.")
	p.WantFocus("[role=status]")
}

// TestJourneyRenameByKeyboard in place, once given up and once done.
func TestJourneyRenameByKeyboard(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.TabTo("[data-show]")
	p.Press(kb.Enter)
	p.WantFocus("form.rename [name=name]")
	p.TabTo("[data-hide]")
	p.Press(kb.Enter)
	p.WantFocus("[data-show]")
	p.Press(kb.Enter)
	p.WantFocus("form.rename [name=name]")
	p.Press("Drawer" + kb.Enter) // what was there is selected
	p.WantStatus("The passkey has its new name.")
	p.WantText("[data-name]", "Drawer")
	p.WantFocus("[role=status]")
}

// TestJourneyConnectByKeyboard fills in an administration form.
func TestJourneyConnectByKeyboard(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.TabTo(".switch [href='/admin']")
	p.Press(kb.Enter)
	p.Await("admin-clients")
	p.TabTo("main .head a.primary")
	p.Press(kb.Enter)
	p.Await("admin-client-new")
	p.TabTo("[name=type]")
	p.Press(kb.ArrowDown) // among radio buttons the arrows go on
	p.WantFocus("[value=spa]")
	p.TabTo("#name")
	p.Press("Board")
	p.TabTo("#redirect_uris")
	p.Press("https://board.example.com/callback" + kb.Enter + "https://board.example.com/silent")
	p.TabTo("[name=first_party]")
	p.Press(" ")
	p.TabTo("main button.primary")
	p.Press(kb.Enter)
	p.Await("admin-client-done")
	p.TabTo("main pre")
	if got := j.Text(t, "SELECT concat_ws(' ', name, type, first_party, redirect_uris) FROM clients"); got != "Board spa t {https://board.example.com/callback,https://board.example.com/silent}" {
		t.Errorf("registered is %s", got)
	}
}

// TestJourneyMenuByKeyboard: the navigation of a phone opens, closes with Esc
// and gives the focus back.
func TestJourneyMenuByKeyboard(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Width(320)
	p.TabTo("[popovertarget=side]")
	p.Press(kb.Enter)
	p.WantText("#side", "Sessions")
	p.TabTo("#side [href='/account/sessions']")
	p.Press(kb.Escape)
	p.WantNone("#side")
	p.WantFocus("[popovertarget=side]")
	p.Press(" ")
	p.TabTo("#side [href='/account/sessions']")
	p.Press(kb.Enter)
	p.Await("account-sessions")
}
