// Package templates owns every page that people see: the markup, the style
// sheet, the icons, the small scripts and the words of every failure.
//
// It refuses to own decisions: a page struct holds finished strings and
// booleans, and who may see what was settled before. The threat it answers is
// content that becomes code: everything that comes from outside passes
// html/template's contextual escaping, there is no inline script or style, no
// script writes markup from strings (Trusted Types), and an address outside
// this site becomes a link only through the one function that judges schemes.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
)

//go:embed *.html
var pageFiles embed.FS

// Options is what all pages of one installation share.
type Options struct {
	Name   string // what people know this service as; "" = "latchkey"
	Issuer string // the address people are at, such as https://id.example.com
	RPID   string // the name passkeys are bound to (WebAuthn §4); "" = the issuer's host
}

// Templates renders the pages. It is safe for concurrent use.
type Templates struct {
	site     site
	pages    map[string]*template.Template
	files    *files
	words    *catalogue
	failures template.HTML // every failure of the catalogue, for the scripts
}

// site is what templates read with the function of the same name.
type site struct {
	Name, Lang, Issuer, Host, RPID string
}

// Page is one of the page structs of this package.
type Page interface {
	view() view
	base() Base
}

// view says how a page is shown: its file and data-page, its frame, its width
// and the entry of the navigation it belongs to.
type view struct {
	name, frame, width, nav string
}

// frame is the data of the outer template.
type frame struct {
	Name, Width, Nav string
	InAdmin          bool
	Base             Base
	Page             Page
}

// New reads the embedded pages once. It fails when a page does not parse or
// the catalogue of words is broken.
func New(o Options) (*Templates, error) {
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("read the issuer %q: not an address", o.Issuer)
	}
	t := &Templates{site: site{Name: o.Name, Lang: "en", Issuer: o.Issuer, Host: issuer.Host, RPID: o.RPID}}
	if t.site.Name == "" {
		t.site.Name = "latchkey"
	}
	if t.site.RPID == "" {
		t.site.RPID = issuer.Hostname()
	}
	if t.files, err = newFiles(); err != nil {
		return nil, err
	}
	if t.words, err = newCatalogue(t.site); err != nil {
		return nil, err
	}
	if err := t.parse(); err != nil {
		return nil, err
	}
	return t, nil
}

// parse makes one set of templates a page: the shared parts and that page's
// own definitions of title, head and main.
func (t *Templates) parse() error {
	shared, err := template.New("").Funcs(t.funcs()).ParseFS(pageFiles, "frame.html", "parts.html", "parts_admin.html")
	if err != nil {
		return fmt.Errorf("parse the shared parts: %w", err)
	}
	var failures bytes.Buffer
	if err := template.Must(shared.Clone()).ExecuteTemplate(&failures, "failures", t.words.all()); err != nil {
		return fmt.Errorf("make the catalogue of failures: %w", err)
	}
	t.failures = template.HTML(failures.String()) //nolint:gosec // made by html/template a moment ago
	t.pages = make(map[string]*template.Template)
	for _, page := range allPages {
		name := page.view().name
		set, err := shared.Clone()
		if err != nil {
			return fmt.Errorf("copy the shared parts: %w", err)
		}
		if t.pages[name], err = set.ParseFS(pageFiles, name+".html"); err != nil {
			return fmt.Errorf("parse the page %s: %w", name, err)
		}
	}
	return nil
}

// Render writes a page. It makes the whole page before the first byte is
// written, so that a failure cannot leave half of one.
func (t *Templates) Render(w io.Writer, page Page) error {
	v := page.view()
	var whole bytes.Buffer
	data := frame{Name: v.name, Width: v.width, Nav: v.nav, InAdmin: v.frame == "admin", Base: page.base(), Page: page}
	if err := t.pages[v.name].ExecuteTemplate(&whole, v.frame, data); err != nil {
		return fmt.Errorf("make the page %s: %w", v.name, err)
	}
	if _, err := whole.WriteTo(w); err != nil {
		return fmt.Errorf("write the page %s: %w", v.name, err)
	}
	return nil
}

// Static serves the style sheet, the icons and the scripts below /static/.
func (t *Templates) Static() http.Handler { return t.files }

func (t *Templates) funcs() template.FuncMap {
	return template.FuncMap{
		"site":     func() site { return t.site },
		"asset":    t.files.url,
		"failures": func() template.HTML { return t.failures },
		"failure":  t.failure,
		"note":     t.words.note,
		"initials": initials,
		"away":     away,
		"back":     back,
		"dict":     dict,
	}
}

// failure completes an alert with the words of the catalogue. After an action
// the focus goes to what became of it.
func (t *Templates) failure(a *Alert) notice {
	n := t.words.failure(a.Code, a.Text != "")
	if a.Title != "" {
		n.Title = a.Title
	}
	if a.Text != "" {
		n.Parts = []part{{Text: a.Text}}
	}
	n.Detail = a.Detail
	n.Focus = true
	return n
}

// away makes a link to another application of an address that was checked
// when the application was registered. Schemes that run code or carry content
// are refused here too, so that a mistake elsewhere stays harmless; the
// schemes of native applications pass, which html/template would not allow.
func away(address string) (template.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return "", fmt.Errorf("lead away: %q is not a full address", address)
	}
	switch strings.ToLower(u.Scheme) {
	case "javascript", "data", "vbscript", "blob", "file", "about", "view-source":
		return "", fmt.Errorf("lead away: the scheme %q is refused", u.Scheme)
	}
	return template.URL(address), nil //nolint:gosec // the scheme was judged above
}

// back is a link to a page of this site or, judged by away, to an application.
// What may not be a link leads to the start, since the page around it is an
// answer that has to be shown.
func back(address string) template.URL {
	if strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") && !strings.Contains(address, `\`) {
		return template.URL(address) //nolint:gosec // a path of this site
	}
	checked, err := away(address)
	if err != nil {
		return "/"
	}
	return checked
}

// initials are the one or two letters that stand for a person or application.
func initials(name string) string {
	var letters []rune
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '-' || r == '_' || r == '.' }) {
		letters = append(letters, []rune(strings.ToUpper(word))[0])
	}
	switch {
	case len(letters) == 0:
		return "?"
	case len(letters) == 1:
		return string(letters)
	}
	return string([]rune{letters[0], letters[len(letters)-1]})
}

// dict hands several named values to a part.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: the name %v is not a string", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
