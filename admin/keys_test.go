package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey"
)

// TestKeysPage walks a rotation on the pages: the question, the new key, who has
// not fetched it yet, the refusal of a second one, one at once, and the end of
// the old one.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	c := open(t)
	kid := func(alg string, state string) string {
		return c.Text(t, `SELECT kid FROM signing_keys WHERE alg = '`+alg+`' AND `+state+` ORDER BY activate_at DESC LIMIT 1`)
	}
	p := c.open("/admin/keys").want(http.StatusOK, "admin-keys")
	for _, alg := range latchkey.SigningAlgs() {
		if section := p.find("section", "data-alg", alg); section == nil || !strings.Contains(textOf(section), kid(alg, "true")) {
			t.Errorf("the page lacks the key of %s: %s", alg, p.text())
		}
	}
	if p.find("p", "data-waiting", "ES256") != nil || strings.Contains(p.body, "PRIVATE") {
		t.Errorf("the page shows %s", p.text())
	}
	old := kid("ES256", "true")
	id, _, _ := c.wiki()
	c.Exec(t, `UPDATE clients SET id_token_alg = 'ES256' WHERE id = $1`, id)
	c.Exec(t, `INSERT INTO client_callers (client_id, address_prefix, agent, expires_at) VALUES ($1, '198.51.100.1/32', 'node', now() + interval '1 day')`, id)

	const rotate = "/admin/keys/ES256/rotate"
	p = c.open(rotate).want(http.StatusOK, "admin-confirm")
	if !p.shows("A new key for ES256?", "signs in a day") {
		t.Errorf("the question is %s", p.text())
	}
	if n := c.Text(t, "SELECT count(*) FROM signing_keys"); n != "4" {
		t.Errorf("the question made a key: %s", n)
	}
	c.done(c.post(rotate, p.form(rotate)), "/admin/keys", "announced", "A new key is published")
	next := kid("ES256", "activate_at > now()")
	p = c.open("/admin/keys")
	waiting := p.find("div", "data-waiting", "ES256")
	if !p.shows(old, next, "Signs later") || waiting == nil || !strings.Contains(textOf(waiting), "Wiki: 0 of 1 places have it") {
		t.Errorf("the page shows %s", p.text())
	}
	if p.find("a", "href", rotate) != nil || p.find("a", "href", "/admin/keys/RS256/rotate") == nil {
		t.Error("the page offers a second successor, or no first one")
	}
	p = c.post(rotate, nil).want(http.StatusConflict, "admin-confirm")
	if p.alert() != "rotation_pending" || p.find("form", "action", rotate) != nil {
		t.Errorf("a second successor is answered with %s: %s", p.alert(), p.text())
	}
	c.Exec(t, `INSERT INTO jwks_fetches (address_prefix, agent, newest_key, expires_at) VALUES ('198.51.100.1/32', 'node', now(), now() + interval '1 day')`)
	if p = c.open("/admin/keys"); p.find("div", "data-waiting", "ES256") != nil || !p.shows("Every application that is known to need the new key has fetched it") {
		t.Errorf("after the fetch: %s", p.text())
	}

	// The key that signs cannot be taken out; the announced one can.
	if p = c.open("/admin/keys/"+old+"/retire").want(http.StatusOK, "admin-confirm"); !p.shows("This key signs now") {
		t.Errorf("the question is %s", p.text())
	}
	if p = c.post("/admin/keys/"+old+"/retire", nil).want(http.StatusConflict, "admin-confirm"); p.alert() != "key_active" {
		t.Errorf("answered with %s", p.alert())
	}
	c.done(c.post("/admin/keys/"+next+"/retire", c.open("/admin/keys/"+next+"/retire").form("/admin/keys/"+next+"/retire")), "/admin/keys", "retired", "not published any more")

	if p = c.open(rotate+"?now=yes").want(http.StatusOK, "admin-confirm"); !p.shows("at once", "may refuse tokens") {
		t.Errorf("the question is %s", p.text())
	}
	c.done(c.post(rotate+"-now", p.form(rotate+"-now")), "/admin/keys", "rotated", "signs from now on")
	if got := kid("ES256", "retire_at IS NULL"); got == old || got == next {
		t.Errorf("%s signs", got)
	}
	c.done(c.post("/admin/keys/"+old+"/retire", nil), "/admin/keys", "retired", "not published any more")
	if got := c.Text(t, `SELECT (delete_at <= now())::text FROM signing_keys WHERE kid = '`+old+`'`); got != "true" {
		t.Errorf("the old key is published: %s", got)
	}
	if n := c.events("key.rotated"); n != "9" { // six and the log's own at the start, then two
		t.Errorf("%s events key.rotated", n)
	}
	for path, want := range map[string]int{
		"/admin/keys/HS256/rotate": 404, "/admin/keys/nobody/retire": 404, "/admin/keys/ES256/nothing": 404,
	} {
		if p := c.open(path); p.status != want {
			t.Errorf("GET %s answered %d", path, p.status)
		}
	}
	for _, path := range []string{"/admin/keys/HS256/rotate", "/admin/keys/none/rotate-now", "/admin/keys/nobody/retire"} {
		if p := c.post(path, nil); p.status != http.StatusNotFound {
			t.Errorf("POST %s answered %d", path, p.status)
		}
	}
}
