package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
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
	form, err := protocolForm(c.Request)
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
	return p.gate(ctx, form)
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

// enter judges a request that comes in by the browser: as it is, or the pushed
// one that it names.
func (p *Provider) enter(ctx context.Context, form url.Values) (*request, error) {
	form.Del(hintedSubject)
	id, isPushed := strings.CutPrefix(form.Get("request_uri"), pushedPrefix)
	if !isPushed || len(form["request_uri"]) > 1 {
		rq, err := p.gate(ctx, form)
		if err == nil && rq.client.Protocol.RequirePushed {
			err = refuse(codeInvalidRequest, "The application has to push its requests (RFC 9126).").because("not_pushed")
		}
		return rq, err
	}
	// Whatever stands beside the two is not part of the request (RFC 9126 §4).
	name := &request{name: form.Get("client_id")}
	in, err := p.DB.FindPushed(ctx, id, form.Get("client_id"))
	if errors.Is(err, latchkey.ErrNotFound) || len(form["client_id"]) != 1 {
		return name, refuse(codeInvalidRequestURI, "This sign-in was used already, or waited too long. Go back to the application and start again.").onPage(codeInvalidRequestURI)
	}
	if err != nil {
		return name, err
	}
	rq, err := p.gate(ctx, in.Form)
	if rq != nil {
		rq.pushed = id
	}
	return rq, err
}
