package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"latchkey"
)

// responseTTL is how long a signed answer may be on its way (JARM §2.1: at most
// ten minutes).
const responseTTL = 10 * time.Minute

// signResponse makes an authorization response a JWT (JWT Secured Authorization
// Response Mode §2.1): the parameters as claims, for this application only, and
// encrypted to it where it registered that (§2.2).
func (p *Provider) signResponse(ctx context.Context, c *latchkey.Client, params url.Values) (string, error) {
	claims := map[string]any{"aud": c.ID, "exp": p.DB.Clock().Add(responseTTL).Unix()}
	for name := range params {
		claims[name] = params.Get(name) // iss among them
	}
	to, err := p.recipientOf(ctx, c, c.Protocol.AuthorizationEncAlg, c.Protocol.AuthorizationEnc)
	if f := (*fault)(nil); errors.As(err, &f) {
		// Not even that can be told to the application: the person is.
		if err := p.authorizationRefused(ctx, c.ID, f.why()); err != nil {
			return "", err
		}
		return "", &latchkey.Problem{Kind: latchkey.ErrInvalid, Status: http.StatusBadRequest, Code: codeInvalidRequest, Cause: f,
			Message: "The application wants an encrypted answer, and its key could not be had. Tell its owner."}
	}
	if err != nil {
		return "", err
	}
	return p.signFor(to, authorizationAlg(c), claims)
}

// authorizationAlg is the application's algorithm for signed answers (JARM §3).
func authorizationAlg(c *latchkey.Client) string {
	if c.Protocol.AuthorizationAlg != "" {
		return c.Protocol.AuthorizationAlg
	}
	return latchkey.RS256
}
