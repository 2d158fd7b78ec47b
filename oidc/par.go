package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// pushedPrefix begins the request_uri of a pushed request (RFC 9126 §2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// pushedAnswer is that of RFC 9126 §2.2.
type pushedAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// PushRequest serves POST /oauth2/par (RFC 9126): an application sends its
// authorization request itself, and the browser brings only a name for it. The
// request is judged here, as far as it can be without the person, and once more
// when it is used.
func (p *Provider) PushRequest(c *gin.Context) error {
	ctx := c.Request.Context()
	form, err := protocolForm(c.Request, paramResource)
	if err != nil {
		return p.answerFault(c, err)
	}
	cl, err := p.authenticate(ctx, c.Request, form)
	if err != nil {
		return p.answerFault(c, err)
	}
	ctx = asClient(ctx, cl)
	if err := p.Allow(ctx, limitPAR, cl.ID); err != nil {
		return err
	}
	rq, err := p.judgePushed(ctx, cl, form)
	if err != nil {
		return p.answerFault(c, p.pushRefused(ctx, cl, err))
	}
	id, err := p.DB.CreatePushed(ctx, &latchkey.Interaction{ClientID: cl.ID, Form: rq.form})
	if err != nil {
		return err
	}
	return p.answerJSON(c, http.StatusCreated, pushedAnswer{RequestURI: pushedPrefix + id, ExpiresIn: int64(latchkey.PushedTTL / time.Second)})
}

// judgePushed judges a request without what proved the application.
func (p *Provider) judgePushed(ctx context.Context, cl *latchkey.Client, form url.Values) (*request, error) {
	if form.Has("request_uri") { // RFC 9126 §2.1
		return nil, refuse(codeInvalidRequest, "A pushed request cannot name another one.").because("request_uri")
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type", hintedSubject} {
		form.Del(name)
	}
	form.Set("client_id", cl.ID)
	return p.open(ctx, form)
}

// pushRefused records a refusal; one that would be for a page is for the
// application, which is on the line.
func (p *Provider) pushRefused(ctx context.Context, cl *latchkey.Client, err error) error {
	f := (*fault)(nil)
	if !errors.As(err, &f) {
		return err
	}
	if err := p.authorizationRefused(ctx, cl.ID, f.why()); err != nil {
		return err
	}
	return &recorded{f}
}
