package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	corsHeaders = "Authorization, Content-Type, DPoP"
	corsExposed = "WWW-Authenticate, DPoP-Nonce, X-Request-Id, Retry-After"
)

// corsAny lets scripts of every origin read what is public anyway: discovery
// and the key set. Register it for OPTIONS, too.
func (e *edge) corsAny(c *gin.Context) {
	c.Header("Access-Control-Allow-Origin", "*")
	if preflight(c) {
		answerPreflight(c, http.MethodGet)
		return
	}
	c.Next()
}

// cors lets scripts of the allowed origins call a protocol address without
// cookies: credentials are never allowed, so no origin can use a person's
// session. allowed says whether an application registered the origin; an
// origin that did not gets no header at all. Register it for OPTIONS, too.
func (e *edge) cors(allowed func(ctx context.Context, origin string) (bool, error), methods ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Writer.Header().Add("Vary", "Origin")
		origin := c.GetHeader("Origin")
		if origin != "" && origin != "null" && len(origin) <= maxLogValue {
			ok, err := allowed(c.Request.Context(), origin)
			if err != nil {
				e.fail(c, err)
				return
			}
			if ok {
				c.Header("Access-Control-Allow-Origin", origin)
				c.Header("Access-Control-Expose-Headers", corsExposed)
			}
		}
		if preflight(c) {
			answerPreflight(c, methods...)
			return
		}
		c.Next()
	}
}

func preflight(c *gin.Context) bool { return c.Request.Method == http.MethodOptions }

// answerPreflight ends an OPTIONS request. Without the Allow-Origin header
// set before, the browser takes it as a no.
func answerPreflight(c *gin.Context, methods ...string) {
	if c.Writer.Header().Get("Access-Control-Allow-Origin") != "" {
		c.Header("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		c.Header("Access-Control-Allow-Headers", corsHeaders)
		c.Header("Access-Control-Max-Age", "600")
	}
	c.Header("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
	c.AbortWithStatus(http.StatusNoContent)
}
