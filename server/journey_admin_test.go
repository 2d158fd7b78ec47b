package server_test

import (
	"testing"
)

// TestJourneyInvite invites a person on the page; the link lets them in, and
// into their group. Then they are turned off, on again, and helped back in.
func TestJourneyInvite(t *testing.T) {
	j := begin(t)
	p, _ := j.signedIn(t, j.admin(t))
	p.Goto(j.URL + "/admin/groups")
	p.Want("admin-groups")
	p.WantText(".empty", "No groups yet")
	p.Fill("#name", "staff")
	p.Click("button.primary")
	p.WantText("h1", "staff")
	p.Want("admin-group-detail")
	p.Goto(j.URL + "/admin/users")
	p.Want("admin-users")
	p.Click("a.primary")
	p.Want("admin-invite")
	p.Fill("#display_name", "Bob Roe")
	p.Fill("#username", "bob")
	p.Click("[name=group][value=staff]")
	p.Click("button.primary")
	p.Want("admin-link")
	link := p.Text("#secret")
	p.Goto(j.URL + "/admin/users")
	p.Want("admin-users")
	p.WantText("tr:has(.badge.accent)", "Bob Roe")

	bob, device := j.open(t, nil)
	bob.Goto(link)
	bob.Await("invite")
	press(bob, device, "#create-passkey")
	bob.Await("recovery-codes")
	bob.Click("[name=saved]")
	bob.Click("#continue")
	bob.Want("account-passkeys")
	bob.WantNone(".switch") // no administrator
	bob.Goto(j.URL + "/admin/users")
	bob.Expect("403")
	bob.Want("error")
	bob.WantAlert("forbidden")

	p.Goto(j.URL + "/admin/users/" + j.Text(t, "SELECT id FROM users WHERE username = 'bob'"))
	p.WantText("#groups", "staff")
	p.Want("admin-user-detail")
	p.Click("a[href$='/disable']")
	p.Want("admin-confirm")
	p.Click("main button.danger")
	p.WantText(".badge", "Turned off")
	p.Want("admin-user-detail")
	bob.Goto(j.URL + "/account")
	bob.Await("login")
	p.Click("form[action$='/enable'] button")
	p.WantNone("main .head .badge")
	p.Click("form[action$='/recover'] button")
	p.Want("admin-link")
	other, _ := j.open(t, nil)
	other.Goto(p.Text("#secret"))
	other.Await("recover")
	other.WantText("#create-passkey", "Create your passkey")
}

// TestJourneyAdminAfterAWhile: a form that was filled in for long is not lost to
// the confirmation.
func TestJourneyAdminAfterAWhile(t *testing.T) {
	j := begin(t)
	p, a := j.signedIn(t, j.admin(t))
	a.Presence(false)
	p.Goto(j.URL + "/admin/groups")
	p.Await("admin-groups")
	j.stale(t)
	p.Fill("#name", "night-shift")
	p.Click("button.primary")
	p.Expect("403")
	p.Want("stepup")
	press(p, a, "#confirm")
	p.WantText("h1", "night-shift")
}
