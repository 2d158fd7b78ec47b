package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// respond answers the application through the browser, in the response mode of
// the request. `iss` is in every answer (RFC 9207), state as it was sent. After a
// form of ours the answer is a page that hands over, because Chromium applies
// form-action to every redirect that follows a form, the application's own
// included.
func (p *Provider) respond(c *gin.Context, rq *request, params url.Values) error {
	p.addSessionState(c, rq, params)
	params, err := p.complete(c.Request.Context(), rq, params)
	if err != nil {
		return err
	}
	if rq.mode == latchkey.ModeFormPost {
		return p.showFormPost(c, rq, params)
	}
	target := target(rq, params)
	if c.Request.Method == http.MethodPost && c.Request.URL.Path != pathAuthorize {
		return p.showHandOver(c, rq.client, target)
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Referrer-Policy", "no-referrer")
	c.Redirect(http.StatusSeeOther, target)
	return nil
}

// complete adds what every answer has, and signs it where that was asked for.
func (p *Provider) complete(ctx context.Context, rq *request, params url.Values) (url.Values, error) {
	params.Set("iss", p.Issuer)
	if rq.state != "" {
		params.Set("state", rq.state)
	}
	if !rq.signed {
		return params, nil
	}
	response, err := p.signResponse(ctx, rq.client, params)
	return url.Values{"response": {response}}, err
}

// target is the address that an answer by redirect leads to.
func target(rq *request, params url.Values) string {
	if rq.mode == latchkey.ModeFragment {
		return rq.redirect + "#" + params.Encode() // no registered address has a fragment
	}
	return withParams(rq.redirect, params)
}

func errorParams(f *fault) url.Values {
	return url.Values{"error": {f.code}, "error_description": {f.description()}}
}

// refuseRequest answers an authorization request with a refusal: at the
// application when it may be told, else on a page. The event has the reason; a
// request that waited is over.
func (p *Provider) refuseRequest(c *gin.Context, rq *request, in *latchkey.Interaction, err error) error {
	f := (*fault)(nil)
	if !errors.As(err, &f) {
		return err
	}
	ctx := c.Request.Context()
	switch {
	case f.page != "":
		if err := p.authorizationRefused(ctx, rq.name, f.why()); err != nil {
			return err
		}
		return &latchkey.Problem{Kind: latchkey.ErrInvalid, Status: http.StatusBadRequest, Code: f.page, Message: f.text}
	case rq.redirect == "":
		return p.refuseRequest(c, rq, in, refuse(f.code, "The request is malformed. Go back to the application and start again.").because(f.why()).onPage(codeInvalidRequest))
	}
	if f.cause != nil {
		p.Log.InfoContext(ctx, "protocol refusal", "code", f.code, "reason", f.why(), "cause", f.cause.Error())
	}
	if err := p.endRequest(c, rq, in, f); err != nil {
		return err
	}
	return p.respond(c, rq, errorParams(f))
}

// endRequest records a refusal and ends the request if it waited.
func (p *Provider) endRequest(c *gin.Context, rq *request, in *latchkey.Interaction, f *fault) error {
	ctx := c.Request.Context()
	if in == nil {
		return p.authorizationRefused(ctx, rq.client.ID, f.why())
	}
	return p.use(ctx, in, p.browser(c), latchkey.Event{Kind: latchkey.AuthorizationRefused, ClientID: rq.client.ID,
		Outcome: latchkey.Failure, Reason: f.why()})
}

// use ends a waiting request with an event. One that ended meanwhile is over.
func (p *Provider) use(ctx context.Context, in *latchkey.Interaction, browser string, ev latchkey.Event) error {
	err := p.DB.UseInteraction(ctx, in.ID, browser, ev)
	if errors.Is(err, latchkey.ErrNotFound) {
		return requestOver()
	}
	return err
}

// requestOver is the page for a request that does not wait any more.
func requestOver() error {
	return &latchkey.Problem{Kind: latchkey.ErrExpired, Code: "request_expired", Status: http.StatusBadRequest,
		Message: "This sign-in is over: it was finished, took longer than 15 minutes, or began in another browser. Go back to the application and start again."}
}
