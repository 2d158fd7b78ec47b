package server

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// handlerBudget is how long a handler may work on one request.
const handlerBudget = 10 * time.Second

var errBudget = errors.New("the handler's time is over")

// budget ends the context of a request after the handler's time, so that no
// request holds a connection or a lock for longer than its client waits.
func (e *edge) budget(c *gin.Context) {
	ctx, cancel := context.WithCancelCause(c.Request.Context())
	defer cancel(nil)
	v := visitOf(ctx)
	v.timer = time.AfterFunc(handlerBudget, func() { cancel(errBudget) })
	defer v.timer.Stop()
	c.Request = c.Request.WithContext(ctx)
	done := e.drain.enter(c.Request)
	defer done()
	c.Next()
}

// stream marks a route whose answer takes longer than the budget, such as an
// export: neither the budget nor the connection's write deadline ends it; the
// client's leaving still does.
func (e *edge) stream(c *gin.Context) {
	if t := visitOf(c.Request.Context()).timer; t != nil {
		t.Stop()
	}
	if err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		e.fail(c, err)
		return
	}
	c.Next()
}

// drain counts what is under way, so that a stop can wait for it.
type drain struct {
	active  atomic.Int64
	leaving atomic.Bool // readiness says no
	closed  atomic.Bool // new work is refused
}

// enter counts a request until the returned function is called. Health
// questions do not count: they must be answered until the very end.
func (d *drain) enter(r *http.Request) func() {
	if kindOf(r.URL.Path) == kindHealth {
		return func() {}
	}
	d.active.Add(1)
	return func() { d.active.Add(-1) }
}

// refusal turns new work away once a stopping server only finishes what it
// has begun.
func (d *drain) refusal(r *http.Request) error {
	if !d.closed.Load() || kindOf(r.URL.Path) == kindHealth {
		return nil
	}
	return &latchkey.Problem{Kind: latchkey.ErrUnavailable, Code: "unavailable", Message: "This server is stopping. Try again in a moment."}
}
