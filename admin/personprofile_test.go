package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (c *console) claims(username string) string {
	c.t.Helper()
	return c.Text(c.t, "SELECT claims::text FROM users WHERE username = '"+username+"'")
}

// TestTheProfileOfAPerson: an administrator writes what the person could, and
// what only administrators may: the e-mail address, and that a number was
// checked.
func TestTheProfileOfAPerson(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.as("bob")
	path := "/admin/users/" + c.id("bob")
	if p := c.open(path).want(http.StatusOK, "admin-user-detail"); !p.shows("bob@example.com, not verified", "the name and username only") {
		t.Errorf("the page says %s", p.text())
	}
	form := c.open(path+"/profile").want(http.StatusOK, "admin-user-profile")
	c.done(c.submit(form, path+"/profile", url.Values{
		"name": {"Bob Builder"}, "phone_number": {"+431234567"}, "phone_number_verified": {"yes"}, "email": {"Bob@Builders.example"},
		"street_address": {"Ring 1\r\nTop 2"}, "country": {"Austria"},
	}), path, "profile", "The profile was saved.")
	want := `{"address": {"country": "Austria", "street_address": "Ring 1\nTop 2"}, "phone_number": "+431234567", "phone_number_verified": true}`
	if got := c.claims("bob"); got != want {
		t.Errorf("kept is %s, want %s", got, want)
	}
	if p := c.open(path); !p.shows("Bob@builders.example, verified", "+431234567, checked", "Ring 1, Top 2, Austria") {
		t.Errorf("the page says %s", p.text())
	}
	if got := c.Text(t, "SELECT detail::text || subject FROM audit_pending WHERE kind = 'user.updated'"); got != `{"claims": ["address", "email", "name", "phone_number", "phone_number_verified"]}`+c.id("bob") {
		t.Errorf("the event says %s", got)
	}
	// The person sees it; what an administrator checked, another number is not.
	c.done(c.submit(c.open(path+"/profile"), path+"/profile", nil), path, "same", "Nothing was different.")
	c.done(c.submit(c.open(path+"/profile"), path+"/profile", url.Values{"phone_number": {""}, "email": {""}}), path, "profile", "saved")
	if p := c.open(path); !p.shows("E-mailNone") || strings.Contains(c.claims("bob"), "phone") {
		t.Errorf("after taking away: %s and %s", p.text(), c.claims("bob"))
	}
}

// TestAnAddressThatNobodyProved counts as verified once an administrator says
// so, and not because they saved something else.
func TestAnAddressThatNobodyProved(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.as("bob")
	path := "/admin/users/" + c.id("bob")
	c.done(c.submit(c.open(path+"/profile"), path+"/profile", url.Values{"nickname": {"Bobby"}}), path, "profile", "saved")
	if p := c.open(path); !p.shows("bob@example.com, not verified") {
		t.Errorf("the page says %s", p.text())
	}
	c.done(c.submit(c.open(path+"/profile"), path+"/profile", url.Values{"email_verified": {"yes"}}), path, "profile", "saved")
	if p := c.open(path); !p.shows("bob@example.com, verified") {
		t.Errorf("the page says %s", p.text())
	}
	if p := c.open(path + "/profile"); p.find("input", "name", "email_verified") != nil {
		t.Error("the page asks about an address that is verified")
	}
	at := c.Text(t, "SELECT email_verified_at FROM users WHERE username = 'bob'")
	c.done(c.submit(c.open(path+"/profile"), path+"/profile", url.Values{"nickname": {"B"}}), path, "profile", "saved")
	if c.Text(t, "SELECT email_verified_at FROM users WHERE username = 'bob'") != at {
		t.Error("the time at which it was verified moved")
	}
}

// TestWhatIsRefusedOfAProfile comes back as it was typed; nothing is kept.
func TestWhatIsRefusedOfAProfile(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.as("bob")
	path := "/admin/users/" + c.id("bob") + "/profile"
	form, before := c.open(path), c.changes()
	for field, value := range map[string]string{
		"name": "", "email": "nobody", "phone_number": "12", "zoneinfo": "Mars/Olympus", "locality": "a\u202eb", "picture": "data:image/png,x",
	} {
		p := c.submit(form, path, url.Values{field: {value}}).want(http.StatusUnprocessableEntity, "admin-user-profile")
		if p.problem(field) == "" || p.alert() != "validation_failed" {
			t.Errorf("nothing stands above %s: %s", field, p.text())
		}
	}
	p := c.submit(form, path, url.Values{"email": {"ALICE@example.com"}}).want(http.StatusConflict, "admin-user-profile")
	if p.problem("email") == "" || p.alert() != "email_taken" {
		t.Errorf("somebody else's address is answered with %s", p.text())
	}
	if c.changes() != before || c.events("user.updated") != "0" {
		t.Error("something was kept")
	}
	c.submit(form, path, url.Values{"nickname": {"first"}})
	p = c.submit(form, path, url.Values{"nickname": {"second"}}).want(http.StatusConflict, "admin-user-profile")
	if p.alert() != "conflict" || c.claims("bob") != `{"nickname": "first"}` {
		t.Errorf("a change on an older profile is answered with %s and kept is %s", p.alert(), c.claims("bob"))
	}
	c.submit(p, path, nil)
	if got := c.claims("bob"); got != `{"nickname": "second"}` {
		t.Errorf("saved again, there is %s", got)
	}
	if p := c.open("/admin/users/01a20b62-0000-7000-8000-000000000001/profile"); p.status != http.StatusNotFound {
		t.Errorf("the profile of nobody answers %d", p.status)
	}
}
