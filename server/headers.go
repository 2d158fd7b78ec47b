package server

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// routeKind decides which headers and which shape of error belong to a path.
type routeKind int

const (
	kindPage     routeKind = iota // HTML for people; also whatever is unknown
	kindProtocol                  // /oauth2, /.well-known, /audit
	kindAPI                       // JSON, problem+json
	kindStatic                    // files that are part of the program
	kindHealth                    // /healthz, /readyz
)

// kindOf goes by the path, not by the route, because refusals come before
// routing and a path without a route has to be answered too.
func kindOf(path string) routeKind {
	switch {
	case path == "/healthz", path == "/readyz":
		return kindHealth
	case under(path, "/api"):
		return kindAPI
	case under(path, "/oauth2"), under(path, "/.well-known"), under(path, "/audit"):
		return kindProtocol
	case under(path, "/static"), under(path, "/logos"):
		return kindStatic
	default:
		return kindPage
	}
}

func under(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// pageCSP allows what our own pages need and nothing else. Trusted Types make
// the browser refuse every string that is handed to a script sink.
const pageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'"

// dataCSP is for answers that are never a page: should a browser be talked
// into showing one, it runs and loads nothing.
const dataCSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// permissions closes every browser feature but passkeys.
const permissions = "publickey-credentials-create=(self), publickey-credentials-get=(self), " +
	"accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), " +
	"fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), " +
	"microphone=(), midi=(), payment=(), picture-in-picture=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

// securityHeaders sets, before anything can answer, the headers that every
// answer carries. A handler whose page is a named exception (form_post,
// check_session, the logout page with its frames) replaces the one header.
func (e *edge) securityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	if e.issuer.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	path := c.Request.URL.Path
	kind := kindOf(path)
	switch kind {
	case kindPage, kindProtocol: // authorize and logout show pages, too
		h.Set("Content-Security-Policy", pageCSP)
	default:
		h.Set("Content-Security-Policy", dataCSP)
	}
	if kind != kindStatic {
		h.Set("Cache-Control", "no-store")
	}
	// Not on authorize, login and consent: it would cut a sign-in in a popup
	// off from the application that opened it.
	if under(path, "/account") || under(path, "/admin") || under(path, "/setup") {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	c.Next()
}
