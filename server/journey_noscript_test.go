package server_test

import (
	"testing"

	"latchkey/server/servertest/chrome"
)

// TestJourneyNoScriptSetUp: the page says what is missing, and offers nothing
// that cannot work.
func TestJourneyNoScriptSetUp(t *testing.T) {
	j := begin(t)
	p := chrome.Open(t)
	p.NoScript()
	p.Goto(j.URL + "/setup#token=" + j.SetupToken(t))
	p.Want("setup")
	p.WantText("main", "Passkeys need JavaScript. Turn it on for this site, then open the link again.")
	p.WantNone("main button")
}

// TestJourneyNoScriptSignIn: the button changes nothing, and what waits still
// does: with scripts it goes on, and without them it can be given up.
func TestJourneyNoScriptSignIn(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.NoScript()
	p.Goto(w.authorize("login_hint", "ines"))
	p.Await("login")
	p.Click("#sign-in")
	p.Until(`location.search.includes("username=ines")`, "the page once more")
	p.Want("login")
	p.WantText("main", "Passkeys need JavaScript.")
	p.WantText("main", "to continue to Wiki")
	p.Click("#cancel button")
	w.wantRefused(t, p, "access_denied")

	p.Goto(w.authorize())
	p.Await("login")
	p.Click("#sign-in")
	p.Until(`location.search.includes("username=")`, "the page once more")
	p.Script()
	p.Reload()
	press(p, a, "#sign-in")
	p.Await("consent")
}

// TestJourneyNoScriptRecover: a code that is typed would leave with the address
// of the next page, where logs and histories keep it. There is no field for it.
func TestJourneyNoScriptRecover(t *testing.T) {
	j := begin(t)
	j.admin(t)
	codes := j.codes(t, "bob")
	p, a := j.open(t, nil)
	p.NoScript()
	p.Goto(j.URL + "/recover")
	p.Want("recover")
	p.WantText("main", "Passkeys need JavaScript.")
	p.WantText("main", "Another passkey of yours")
	p.WantNone("main input, main button")
	p.Script()
	p.Reload()
	p.Fill("#username", "bob")
	p.Fill("#code", codes[0])
	p.Click("#redeem")
	p.WantText("h1", "Create a new passkey")
	p.NoScript()
	p.Reload()
	p.Want("recover")
	p.WantText("main", "Passkeys need JavaScript.")
	p.WantNone("main input, main button")
	p.Script()
	p.Reload()
	press(p, a, "#create-passkey")
	p.Await("account-passkeys")
}

// TestJourneyNoScriptConfirm: the confirmation says why it cannot go on, before
// a change of one's own and for an application, and lets people out.
func TestJourneyNoScriptConfirm(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.NoScript()
	p.Goto(j.URL + "/account/recovery-codes")
	p.Await("account-recovery")
	j.stale(t)
	p.Click("main form button")
	p.Expect("403")
	p.Want("stepup")
	p.WantText("main", "Passkeys need JavaScript.")
	p.Click("#stepup a")
	p.Await("account-passkeys")
	p.Goto(w.authorize("max_age", "60"))
	p.Await("stepup")
	p.WantText("main", "Passkeys need JavaScript.")
	p.Click("#cancel button")
	w.wantRefused(t, p, "access_denied")
	j.wantEvents(t, "session.stepped_up", "0")
}

// TestJourneyNoScriptLeave: sign-out asked for by an application, and the errors
// on the way to one, need no script.
func TestJourneyNoScriptLeave(t *testing.T) {
	j := begin(t)
	w := j.wiki(t)
	p, a := j.open(t, j.admin(t))
	p.Goto(w.authorize())
	p.Await("login")
	press(p, a, "#sign-in")
	p.Await("consent")
	p.NoScript()
	p.Click("#consent [value=allow]")
	w.wantSignedIn(t, p, "ines")
	p.Goto(j.URL + "/oauth2/authorize?client_id=nobody")
	p.Expect("400")
	p.Want("error")
	p.WantText("h1", "This application is not known here")
	p.WantText("main pre", "-") // the support number, to select by hand
	p.WantNone("main button")
	hint := w.hint()
	j.Exec(t, "UPDATE sessions SET id = gen_random_uuid()") // it is no longer the session of that token
	p.Goto(w.signOut(hint))
	p.Want("logout")
	p.Click("#logout [value=yes]")
	p.WantURL(w.url + "/bye")
	p.WantText("main", "You left the wiki, state so long")
}

// TestJourneyNoScriptAdmin connects an application, turns it off and deletes it;
// the secret can be selected where no button copies it.
func TestJourneyNoScriptAdmin(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.NoScript()
	p.Goto(j.URL + "/admin/clients/new")
	p.Want("admin-client-new")
	p.Fill("#name", "Wiki")
	p.Fill("#redirect_uris", "https://wiki.example.com/callback")
	p.Click("main button.primary")
	p.Want("admin-client-done")
	p.WantText("#secret", "lk_cs_")
	p.WantNone("[data-copy]")
	p.Click("main .head a")
	p.Await("admin-client-detail")
	p.Click("a[href$='/disable']")
	p.Await("admin-confirm")
	p.Click("main button.danger")
	p.WantText("main .head .badge", "Turned off")
	p.Click("a[href$='/delete']")
	p.Await("admin-confirm")
	p.Click("main button.danger")
	p.WantText(".empty", "No applications yet")
	p.Click(".me form button")
	p.Await("signed-out")
}
