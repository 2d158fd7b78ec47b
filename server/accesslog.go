package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// codeKey is where a handler that writes its own errors (the protocol) leaves
// their code for the access log: c.Set("error_code", "invalid_grant").
const codeKey = "error_code"

// accessLog writes one line per request: the route's template instead of the
// path, a prefix instead of the address, the family instead of the agent.
// Query strings, bodies, cookies and authorization never get here.
func (e *edge) accessLog(c *gin.Context) {
	defer func() {
		// A panic that reaches this point cuts the connection; it is logged
		// like a request that ended in 500 and goes on.
		e.logAccess(c)
	}()
	c.Next()
}

func (e *edge) logAccess(c *gin.Context) {
	ctx := c.Request.Context()
	v := visitOf(ctx)
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	status := c.Writer.Status()
	level := slog.LevelInfo
	if kind := kindOf(c.Request.URL.Path); (kind == kindHealth || kind == kindStatic) && status < http.StatusBadRequest {
		level = slog.LevelDebug // asked every few seconds for ever
	}
	if !e.log.Enabled(ctx, level) {
		return
	}
	actor := latchkey.ActorFrom(ctx)
	agent := actor.Agent
	if agent == "" && actor.UserAgent != "" {
		agent = "other"
	}
	attrs := []slog.Attr{
		slog.String("request_id", v.id),
		slog.String("route", route),
		slog.String("method", cut(v.method, 16)),
		slog.Int("status", status),
		slog.Float64("ms", float64(e.now().Sub(v.started).Round(10*time.Microsecond))/float64(time.Millisecond)),
		slog.String("address", latchkey.AddressPrefix(actor.Address)),
		slog.String("agent", agent),
	}
	if actor.UserID != "" {
		attrs = append(attrs, slog.String("subject", actor.UserID))
	}
	if actor.ClientID != "" {
		attrs = append(attrs, slog.String("client_id", actor.ClientID))
	}
	code := v.code
	if code == "" {
		code = c.GetString(codeKey)
	}
	if code != "" {
		attrs = append(attrs, slog.String("code", code))
	}
	e.log.LogAttrs(ctx, level, "request", attrs...)
}
