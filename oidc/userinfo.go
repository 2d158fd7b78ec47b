package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
)

// Userinfo serves GET and POST /oauth2/userinfo (OpenID Connect Core §5.3). The
// token comes in the Authorization header or, with POST, in a form; never in the
// address (RFC 6750 §2.3).
func (p *Provider) Userinfo(c *gin.Context) error {
	token, err := bearerOf(c.Request)
	if err != nil {
		return p.answerBearer(c, err)
	}
	ctx := c.Request.Context()
	claims, cl, err := p.userinfo(ctx, token)
	if err != nil {
		return p.answerBearer(c, err)
	}
	if cl.Protocol.UserinfoAlg == "" && cl.Protocol.UserinfoEncAlg == "" {
		return p.answerJSON(c, http.StatusOK, claims)
	}
	answer, err := p.sealUserinfo(ctx, cl, claims)
	if err != nil {
		return p.answerBearer(c, p.tokenRefused(ctx, &unit{client: cl}, err))
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
	c.Data(http.StatusOK, "application/jwt", []byte(answer))
	return nil
}

// sealUserinfo makes claims a JWT, signed, encrypted or both, as the application
// registered (OpenID Connect Core §5.3.2). A signed one says who made it and for
// whom, and has no end: that tells it from an ID token.
func (p *Provider) sealUserinfo(ctx context.Context, cl *latchkey.Client, claims map[string]any) (string, error) {
	to, err := p.recipientOf(ctx, cl, cl.Protocol.UserinfoEncAlg, cl.Protocol.UserinfoEnc)
	if err != nil {
		return "", err
	}
	if alg := cl.Protocol.UserinfoAlg; alg != "" {
		claims["iss"], claims["aud"] = p.Issuer, cl.ID
		return p.signFor(to, alg, claims)
	}
	plain, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode userinfo: %w", err)
	}
	return keys.Encrypt(*to, plain, false)
}

// userinfo judges an access token and returns what its application may learn,
// and which application that is.
func (p *Provider) userinfo(ctx context.Context, token string) (claims map[string]any, to *latchkey.Client, err error) {
	b, err := p.readBearer(ctx, token)
	if err == nil && !b.Audience.has(p.Issuer) { // made for somebody else's ears
		err = errBearer
	}
	if errors.Is(err, errBearer) {
		return nil, nil, badToken()
	}
	if err != nil {
		return nil, nil, err
	}
	scopes := words(b.Scope)
	u := &unit{client: &latchkey.Client{ID: b.Access.ClientID}} // whose token it is, for the event
	if b.Access.GrantID == "" || !slices.Contains(scopes, scopeOpenID) {
		return nil, nil, p.tokenRefused(ctx, u, noOpenID())
	}
	state, err := p.DB.AccessState(ctx, b.Access)
	if err != nil {
		return nil, nil, err
	}
	u.redeem = &state.Redeemed
	if state.Verdict != storage.IsActive {
		return nil, nil, p.tokenRefused(ctx, u, badToken().because(string(state.Verdict)))
	}
	scopes = stillAllowed(scopes, state.Scopes)
	if !slices.Contains(scopes, scopeOpenID) {
		return nil, nil, p.tokenRefused(ctx, u, noOpenID())
	}
	if to, err = p.enabledClient(ctx, b.Access.ClientID); err != nil {
		return nil, nil, err
	}
	claims = claimsOf(&state.User, scopes)
	state.User.Tell(claims, state.Grant.Claims.Userinfo, state.Scopes)
	claims["sub"], err = p.subjectFor(ctx, to, state.User.Subject)
	return claims, to, err
}

func noOpenID() *fault {
	return &fault{code: codeInsufficientScope, text: "The token has no scope openid.", status: http.StatusForbidden}
}

func badToken() *fault {
	return &fault{code: codeInvalidToken, text: "The access token is missing, malformed, expired or revoked.", status: http.StatusUnauthorized}
}

// bearerOf finds the one access token of a request (RFC 6750 §2).
func bearerOf(r *http.Request) (string, error) {
	if r.URL.Query().Has("access_token") {
		return "", refuse(codeInvalidRequest, "A token does not belong into an address.").because("parameters_in_query")
	}
	headers := r.Header.Values("Authorization")
	var fromBody []string
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "" {
		form, err := postForm(r)
		if err != nil {
			return "", err
		}
		fromBody = valued(form)["access_token"]
	}
	if len(headers)+len(fromBody) > 1 {
		return "", refuse(codeInvalidRequest, "More than one token was sent.").because("repeated_parameter")
	}
	if len(fromBody) == 1 {
		return fromBody[0], nil
	}
	if len(headers) == 0 {
		return "", badToken()
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", badToken()
	}
	return strings.TrimSpace(token), nil
}

// answerBearer writes a refusal of RFC 6750 §3.
func (p *Provider) answerBearer(c *gin.Context, err error) error {
	f := (*fault)(nil)
	if errors.As(err, &f) && slices.Contains([]string{codeInvalidToken, codeInsufficientScope, codeInvalidRequest}, f.code) {
		challenge := `Bearer realm="latchkey", error="` + f.code + `", error_description="` + f.description() + `"`
		if f.code == codeInsufficientScope {
			challenge += `, scope="openid"`
		}
		c.Header("WWW-Authenticate", challenge)
	}
	return p.answerFault(c, err)
}
