package oidc

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

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
	b, err := p.readBearer(ctx, token)
	if errors.Is(err, errBearer) {
		return p.answerBearer(c, badToken())
	}
	if err != nil {
		return err
	}
	scopes := map[string]bool{}
	for _, s := range words(b.Scope) {
		scopes[s] = true
	}
	if !scopes[scopeOpenID] || b.Access.GrantID == "" {
		return p.answerBearer(c, &fault{code: codeInsufficientScope, text: "The token has no scope openid.", status: http.StatusForbidden})
	}
	state, err := p.DB.AccessState(ctx, b.Access)
	if err != nil {
		return err
	}
	if state.Verdict != storage.IsActive {
		return p.answerBearer(c, badToken())
	}
	return p.answerJSON(c, http.StatusOK, claimsOf(&state.User, scopes))
}

func badToken() *fault {
	return &fault{code: codeInvalidToken, text: "The access token is missing, malformed, expired or revoked.", status: http.StatusUnauthorized}
}

// bearerOf finds the one access token of a request (RFC 6750 §2).
func bearerOf(r *http.Request) (string, error) {
	if r.URL.Query().Has("access_token") {
		return "", refuse(codeInvalidRequest, "A token does not belong into an address.")
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
		return "", refuse(codeInvalidRequest, "More than one token was sent.")
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
