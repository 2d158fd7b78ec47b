package oidc

import (
	"net/url"
	"time"

	"latchkey"
	"latchkey/keys"
)

// responseTTL is how long a signed answer may be on its way (JARM §2.1: at most
// ten minutes).
const responseTTL = 10 * time.Minute

// signResponse makes an authorization response a JWT (JWT Secured Authorization
// Response Mode §2.1): the parameters as claims, for this application only.
func (p *Provider) signResponse(c *latchkey.Client, params url.Values) (string, error) {
	claims := map[string]any{"aud": c.ID, "exp": p.DB.Clock().Add(responseTTL).Unix()}
	for name := range params {
		claims[name] = params.Get(name) // iss among them
	}
	return p.Keys.Sign(authorizationAlg(c), keys.TypeJWT, claims)
}

// authorizationAlg is the application's algorithm for signed answers (JARM §3).
func authorizationAlg(c *latchkey.Client) string {
	if c.Protocol.AuthorizationAlg != "" {
		return c.Protocol.AuthorizationAlg
	}
	return latchkey.RS256
}
