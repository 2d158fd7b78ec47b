package server_test

import (
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"latchkey"
	"latchkey/server/servertest/chrome"
)

// mirrorScript says what came in the address, as an application in a page reads
// it.
const mirrorScript = `
const main = document.querySelector("main")
if (main && !main.textContent) {
  const [how, what] = location.hash ? ["fragment", location.hash.slice(1)] : ["query", location.search]
  main.textContent = how + ": " + [...new URLSearchParams(what).keys()].sort().join(" ")
}
`

// mirror starts an application on another site that says what came back, and
// how. It may ask for everything. The function makes the address of a request.
func (j *journey) mirror(t *testing.T) (home string, ask func(pairs ...string) url.Values) {
	t.Helper()
	var client *latchkey.Client
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reply", func(rw http.ResponseWriter, _ *http.Request) { page(rw, "mirror", "") })
	mux.HandleFunc("POST /reply", func(rw http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
			page(rw, "mirror", "no form")
			return
		}
		page(rw, "mirror", "form: "+html.EscapeString(strings.Join(slices.Sorted(maps.Keys(r.PostForm)), " ")))
	})
	mux.HandleFunc("GET /post", func(rw http.ResponseWriter, _ *http.Request) {
		fields := &strings.Builder{}
		for name, values := range ask("response_type", "code") {
			fmt.Fprintf(fields, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(values[0]))
		}
		page(rw, "post", `<form method="post" action="`+html.EscapeString(j.URL)+`/oauth2/authorize">`+fields.String()+`<button id="post">Sign in</button></form>`)
	})
	mux.HandleFunc("GET /popup.js", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(rw, mirrorScript)
	})
	mux.HandleFunc("GET /favicon.ico", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client = j.wiki(t, func(c *latchkey.Client) {
		c.RedirectURIs, c.ResponseTypes = []string{server.URL + "/reply"}, latchkey.ResponseTypes()
		c.GrantTypes = append(c.GrantTypes, latchkey.GrantImplicit)
	}).client
	ask = func(pairs ...string) url.Values {
		q := url.Values{"client_id": {client.ID}, "redirect_uri": client.RedirectURIs, "scope": {"openid profile"}, "state": {"a state"}, "nonce": {"a nonce"}}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return q
	}
	return server.URL, ask
}

// TestJourneyAnswersByFragmentAndForm: what does not come by the query reaches
// the application through a real browser, past our own content security policy:
// after the form of consent, at once, and as a refusal. An application may also
// begin with a form of its own.
func TestJourneyAnswersByFragmentAndForm(t *testing.T) {
	j := begin(t)
	home, ask := j.mirror(t)
	to := func(pairs ...string) string { return j.URL + "/oauth2/authorize?" + ask(pairs...).Encode() }
	p, a := j.open(t, j.admin(t))
	p.Goto(to("response_type", "code", "response_mode", "form_post"))
	p.Want("login")
	press(p, a, "#sign-in")
	p.Want("consent")
	p.Click("#consent [value=allow]")
	p.WantURL(home + "/reply")
	p.WantText("main", "form: code iss session_state state")

	p.Goto(to("response_type", "code id_token token"))
	p.WantURL(home + "/reply#")
	p.WantText("main", "fragment: access_token code expires_in id_token iss scope session_state state token_type")
	p.Goto(to("response_type", "id_token", "response_mode", "form_post"))
	p.WantURL(home + "/reply")
	p.WantText("main", "form: id_token iss session_state state")
	p.Goto(home + "/post")
	p.Click("#post")
	p.WantURL(home + "/reply?")
	p.WantText("main", "query: code iss session_state state")

	stranger := chrome.Open(t)
	stranger.Goto(to("response_type", "code", "response_mode", "form_post", "prompt", "none"))
	stranger.WantURL(home + "/reply")
	stranger.WantText("main", "form: error error_description iss session_state state")
	stranger.Goto(to("response_type", "id_token token", "prompt", "none"))
	stranger.WantText("main", "fragment: error error_description iss session_state state")
}
