package faults_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
)

// silent is a test that does not mind requests without an answer: they are what
// the faults are about.
type silent struct{ testing.TB }

func (silent) Errorf(string, ...any) {}

// person is somebody with a passkey who signs in and uses applications. What
// was told to them goes into their ledger.
type person struct {
	*ledger
	t        *testing.T
	p        *program
	device   *passkeytest.Authenticator
	line     *line
	sessions []*passkeytest.Browser // signed in, the newest last
	grants   []*grant
	apps     apps

	consented bool // the forum was allowed to
	robots    []string
	doubts    atomic.Int64 // requests that nobody knows the end of
}

// apps are the applications that all people use.
type apps struct {
	wiki  application // first party
	forum application // asks for consent
	robot application // speaks for itself
}

type application struct{ id, secret string }

const callback = "http://127.0.0.1:9/callback"

func newPerson(t *testing.T, p *program, a apps) *person {
	return &person{
		ledger: &ledger{t: t}, t: t, p: p, apps: a, line: newLine(),
		device: passkeytest.New("localhost", p.issuer),
	}
}

// browser opens a fresh one for the person's device.
func (w *person) browser() *passkeytest.Browser {
	b := passkeytest.NewBrowserWith(silent{w.t}, w.p.issuer, w.device)
	b.HTTP.Transport = w.line
	return b
}

// enroll makes the person with the token of a link.
func (w *person) enroll(purpose, token, name string) {
	w.t.Helper()
	b := w.browser()
	got := b.Register(purpose, token, passkeytest.Fields{"username": name, "display_name": name, "email": name + "@example.com"})
	if got.Status != http.StatusCreated {
		w.t.Fatalf("%s of %s answered %d %s", purpose, name, got.Status, got.Raw)
	}
	w.sessions = append(w.sessions, b)
}

// signIn signs in with the passkey from a fresh browser.
func (w *person) signIn() {
	b := w.browser()
	options := b.AuthenticationOptions("login", "")
	if w.unsure("sign-in options", of(options, w.line)) {
		return
	}
	credential, err := b.Device.Get(options.PublicKey)
	if err != nil {
		w.t.Errorf("the device does not answer: %v", err)
		return
	}
	verified := of(b.VerifyAuthentication(options.ChallengeID, credential), w.line)
	w.expect(verified, latchkey.PasskeyUsed, latchkey.SessionStarted)
	if !w.unsure("sign-in", verified) {
		w.sessions = append(w.sessions, b)
	}
}

// signInOptions begins a sign-in that nobody finishes: a row is written.
func (w *person) signInOptions() *answer {
	return of(w.browser().AuthenticationOptions("login", ""), w.line)
}

// of is a browser's answer as ours.
func of(a *passkeytest.Answer, l *line) *answer {
	return &answer{request: l.last, status: a.Status, header: a.Header, body: a.Raw}
}

// browse asks for a page or posts a form with the cookies of a session.
func (w *person) browse(b *passkeytest.Browser, path string, form url.Values) *answer {
	address, err := url.Parse(w.p.issuer)
	if err == nil {
		address, err = address.Parse(path)
	}
	if err != nil {
		w.t.Errorf("%q is no address: %v", path, err)
		return &answer{}
	}
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, address.String(), strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
		return &answer{}
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	got, _ := w.line.sendWith(b.HTTP, req) // an error is an answer in doubt
	return got
}

// authorize asks for a code with a live session; nil when nobody knows whether
// one was made. Being asked to sign in again means that the session was lost.
func (w *person) authorize(b *passkeytest.Browser, app application, prompt string) *grant {
	g := newGrant(app)
	got := w.browse(b, "/oauth2/authorize?"+g.request(prompt).Encode(), nil)
	w.expect(got, latchkey.AuthorizationGranted)
	if w.unsure("authorize", got) {
		return nil
	}
	return w.granted(g, got.header.Get("Location"))
}

// granted reads the code out of the address that an answer leads to.
func (w *person) granted(g *grant, location string) *grant {
	to, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, callback) || to.Query().Get("code") == "" {
		w.t.Errorf("authorize leads to %q (%v), want a code", location, err)
		return nil
	}
	g.code = to.Query().Get("code")
	w.grants = append(w.grants, g)
	return g
}

var (
	field    = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	action   = regexp.MustCompile(`<form id="consent"[^>]* action="([^"]*)"`)
	handOver = regexp.MustCompile(`id="continue" href="([^"]*)"`)
)

// consent allows the forum what it asks for, on the page.
func (w *person) consent(b *passkeytest.Browser) *grant {
	g := newGrant(w.apps.forum)
	got := w.browse(b, "/oauth2/authorize?"+g.request("consent").Encode(), nil)
	if w.unsure("authorize for consent", got) {
		return nil
	}
	place := got.header.Get("Location")
	if !strings.HasPrefix(place, "/consent?request=") {
		w.t.Errorf("authorize leads to %q, want the consent page", place)
		return nil
	}
	page := w.browse(b, place, nil)
	if w.unsure("consent page", page) {
		return nil
	}
	form := url.Values{"decision": {"allow"}}
	for _, hidden := range field.FindAllStringSubmatch(string(page.body), -1) {
		form.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	if to := action.FindStringSubmatch(string(page.body)); to != nil {
		place = html.UnescapeString(to[1])
	}
	decided := w.browse(b, place, form)
	w.expect(decided, latchkey.ConsentGranted)
	w.expect(decided, latchkey.AuthorizationGranted)
	if w.unsure("consent", decided) {
		return nil
	}
	w.consented = true
	leads := handOver.FindStringSubmatch(string(decided.body))
	if leads == nil {
		w.t.Errorf("consent answered %s, want the way back", decided)
		return nil
	}
	return w.granted(g, html.UnescapeString(leads[1]))
}

// unsure tells whether nobody knows if a request was done. Any other refusal
// than 503 is a fault: nothing that is asked here may be refused.
func (w *person) unsure(what string, got *answer) bool {
	if got.acknowledged() {
		return false
	}
	w.doubts.Add(1)
	if !got.inDoubt() {
		w.t.Errorf("%s (%s) answered %s", what, got.request, got)
	}
	return true
}

// post sends a form to a protocol address with an application's credentials.
func (w *person) post(app application, path string, form url.Values) *answer {
	req, err := http.NewRequest(http.MethodPost, w.p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Errorf("POST %s: %v", path, err)
		return &answer{}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(app.id, app.secret)
	got, _ := w.line.send(req) // an error is an answer in doubt
	return got
}

// active asks what a token is worth; it insists on an answer.
func (w *person) active(app application, token string) bool {
	got := w.post(app, "/oauth2/introspect", url.Values{"token": {token}})
	if got.status != http.StatusOK {
		w.t.Errorf("introspection answered %s", got)
	}
	var told struct{ Active bool }
	got.decode(&told)
	return told.Active
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
