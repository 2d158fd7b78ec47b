package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
)

// introspection is the answer of RFC 7662 §2.2.
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  audience `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	JTI       string   `json:"jti,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
}

// Introspect serves POST /oauth2/introspect (RFC 7662). Confidential clients
// only, about tokens that were issued to them or name them as audience; with
// `introspects`, about all. Whatever else is asked is not active.
func (p *Provider) Introspect(c *gin.Context) error {
	ctx := c.Request.Context()
	form, err := protocolForm(c.Request)
	if err != nil {
		return p.answerFault(c, err)
	}
	cl, err := p.authenticate(ctx, c.Request, form)
	if err == nil && cl.Public() {
		err = p.authFailed(ctx, credentials{method: latchkey.AuthNone, id: cl.ID}, "public_client")
	}
	if err == nil && form.Get("token") == "" {
		err = p.noToken(ctx, cl)
	}
	if err != nil {
		return p.answerFault(c, err)
	}
	answer, err := p.introspect(ctx, cl, form.Get("token"))
	if err != nil {
		return err
	}
	if wantsJWT(c.Request) {
		return p.answerIntrospectionJWT(c, cl, answer)
	}
	return p.answerJSON(c, http.StatusOK, answer)
}

func (p *Provider) introspect(ctx context.Context, cl *latchkey.Client, token string) (*introspection, error) {
	if strings.HasPrefix(token, storage.RefreshPrefix) {
		return p.introspectRefresh(ctx, cl, token)
	}
	none := &introspection{}
	b, err := p.readBearer(ctx, token)
	if errors.Is(err, errBearer) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	b.For = p.shownTo(cl, b)
	if len(b.For) == 0 {
		return none, nil
	}
	active, err := p.accessActive(ctx, b)
	if err != nil || !active || len(b.Audience) == 0 {
		return none, err
	}
	return &introspection{
		Active: true, Scope: b.Scope, ClientID: b.accessClaims.ClientID, TokenType: "Bearer", Expires: b.Expires, IssuedAt: b.accessClaims.IssuedAt,
		Subject: b.Subject, Audience: b.Audience, Issuer: b.Issuer, JTI: b.accessClaims.JTI, AuthTime: b.AuthTime, ACR: b.ACR, AMR: b.AMR,
	}, nil
}

// shownTo are the resources of a token that an application may hear of: all of
// its own tokens, and where it introspects everything; else those that it is or
// serves, so that no API learns what is allowed at another (RFC 9701 §5).
func (p *Provider) shownTo(cl *latchkey.Client, b *bearer) audience {
	if b.Access.ClientID == cl.ID || cl.Introspects {
		return b.Audience
	}
	return slices.DeleteFunc(slices.Clone(b.Audience), func(resource string) bool {
		return resource != cl.ID && !slices.Contains(cl.Serves, resource)
	})
}

// accessActive tells whether an access token counts, and leaves of its audience
// and scopes what its application may have now of the resources that are asked
// about.
func (p *Provider) accessActive(ctx context.Context, b *bearer) (active bool, err error) {
	if b.Access.GrantID == "" {
		return p.ownActive(ctx, b)
	}
	state, err := p.DB.AccessState(ctx, b.Access)
	if err != nil {
		return false, err
	}
	p.cut(b, state.Scopes, state.Resources, state.Permissions)
	return state.Verdict == storage.IsActive, nil
}

// cut leaves of a token what counts: its resources that are still allowed, and
// the scopes that count at them.
func (p *Provider) cut(b *bearer, own, resources, permissions []string) {
	allowed := permissions
	if slices.Contains(b.For, p.Issuer) {
		resources, allowed = append(slices.Clone(resources), p.Issuer), slices.Concat(own, permissions)
	}
	b.Audience = stillAllowed(b.For, resources)
	b.Scope = strings.Join(stillAllowed(words(b.Scope), allowed), " ")
}

func (p *Provider) introspectRefresh(ctx context.Context, cl *latchkey.Client, token string) (*introspection, error) {
	rt, ok := p.DB.ParseRefresh(token)
	if !ok {
		return &introspection{}, nil
	}
	found, err := p.DB.PeekRefresh(ctx, rt)
	if err != nil {
		return nil, err
	}
	g := &found.Grant
	if found.Verdict != storage.IsCurrent || g.ClientID != cl.ID && !cl.Introspects {
		return &introspection{}, nil
	}
	of, err := p.DB.Client(ctx, g.ClientID)
	if err != nil {
		return nil, err
	}
	subject, err := p.subjectFor(ctx, of, found.Subject)
	if err != nil {
		return nil, err
	}
	return &introspection{
		Active: true, Scope: strings.Join(g.Scopes, " "), ClientID: g.ClientID, Subject: subject, Issuer: p.Issuer,
		Expires: g.RefreshExpiresAt.Unix(), IssuedAt: g.RefreshRotatedAt.Unix(),
		AuthTime: g.AuthTime.Unix(), ACR: g.ACR, AMR: g.AMR,
	}, nil
}
