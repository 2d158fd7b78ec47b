package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/server/servertest/chrome"
	"latchkey/storage"
)

// wiki is an application on another site (127.0.0.1, while latchkey is at
// localhost): it sends people to sign in, exchanges the code, and says who came.
type wiki struct {
	j      *journey
	url    string
	client *latchkey.Client
	secret string
	// landing is where the callback, and the page after sign-out, redirect once
	// more; "" = nowhere.
	landing string

	mu     sync.Mutex
	answer url.Values // of the last callback
	idHint string     // the ID token of the last sign-in
}

// wikiVerifier is the code_verifier of every request (RFC 7636 §4.1).
const wikiVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// wiki registers the application and starts it. change may alter it first.
func (j *journey) wiki(t *testing.T, change ...func(*latchkey.Client)) *wiki {
	t.Helper()
	w := &wiki{j: j}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.home)
	mux.HandleFunc("GET /callback", w.callback)
	mux.HandleFunc("GET /done", w.done)
	mux.HandleFunc("GET /bye", func(rw http.ResponseWriter, r *http.Request) {
		if w.landing != "" {
			http.Redirect(rw, r, w.landing+"/bye?"+r.URL.RawQuery, http.StatusSeeOther)
			return
		}
		page(rw, "bye", "You left the wiki, state "+html.EscapeString(r.FormValue("state")))
	})
	mux.HandleFunc("GET /popup.js", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(rw, popupScript)
	})
	mux.HandleFunc("GET /favicon.ico", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.client = &latchkey.Client{
		ID: "wiki", Name: "Wiki", Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true,
		RedirectURIs: []string{w.url + "/callback"}, PostLogoutRedirectURIs: []string{w.url + "/bye"},
		GrantTypes:    []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken},
		ResponseTypes: []string{"code"}, Scopes: []string{"openid", "profile", "email", "groups", "offline_access"},
		AuthMethod: latchkey.AuthBasic, IDTokenAlg: latchkey.RS256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt",
	}
	for _, f := range change {
		f(w.client)
	}
	w.secret = j.DB.NewClientSecret()
	if err := j.DB.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), w.client, w.secret) }); err != nil {
		t.Fatalf("register the wiki: %v", err)
	}
	return w
}

// firstParty skips consent.
func firstParty(c *latchkey.Client) { c.FirstParty = true }

// authorize is the address that begins a sign-in; pairs add parameters.
func (w *wiki) authorize(pairs ...string) string {
	challenge := sha256.Sum256([]byte(wikiVerifier))
	q := url.Values{
		"client_id": {w.client.ID}, "redirect_uri": {w.client.RedirectURIs[0]}, "response_type": {"code"},
		"scope": {"openid profile email offline_access"}, "state": {"a state"}, "nonce": {"a nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return w.j.URL + "/oauth2/authorize?" + q.Encode()
}

// signOut is the address that ends a session (RP-Initiated Logout §2).
func (w *wiki) signOut(idTokenHint string) string {
	return w.j.URL + "/oauth2/logout?" + url.Values{
		"id_token_hint": {idTokenHint}, "post_logout_redirect_uri": {w.url + "/bye"}, "state": {"so long"},
	}.Encode()
}

// home has the links that people press, so that every sign-in comes from
// another site, as in life.
func (w *wiki) home(rw http.ResponseWriter, _ *http.Request) {
	page(rw, "home", `Welcome. <a id="sign-in" href="`+html.EscapeString(w.authorize())+`">Sign in</a>
		<button id="popup" data-address="`+html.EscapeString(w.authorize())+`">Sign in beside this page</button>
		<script src="/popup.js"></script>`)
}

// popupScript is the sign-in in a window of its own, which tells its opener.
const popupScript = `
document.getElementById("popup")?.addEventListener("click", (event) => open(event.target.dataset.address, "sign-in", "popup,width=480,height=720"))
if (window.opener) opener.postMessage(document.querySelector("main").textContent, location.origin)
addEventListener("message", (event) => { if (event.origin === location.origin) document.querySelector("main").textContent = "From the popup: " + event.data })
`

func (w *wiki) callback(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.answer = r.URL.Query()
	w.mu.Unlock()
	if w.landing != "" {
		http.Redirect(rw, r, w.landing+"/done?"+r.URL.RawQuery, http.StatusSeeOther)
		return
	}
	w.done(rw, r)
}

// done exchanges the code and says who signed in.
func (w *wiki) done(rw http.ResponseWriter, r *http.Request) {
	if code := r.FormValue("error"); code != "" {
		page(rw, "refused", "The wiki was refused: "+html.EscapeString(code))
		return
	}
	claims, err := w.exchange(r.FormValue("code"))
	if err != nil {
		page(rw, "failed", html.EscapeString(err.Error()))
		return
	}
	page(rw, "done", fmt.Sprintf("The wiki knows you as %s, %s", html.EscapeString(fmt.Sprint(claims["sub"])), html.EscapeString(fmt.Sprint(claims["acr"]))))
}

func (w *wiki) exchange(code string) (map[string]any, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {w.client.RedirectURIs[0]}, "code_verifier": {wikiVerifier}}
	request, err := http.NewRequest(http.MethodPost, w.j.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(w.client.ID, w.secret)
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var tokens struct {
		IDToken string `json:"id_token"`
		Error   string `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&tokens); err != nil {
		return nil, err
	}
	parts := strings.Split(tokens.IDToken, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("no ID token: %s", tokens.Error)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.idHint = tokens.IDToken
	w.mu.Unlock()
	var claims map[string]any
	return claims, json.Unmarshal(raw, &claims)
}

// hint is the ID token of the last sign-in.
func (w *wiki) hint() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.idHint
}

// wantSignedIn waits for the wiki to know somebody.
func (w *wiki) wantSignedIn(t *testing.T, p *chrome.Page, username string) {
	t.Helper()
	p.WantURL(w.url)
	p.WantText("main", "The wiki knows you as "+w.j.Text(t, "SELECT subject FROM users WHERE username = '"+username+"'")+", phr")
}

// wantRefused waits for the wiki to be refused.
func (w *wiki) wantRefused(t *testing.T, p *chrome.Page, code string) {
	t.Helper()
	p.WantURL(w.url)
	p.WantText("main", "The wiki was refused: "+code)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answer.Get("state") != "a state" || w.answer.Get("iss") != w.j.URL {
		t.Errorf("the refusal came with %v", w.answer)
	}
}

func page(w http.ResponseWriter, name, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Wiki</title><main data-page="wiki-%s">%s</main><script src="/popup.js"></script>`, name, body)
}
