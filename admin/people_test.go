package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/storage"
)

// id is the id of a person by username.
func (c *console) id(username string) string {
	c.t.Helper()
	u, err := c.DB.FindUserByUsername(c.t.Context(), username)
	if err != nil {
		c.t.Fatalf("find %s: %v", username, err)
	}
	return u.ID
}

// group makes a group and returns its id.
func (c *console) group(name string) string {
	c.t.Helper()
	var g *latchkey.Group
	err := c.DB.InTx(c.t.Context(), func(tx *storage.Tx) (err error) {
		g, err = tx.CreateGroup(c.t.Context(), name)
		return err
	})
	if err != nil {
		c.t.Fatalf("make the group %s: %v", name, err)
	}
	return g.ID
}

// submit sends the form of a page to an action, changed by with.
func (c *console) submit(p *page, action string, with url.Values) *page {
	c.t.Helper()
	form := p.form(action)
	for name, values := range with {
		form[name] = values
	}
	return c.post(action, form)
}

// done insists on the way back to a page, and that the page says so.
func (c *console) done(p *page, path, code, says string) *page {
	c.t.Helper()
	p.wantRedirect(path + "?done=" + code)
	next := c.open(path + "?done=" + code)
	if status := find(next.root, "p", "role", "status"); next.status != http.StatusOK || !strings.Contains(textOf(status), says) {
		c.t.Errorf("%s answered %d and says %q, want %q", path, next.status, textOf(status), says)
	}
	return next
}

// changes is everything that pages of people and groups may change.
func (c *console) changes() string {
	c.t.Helper()
	return c.Text(c.t, `SELECT concat(
		(SELECT jsonb_agg(to_jsonb(u) ORDER BY id) FROM users u), (SELECT jsonb_agg(to_jsonb(g) ORDER BY id) FROM groups g),
		(SELECT jsonb_agg(to_jsonb(m) ORDER BY user_id, group_id) FROM memberships m),
		(SELECT jsonb_agg(to_jsonb(l) ORDER BY id) FROM one_time_links l),
		(SELECT jsonb_agg(to_jsonb(c) ORDER BY id) FROM clients c), (SELECT jsonb_agg(to_jsonb(x) - 'last_used_at' ORDER BY id) FROM client_secrets x),
		(SELECT jsonb_agg(to_jsonb(x) ORDER BY client_id, group_id) FROM client_groups x),
		(SELECT jsonb_agg(to_jsonb(s) - 'last_activity' - 'idle_expires_at' ORDER BY id) FROM sessions s))`)
}

func (c *console) events(kind string) string {
	c.t.Helper()
	return c.Text(c.t, "SELECT count(*) FROM audit_pending WHERE kind = '"+kind+"'")
}

// token takes the token out of the link that a page shows.
func (c *console) token(p *page, to string) string {
	c.t.Helper()
	link := textOf(p.find("output", "id", "secret"))
	token, found := strings.CutPrefix(link, c.App.URL+"/"+to+"#token=")
	if !found {
		c.t.Fatalf("the page shows %q, want a link to /%s", link, to)
	}
	if got := p.header.Get("Cache-Control"); got != "no-store" {
		c.t.Errorf("a link is shown with Cache-Control %q", got)
	}
	return token
}

// TestAnInvitationFromThePage is used to the end by somebody else: groups, role
// and the proven address arrive. The link is shown once.
func TestAnInvitationFromThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.group("Sales team")
	c.group("ops")
	form := c.open("/admin/users/invite").want(http.StatusOK, "admin-invite")
	made := c.submit(form, "/admin/users/invite", url.Values{
		"email": {" bob@EXAMPLE.com "}, "username": {"bob"}, "display_name": {"Bob B"}, "group": {"Sales team", "ops"}, "role": {"admin"}, "days": {"30"},
	}).want(http.StatusOK, "admin-link")
	token := c.token(made, "invite")

	list := c.open("/admin/users").want(http.StatusOK, "admin-users")
	if !list.shows("Bob B", "Invited by Alice", "Invited as admin", "Sales team", "1 person") || strings.Contains(list.body, token) {
		t.Errorf("the open invitation is shown as %s", list.text())
	}
	bob := passkeytest.NewBrowser(t, c.App.URL)
	if a := bob.Register("invite", token, nil); a.Status != http.StatusCreated {
		t.Fatalf("the invitation answered %d %s", a.Status, a.Raw)
	}
	u, err := c.DB.FindUser(t.Context(), c.id("bob"))
	if err != nil || u.DisplayName != "Bob B" || u.Email != "bob@example.com" || u.EmailVerifiedAt.IsZero() || !u.IsAdmin() || strings.Join(u.Groups, "|") != "ops|Sales team" {
		t.Errorf("bob is %+v, %v", u, err)
	}
	if list := c.open("/admin/users"); !list.shows("2 people") || list.shows("Invited") {
		t.Errorf("after the invitation was used: %s", list.text())
	}
	if p := (&console{c.App, bob, t}).open("/admin/users"); p.status != http.StatusOK {
		t.Errorf("the new administrator gets %d", p.status)
	}
	again := passkeytest.NewBrowser(t, c.App.URL).Register("invite", token, passkeytest.Fields{"username": "eve"})
	if again.Status != http.StatusGone || again.Code != "token_expired" {
		t.Errorf("the used invitation answered %d %s", again.Status, again.Code)
	}
}

// TestInvitationsThatNeedAnotherLook come back with what was typed; each is
// wrong in one field.
func TestInvitationsThatNeedAnotherLook(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.group("ops")
	before := c.changes()
	for _, wrong := range []struct {
		field, value string
		status       int
		code, says   string
	}{
		{"email", "bob", 422, "validation_failed", "Enter an e-mail address"},
		{"email", "Alice@example.COM", 409, "email_taken", "Somebody here has this e-mail address"},
		{"username", "a b", 422, "validation_failed", "Use 1 to 64"},
		{"username", "a@b.example", 422, "validation_failed", "Use 1 to 64"},
		{"username", "ALICE", 409, "username_taken", "taken"},
		{"display_name", "Bob\u202eBob", 422, "validation_failed", "without hidden ones"},
		{"display_name", strings.Repeat("b", 129), 422, "validation_failed", "1 to 128"},
		{"group", "choir", 422, "validation_failed", "There is no group"},
		{"role", "root", 422, "validation_failed", "roles user and admin"},
		{"days", "0", 422, "validation_failed", "1 to 30 days"},
		{"days", "31", 422, "validation_failed", "1 to 30 days"},
		{"days", "-1", 422, "validation_failed", "1 to 30 days"},
		{"days", "9223372036854775807", 422, "validation_failed", "1 to 30 days"},
		{"days", "", 422, "validation_failed", "1 to 30 days"},
	} {
		form := url.Values{"email": {"bob@example.com"}, "username": {"bob"}, "display_name": {"Bob"}, "group": {"ops"}, "role": {"user"}, "days": {"7"}}
		form.Set(wrong.field, wrong.value)
		p := c.post("/admin/users/invite", form).want(wrong.status, "admin-invite")
		if p.alert() != wrong.code || !strings.Contains(p.problem(wrong.field), wrong.says) {
			t.Errorf("%s %q: alert %s, %q", wrong.field, wrong.value, p.alert(), p.problem(wrong.field))
		}
		if kept := p.form("/admin/users/invite"); kept.Get("display_name") != form.Get("display_name") || kept.Get("email") != form.Get("email") || kept.Get("username") != form.Get("username") {
			t.Errorf("%s %q: the form came back as %v", wrong.field, wrong.value, kept)
		}
		if c.changes() != before {
			t.Fatalf("%s %q was refused and changed something", wrong.field, wrong.value)
		}
	}
}

func TestAnInvitationIsWithdrawnOnThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	token := c.token(c.submit(c.open("/admin/users/invite"), "/admin/users/invite", nil), "invite")
	action := "/admin/users/invitations/" + c.Text(t, "SELECT id FROM one_time_links WHERE purpose = 'invite'") + "/withdraw"
	list := c.open("/admin/users")
	if !list.shows("Whoever has the link") {
		t.Errorf("an open invitation is shown as %s", list.text())
	}
	if p := c.done(c.submit(list, action, nil), "/admin/users", "withdrawn", "The invitation ended"); p.shows("Whoever has the link") {
		t.Error("it is still on the list")
	}
	if a := passkeytest.NewBrowser(t, c.App.URL).Register("invite", token, passkeytest.Fields{"username": "eve"}); a.Code != "token_expired" {
		t.Errorf("the withdrawn invitation answered %d %s", a.Status, a.Code)
	}
	if p := c.post(action, nil); p.status != http.StatusNotFound {
		t.Errorf("withdrawing it twice answered %d", p.status)
	}
}

// TestTheListOfPeople: everything on it, by username, in pages that a link leads
// through, and found by a part of name, username or address.
func TestTheListOfPeople(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.Exec(t, `INSERT INTO users (id, subject, webauthn_handle, username, username_key, display_name, email)
		SELECT gen_random_uuid(), 'sub' || n, decode(lpad(n::text, 4, '0'), 'hex'), 'p' || lpad(n::text, 2, '0'), 'p' || lpad(n::text, 2, '0'), 'Person ' || n, 'p' || n || '@mail.example'
		FROM generate_series(1, 52) n`)
	first := c.open("/admin/users").want(http.StatusOK, "admin-users")
	if !first.shows("Alice", "Person 1", "Person 49", "53 people") || first.shows("Person 50") {
		t.Errorf("the first page is not the first 50 by username: %s", first.text())
	}
	link := attr(find(find(first.root, "div", "class", "foot"), "a"), "href")
	second := c.open(link).want(http.StatusOK, "admin-users")
	if !second.shows("Person 50", "Person 52") || second.shows("Person 49") || find(find(second.root, "div", "class", "foot"), "a") != nil {
		t.Errorf("the second page is not the rest: %s", second.text())
	}
	for query, name := range map[string]string{"person+52": "Person 52", "P07": "Person 7", "p9%40MAIL": "Person 9", "alice%40": "Alice"} {
		if p := c.open("/admin/users?q=" + query); !p.shows(name, "1 of 53") {
			t.Errorf("searching %q shows %s", query, p.text())
		}
	}
	if p := c.open("/admin/users?q=%25"); !p.shows("Nobody matches “%”", "0 of 53") {
		t.Errorf("a percent sign is searched as a wildcard: %s", p.text())
	}
	for _, bad := range []string{"?cursor=%21", "?cursor=_w", "?cursor=AA", "?q=%00"} {
		if p := c.open("/admin/users" + bad); p.status != http.StatusBadRequest {
			t.Errorf("%s answered %d, want 400", bad, p.status)
		}
	}
}

// TestAPersonsPage: facts, and each change with its way back and its event.
func TestAPersonsPage(t *testing.T) {
	t.Parallel()
	c := open(t)
	ops := c.group("ops")
	bob := c.as("bob")
	path := "/admin/users/" + c.id("bob")
	p := c.open(path).want(http.StatusOK, "admin-user-detail")
	if !p.shows("Bob", "bob · bob@example.com", "bob@example.com, not verified", "8 recovery codes left", "1 session", "In no group") {
		t.Errorf("the page of bob: %s", p.text())
	}
	p = c.done(c.submit(p, path+"/groups", nil), path, "joined", "Added to the group")
	if p.find("li", "data-id", ops) == nil || c.events("member.added") != "1" {
		t.Errorf("bob is in no group: %s", p.text())
	}
	p = c.done(c.submit(p, path+"/groups/"+ops+"/remove", nil), path, "left", "Removed from the group")
	p = c.done(c.submit(p, path+"/role", url.Values{"role": {"admin"}}), path, "role", "The role was saved")
	if got := p.form(path + "/role").Get("role"); got != "admin" || c.events("role.granted") != "1" {
		t.Errorf("the role is %s", got)
	}
	c.done(c.submit(p, path+"/role", url.Values{"role": {"user"}}), path, "role", "The role was saved")

	ask := c.open(path+"/sign-out").want(http.StatusOK, "admin-confirm")
	if p = c.done(c.submit(ask, path+"/sign-out", nil), path, "signed-out", "Signed out everywhere"); !p.shows("Not signed in") {
		t.Errorf("after signing bob out: %s", p.text())
	}
	bob.open("/account/passkeys").wantRedirect("/login?return=%2Faccount%2Fpasskeys")

	ask = c.open(path+"/disable").want(http.StatusOK, "admin-confirm")
	if !ask.shows("Turn off", "Bob", "Leave on") {
		t.Errorf("the question is %s", ask.text())
	}
	p = c.done(c.submit(ask, path+"/disable", nil), path, "disabled", "Turned off")
	if !p.shows("This person cannot sign in", "Turned off") || find(p.root, "form", "action", path+"/recover") != nil {
		t.Errorf("the page of somebody who is off: %s", p.text())
	}
	if p := c.open("/admin/users"); !p.shows("Turned off") {
		t.Errorf("the list does not say that bob is off")
	}
	c.done(c.submit(p, path+"/enable", nil), path, "enabled", "Turned on")
	for kind, want := range map[string]string{"user.disabled": "1", "user.enabled": "1", "role.revoked": "1", "member.removed": "1", "session.ended": "1"} {
		if got := c.events(kind); got != want {
			t.Errorf("%s events %s, want %s", got, kind, want)
		}
	}
	if said := c.open(path + "?done=You+won"); said.shows("You won") {
		t.Error("the address writes the status line")
	}
}

// TestChangesThatAreRefused: each alone; the page says why and nothing changes.
func TestChangesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.as("bob")
	c.as("carol")
	c.post("/admin/users/"+c.id("carol")+"/disable", nil)
	alice, bob, carol := "/admin/users/"+c.id("alice"), "/admin/users/"+c.id("bob"), "/admin/users/"+c.id("carol")
	const missing = "/0192d3c4-0000-7000-8000-000000000000"
	ops := c.group("ops")
	before := c.changes()
	for _, r := range []struct {
		path   string
		form   url.Values
		status int
		code   string
	}{
		{alice + "/disable", nil, 409, "own_account"},
		{"/admin/users/" + strings.ToUpper(c.id("alice")) + "/disable", nil, 409, "own_account"},
		{alice + "/role", url.Values{"role": {"user"}}, 409, "own_account"},
		{bob + "/role", url.Values{"role": {"root"}}, 422, "validation_failed"},
		{bob + "/role", nil, 422, "validation_failed"},
		{bob + "/recover", url.Values{"ttl": {"14m"}}, 422, "validation_failed"},
		{bob + "/recover", url.Values{"ttl": {"25h"}}, 422, "validation_failed"},
		{bob + "/recover", url.Values{"ttl": {"soon"}}, 422, "validation_failed"},
		{bob + "/recover", url.Values{"ttl": {"-1h"}}, 422, "validation_failed"},
		{carol + "/recover", url.Values{"ttl": {"1h"}}, 409, "account_disabled"},
		{bob + "/groups", url.Values{"group": {"choir"}}, 404, "not_found"},
		{bob + "/groups/" + ops + "/remove", nil, 404, "not_member"},
		{bob + "/groups/x/remove", nil, 404, "not_member"},
		{"/admin/users" + missing + "/disable", nil, 404, "not_found"},
		{"/admin/users" + missing + "/enable", nil, 404, "not_found"},
		{"/admin/users" + missing + "/role", url.Values{"role": {"user"}}, 404, "not_found"},
		{"/admin/users" + missing + "/recover", url.Values{"ttl": {"1h"}}, 404, "not_found"},
		{"/admin/users" + missing + "/sign-out", nil, 404, "not_found"},
		{"/admin/users" + missing + "/groups", url.Values{"group": {"ops"}}, 404, "not_found"},
		{"/admin/users/bob/disable", nil, 404, "not_found"},
		{"/admin/users/%00/disable", nil, 400, "malformed_request"},
		{"/admin/users/invitations" + missing + "/withdraw", nil, 404, "not_found"},
		{"/admin/groups", url.Values{"name": {"OPS"}}, 409, "validation_failed"},
		{"/admin/groups", url.Values{"name": {""}}, 422, "validation_failed"},
		{"/admin/groups", url.Values{"name": {"a\u200bb"}}, 422, "validation_failed"},
		{"/admin/groups", url.Values{"name": {strings.Repeat("a", 65)}}, 422, "validation_failed"},
		{"/admin/groups/" + ops + "/members", url.Values{"user": {"nobody"}}, 422, "validation_failed"},
		{"/admin/groups/" + ops + "/members", url.Values{"user": {"bob@example.com"}}, 422, "validation_failed"}, // not verified
		{"/admin/groups/" + ops + "/members", url.Values{"user": {"a\x00b"}}, 422, "validation_failed"},
		{"/admin/groups" + missing + "/members", url.Values{"user": {"bob"}}, 404, "not_found"},
		{"/admin/groups" + missing + "/delete", nil, 404, "not_found"},
		{"/admin/groups/" + ops + "/members" + missing + "/remove", nil, 404, "not_member"},
	} {
		p := c.post(r.path, r.form)
		if p.status != r.status || p.alert() != r.code {
			t.Errorf("POST %s %v answered %d %s, want %d %s", r.path, r.form, p.status, p.alert(), r.status, r.code)
		}
		for _, field := range []string{"user", "name"} {
			if typed := r.form.Get(field); typed != "" && r.status == 422 && !strings.Contains(typed, "\x00") && p.form(r.path).Get(field) != typed {
				t.Errorf("POST %s: what was typed is gone", r.path)
			}
		}
		if c.changes() != before {
			t.Fatalf("POST %s was refused and changed something", r.path)
		}
	}
	for _, path := range []string{
		"/admin/users" + missing, "/admin/users/bob", "/admin/users" + missing + "/disable", "/admin/users" + missing + "/sign-out",
		"/admin/groups" + missing, "/admin/groups/ops", "/admin/groups" + missing + "/delete", "/admin/users/invitations",
	} {
		if p := c.open(path); p.status != http.StatusNotFound || p.alert() != "not_found" {
			t.Errorf("GET %s answered %d %s, want 404", path, p.status, p.alert())
		}
	}
	if p := c.open(alice + "/disable"); !p.shows("You cannot turn yourself off") || p.find("form", "action", alice+"/disable") != nil {
		t.Errorf("the page asks to turn oneself off: %s", p.text())
	}
	if p := c.open(alice); p.find("form", "action", alice+"/role") != nil || p.shows("Turn off") {
		t.Errorf("one's own page offers what is refused: %s", p.text())
	}
}

// TestTwoAdministratorsOnThePage: each turns the other off, or takes the role
// from them, at once; one of them stays.
func TestTwoAdministratorsOnThePage(t *testing.T) {
	t.Parallel()
	for _, act := range []struct {
		name, path string
		form       url.Values
	}{{"disable", "/disable", nil}, {"demote", "/role", url.Values{"role": {"user"}}}} {
		t.Run(act.name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			token := c.InviteToken(t, latchkey.Invite{Username: "bob", Role: latchkey.RoleAdmin})
			bob := &console{c.App, newPerson(t, c.App, "invite", token, "bob"), t}
			both := []*console{c, bob}
			paths := []string{"/admin/users/" + c.id("bob") + act.path, "/admin/users/" + c.id("alice") + act.path}
			answers := make(chan int, 2)
			for i := range both {
				go func() {
					answers <- both[i].Form(paths[i], act.form).Status
				}()
			}
			got := []int{<-answers, <-answers}
			if n := c.Text(t, "SELECT count(*) FROM users WHERE role = 'admin' AND status = 'active'"); n != "1" {
				t.Errorf("answers %v leave %s administrators, want 1", got, n)
			}
		})
	}
}
