package oidc

import (
	"cmp"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/keys"
)

// introspectionJWT is the media type of a signed answer (RFC 9701 §4).
const introspectionJWT = "application/" + keys.TypeIntrospection

// signedIntrospection are the claims of RFC 9701 §5. Without sub and exp it is
// never taken for an access token.
type signedIntrospection struct {
	Issuer   string         `json:"iss"`
	Audience string         `json:"aud"` // who asked
	IssuedAt int64          `json:"iat"`
	Token    *introspection `json:"token_introspection"`
}

// wantsJWT tells whether the caller asks for a signed answer by name. A wildcard
// does not: plain JSON was there first.
func wantsJWT(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			media, params, err := mime.ParseMediaType(part)
			q, weighed := params["q"]
			if err == nil && media == introspectionJWT && (!weighed || strings.Trim(q, "0.") != "") { // q=0 is "not this" (RFC 9110 §12.4.2)
				return true
			}
		}
	}
	return false
}

// answerIntrospectionJWT writes the answer signed for whoever asked, by the
// algorithm of their registration, or RS256 (RFC 9701 §6).
func (p *Provider) answerIntrospectionJWT(c *gin.Context, cl *latchkey.Client, answer *introspection) error {
	signed, err := p.Keys.Sign(cmp.Or(cl.Protocol.IntrospectionAlg, latchkey.RS256), keys.TypeIntrospection,
		signedIntrospection{Issuer: p.Issuer, Audience: cl.ID, IssuedAt: p.DB.Clock().Unix(), Token: answer})
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
	c.Data(http.StatusOK, introspectionJWT, []byte(signed))
	return nil
}
