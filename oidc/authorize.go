package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// Addresses of the protocol (CONTRACT: addresses).
const (
	pathAuthorize    = "/oauth2/authorize"
	pathToken        = "/oauth2/token"
	pathUserinfo     = "/oauth2/userinfo"
	pathJWKS         = "/oauth2/jwks"
	pathIntrospect   = "/oauth2/introspect"
	pathRevoke       = "/oauth2/revoke"
	pathPAR          = "/oauth2/par"
	pathRegister     = "/oauth2/register"
	pathLogout       = "/oauth2/logout"
	pathCheckSession = "/oauth2/check_session"
	pathLogin        = "/login"
	pathConsent      = "/consent"
)

// Authorize serves GET /oauth2/authorize: a request of an application, or with
// ?request=ID alone one that waited for the person. The browser's session, if it
// has one, is in the context.
func (p *Provider) Authorize(c *gin.Context) error {
	form, err := parseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return p.refuseRequest(c, &request{}, nil, malformed())
	}
	if id, ok := resumed(form); ok {
		return p.resume(c, id)
	}
	return p.begin(c, form)
}

func malformed() *fault {
	return refuse(codeInvalidRequest, "The request is malformed. Go back to the application and start again.").because("malformed_parameter").onPage(codeInvalidRequest)
}

// resumed tells whether the address names a waiting request. With a client_id,
// `request` is a request object (RFC 9101) and not ours.
func resumed(form url.Values) (id string, ok bool) {
	if len(form) == 1 && len(form["request"]) == 1 {
		return form.Get("request"), true
	}
	return "", false
}

func (p *Provider) begin(c *gin.Context, form url.Values) error {
	ctx := c.Request.Context()
	if session.FromContext(ctx) == nil {
		if err := p.Allow(ctx, limitAuthorize, ""); err != nil {
			return err
		}
	}
	rq, err := p.enter(ctx, form)
	if err != nil {
		return p.refuseRequest(c, rq, nil, err)
	}
	return p.proceed(c, rq, nil)
}

// AuthorizePost serves POST /oauth2/authorize (OpenID Connect Core §3.1.2.1). A
// form on the application's page brings no SameSite=Lax cookie: the validated
// request is stored and the browser goes on with GET.
func (p *Provider) AuthorizePost(c *gin.Context) error {
	ctx := c.Request.Context()
	if err := p.Allow(ctx, limitAuthorize, ""); err != nil {
		return err
	}
	form, err := postForm(c.Request)
	if err != nil {
		return p.refuseRequest(c, &request{}, nil, err)
	}
	form, err = merged(c.Request.URL.RawQuery, form)
	if err != nil {
		return p.refuseRequest(c, &request{}, nil, malformed())
	}
	rq, err := p.enter(ctx, form)
	if err != nil {
		return p.refuseRequest(c, rq, nil, err)
	}
	id, err := p.DB.CreateInteraction(ctx, &latchkey.Interaction{ClientID: rq.client.ID, Form: rq.form, Pushed: rq.pushed}, "")
	if err != nil {
		return err
	}
	return seeOther(c, pathAuthorize+"?request="+url.QueryEscape(id))
}

// merged puts query and body together, so that a parameter in both counts as
// sent twice.
func merged(rawQuery string, body url.Values) (url.Values, error) {
	query, err := parseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	all := url.Values{}
	for _, part := range []url.Values{query, body} {
		for name, values := range part {
			all[name] = append(all[name], values...)
		}
	}
	return all, nil
}

// resume goes on with a request that waited. It is judged anew: application and
// person may have changed.
func (p *Provider) resume(c *gin.Context, id string) error {
	ctx := c.Request.Context()
	in, rq, err := p.waiting(c, id)
	if err != nil {
		return err
	}
	checked, err := p.gate(ctx, rq)
	if err != nil {
		return p.refuseRequest(c, checked, in, err)
	}
	return p.proceed(c, checked, in)
}

// waiting finds a request that waits for this browser, with its form.
func (p *Provider) waiting(c *gin.Context, id string) (*latchkey.Interaction, url.Values, error) {
	ctx := c.Request.Context()
	in, err := p.DB.FindInteraction(ctx, id, p.browser(c))
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, nil, requestOver()
	}
	if err != nil {
		return nil, nil, err
	}
	return in, in.Form, nil
}

// browser is the value that names this browser; it gets one when it has none,
// the same for the whole request.
func (p *Provider) browser(c *gin.Context) string {
	const named = "oidc browser"
	if pre := c.GetString(named); pre != "" {
		return pre
	}
	pre, cookies := p.Sessions.EnsurePre(c.Request.Context())
	for i := range cookies {
		http.SetCookie(c.Writer, &cookies[i])
	}
	c.Set(named, pre)
	return pre
}

// proceed answers a request, or sends the person to do what is missing.
func (p *Provider) proceed(c *gin.Context, rq *request, in *latchkey.Interaction) error {
	s := session.FromContext(c.Request.Context())
	v, err := p.needs(c.Request.Context(), rq, s, in)
	if err != nil {
		return p.refuseRequest(c, rq, in, err)
	}
	if v.reason != "" {
		return p.wait(c, rq, in, v)
	}
	params, found, err := p.issue(c, rq, in)
	if err != nil {
		return p.refuseRequest(c, rq, in, err)
	}
	switch found {
	case storage.IsIssued:
		return p.respond(c, rq, params)
	case storage.IsConsentNeeded:
		return p.wait(c, rq, in, verdict{promptConsent, codeConsentRequired})
	case storage.IsNotAllowed:
		return p.notAllowed(c, rq, in)
	case storage.IsSessionEnded, storage.IsUserDisabled:
		return p.wait(c, rq, in, verdict{"login", codeLoginRequired})
	case storage.IsUsed:
		return requestOver()
	}
	return p.refuseRequest(c, rq, nil, unknownClient(string(found)))
}

// wait sends the person to do what is missing and stores the request meanwhile.
func (p *Provider) wait(c *gin.Context, rq *request, in *latchkey.Interaction, v verdict) error {
	ctx := c.Request.Context()
	if rq.asks(promptNone) {
		return p.refuseRequest(c, rq, in, refuse(v.code, "The person would have to be asked."))
	}
	next := latchkey.Needs{Reason: v.reason, Hint: rq.loginHint}
	if s := session.FromContext(ctx); s != nil && v.reason != "login" {
		next.UserID = s.UserID
	}
	id := ""
	if in == nil {
		made, err := p.DB.CreateInteraction(ctx, &latchkey.Interaction{ClientID: rq.client.ID, Form: rq.form, Needs: next, Pushed: rq.pushed}, p.browser(c))
		if err != nil {
			return err
		}
		id = made
	} else {
		next.NotBefore, id = in.CreatedAt, in.ID
		if next.UserID == in.Needs.UserID { // what somebody else did before does not count
			next.Done = slices.Clone(in.Needs.Done)
		}
		err := p.DB.SetNeeds(ctx, id, p.browser(c), next)
		if errors.Is(err, latchkey.ErrNotFound) {
			return requestOver() // it ended meanwhile
		}
		if err != nil {
			return err
		}
	}
	page := pathLogin
	if v.reason == promptConsent {
		page = pathConsent
	}
	return seeOther(c, page+"?request="+url.QueryEscape(id))
}

// seeOther sends the browser on within latchkey. 303 makes it a GET, whatever it
// was before.
func seeOther(c *gin.Context, address string) error {
	c.Header("Cache-Control", "no-store")
	c.Redirect(http.StatusSeeOther, address)
	return nil
}
