package server_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
)

// framed is an application's page for the front channel, which notes what was
// loaded. It answers after a pause.
type framed struct {
	mu     sync.Mutex
	loaded []url.Values
}

func (f *framed) serve(t *testing.T, pause time.Duration) string {
	t.Helper()
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.loaded = append(f.loaded, r.URL.Query())
		f.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-over:
		}
		_, _ = fmt.Fprint(rw, "<!doctype html><title>out</title><script>top.location = 'https://evil.example/'</script>")
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(over) })
	return s.URL
}

func (f *framed) seen() []url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded
}

// TestJourneyFrontchannelLogout: the page loads the application's frame, which
// cannot lead it elsewhere, and goes on to where the application wanted once it
// has loaded, or after three seconds (OpenID Connect Front-Channel Logout §3).
func TestJourneyFrontchannelLogout(t *testing.T) {
	for name, pause := range map[string]time.Duration{"at once": 0, "after a moment": time.Second, "never": time.Minute} {
		t.Run(name, func(t *testing.T) {
			j := begin(t)
			f := &framed{}
			address := f.serve(t, pause)
			w := j.wiki(t, firstParty, func(c *latchkey.Client) {
				c.RedirectURIs = append(c.RedirectURIs, address+"/callback")
				c.Protocol.FrontchannelLogoutURI = address + "/out"
			})
			p, _ := j.signedIn(t, j.admin(t))
			p.Goto(w.authorize())
			w.wantSignedIn(t, p, "ines")
			sid := j.Text(t, "SELECT session_id FROM grants LIMIT 1")
			p.Forgive("evil.example") // the sandbox says what it forbids
			p.Forgive("sandboxed")
			began := time.Now()
			p.Goto(w.signOut(w.hint()))
			p.WantURL(w.url + "/bye?state=so+long")
			p.WantText("main", "You left the wiki, state so long")
			if took := time.Since(began); took > 8*time.Second || pause < time.Minute && took < pause {
				t.Errorf("it went on after %v", took)
			}
			seen := f.seen()
			if len(seen) != 1 || len(seen[0]) != 2 || seen[0].Get("iss") != j.URL || seen[0].Get("sid") != sid {
				t.Errorf("the frame was loaded with %v, want sid %s", seen, sid)
			}
		})
	}
}

// TestJourneyFrontchannelWithoutScript goes on by the refresh of the page.
func TestJourneyFrontchannelWithoutScript(t *testing.T) {
	j := begin(t)
	f := &framed{}
	address := f.serve(t, 0)
	w := j.wiki(t, firstParty, func(c *latchkey.Client) {
		c.RedirectURIs = append(c.RedirectURIs, address+"/callback")
		c.Protocol.FrontchannelLogoutURI = address + "/out"
	})
	p, _ := j.signedIn(t, j.admin(t))
	p.Goto(w.authorize())
	w.wantSignedIn(t, p, "ines")
	p.NoScript()
	p.Goto(w.signOut(w.hint()))
	p.WantURL(w.url + "/bye?state=so+long")
	if len(f.seen()) != 1 {
		t.Errorf("the frame was loaded with %v", f.seen())
	}
}

// TestJourneyCheckSession: a page at another origin of the same site asks the
// frame (OpenID Connect Session Management §3): unchanged while signed in,
// changed after the sign-out, error for what is no question.
func TestJourneyCheckSession(t *testing.T) {
	j := begin(t)
	w := j.wiki(t, firstParty)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", w.callback)
	mux.HandleFunc("GET /ask", func(rw http.ResponseWriter, r *http.Request) {
		page(rw, "ask", `<span id="said"></span><iframe id="op" src="`+j.URL+`/oauth2/check_session" hidden></iframe>
			<script data-question="`+html.EscapeString(r.FormValue("question"))+`">
			const asking = document.currentScript.dataset.question, op = document.getElementById("op")
			addEventListener("message", (e) => { if (e.origin === "`+j.URL+`") document.getElementById("said").textContent = "It said " + e.data })
			op.addEventListener("load", () => op.contentWindow.postMessage(asking, "`+j.URL+`"))
			</script>`)
	})
	mux.HandleFunc("GET /", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	near := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	j.Exec(t, `UPDATE clients SET redirect_uris = ARRAY[$1::text]`, near+"/callback")
	w.client.RedirectURIs = []string{near + "/callback"}
	p, _ := j.signedIn(t, j.admin(t))
	p.Goto(w.authorize())
	p.WantText("main", "The wiki knows you as ")
	w.mu.Lock()
	state := w.answer.Get("session_state")
	w.mu.Unlock()
	if state == "" {
		t.Fatalf("the answer was %v", w.answer)
	}
	ask := func(question, want string) {
		t.Helper()
		p.Goto(near + "/ask?question=" + url.QueryEscape(question))
		p.WantText("#said", "It said "+want)
	}
	ask("wiki "+state, "unchanged")
	ask("other "+state, "changed")
	for _, malformed := range []string{"", "wiki", "wiki " + strings.Split(state, ".")[0], "wiki " + state + " more", "wi ki " + state} {
		ask(malformed, "error")
	}
	p.Goto(w.signOut(w.hint()))
	p.WantURL(w.url + "/bye?state=so+long")
	ask("wiki "+state, "changed")
}
