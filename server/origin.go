package server

import (
	"github.com/gin-gonic/gin"

	"latchkey"
)

// origin refuses state-changing requests that a browser sends from another
// site. It stands on page and API routes and not around the engine, because
// applications must be able to post to the protocol's addresses. A client
// that sends neither Origin nor Sec-Fetch-Site is no browser, hence carries no
// ambient cookie, and passes.
func (e *edge) origin(c *gin.Context) {
	if err := e.guard.Check(c.Request); err != nil {
		p := latchkey.Refuse(latchkey.ErrForbidden, "cross_origin_request", "This request came from another site and was refused.")
		p.Cause = err
		e.fail(c, p)
		return
	}
	c.Next()
}
