package templates_test

import (
	"net/http"
	"testing"

	"latchkey/templates"
)

// exhibit is what the exhibition has at one address.
type exhibit struct {
	name string
	hash string // fragment of the address
	act  string // script that brings the page into the state that is looked at
}

// exhibits are the samples as they open, and those that somebody has to do
// something for. Every failure of signing in is drawn, but has the markup of
// one that is always looked at.
func exhibits(all bool) (list []exhibit) {
	for _, s := range samples() {
		list = append(list, exhibit{name: s.name, hash: s.hash})
	}
	list = append(list,
		exhibit{name: "account-passkeys-dialog", act: `document.getElementById("delete-p2").showModal()`},
		exhibit{name: "account-menu", act: `document.getElementById("side").showPopover()`},
		exhibit{name: "admin-menu", act: `document.getElementById("side").showPopover()`},
		exhibit{name: "details", act: `document.querySelector("details").open = true`},
		exhibit{name: "setup-details", hash: "token=new", act: `document.querySelector("details").open = true`},
		exhibit{name: "demo-home"}, exhibit{name: "demo-out"}, exhibit{name: "demo-error"}, exhibit{name: "demo-session"},
	)
	if !all {
		return list
	}
	for _, code := range signInFailures {
		list = append(list, exhibit{name: "failure-" + code, act: `document.querySelectorAll("[data-fill=host]").forEach((e) => e.textContent = "192.0.2.17:8080"); document.querySelectorAll("[data-fill=seconds]").forEach((e) => e.textContent = "42")`})
	}
	return list
}

var signInFailures = []string{
	"cancelled", "no_passkey_here", "wrong_site", "insecure", "not_supported", "no_screen_lock", "key_needs_pin", "provider_failed",
	"challenge_expired", "unknown_credential", "verification_failed", "policy_restricted", "clone_suspected", "rate_limited", "offline", "unavailable",
}

// failureSamples are the pages of the exhibits that are no samples.
func failureSamples() (more []sample) {
	for _, s := range samples() {
		for name, of := range map[string]string{
			"account-passkeys-dialog": "account-passkeys", "account-menu": "account-passkeys-long", "admin-menu": "admin-clients",
			"details": "login-error", "setup-details": "setup",
		} {
			if s.name == of {
				more = append(more, sample{name: name, page: s.page})
			}
		}
	}
	for _, code := range signInFailures {
		more = append(more, sample{name: "failure-" + code, page: templates.Login{Base: failing(templates.Base{}, code), Request: "abc", App: "Wiki", Cancel: "/consent"}})
	}
	return more
}

// hangDemo adds the pages of the sample application, which brings its own
// frame and style sheet.
func hangDemo(t *testing.T, mux *http.ServeMux) {
	t.Helper()
	demo, err := templates.NewDemo()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"look.css", "icons.svg", "icon.svg"} {
		mux.Handle("GET /static/"+file, demo.Static())
	}
	claims := []templates.DemoClaim{
		{Name: "iss", Value: "https://id.meridian.example", Says: "Who says so: the provider"},
		{Name: "email_verified", Value: "true", Says: "Whether the address is known to be yours"},
		{Name: "nonce", Value: "KK7QYQIFCMOM4I4OWT5OFO6W46LPRTAPKWXCMU4AKYTVOL3PT2ZO", Says: "Ties the token to the sign-in that was started here"},
	}
	session := templates.DemoSession{
		Name: longName, Status: "You are signed in. This is what the application learned.", MayRefresh: true,
		IDToken: claims, Userinfo: claims, RawIDToken: longHost + longHost, RawAccess: longHost,
		Tokens: []templates.DemoToken{{ID: "id-token", Name: "ID token", Now: "d3b07384d113", Before: "–", Changed: "Not refreshed yet"}},
	}
	for name, page := range map[string]func() ([]byte, error){
		"demo-home":    func() ([]byte, error) { return demo.Home(templates.DemoHome{Provider: "id.meridian.example"}) },
		"demo-out":     func() ([]byte, error) { return demo.Home(templates.DemoHome{Provider: longHost, SignedOut: true}) },
		"demo-session": func() ([]byte, error) { return demo.Session(session) },
		"demo-error": func() ([]byte, error) {
			return demo.Error(templates.DemoError{Code: "access_denied", Title: "You are not signed in", Text: "You cancelled, or this application is not open to you. Nothing was shared.", Detail: "The person refused."})
		},
	} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			body, err := page()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if _, err := w.Write(body); err != nil {
				t.Error(err)
			}
		})
	}
}
