package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed demo.html static/look.css static/icons.svg static/icon.svg
var demoFiles embed.FS

// Demo is the pages of the sample application. It is another application than
// the provider, on another host, so it brings its own frame and its own copy of
// the style sheet.
type Demo struct{ set *template.Template }

// NewDemo parses the pages of the sample application.
func NewDemo() (*Demo, error) {
	set, err := template.ParseFS(demoFiles, "demo.html")
	if err != nil {
		return nil, fmt.Errorf("parse the demo pages: %w", err)
	}
	return &Demo{set}, nil
}

// Static serves the style sheet and the icons below /static/.
func (d *Demo) Static() http.Handler { return http.FileServerFS(demoFiles) }

// Home is the page before anybody signed in.
func (d *Demo) Home(page DemoHome) ([]byte, error) { return d.execute("demo-home", page) }

// Error is the page of a refusal.
func (d *Demo) Error(page DemoError) ([]byte, error) { return d.execute("demo-error", page) }

// Session is the page with somebody signed in.
func (d *Demo) Session(page DemoSession) ([]byte, error) { return d.execute("demo-session", page) }

// execute makes the whole page before anything is written, so that a failure
// cannot leave half of one.
func (d *Demo) execute(name string, page any) ([]byte, error) {
	var whole bytes.Buffer
	if err := d.set.ExecuteTemplate(&whole, name, page); err != nil {
		return nil, fmt.Errorf("make the page %s: %w", name, err)
	}
	return whole.Bytes(), nil
}

// DemoHome is the sample application before anybody signed in.
type DemoHome struct {
	Provider  string // host of the provider
	SignedOut bool   // the provider has just sent the person back from signing out
}

// DemoError is a refusal of the sample application.
type DemoError struct {
	Code   string // stable, in data-code
	Title  string
	Text   string
	Detail string // the provider's own words, empty when it said none
}

// DemoSession is the sample application with somebody signed in.
type DemoSession struct {
	Name       string // what to call the person
	Status     string // what has just happened
	MayRefresh bool
	IDToken    []DemoClaim
	Userinfo   []DemoClaim // empty when the provider gave none
	Access     []DemoClaim // empty for an opaque token
	RawIDToken string
	RawAccess  string
	Tokens     []DemoToken
}

// DemoClaim is one line of a token.
type DemoClaim struct {
	Name  string
	Value string // as JSON, strings without quotes
	Says  string // in words; empty for claims the application does not know
}

// DemoToken is one token by its fingerprint.
type DemoToken struct {
	ID      string // id-token, access-token, refresh-token
	Name    string
	Now     string
	Before  string // a dash before the first refresh
	Changed string // in words
}
