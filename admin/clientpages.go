package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// Home serves GET /admin: the applications, the first thing an administrator
// comes for.
func (s *Service) Home(c *gin.Context) error { return redirect(c, "/admin/clients") }

// What the list of applications says after a change.
var clientsSay = map[string]string{"deleted": "The application was deleted, with all it had."}

// ClientsPage serves GET /admin/clients: the list, searched by ?q= and paged by
// ?cursor=.
func (s *Service) ClientsPage(c *gin.Context) error {
	query := c.Query("q")
	found, err := s.ListClients(c.Request.Context(), storage.ClientQuery{Text: query, Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	page := templates.AdminClients{Base: s.said(c, clientsSay), Query: query, Count: countOf(found)}
	for i := range found.Items {
		page.Items = append(page.Items, clientItem(&found.Items[i], s.now()))
	}
	if found.Next != "" {
		page.Next = listAddress("/admin/clients", query, found.Next)
	}
	return s.show(c, http.StatusOK, page)
}

// countOf is "14 applications", or "8 of 14" of a search.
func countOf(p *storage.ClientPage) string {
	switch {
	case p.Found != p.All:
		return fmt.Sprintf("%d of %d", p.Found, p.All)
	case p.All == 1:
		return "1 application"
	}
	return fmt.Sprintf("%d applications", p.All)
}

// clientItem is an application as a row of a list.
func clientItem(c *latchkey.Client, now time.Time) templates.ClientItem {
	return templates.ClientItem{
		ID: c.ID, Name: c.Name, Host: hostOf(c), Type: typeName(c.Type), Who: whoMay(c),
		Consent: c.SignsPeopleIn() && !c.FirstParty, Enabled: c.Enabled, Self: c.Registration != nil, Created: templates.At(c.CreatedAt, now),
	}
}

// hostOf is where an application lives: the host of its first redirect URI, or
// the scheme where that is private to a device.
func hostOf(c *latchkey.Client) string {
	if len(c.RedirectURIs) == 0 {
		return ""
	}
	u, err := url.Parse(c.RedirectURIs[0])
	if err != nil {
		return ""
	}
	if u.Host == "" {
		return u.Scheme + ":"
	}
	return u.Host
}

func typeName(t string) string {
	switch t {
	case "web":
		return "Server web app"
	case "spa":
		return "Browser app"
	case "native":
		return "Mobile or desktop app"
	case "machine":
		return "Machine"
	}
	return t
}

// whoMay says in words whom allowed_groups lets in.
func whoMay(c *latchkey.Client) string {
	switch {
	case !c.SignsPeopleIn():
		return "No person"
	case len(c.AllowedGroups) == 0:
		return "Everyone"
	}
	return strings.Join(c.AllowedGroups, ", ")
}
