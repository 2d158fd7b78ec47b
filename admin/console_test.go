package admin_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
)

// console is an administrator, signed in, at a running installation.
type console struct {
	*servertest.App
	*passkeytest.Browser
	t *testing.T
}

// open starts an installation and signs its first administrator, alice, in.
func open(t *testing.T, change ...func(*server.Options)) *console {
	t.Helper()
	app := servertest.Start(t, change...)
	return &console{app, newPerson(t, app, "setup", app.SetupToken(t), "alice"), t}
}

// newPerson registers somebody with a passkey of their own; the browser is
// signed in.
func newPerson(t *testing.T, app *servertest.App, purpose, token, username string) *passkeytest.Browser {
	t.Helper()
	browser := passkeytest.NewBrowser(t, app.URL)
	answer := browser.Register(purpose, token, passkeytest.Fields{
		"username": username, "display_name": strings.ToUpper(username[:1]) + username[1:], "email": username + "@example.com",
	})
	if answer.Status != http.StatusCreated {
		t.Fatalf("%s answered %d %s", purpose, answer.Status, answer.Raw)
	}
	return browser
}

// as is the same installation in the browser of another person.
func (c *console) as(username string) *console {
	c.t.Helper()
	token := c.InviteToken(c.t, latchkey.Invite{Username: username, Role: latchkey.RoleUser})
	return &console{c.App, newPerson(c.t, c.App, "invite", token, username), c.t}
}

// nobody is a browser without cookies.
func (c *console) nobody() *console {
	return &console{c.App, passkeytest.NewBrowser(c.t, c.App.URL), c.t}
}

// page is an answer as a person sees it.
type page struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	root   *html.Node
}

// open reads a page.
func (c *console) open(path string) *page {
	c.t.Helper()
	return c.ask(http.MethodGet, path, nil)
}

// post sends a form.
func (c *console) post(path string, form url.Values) *page {
	c.t.Helper()
	return c.ask(http.MethodPost, path, form)
}

func (c *console) ask(method, path string, form url.Values) *page {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.App.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range c.Header {
		req.Header[name] = values
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	return &page{c.t, res.StatusCode, res.Header, string(body), root}
}

// want insists on a status and the page's name (data-page).
func (p *page) want(status int, name string) *page {
	p.t.Helper()
	if got := attr(p.find("main"), "data-page"); p.status != status || got != name {
		p.t.Fatalf("got %d and page %q to %q, want %d and page %q: %s", p.status, got, p.header.Get("Location"), status, name, p.text())
	}
	return p
}

// wantRedirect insists on a redirect to a path of the same site.
func (p *page) wantRedirect(path string) {
	p.t.Helper()
	if p.status != http.StatusSeeOther || p.header.Get("Location") != path {
		p.t.Fatalf("got %d to %q, want 303 to %q: %s", p.status, p.header.Get("Location"), path, p.text())
	}
}

// shows tells whether all texts stand on the page, as a person reads it.
func (p *page) shows(texts ...string) bool {
	seen := p.text()
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			return false
		}
	}
	return true
}

// text is the visible text of the page.
func (p *page) text() string { return textOf(p.find("main")) }

// find returns the first element of a name for which all of is hold: pairs of
// attribute and value.
func (p *page) find(element string, is ...string) *html.Node { return find(p.root, element, is...) }

// form is what the page's form to an action would send as it stands. A form
// that is not there ends the test.
func (p *page) form(action string) url.Values {
	p.t.Helper()
	form := p.find("form", "action", action)
	if form == nil {
		p.t.Fatalf("there is no form to %s: %s", action, p.text())
	}
	values := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		_, checked := lookup(n, "checked")
		switch {
		case n.Data == "textarea":
			values.Add(name, textOf(n))
		case n.Data == "select":
			values.Add(name, attr(chosen(n), "value"))
		case n.Data == "input" && (attr(n, "type") != "radio" && attr(n, "type") != "checkbox" || checked):
			values.Add(name, attr(n, "value"))
		}
	}
	return values
}

// chosen is the option of a select that a browser would send.
func chosen(list *html.Node) *html.Node {
	for n := range list.Descendants() {
		if _, selected := lookup(n, "selected"); selected {
			return n
		}
	}
	return find(list, "option")
}

// problem is the text above a field that needs another look.
func (p *page) problem(field string) string {
	n := p.find("p", "id", field+"-error")
	if n == nil {
		return ""
	}
	return strings.TrimSpace(textOf(n))
}

// alert is the code of the notice that says what failed; "" = there is none.
func (p *page) alert() string {
	n := p.find("div", "role", "alert")
	if n == nil {
		return ""
	}
	return attr(n, "data-code")
}

func find(root *html.Node, element string, is ...string) *html.Node {
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != element {
			continue
		}
		match := true
		for i := 0; i+1 < len(is); i += 2 {
			match = match && attr(n, is[i]) == is[i+1]
		}
		if match {
			return n
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	value, _ := lookup(n, name)
	return value
}

func lookup(n *html.Node, name string) (string, bool) {
	if n == nil {
		return "", false
	}
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func textOf(n *html.Node) string {
	if n == nil {
		return ""
	}
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			text.WriteString(d.Data)
		}
	}
	return text.String()
}

// shape is the page's elements with the names of their attributes, without any
// text.
func (p *page) shape() string {
	var out strings.Builder
	for n := range p.root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		out.WriteString(n.Data)
		for _, a := range n.Attr {
			out.WriteString(" " + a.Key)
		}
		out.WriteString("\n")
	}
	return out.String()
}
