package oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
)

// Revoke serves POST /oauth2/revoke (RFC 7009). A refresh token takes its whole
// grant with it; an access token goes alone. Another client's token is refused
// and stays; one that nobody knows is fine.
func (p *Provider) Revoke(c *gin.Context) error {
	ctx := c.Request.Context()
	form, err := protocolForm(c.Request)
	if err != nil {
		return p.answerFault(c, err)
	}
	cl, err := p.authenticate(ctx, c.Request, form)
	if err == nil && form.Get("token") == "" {
		err = p.noToken(ctx, cl)
	}
	if err == nil {
		err = p.revoke(asClient(ctx, cl), cl, form.Get("token"))
	}
	if err != nil {
		return p.answerFault(c, err)
	}
	c.Header("Cache-Control", "no-store")
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
	return nil
}

// noToken is the refusal of a call about no token at all.
func (p *Provider) noToken(ctx context.Context, cl *latchkey.Client) error {
	f := refuse(codeInvalidRequest, "The parameter token is missing.").because("no_token")
	return p.tokenRefused(asClient(ctx, cl), &unit{client: cl}, f)
}

func (p *Provider) revoke(ctx context.Context, cl *latchkey.Client, token string) error {
	if rt, ok := p.DB.ParseRefresh(token); ok {
		found, err := p.DB.RevokeRefresh(ctx, rt, cl.ID)
		if err == nil && found == storage.IsWrongClient {
			return p.foreignToken(ctx, cl)
		}
		return err
	}
	b, err := p.readBearer(ctx, token)
	if errors.Is(err, errBearer) {
		return nil
	}
	if err != nil {
		return err
	}
	if b.Access.ClientID != cl.ID {
		return p.foreignToken(ctx, cl)
	}
	return p.DB.RevokeAccess(ctx, b.Access, time.Unix(b.Expires, 0))
}

func (p *Provider) foreignToken(ctx context.Context, cl *latchkey.Client) error {
	u := &unit{client: cl}
	return p.tokenRefused(ctx, u, refuse(codeUnauthorizedClient, "The token belongs to another application.").because("wrong_client"))
}
