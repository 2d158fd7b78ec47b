package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey/storage"
	"latchkey/templates"
)

// framesOf are the addresses that the browser of an ended session has to load
// (OpenID Connect Front-Channel Logout §3), each with iss and sid, whether or not
// the application asked for them.
func (p *Provider) framesOf(told []storage.Told) (frames []string) {
	for _, t := range told {
		if t.FrontchannelURI != "" {
			frames = append(frames, withParams(t.FrontchannelURI, url.Values{"iss": {p.Issuer}, "sid": {t.SessionID}}))
		}
	}
	return frames
}

// showFrames is the page that tells applications through the browser, and goes
// on to target once they have loaded, after three seconds at most; "" = it stays.
func (p *Provider) showFrames(c *gin.Context, so *signOut, told []storage.Told, target string) error {
	page := templates.SignedOut{URL: target, Frames: p.framesOf(told)}
	if target != "" {
		page.App = so.client.Name
	}
	page.Apps = p.answers(c.Request.Context(), told)
	for _, t := range told {
		if t.FrontchannelURI != "" && t.NoticeID == "" {
			page.Apps = append(page.Apps, templates.ToldApp{Name: t.App, Browser: true})
		}
	}
	allowFrames(c, page.Frames)
	return p.show(c, http.StatusOK, page)
}

// allowFrames lets the page that is shown load frames of just these origins.
func allowFrames(c *gin.Context, frames []string) {
	var origins []string
	for _, frame := range frames {
		u, err := url.Parse(frame)
		if err != nil {
			continue // it was read before it was registered
		}
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; frame-src "+strings.Join(origins, " "))
}
