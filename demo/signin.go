package demo

import (
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// signIn serves GET /sign-in: it sends the browser to the provider. With
// ?again=1 the provider must ask for the passkey although it has a session.
func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	sess, _ := a.current(r)
	if sess == nil {
		var token string
		token, sess = a.sessions.start()
		a.setCookie(w, token)
	}
	state := random()
	p := pending{nonce: random(), verifier: oauth2.GenerateVerifier(), startedAt: a.now(), fresh: r.URL.Query().Get("again") == "1"}
	a.sessions.await(sess, state, p)
	options := []oauth2.AuthCodeOption{oidc.Nonce(p.nonce), oauth2.S256ChallengeOption(p.verifier)}
	if p.fresh {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	http.Redirect(w, r, a.oauth2.AuthCodeURL(state, options...), http.StatusSeeOther)
}

// callback serves GET /callback: the provider's answer, brought by the browser
// and therefore believed in nothing until the state proves that this browser
// asked, and the tokens prove the rest.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	sess, token := a.current(r)
	if sess == nil {
		a.fail(w, r, unknownState)
		return
	}
	query := r.URL.Query()
	p, known := a.sessions.take(sess, query.Get("state"))
	if !known {
		a.fail(w, r, unknownState)
		return
	}
	// RFC 9207: the answer names its issuer, so that another provider's answer
	// cannot be mixed in.
	if iss := query.Get("iss"); iss != a.issuer && (iss != "" || a.metadata.IssuerInAnswer) {
		a.fail(w, r, wrongIssuer)
		return
	}
	if code := query.Get("error"); code != "" {
		a.fail(w, r, refusal(code, query.Get("error_description")))
		return
	}
	who, err := a.exchange(r.Context(), query.Get("code"), p)
	if err != nil {
		a.fail(w, r, asProblem(err))
		return
	}
	// The session gets a new name with the sign-in: a cookie planted before it
	// is worth nothing afterwards.
	a.sessions.edit(func() { sess.person, sess.before = who, nil })
	a.setCookie(w, a.sessions.rename(token, sess))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
