package demo

import (
	"net/http"
	"net/url"
)

// signOut serves POST /sign-out: the application forgets the person first, then
// sends the browser to the provider to end the session there
// (OpenID Connect RP-Initiated Logout 1.0), which brings it back to the front
// door.
func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	sess, token := a.current(r)
	var who *person
	if sess != nil {
		a.sessions.edit(func() { who = sess.person })
		a.sessions.end(token)
	}
	if who == nil || a.metadata.EndSession == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	target, err := url.Parse(a.metadata.EndSession)
	if err != nil {
		a.fail(w, r, problem{status: http.StatusBadGateway, code: "end_session_endpoint", title: "You are signed out here only", text: "latchkey's sign-out address cannot be read.", cause: err})
		return
	}
	token, sess = a.sessions.start()
	state := random()
	a.sessions.edit(func() { sess.logoutState = state })
	a.setCookie(w, token)
	query := target.Query()
	query.Set("id_token_hint", who.idToken)
	query.Set("client_id", a.oauth2.ClientID)
	query.Set("post_logout_redirect_uri", a.base.String()+"/")
	query.Set("state", state)
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}
