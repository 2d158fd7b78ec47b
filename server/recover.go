package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
)

// recoverPanic answers 500 when a handler panics and logs the stack once. A
// handler that has already begun to answer cannot be mended: the connection is
// cut, so that no client takes half an answer for a whole one.
func (e *edge) recoverPanic(c *gin.Context) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(http.ErrAbortHandler)
		}
		ctx := c.Request.Context()
		e.log.ErrorContext(ctx, "panic in a handler",
			"request_id", visitOf(ctx).id,
			"route", c.FullPath(),
			"panic", fmt.Sprint(value),
			"stack", string(debug.Stack()))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		e.write(c, answer{Status: http.StatusInternalServerError, Code: "internal", Message: internalMessage})
	}()
	c.Next()
}
