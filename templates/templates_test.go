package templates_test

import (
	"bytes"
	"strings"
	"testing"

	"latchkey/templates"
)

// site is the installation that the tests show.
func site(t *testing.T) *templates.Templates {
	t.Helper()
	pages, err := templates.New(templates.Options{Name: "Meridian Labs", Issuer: "https://id.meridian.example"})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// render gives the page as text.
func render(t *testing.T, page templates.Page) string {
	t.Helper()
	var whole bytes.Buffer
	if err := site(t).Render(&whole, page); err != nil {
		t.Fatal(err)
	}
	return whole.String()
}

func TestNewRefusesAnIssuerThatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"", "localhost", "://x"} {
		if _, err := templates.New(templates.Options{Issuer: issuer}); err == nil {
			t.Errorf("New took the issuer %q", issuer)
		}
	}
}

func TestAFailedPageWritesNothing(t *testing.T) {
	t.Parallel()
	var whole bytes.Buffer
	err := site(t).Render(&whole, templates.HandOver{App: "Wiki", URL: "javascript:alert(1)"})
	if err == nil {
		t.Error("a hand-over to a javascript: address was rendered")
	}
	if whole.Len() != 0 {
		t.Errorf("the failed page left %d bytes: %q", whole.Len(), whole.String())
	}
}

func TestHandOverRefusesSchemesThatRunCode(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://a/b", "file:///etc/passwd", "/local", "//host/path", ""} {
		if err := site(t).Render(new(bytes.Buffer), templates.HandOver{App: "Wiki", URL: address}); err == nil {
			t.Errorf("HandOver took the address %q", address)
		}
	}
}

func TestHandOverLeadsToTheApplication(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://wiki.example/cb?code=a&state=b": `href="https://wiki.example/cb?code=a&amp;state=b"`,
		"com.example.app:/cb?code=a":             `href="com.example.app:/cb?code=a"`,
		"http://127.0.0.1:8123/cb?code=a":        `href="http://127.0.0.1:8123/cb?code=a"`,
	} {
		page := render(t, templates.HandOver{App: "Wiki", URL: address})
		if !strings.Contains(page, want) {
			t.Errorf("no link %s in\n%s", want, page)
		}
		refresh := `<meta http-equiv="refresh" content="0;url=` + strings.TrimSuffix(strings.TrimPrefix(want, `href="`), `"`) + `">`
		if !strings.Contains(page, refresh) {
			t.Errorf("no refresh %s in\n%s", refresh, page)
		}
	}
}

func TestErrorLeadsBackToTheApplication(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"/account":                            `href="/account"`,
		"com.example.app:/cb?error=a&state=b": `href="com.example.app:/cb?error=a&amp;state=b"`,
		"https://wiki.example/cb?error=a":     `href="https://wiki.example/cb?error=a"`,
		"javascript:alert(1)":                 `href="/"`,
		"//elsewhere.example/":                `href="/"`,
		`/\elsewhere.example/`:                `href="/"`,
	} {
		page := render(t, templates.Error{Code: "not_allowed", Back: address})
		if !strings.Contains(page, `<a class="btn" `+want) {
			t.Errorf("Back %q: no link %s in\n%s", address, want, page)
		}
	}
}

func TestWhatComesFromOutsideIsEscaped(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script>`
	person := &templates.Person{Name: evil, Detail: evil}
	for _, page := range []templates.Page{
		templates.Login{App: evil, Request: evil, Username: evil, Return: evil, Cancel: "/consent"},
		templates.Error{Code: evil, Title: evil, Text: evil, Advice: evil, Support: evil, AdminText: evil, Back: "javascript:alert(1)"},
		templates.Consent{Base: templates.Base{Person: person}, App: evil, Host: evil, Read: []string{evil}, Hidden: []templates.Hidden{{Name: evil, Value: evil}}},
		templates.AccountPasskeys{Base: templates.Base{Person: person}, Items: []templates.PasskeyItem{{ID: evil, Name: evil, Kind: "usb", Provider: evil, Error: evil}}, Signals: evil},
	} {
		html := render(t, page)
		if strings.Contains(html, "<script>") || strings.Contains(html, "javascript:") {
			t.Errorf("%T lets content become code:\n%s", page, html)
		}
	}
}
