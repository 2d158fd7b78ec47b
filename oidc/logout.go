package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// signOut is a request to sign out (OpenID Connect RP-Initiated Logout §2) as
// far as it was found right.
type signOut struct {
	client *latchkey.Client // of a valid hint; nil without one
	hint   *hint
	target string // registered address to go to afterwards, with a hint only; empty = our own page
	form   url.Values
}

// Parameters of a request to sign out that are kept while the person is asked.
// The hint is kept as what it proved.
const (
	keptClient  = "client_id"
	keptTarget  = "post_logout_redirect_uri"
	keptState   = "state"
	keptSubject = "hinted_subject"
	keptSID     = "hinted_sid"
)

// Logout serves GET /oauth2/logout. A valid hint of the session in this browser
// with a registered address to go to ends it at once; whatever else asks first.
func (p *Provider) Logout(c *gin.Context) error {
	ctx := c.Request.Context()
	form, err := parseQuery(c.Request.URL.RawQuery)
	if err != nil || single(form) != nil {
		return latchkey.Refuse(latchkey.ErrInvalid, codeInvalidRequest, "The address of this page is malformed.")
	}
	so, err := p.readSignOut(ctx, form)
	if err != nil {
		return err
	}
	s := session.AnyFrom(ctx)
	switch {
	case s == nil:
		return p.leave(c, so, nil)
	// A sid is that of one sign-in of one person; sub may be another for each
	// application (OpenID Connect Core §8.1).
	case so.target != "" && so.hint.SID == s.ID:
		told, err := p.endSession(c, s)
		if err != nil {
			return err
		}
		return p.leave(c, so, told)
	}
	return p.askSignOut(c, s, so)
}

// signedOutSays is what the page says after one of our own pages ended the
// session, by the code that the page put into the address.
var signedOutSays = map[string]string{
	"passkey-deleted": "The passkey was deleted, and with it this session, which it had started.",
	"everywhere":      "You are signed out everywhere: in all browsers, and from all applications.",
}

// AskLogout serves GET /logout: the person wants to sign out, or was just signed
// out by a page of ours (?done=CODE).
func (p *Provider) AskLogout(c *gin.Context) error {
	if s := session.AnyFrom(c.Request.Context()); s != nil {
		return p.askSignOut(c, s, &signOut{})
	}
	return p.show(c, http.StatusOK, templates.SignedOut{Base: templates.Base{Status: signedOutSays[c.Query("done")]}})
}

// LogoutPost serves POST /oauth2/logout. From an application's page it brings no
// cookie: what it asks is stored and the browser goes on with GET. It changes
// nothing by cookie.
func (p *Provider) LogoutPost(c *gin.Context) error {
	ctx := c.Request.Context()
	if err := p.Allow(ctx, limitAuthorize, ""); err != nil {
		return err // it needs no session and leaves a row
	}
	form, err := postForm(c.Request)
	if err == nil {
		form, err = merged(c.Request.URL.RawQuery, form)
	}
	if err != nil || single(form) != nil {
		return latchkey.Refuse(latchkey.ErrInvalid, codeInvalidRequest, "The form could not be read.")
	}
	form.Del("request")
	so, err := p.readSignOut(ctx, form)
	if err != nil {
		return err
	}
	id, err := p.DB.CreateLogout(ctx, &latchkey.Interaction{Form: so.form})
	if err != nil {
		return err
	}
	return seeOther(c, pathLogout+"?request="+url.QueryEscape(id))
}

// ConfirmLogout serves POST /logout: the person said yes.
func (p *Provider) ConfirmLogout(c *gin.Context) error {
	ctx := c.Request.Context()
	form, err := postForm(c.Request)
	if err != nil || single(form) != nil || form.Get("decision") != "yes" {
		return latchkey.Refuse(latchkey.ErrInvalid, "malformed_request", "The form could not be read.")
	}
	so := &signOut{form: url.Values{}}
	if id := form.Get("request"); id != "" {
		if so, err = p.readSignOut(ctx, url.Values{"request": {id}}); err != nil {
			return err
		}
	}
	var told []storage.Told
	if s := session.AnyFrom(ctx); s != nil {
		if told, err = p.endSession(c, s); err != nil {
			return err
		}
	}
	return p.leave(c, so, told)
}

// readSignOut judges the parameters of a request to sign out. What is wrong is
// left out, so that the person is asked and nobody is sent anywhere.
func (p *Provider) readSignOut(ctx context.Context, form url.Values) (*signOut, error) {
	so := &signOut{form: url.Values{}}
	if id, ok := resumed(form); ok {
		in, err := p.DB.FindLogout(ctx, id)
		if errors.Is(err, latchkey.ErrNotFound) {
			return so, nil
		}
		if err != nil {
			return nil, err
		}
		so.form = in.Form
		so.hint = &hint{Subject: so.form.Get(keptSubject), SID: so.form.Get(keptSID), Audience: audience{so.form.Get(keptClient)}}
		if so.hint.Subject == "" {
			so.hint = nil
		}
	} else if err := p.proveSignOut(ctx, so, form); err != nil {
		return nil, err
	}
	if so.hint == nil {
		return so, nil
	}
	c, err := p.DB.Client(ctx, so.form.Get(keptClient))
	if errors.Is(err, latchkey.ErrNotFound) {
		return so, nil
	}
	if err != nil {
		return nil, err
	}
	so.client = c
	if target := so.form.Get(keptTarget); target != "" && c.Enabled && slices.Contains(c.PostLogoutRedirectURIs, target) {
		so.target = target
	}
	return so, nil
}

// proveSignOut verifies the hint and keeps what it proves.
func (p *Provider) proveSignOut(ctx context.Context, so *signOut, form url.Values) error {
	for _, name := range []string{keptTarget, keptState} {
		if form.Has(name) {
			so.form.Set(name, form.Get(name))
		}
	}
	if form.Get("id_token_hint") == "" {
		return nil
	}
	h, err := p.readHint(ctx, form.Get("id_token_hint"))
	if errors.Is(err, errHint) {
		return nil
	}
	if err != nil {
		return err
	}
	id := form.Get("client_id")
	if id == "" {
		id = h.Audience[0]
	}
	if !h.Audience.has(id) {
		return nil // the hint of another application proves nothing for this one
	}
	so.hint = h
	so.form.Set(keptClient, id)
	so.form.Set(keptSubject, h.Subject)
	so.form.Set(keptSID, h.SID)
	return nil
}

// askSignOut shows the page that asks.
func (p *Provider) askSignOut(c *gin.Context, s *latchkey.Session, so *signOut) error {
	page := templates.Logout{Base: templates.Base{Person: templates.PersonOf(s)}, Action: "/logout"}
	if so.client != nil {
		page.App = so.client.Name
	}
	if len(so.form) > 0 {
		id, err := p.DB.CreateLogout(c.Request.Context(), &latchkey.Interaction{Form: so.form})
		if err != nil {
			return err
		}
		page.Hidden = []templates.Hidden{{Name: "request", Value: id}}
	}
	return p.show(c, http.StatusOK, page)
}

// endSession ends the session of this browser and its cookie, and returns who
// has to hear of it.
func (p *Provider) endSession(c *gin.Context, s *latchkey.Session) ([]storage.Told, error) {
	ctx := c.Request.Context()
	ending := storage.Ending{Cause: storage.SignedOut, UserID: s.UserID, SessionID: s.ID}
	var ended storage.Ended
	err := p.DB.InTx(ctx, func(tx *storage.Tx) (err error) {
		ended, err = tx.EndSessions(ctx, ending)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, cookie := range p.Sessions.EndCookies(ctx) {
		http.SetCookie(c.Writer, &cookie)
	}
	return ended.Told, nil
}

// leave goes where a valid request wanted, or shows that the browser is signed
// out. After a form of ours the way to the application is a hand-over page.
func (p *Provider) leave(c *gin.Context, so *signOut, told []storage.Told) error {
	target := so.target
	if target != "" && so.form.Get(keptState) != "" {
		target = withParams(target, url.Values{keptState: {so.form.Get(keptState)}})
	}
	if len(p.framesOf(told)) > 0 {
		return p.showFrames(c, so, told, target)
	}
	if target == "" {
		return p.show(c, http.StatusOK, templates.SignedOut{Apps: p.answers(c.Request.Context(), told)})
	}
	if c.Request.Method == http.MethodPost {
		return p.showHandOver(c, so.client, target)
	}
	return seeOther(c, target)
}
