package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"latchkey"
)

// wiki connects an application that people are signed in to without consent.
func (c *console) wiki() (id, path, secret string) {
	c.t.Helper()
	secret = secretOn(c.connect(url.Values{"name": {"Wiki"}, "redirect_uris": {callback}, "who": {"everyone"}, "first_party": {"yes"}}))
	id = c.clientID("Wiki")
	return id, "/admin/clients/" + id, secret
}

// TestSettingsOfAnApplication: the page shows what is stored, saves what was
// changed, and leaves everything else.
func TestSettingsOfAnApplication(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.group("staff")
	id, path, _ := c.wiki()
	c.Exec(t, `UPDATE clients SET introspects = true, metadata = '{"tags": ["kept"]}' WHERE id = $1`, id)
	p := c.open(path).want(http.StatusOK, "admin-client-detail")
	if !p.shows("Wiki", id, c.App.URL, "Everyone", "127.0.0.1:9") {
		t.Errorf("the page shows %s", p.text())
	}
	c.done(c.submit(p, path, nil), path, "same", "Nothing was different")

	p = c.open(path)
	c.done(c.submit(p, path, url.Values{
		"name": {"Docs"}, "redirect_uris": {callback + "\n" + callback + "2"}, "scope": {"openid  api:read"}, "who": {"groups"}, "group": {"staff"}, "first_party": nil,
		"token_endpoint_auth_method": {"client_secret_post"}, "profile": {"oauth21"}, "id_token_signed_response_alg": {"ES256"}, "access_token_format": {"opaque"},
		"allowed_cors_origins": {"https://app.example.com"}, "access_token_ttl": {" 300 "}, "refresh_token_ttl": {""}, "refresh_without_offline_access": {"yes"}, "notes": {"two\r\nlines"},
	}), path, "saved", "Settings saved")
	got, err := c.DB.FindClient(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	d := got.Document()
	if d.Name != "Docs" || len(d.RedirectURIs) != 2 || d.Scope != "openid api:read" || strings.Join(d.AllowedGroups, " ") != "staff" || d.FirstParty ||
		d.AuthMethod != latchkey.AuthPost || d.Profile != latchkey.ProfileOAuth21 || d.IDTokenAlg != "ES256" || d.AccessTokenFormat != "opaque" || d.AllowedCORSOrigins[0] != "https://app.example.com" ||
		*d.AccessTokenTTL != 300 || d.RefreshTokenTTL != nil || !d.RefreshWithoutOffline || d.Notes != "two\nlines" || !d.Introspects || d.Tags[0] != "kept" || d.Version != 2 {
		t.Errorf("stored is %+v", d)
	}
	c.done(c.submit(c.open(path), path, nil), path, "same", "Nothing was different")
	if n := c.events("client.updated"); n != "1" {
		t.Errorf("%s events of one change", n)
	}
	changed := c.Text(t, "SELECT detail->>'changed' FROM audit_pending WHERE kind = 'client.updated'")
	if !strings.Contains(changed, "redirect_uris") || strings.Contains(changed, "Docs") || strings.Contains(changed, "tags") {
		t.Errorf("the event says %s", changed)
	}
}

// TestAMachineHasNoFieldsForPeople, and keeps what the page does not show.
func TestAMachineHasNoFieldsForPeople(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.connect(url.Values{"type": {"machine"}, "name": {"Nightly"}, "who": {"groups"}})
	path := "/admin/clients/" + c.clientID("Nightly")
	p := c.open(path).want(http.StatusOK, "admin-client-detail")
	for _, field := range []string{"redirect_uris", "who", "first_party", "profile"} {
		if p.form(path).Has(field) {
			t.Errorf("there is a field %s", field)
		}
	}
	c.done(c.submit(p, path, url.Values{"scope": {"backup:read"}, "introspects": {"yes"}}), path, "saved", "Settings saved")
	if got := c.Text(t, "SELECT concat(scopes, introspects, redirect_uris) FROM clients"); got != "{backup:read}t{}" {
		t.Errorf("stored is %s", got)
	}
}

// TestSettingsThatNeedAnotherLook: each alone, above its field, as it was typed;
// the page still names the application as it is stored.
func TestSettingsThatNeedAnotherLook(t *testing.T) {
	t.Parallel()
	c := open(t)
	_, path, _ := c.wiki()
	before := c.changes()
	for field, wrong := range map[string][2]string{
		"name": {"", "Enter a name"}, "redirect_uris": {"http://wiki.example.com/", "use https"}, "post_logout_redirect_uris": {"x", "full address"},
		"scope": {`a"b`, "cannot be a scope"}, "token_endpoint_auth_method": {"tls_client_auth", "not built"}, "jwks_uri": {"http://", "https"}, "jwks": {"{", "not JSON"}, "profile": {"fapi2", "not built"},
		"id_token_signed_response_alg": {"HS256", "HS256"}, "access_token_format": {"xml", "jwt or opaque"}, "allowed_cors_origins": {"https://a.example/", "https://a.example"},
		"access_token_ttl": {"29", "30 to 86400"}, "id_token_ttl": {"soon", "whole number"}, "refresh_token_ttl": {"-5", "whole number"},
	} {
		p := c.submit(c.open(path), path, url.Values{field: {wrong[0]}}).want(http.StatusUnprocessableEntity, "admin-client-detail")
		if got := p.problem(field); !strings.Contains(got, wrong[1]) || p.alert() != "validation_failed" {
			t.Errorf("%s: it says %q, want %q", field, got, wrong[1])
		}
		if got := strings.TrimPrefix(p.form(path).Get(field), "\n"); got != wrong[0] {
			t.Errorf("%s comes back as %q, want %q", field, got, wrong[0])
		}
		if got := textOf(p.find("h1")); got != "Wiki" {
			t.Errorf("%s: the page is called %q", field, got)
		}
		if _, more := lookup(p.find("details", "class", "section-s"), "open"); more != (field != "name" && field != "scope" && !strings.Contains(field, "redirect")) {
			t.Errorf("%s: more settings are open: %v", field, more)
		}
	}
	if p := c.submit(c.open(path), path, url.Values{"who": {"groups"}}); p.problem("group") == "" {
		t.Errorf("no group: %s", p.text())
	}
	if c.changes() != before {
		t.Error("a refused form changed something")
	}
}

// TestAStaleVersion: somebody else was faster. Nothing typed is lost, the page
// says what is stored by now, and saving again puts the own in its place.
func TestAStaleVersion(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, path, _ := c.wiki()
	old := c.open(path)
	c.submit(c.open(path), path, url.Values{"name": {"Docs"}, "notes": {"theirs"}}).wantRedirect(path + "?done=saved")
	before := c.changes()
	p := c.submit(old, path, url.Values{"name": {"Handbook"}}).want(http.StatusConflict, "admin-client-detail")
	if p.alert() != "conflict" || !p.shows("Somebody changed this application meanwhile", "not saved", "the name is “\u2068Docs\u2069”", "(notes)") || textOf(p.find("h1")) != "Docs" {
		t.Errorf("the page says %s: %s", p.alert(), p.text())
	}
	if got := p.form(path); got.Get("name") != "Handbook" || got.Get("notes") != "" {
		t.Errorf("what was typed comes back as %v", got)
	}
	if c.changes() != before {
		t.Error("a stale form changed something")
	}
	c.done(c.submit(p, path, nil), path, "saved", "Settings saved")
	if got := c.Text(t, "SELECT name FROM clients WHERE id = '"+id+"'"); got != "Handbook" {
		t.Errorf("stored is %q", got)
	}
	for _, version := range []string{"", "x", "-1", "99"} {
		if p := c.submit(c.open(path), path, url.Values{"name": {"Sneaky"}, "version": {version}}); version != "" && version != "x" && p.status != http.StatusConflict {
			t.Errorf("version %q answered %d", version, p.status)
		}
	}
}

// TestTurnedOffOnThePage: the question first, with how many it hits; then
// sign-ins stop and tokens end at once, and none comes back.
func TestTurnedOffOnThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, path, secret := c.wiki()
	bob := c.as("bob")
	wiki := c.appOf(id, secret)
	mine, his := wiki.signIn(c.Browser), wiki.signIn(bob.Browser)
	p := c.open(path+"/disable").want(http.StatusOK, "admin-confirm")
	if !p.shows("Turn off “\u2068Wiki\u2069”?", "2 sign-ins") {
		t.Errorf("the question is %s", p.text())
	}
	off := c.done(c.submit(p, path+"/disable", nil), path, "off", "turned off")
	if !off.shows("Turned off", "Nobody can sign in to this application") {
		t.Errorf("the page says %s", off.text())
	}
	wiki.wantEnded(mine)
	wiki.wantEnded(his)
	if answer, _ := wiki.authorize(c.Browser); answer.Status != http.StatusBadRequest {
		t.Errorf("authorize answered %d", answer.Status)
	}
	c.done(c.submit(off, path+"/enable", nil), path, "on", "on again")
	wiki.wantAlive(mine, false, "on again")
	wiki.wantAlive(wiki.signIn(bob.Browser), true, "on again")
}

// wantEnded insists that nothing works with tokens of an application that is
// off or gone.
func (a *app) wantEnded(token *oauth2.Token) {
	a.c.t.Helper()
	if status, _ := a.userinfo(token); status != http.StatusUnauthorized {
		a.c.t.Errorf("userinfo answered %d, want 401", status)
	}
	if code := a.refresh(token); code != "invalid_client" {
		a.c.t.Errorf("refresh answered %q, want invalid_client", code)
	}
}

// TestDeletedOnThePage: the question says what goes with it; then it is gone.
func TestDeletedOnThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, path, secret := c.wiki()
	wiki := c.appOf(id, secret)
	tokens := wiki.signIn(c.Browser)
	p := c.open(path+"/delete").want(http.StatusOK, "admin-confirm")
	if !p.shows("Delete “\u2068Wiki\u2069”?", id, "1 secret", "1 sign-in with tokens", "no consents", "cannot be undone") {
		t.Errorf("the question is %s", p.text())
	}
	list := c.done(c.submit(p, path+"/delete", nil), "/admin/clients", "deleted", "was deleted")
	if list.shows("Wiki") {
		t.Error("it is still listed")
	}
	wiki.wantEnded(tokens)
	for _, gone := range []string{path, path + "/delete", path + "/disable", path + "/secrets/x/revoke"} {
		c.open(gone).want(http.StatusNotFound, "error")
	}
	for _, gone := range []string{path, path + "/delete", path + "/disable", path + "/enable", path + "/secrets", path + "/secrets/x/revoke"} {
		c.post(gone, url.Values{"name": {"x"}}).want(http.StatusNotFound, "error")
	}
	if n := c.events("client.deleted"); n != "1" {
		t.Errorf("%s events", n)
	}
}

// TestSecretsOnThePage: a second beside the first, each revoked alone after a
// question that says how lately it was used; a form sent twice adds one.
func TestSecretsOnThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, path, first := c.wiki()
	form := c.open(path).form(path + "/secrets")
	added := c.post(path+"/secrets", form).want(http.StatusOK, "admin-client-done")
	second := secretOn(added)
	if !added.shows("New secret for Wiki", "revoke the old one") {
		t.Errorf("the page says %s", added.text())
	}
	if again := c.done(c.post(path+"/secrets", form), path, "twice-added", "one secret was added"); strings.Contains(again.body, second) {
		t.Error("the secret is shown again")
	}
	c.signInTo(id, first, c.Browser)
	tokens := c.signInTo(id, second, c.Browser)
	oldest := c.Text(t, "SELECT id FROM client_secrets ORDER BY created_at LIMIT 1")
	p := c.open(path+"/secrets/"+oldest+"/revoke").want(http.StatusOK, "admin-confirm")
	if !p.shows("Revoke a secret of “\u2068Wiki\u2069”?", first[:12], "live on") || p.shows("only one") {
		t.Errorf("the question is %s", p.text())
	}
	rest := c.done(c.submit(p, path+"/secrets/"+oldest+"/revoke", nil), path, "revoked", "The secret ended")
	if rest.shows(first[:12]) || !rest.shows(second[:12]) {
		t.Errorf("the page shows %s", rest.text())
	}
	if code := c.appOf(id, first).refresh(tokens); code != "invalid_client" {
		t.Errorf("the first secret still answers %q", code)
	}
	c.appOf(id, second).wantAlive(tokens, true, "after the first secret ended")
	if p := c.open(path + "/secrets/" + oldest + "/revoke"); !p.shows("revoked already") || p.find("form", "method", "post", "action", path+"/secrets/"+oldest+"/revoke") != nil {
		t.Errorf("asked again, the page says %s", p.text())
	}
	c.post(path+"/secrets/"+oldest+"/revoke", nil).want(http.StatusNotFound, "error")
	newest := c.Text(t, "SELECT id FROM client_secrets WHERE revoked_at IS NULL")
	if p := c.open(path + "/secrets/" + newest + "/revoke"); !p.shows("only one") {
		t.Errorf("of the only secret the page says %s", p.text())
	}
	for range 9 {
		secretOn(c.submit(c.open(path), path+"/secrets", nil))
	}
	if p := c.submit(c.open(path), path+"/secrets", nil); p.status != http.StatusConflict || p.alert() != "too_many_secrets" || !p.shows("Revoke one") {
		t.Errorf("the 11th answered %d %s: %s", p.status, p.alert(), p.text())
	}
	if n := c.events("client.secret_added"); n != "10" {
		t.Errorf("%s events client.secret_added, want 10", n)
	}
}

// TestAPhoneHasNoSecrets: neither table nor button, and a form all the same is
// refused.
func TestAPhoneHasNoSecrets(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.connect(url.Values{"type": {"native"}, "name": {"Phone"}, "redirect_uris": {"com.example.phone:/cb"}})
	path := "/admin/clients/" + c.clientID("Phone")
	if p := c.open(path); p.find("form", "action", path+"/secrets") != nil || !p.shows("it has no secret") {
		t.Errorf("the page shows %s", p.text())
	}
	if p := c.post(path+"/secrets", nil); p.status != http.StatusConflict || p.alert() != "public_client" {
		t.Errorf("a secret all the same answered %d %s", p.status, p.alert())
	}
}

// TestHostileNamesOfApplicationsAreInert: no element comes from a name or a
// note, and names stand in an isolate of their own.
func TestHostileNamesOfApplicationsAreInert(t *testing.T) {
	t.Parallel()
	for name, text := range hostileNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			_, path, _ := c.wiki()
			secret := c.Text(t, "SELECT id FROM client_secrets")
			pages := map[string]string{}
			paths := []string{"/admin/clients", path, path + "/disable", path + "/delete", path + "/secrets/" + secret + "/revoke"}
			for _, path := range paths {
				pages[path] = c.open(path).shape()
			}
			c.Exec(t, "UPDATE clients SET name = $1, metadata = jsonb_build_object('notes', $1::text)", text)
			for _, path := range paths {
				p := c.open(path).want(http.StatusOK, attr(c.open(path).find("main"), "data-page"))
				if got := p.shape(); got != pages[path] {
					t.Errorf("%s has other elements with this name:\n%s\nwas\n%s", path, got, pages[path])
				}
				if !strings.Contains(p.body, "<bdi>") && !strings.Contains(p.body, "\u2068") {
					t.Errorf("%s does not set the name off", path)
				}
			}
		})
	}
}

// TestOddAddressesOfApplications are not found or not understood, never a fault.
func TestOddAddressesOfApplications(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, path := range []string{"/admin/clients/x", "/admin/clients/%00", "/admin/clients/%ff", "/admin/clients/a%2Fb", "/admin/clients/" + strings.Repeat("a", 500)} {
		if p := c.open(path); p.status != http.StatusNotFound && p.status != http.StatusBadRequest {
			t.Errorf("%s answered %d", path, p.status)
		}
	}
	for _, query := range []string{"%00", "%ff", "%25", strings.Repeat("a", 2000)} {
		if p := c.open("/admin/clients?q=" + query); p.status != http.StatusOK {
			t.Errorf("?q=%.20s answered %d", query, p.status)
		}
	}
	if p := c.open("/admin/clients?done=" + url.QueryEscape("<b>You won")); p.shows("You won") {
		t.Error("the address puts words on the page")
	}
}
