package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"latchkey"
	"latchkey/storage"
)

// store puts an application into the database as an operator would.
func (c *console) store(client latchkey.Client) {
	c.t.Helper()
	if client.Profile == "" {
		client.Profile = latchkey.ProfileOIDC
	}
	if client.Type == "" {
		client.Type, client.AuthMethod = "web", latchkey.AuthBasic
		client.GrantTypes, client.ResponseTypes = []string{latchkey.GrantAuthorizationCode}, []string{"code"}
	}
	client.Enabled = true
	client.IDTokenAlg, client.AccessTokenAlg, client.AccessTokenFormat = latchkey.RS256, latchkey.ES256, "jwt"
	err := c.DB.InTx(c.t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(c.t.Context(), &client, "") })
	if err != nil {
		c.t.Fatalf("store %s: %v", client.ID, err)
	}
}

func TestAdminLeadsToTheApplications(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.open("/admin").wantRedirect("/admin/clients")
	if p := c.open("/admin/clients").want(http.StatusOK, "admin-clients"); !p.shows("No applications yet") {
		t.Errorf("an empty list says %q", p.text())
	}
}

// TestTheListOfApplications: everything on it, by name, in pages that a link
// leads through, and found by a part of name, id or address.
func TestTheListOfApplications(t *testing.T) {
	t.Parallel()
	c := open(t)
	for i := range 53 {
		c.store(latchkey.Client{ID: fmt.Sprintf("c%02d", i), Name: fmt.Sprintf("App %02d", i), RedirectURIs: []string{"https://app.example.com/cb"}})
	}
	c.store(latchkey.Client{ID: "zz-machine", Name: "Backup <b>", Type: "machine", AuthMethod: latchkey.AuthBasic, GrantTypes: []string{latchkey.GrantClientCredentials}})
	c.store(latchkey.Client{ID: "phone", Name: "aardvark", Type: "native", AuthMethod: latchkey.AuthNone, GrantTypes: []string{latchkey.GrantAuthorizationCode}, RedirectURIs: []string{"com.example.phone:/cb"}})

	first := c.open("/admin/clients").want(http.StatusOK, "admin-clients")
	if !first.shows("aardvark", "com.example.phone:", "App 00", "App 48", "55 applications") || first.shows("App 49") {
		t.Errorf("the first page is not the first 50 by name: %s", first.text())
	}
	if strings.Contains(first.body, "<b>") && strings.Contains(first.body, "Backup <b>") {
		t.Error("a name became markup")
	}
	next := find(first.root, "div", "class", "foot")
	link := attr(find(next, "a"), "href")
	second := c.open(link).want(http.StatusOK, "admin-clients")
	if !second.shows("App 49", "App 52", "Backup <b>", "No person", "Machine") || second.shows("App 48") || find(find(second.root, "div", "class", "foot"), "a") != nil {
		t.Errorf("the second page is not the rest: %s", second.text())
	}
	for query, name := range map[string]string{"AARD": "aardvark", "zz-MACH": "Backup <b>", "example.phone": "aardvark", "<b>": "Backup <b>"} {
		p := c.open("/admin/clients?q=" + strings.ReplaceAll(query, "<", "%3C"))
		if !p.shows(name, "1 of 55") {
			t.Errorf("searching %q shows %s", query, p.text())
		}
	}
	if p := c.open("/admin/clients?q=%25"); !p.shows("Nothing matches “%”", "0 of 55") {
		t.Errorf("a percent sign is searched as a wildcard: %s", p.text())
	}
	for _, cursor := range []string{"%21", "YSAA", "_w"} {
		if p := c.open("/admin/clients?cursor=" + cursor); p.status != http.StatusBadRequest || p.alert() != "invalid_cursor" {
			t.Errorf("cursor %s answered %d %s, want 400 invalid_cursor", cursor, p.status, p.alert())
		}
	}
}

// TestTheLastUseOfEachSecret (SECURITY case 43): who rotates a secret sees of
// each when it was last used, and of a new one that it never was.
func TestTheLastUseOfEachSecret(t *testing.T) {
	t.Parallel()
	c := open(t)
	id, path, first := c.wiki()
	c.submit(c.open(path), path+"/secrets", nil).want(http.StatusOK, "admin-client-done")
	c.signInTo(id, first, c.Browser)
	if err := c.DB.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	oldest, newest := c.Text(t, "SELECT id FROM client_secrets ORDER BY created_at LIMIT 1"), c.Text(t, "SELECT id FROM client_secrets ORDER BY created_at DESC LIMIT 1")
	used := c.Text(t, `SELECT to_char(last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM client_secrets WHERE id = '`+oldest+"'")
	lastUse := func(secret string) *html.Node {
		return c.open(path).find("tr", "data-id", secret).FirstChild.NextSibling.NextSibling
	}
	if cell := lastUse(oldest); attr(cell, "data-label") != "Last used" || used == "" || cell.FirstChild.Data != "time" || attr(cell.FirstChild, "datetime") != used {
		t.Errorf("of the used secret the page says %q, want %s", textOf(cell), used)
	}
	if cell := lastUse(newest); attr(cell, "data-label") != "Last used" || !strings.EqualFold(textOf(cell), "never") {
		t.Errorf("of the new secret the page says %q", textOf(cell))
	}
}
