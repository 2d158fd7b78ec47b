package oidc

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// issue has fosite make what the response type asks for, and storage judge and
// keep it. The tokens are made first and count only with IsIssued: with any
// other verdict nothing was kept, and they are dropped unseen.
func (p *Provider) issue(c *gin.Context, rq *request, in *latchkey.Interaction) (url.Values, storage.Verdict, error) {
	ctx := c.Request.Context()
	s := session.FromContext(ctx)
	u := p.unitFor(rq, s)
	if rq.gets("id_token") {
		to, err := p.recipientOf(ctx, rq.client, rq.client.Protocol.IDTokenEncAlg, rq.client.Protocol.IDTokenEnc)
		if err != nil {
			return nil, "", err
		}
		u.idTo = to
	}
	further, err := p.frontClaims(ctx, rq, s.UserID)
	if err != nil {
		return nil, "", err
	}
	u.further = further
	params, err := p.authorize(withUnit(ctx, u), rq, s)
	if err != nil {
		return nil, "", faultOf(err)
	}
	au := storage.Authorization{
		GrantID: u.redeem.Grant.ID, ResponseType: rq.types,
		Code: u.code, ClientID: rq.client.ID, SessionID: s.ID, RedirectURI: rq.sent, CodeChallenge: rq.challenge, Nonce: rq.nonce,
		ScopesAsked: rq.scopes, Scopes: rq.scopes, Audience: rq.resources, APIs: rq.apis(), Claims: rq.asked, AskConsent: rq.asks(promptConsent), Consented: consented(s, in), CodeTTL: p.CodeTTL, MaxAge: p.RefreshTokenMaxAge,
	}
	au.Pushed = rq.pushed
	if in != nil {
		au.Interaction, au.Browser = in.ID, p.browser(c)
	}
	found, err := p.DB.Authorize(ctx, au)
	return params, found, err
}

// unitFor is what the tokens of the front channel are made from: the grant as it
// will be kept, of the session that was found.
func (p *Provider) unitFor(rq *request, s *latchkey.Session) *unit {
	at := p.DB.Clock()
	u := &unit{
		client: rq.client, redirect: rq.redirect, scopes: rq.scopes, at: at,
		redeem: &storage.Redeemed{Verdict: storage.IsIssued, Subject: s.Subject, At: at, Grant: latchkey.Grant{
			ID: storage.NewID(), ClientID: rq.client.ID, UserID: s.UserID, SessionID: s.ID, Nonce: rq.nonce,
			Scopes: rq.scopes, Audience: rq.resources, ACR: s.ACR, AMR: s.AMR, AuthTime: s.AuthTime,
		}},
	}
	byDefault, _ := p.targets(rq.client, &u.redeem.Grant)
	p.aim(u, byDefault)
	return u
}

// authorize shows fosite the judged request. Its state, nonce, prompt and hint
// stay outside: they are ours to echo, the rest is decided.
func (p *Provider) authorize(ctx context.Context, rq *request, s *latchkey.Session) (url.Values, error) {
	form := url.Values{
		"client_id": {rq.client.ID}, "response_type": {rq.types}, "redirect_uri": {rq.redirect},
		"scope": {strings.Join(rq.scopes, " ")}, "state": {"kept-by-latchkey"}, "nonce": {"kept-by-latchkey"},
	}
	if rq.challenge != "" {
		form.Set("code_challenge", rq.challenge)
		form.Set("code_challenge_method", "S256")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+pathAuthorize, nil)
	if err != nil {
		return nil, err
	}
	request.Form = form
	ar, err := p.fosite.NewAuthorizeRequest(ctx, request)
	if err != nil {
		return nil, err
	}
	u := unitOf(ctx)
	ar.SetID(u.redeem.Grant.ID)
	for _, scope := range rq.scopes {
		ar.GrantScope(scope)
	}
	made, err := p.fosite.NewAuthorizeResponse(ctx, ar, newPerson(s.Subject, s.AuthTime))
	if err != nil {
		return nil, err
	}
	return p.frontParams(u, made.GetParameters()), nil
}

// frontParams are the parameters of the answer (RFC 6749 §4.1.2 and §4.2.2,
// OpenID Connect Core §3.2.2.5 and §3.3.2.5).
func (p *Provider) frontParams(u *unit, made url.Values) url.Values {
	params := url.Values{}
	for _, name := range []string{"code", "access_token", "id_token"} {
		if made.Has(name) {
			params.Set(name, made.Get(name))
		}
	}
	if params.Has("access_token") {
		params.Set("token_type", "Bearer")
		params.Set("expires_in", strconv.FormatInt(int64(p.accessTTL(u)/time.Second), 10))
		params.Set("scope", strings.Join(u.scopes, " "))
	}
	return params
}
