package templates_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"latchkey/templates"
)

// hostile is a name as no way of ours would store it: markup, a turn of the
// direction that is never closed, and a letter without width.
const hostile = "<img src=x onerror=alert(1)>\"'\u202eWiki\u200b"

// TestNamesFromOutsideAreInertAndIsolated on the pages of people: no element
// and no attribute comes from a name, and each stands in an isolate or a block
// of its own, so that it cannot turn the words around it (SECURITY case 84).
func TestNamesFromOutsideAreInertAndIsolated(t *testing.T) {
	t.Parallel()
	base := templates.Base{Person: &templates.Person{Name: hostile, Detail: hostile}}
	const address = "https://wiki.meridian.example/"
	passkey := templates.PasskeyItem{ID: "p", Name: hostile, Kind: "usb"}
	app := templates.AppItem{ClientID: "a", Name: hostile, URL: address}
	for name, page := range map[string]templates.Page{
		"login":           templates.Login{App: hostile, Username: hostile, Cancel: "/consent"},
		"step-up":         templates.StepUp{Base: base, App: hostile, Reason: "Once more.", Cancel: "/consent"},
		"consent":         templates.Consent{Base: base, App: hostile, Host: "wiki.meridian.example"},
		"hand-over":       templates.HandOver{App: hostile, URL: address},
		"form post":       templates.FormPost{App: hostile, URL: address},
		"logout":          templates.Logout{Base: base, App: hostile},
		"signed out":      templates.SignedOut{URL: address, App: hostile, Apps: []templates.ToldApp{{Name: hostile, Done: true}}},
		"passkeys":        templates.AccountPasskeys{Base: base, Items: []templates.PasskeyItem{passkey, passkey}},
		"passkey removed": templates.AccountPasskeyRemove{Base: base, ID: "p", Name: hostile},
		"sessions":        templates.AccountSessions{Base: base, Items: []templates.SessionItem{{ID: "s", Name: "Firefox", Passkey: hostile}}},
		"apps":            templates.AccountApps{Base: base, Items: []templates.AppItem{app}, Provided: []templates.AppItem{app}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, err := html.Parse(strings.NewReader(render(t, page)))
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for n := range whole.Descendants() {
				if n.Data == "img" {
					t.Error("a name became an element")
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") {
						t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
					}
				}
				if n.Type != html.TextNode || !strings.Contains(n.Data, hostile) {
					continue
				}
				found++
				if !isolated(n) {
					t.Errorf("the name turns the words around it: %q in <%s>", n.Data, n.Parent.Data)
				}
			}
			if found == 0 {
				t.Error("the page shows no name")
			}
		})
	}
}

// isolated tells whether a text with the hostile name stands by itself.
func isolated(n *html.Node) bool {
	if strings.Contains(n.Data, "\u2068"+hostile+"\u2069") {
		return true
	}
	alone := n.Data == hostile && n.PrevSibling == nil && n.NextSibling == nil
	switch n.Parent.Data {
	case "bdi", "h1", "h2", "h3", "p", "dd", "td":
		return alone
	}
	return false
}
