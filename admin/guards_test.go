package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
)

// peopleRoutes are the pages of people and groups: those that only show, and
// those that change something, each with a form that would be taken.
func (c *console) peopleRoutes() (shown []string, changing map[string]url.Values) {
	c.t.Helper()
	group := c.group("staff")
	token := c.InviteToken(c.t, latchkey.Invite{})
	_ = token
	carol := c.as("carol").id("carol")
	user, in := "/admin/users/"+carol, "/admin/groups/"+group
	invitation := c.Text(c.t, "SELECT id FROM one_time_links WHERE purpose = 'invite' AND used_at IS NULL")
	c.post(in+"/members", url.Values{"user": {"carol"}})
	return []string{"/admin", "/admin/users", "/admin/users/invite", user, user + "/profile", user + "/disable", user + "/sign-out", "/admin/groups", in, in + "/delete"},
		map[string]url.Values{
			"/admin/users/invite": {"days": {"7"}, "role": {"admin"}}, "/admin/users/invitations/" + invitation + "/withdraw": nil,
			user + "/profile": {"name": {"Other"}, "version": {c.Text(c.t, "SELECT version FROM users WHERE id = '"+carol+"'")}},
			user + "/disable": nil, user + "/enable": nil, user + "/role": {"role": {"admin"}}, user + "/recover": {"ttl": {"1h"}},
			user + "/sign-out": nil, user + "/groups": {"group": {"staff"}}, user + "/groups/" + group + "/remove": nil,
			"/admin/groups": {"name": {"new"}}, in + "/delete": nil, in + "/members": {"user": {"carol"}}, in + "/members/" + carol + "/remove": nil,
		}
}

// TestPagesOfPeopleAreForAdministrators: a user is refused and recorded, nobody
// signs in first, another site and an old sign-in are refused; nothing changes.
func TestPagesOfPeopleAreForAdministrators(t *testing.T) {
	t.Parallel()
	c := open(t)
	shown, changing := c.peopleRoutes()
	eve, nobody := c.as("eve"), c.nobody()
	before, denied := c.changes(), 0
	unchanged := func(method, path, who string) {
		t.Helper()
		if c.changes() != before {
			t.Fatalf("%s %s as %s changed something", method, path, who)
		}
	}
	check := func(method, path string, form url.Values) {
		t.Helper()
		p := eve.ask(method, path, form)
		denied++
		if p.status != http.StatusForbidden || p.alert() != "forbidden" {
			t.Errorf("%s %s as a user answered %d %s, want 403", method, path, p.status, p.alert())
		}
		unchanged(method, path, "a user")
		if p := nobody.ask(method, path, form); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "/login?return=") {
			t.Errorf("%s %s as nobody answered %d to %s, want the sign-in page", method, path, p.status, p.header.Get("Location"))
		}
		unchanged(method, path, "nobody")
	}
	for _, path := range shown {
		check(http.MethodGet, path, nil)
	}
	for path, form := range changing {
		check(http.MethodPost, path, form)
		for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
			foreign := &console{c.App, c.For(t), t}
			foreign.Header = http.Header{name: {value}}
			if p := foreign.post(path, form); p.status != http.StatusForbidden || p.alert() != "cross_origin_request" {
				t.Errorf("POST %s with %s answered %d %s, want 403", path, name, p.status, p.alert())
			}
			unchanged(http.MethodPost, path, "another site")
		}
	}
	if got := c.Text(t, `SELECT count(*) FROM audit_pending WHERE kind = 'admin.denied' AND NOT success AND subject = actor_id::uuid AND detail->>'route' LIKE '/admin%'`); got != "24" || denied != 24 {
		t.Errorf("%s refusals are recorded, want one for each of %d", got, denied)
	}
	c.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '11 minutes'")
	before = c.changes()
	for path, form := range changing {
		p := c.post(path, form).want(http.StatusForbidden, "stepup")
		kept := p.find("form", "action", path)
		if kept == nil {
			t.Errorf("POST %s: the confirmation lost the form", path)
		}
		unchanged(http.MethodPost, path, "an old sign-in")
	}
	for _, path := range shown {
		if p := c.open(path); p.status != http.StatusOK && path != "/admin" {
			t.Errorf("GET %s with an old sign-in answered %d", path, p.status)
		}
	}
	for path, form := range changing {
		if p := c.ask(http.MethodPut, path, form); p.status != http.StatusMethodNotAllowed {
			t.Errorf("PUT %s answered %d, want 405", path, p.status)
		}
	}
}

// TestWhoStopsBeingAnAdministrator is refused with the very next request.
func TestWhoStopsBeingAnAdministrator(t *testing.T) {
	t.Parallel()
	c := open(t)
	token := c.InviteToken(t, latchkey.Invite{Role: latchkey.RoleAdmin})
	bob := &console{c.App, newPerson(t, c.App, "invite", token, "bob"), t}
	handed := c.token(bob.submit(bob.open("/admin/users/invite"), "/admin/users/invite", url.Values{"role": {"admin"}}), "invite")
	path := "/admin/users/" + c.id("bob")
	c.done(c.submit(c.open(path), path+"/role", url.Values{"role": {"user"}}), path, "role", "saved")
	if p := bob.open("/admin/users"); p.status != http.StatusForbidden {
		t.Errorf("a former administrator gets %d", p.status)
	}
	if a := c.nobody().Register("invite", handed, map[string]any{"username": "bob2"}); a.Code != "token_expired" {
		t.Errorf("the invitation they kept answered %d %s", a.Status, a.Code)
	}
}

// hostileNames are names as no way of ours would store them.
var hostileNames = map[string]string{
	"markup":     `<img src=x onerror=alert(1)>"'</title></script><b>`,
	"override":   "a\u202egnp.exe\u202c",
	"isolate":    "a\u2067unclosed",
	"zero-width": "adm\u200bin\u2060",
	"long":       strings.Repeat("W", 128),
	"template":   "{{.Secret}}${7*7}",
}

// TestHostileNamesAreInert on every page that shows people and groups: no
// element and no attribute comes from a name, and each stands in an isolate or
// a block of its own.
func TestHostileNamesAreInert(t *testing.T) {
	t.Parallel()
	for name, text := range hostileNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			group := c.group("staff")
			bob := c.as("bob").id("bob")
			c.post("/admin/groups/"+group+"/members", url.Values{"user": {"bob"}})
			c.app("wiki", "staff")
			c.post("/admin/users/invite", url.Values{"days": {"7"}, "role": {"user"}, "display_name": {"Invited"}})
			pages := map[string]string{}
			paths := []string{"/admin/users", "/admin/users/" + bob, "/admin/users/" + bob + "/disable", "/admin/users/" + bob + "/sign-out",
				"/admin/groups", "/admin/groups/" + group, "/admin/groups/" + group + "/delete", "/admin/users/invite"}
			for _, path := range paths {
				pages[path] = c.open(path).shape()
			}
			c.Exec(t, "UPDATE users SET display_name = $1", text)
			c.Exec(t, "UPDATE groups SET name = left($1, 64)", text)
			c.Exec(t, "UPDATE clients SET name = $1", text)
			c.Exec(t, "UPDATE credentials SET device_name = left($1, 64)", text)
			for _, path := range paths {
				p := c.open(path)
				if p.status != http.StatusOK {
					t.Errorf("%s answered %d", path, p.status)
				}
				if got := p.shape(); got != pages[path] {
					t.Errorf("%s has other elements with this name:\n%s\nwas\n%s", path, got, pages[path])
				}
				if path != "/admin/users/invite" && path != "/admin/groups" && !strings.Contains(p.body, "<bdi>") && !strings.Contains(p.body, "\u2068") {
					t.Errorf("%s does not set the name off", path)
				}
			}
		})
	}
}

// TestEventsOfPeopleHoldIDsOnly in their public part: no name and no address of
// anybody, and no name of a group.
func TestEventsOfPeopleHoldIDsOnly(t *testing.T) {
	t.Parallel()
	c := open(t)
	secret := []string{"quincunx", "Zaphod", "zaphod@corp.example", "Beeblebrox"}
	group := c.group(secret[0])
	token := c.token(c.post("/admin/users/invite", url.Values{
		"days": {"7"}, "role": {"admin"}, "username": {secret[1]}, "email": {secret[2]}, "display_name": {secret[3]}, "group": {secret[0]},
	}), "invite")
	c.nobody().Register("invite", token, nil)
	user := "/admin/users/" + c.id(secret[1])
	for _, step := range []struct {
		path string
		form url.Values
	}{
		{"/groups/" + group + "/remove", nil}, {"/groups", url.Values{"group": {secret[0]}}}, {"/recover", url.Values{"ttl": {"1h"}}},
		{"/sign-out", nil}, {"/role", url.Values{"role": {"user"}}}, {"/disable", nil}, {"/enable", nil},
	} {
		if p := c.post(user+step.path, step.form); p.status > 303 {
			t.Fatalf("%s answered %d %s", step.path, p.status, p.text())
		}
	}
	c.post("/admin/groups/"+group+"/delete", nil)
	kinds := c.Text(t, "SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM audit_pending WHERE actor_kind = 'user'")
	for _, kind := range []string{"user.invited", "link.created", "member.added", "member.removed", "role.revoked", "user.disabled", "user.enabled", "session.ended", "group.deleted", "link.revoked"} {
		if !strings.Contains(kinds, kind) {
			t.Errorf("there is no %s among %s", kind, kinds)
		}
	}
	public := strings.ToLower(c.Text(t, "SELECT string_agg((to_jsonb(e) - 'personal')::text, ' ') FROM audit_pending e"))
	for _, word := range secret {
		if strings.Contains(public, strings.ToLower(word)) {
			t.Errorf("the public part of an event says %q", word)
		}
	}
	if n := c.Text(t, "SELECT count(*) FROM audit_pending WHERE kind = 'user.invited' AND actor_id = (SELECT id::text FROM users WHERE username = 'alice') AND detail->>'object' IS NOT NULL"); n != "1" {
		t.Error("the invitation does not say who made it, or which it is")
	}
}
