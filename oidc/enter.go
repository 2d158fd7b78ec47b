package oidc

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"latchkey"
)

// enter judges a request that comes in by the browser, as it is, or the pushed
// one that it names.
func (p *Provider) enter(ctx context.Context, form url.Values) (*request, error) {
	form = valued(form)
	form.Del(hintedSubject)
	if id, ok := strings.CutPrefix(form.Get("request_uri"), pushedPrefix); ok && len(form["request_uri"]) == 1 {
		return p.enterPushed(ctx, id, form)
	}
	rq, err := p.open(ctx, form)
	if f := (*fault)(nil); rq == nil && errors.As(err, &f) {
		// The request object is not believed: what stands beside it says where the
		// refusal goes, or it is shown.
		var nowhere error
		if rq, nowhere = p.recipient(ctx, form); nowhere != nil {
			err = nowhere
		}
	}
	if err == nil && rq.client.Protocol.RequirePushed {
		err = refuse(codeInvalidRequest, "The application has to push its requests (RFC 9126).").because("not_pushed")
	}
	return rq, err
}

// enterPushed judges a pushed request anew. Whatever stands beside its name and
// client_id is not part of it (RFC 9126 §4).
func (p *Provider) enterPushed(ctx context.Context, id string, form url.Values) (*request, error) {
	in, err := p.DB.FindPushed(ctx, id, form.Get("client_id"))
	if errors.Is(err, latchkey.ErrNotFound) || len(form["client_id"]) != 1 {
		return &request{name: form.Get("client_id")}, refuse(codeInvalidRequestURI,
			"This sign-in was used already, or waited too long. Go back to the application and start again.").onPage(codeInvalidRequestURI)
	}
	if err != nil {
		return nil, err
	}
	rq, err := p.gate(ctx, in.Form)
	if rq != nil {
		rq.pushed = id
	}
	return rq, err
}

// open judges a request after its request object, if it has one, was opened. One
// that could not be opened is no request.
func (p *Provider) open(ctx context.Context, form url.Values) (*request, error) {
	isSigned := hasObject(form) && len(form["client_id"]) == 1
	if isSigned {
		c, err := p.enabledClient(ctx, form.Get("client_id"))
		if errors.Is(err, latchkey.ErrNotFound) {
			return &request{name: form.Get("client_id")}, unknownClient("unknown_client")
		}
		if err != nil {
			return nil, err
		}
		if form, err = p.openObject(ctx, c, form); err != nil {
			return nil, err
		}
	}
	rq, err := p.gate(ctx, form)
	if err == nil && rq.client.Protocol.RequireSignedRequest && !isSigned {
		err = refuse(codeInvalidRequest, "The application has to sign its requests (RFC 9101).").because("not_signed")
	}
	return rq, err
}
