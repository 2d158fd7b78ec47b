package oidc

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
)

// checkSessionCSP is that of the one page which others may frame: it runs one
// script of ours and nothing else.
const checkSessionCSP = "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *; require-trusted-types-for 'script'"

// CheckSession serves GET /oauth2/check_session, the frame of OpenID Connect
// Session Management §3.3. It is the same for everybody.
func (p *Provider) CheckSession(c *gin.Context) error {
	var whole bytes.Buffer
	if err := p.Templates.CheckSession(&whole, p.Sessions.StateCookie("").Name); err != nil {
		return err
	}
	c.Header("Content-Security-Policy", checkSessionCSP)
	c.Data(http.StatusOK, "text/html; charset=utf-8", whole.Bytes())
	return nil
}

// addSessionState adds session_state (Session Management §2) to an answer that
// signs somebody in, and to a refusal after which an application waits for the
// person (§3.2). Only a web page can ask the frame, so only what is
// answered at a web address is given one, and only then does the browser get the
// cookie that the frame reads.
func (p *Provider) addSessionState(c *gin.Context, rq *request, params url.Values) {
	origin := latchkey.OriginOf(rq.redirect)
	if origin == "" || rq.client.Type == latchkey.TypeNative || !slices.Contains(rq.scopes, scopeOpenID) || params.Has("error") && !waits(params.Get("error")) {
		return
	}
	state := p.browserState(c)
	salt := rand.Text()
	sum := sha256.Sum256([]byte(rq.client.ID + " " + origin + " " + state + " " + salt))
	params.Set("session_state", base64.RawURLEncoding.EncodeToString(sum[:])+"."+salt)
}

// waits tells whether an application that got this refusal may ask again once
// somebody has signed in or allowed it.
func waits(code string) bool { return code == codeLoginRequired || code == codeConsentRequired }

// browserState is the value that stands for the session of this browser; ""
// without one. The cookie follows it.
func (p *Provider) browserState(c *gin.Context) (state string) {
	ctx := c.Request.Context()
	if s := session.FromContext(ctx); s != nil {
		state = p.DB.BrowserState(s.ID)
	}
	if session.BrowserFrom(ctx).State != state {
		cookie := p.Sessions.StateCookie(state)
		http.SetCookie(c.Writer, &cookie)
	}
	return state
}
