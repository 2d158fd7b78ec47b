package faults_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"time"

	"latchkey"
)

// grant is one authorization as its application sees it: the code, then the
// newest tokens. An application that is cut off does what is right: it asks
// again with what it has.
type grant struct {
	app      application
	verifier string
	code     string
	asked    time.Time
	over     bool // lost in a doubt, or ended on purpose

	unanswered []string // requests that nobody knows about, since the last answer

	access            []string // every one that was given out
	refresh, previous string
}

// newGrant asks for everything that an application may.
func newGrant(app application) *grant {
	return &grant{app: app, verifier: rand.Text() + rand.Text(), asked: time.Now()}
}

func (g *grant) request(prompt string) url.Values {
	q := url.Values{
		"client_id": {g.app.id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile offline_access"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {challengeOf(g.verifier)}, "code_challenge_method": {"S256"},
	}
	if prompt != "" {
		q.Set("prompt", prompt)
	}
	return q
}

// live tells whether the application holds tokens that have to work.
func (g *grant) live() bool { return !g.over && g.refresh != "" }

// waiting tells whether the code is still to be exchanged. It is good for 60 s.
func (g *grant) waiting() bool {
	return !g.over && g.refresh == "" && time.Since(g.asked) < 40*time.Second
}

// exchange sends the code, for the first time or again.
func (w *person) exchange(g *grant) {
	got := w.post(g.app, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {g.code}, "redirect_uri": {callback}, "code_verifier": {g.verifier},
	})
	switch {
	case got.status == http.StatusOK:
		// So no earlier attempt was done.
		w.exactly(g.unanswered, string(latchkey.TokenIssued), 0, 0)
		w.exactly([]string{got.request}, string(latchkey.TokenIssued), 1, 1)
		w.take(g, got)
	case got.inDoubt():
		g.unanswered = append(g.unanswered, got.request)
		w.expect(got, latchkey.TokenIssued)
	case isFault(got, "invalid_grant") && len(g.unanswered) > 0:
		// Exactly one earlier attempt was done, and this one ended its tokens.
		w.exactly(g.unanswered, string(latchkey.TokenIssued), 1, 1)
		w.exactly([]string{got.request}, string(latchkey.CodeReused), 1, 1)
		g.over = true
	default:
		w.t.Errorf("exchange (%s, after %v) answered %s", got.request, g.unanswered, got)
		g.over = true
	}
}

// rotate uses the newest refresh token. Asked again after a cut it gives the
// same successor, whether or not the first attempt was done.
func (w *person) rotate(g *grant) {
	got := w.post(g.app, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.refresh}})
	switch {
	case got.status == http.StatusOK:
		w.exactly(slices.Concat(g.unanswered, []string{got.request}), string(latchkey.TokenRefreshed)+"/rotated", 1, 1)
		w.exactly([]string{got.request}, string(latchkey.TokenRefreshed), 1, 1)
		w.take(g, got)
	case got.inDoubt():
		g.unanswered = append(g.unanswered, got.request)
		w.expect(got, latchkey.TokenRefreshed)
	default:
		w.t.Errorf("refresh (%s, after %v) answered %s: a refresh token that was handed out does not work", got.request, g.unanswered, got)
		g.over = true
	}
}

// take notes the tokens of an answer.
func (w *person) take(g *grant, got *answer) {
	var told struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
	}
	got.decode(&told)
	if told.Access == "" || told.Refresh == "" || told.ID == "" || told.Refresh == g.refresh {
		w.t.Errorf("the token endpoint (%s) answered %s", got.request, got)
	}
	g.unanswered = nil
	g.access = append(g.access, told.Access)
	g.previous, g.refresh = g.refresh, told.Refresh
}

// end uses the code a second time, which ends everything that came from it.
func (w *person) end(g *grant) {
	g.over = true
	got := w.post(g.app, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {g.code}, "redirect_uri": {callback}, "code_verifier": {g.verifier},
	})
	if !isFault(got, "invalid_grant") {
		w.t.Errorf("the code of an acknowledged exchange, used again (%s), answered %s", got.request, got)
	}
	w.exactly([]string{got.request}, string(latchkey.CodeReused), 1, 1)
	for _, token := range slices.Concat(g.access, []string{g.refresh}) {
		if w.active(g.app, token) {
			w.t.Errorf("a token works after its code was used again (%s)", got.request)
		}
	}
}

// look checks what a grant has to be worth after a fault.
func (w *person) look(g *grant) {
	for _, token := range g.access[max(0, len(g.access)-2):] {
		if !w.active(g.app, token) {
			w.t.Error("an access token that was given out does not work")
		}
	}
	if !w.active(g.app, g.refresh) {
		w.t.Error("the newest refresh token is not active")
	}
	if g.previous != "" && w.active(g.app, g.previous) {
		w.t.Error("a refresh token that was spent is active")
	}
}

func isFault(got *answer, code string) bool {
	var told struct{ Error string }
	got.decode(&told)
	return got.status == http.StatusBadRequest && told.Error == code
}
