package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// internalMessage is all that anybody outside learns about a fault of ours.
const internalMessage = "Something went wrong on our side. Try again; if it happens again, give the request number to your administrator."

// retryAfter is the advice in seconds when a refusal does not bring its own.
const retryAfter = 2

// answer is what an error becomes, whatever the shape in which it leaves.
type answer struct {
	Status     int
	Code       string
	Message    string
	Fields     map[string]string
	Extra      map[string]any
	RetryAfter int // seconds; 0 = none
}

// page makes a gin handler of a handler that returns errors.
func (e *edge) page(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			e.fail(c, err)
		}
	}
}

// fail ends the request with the answer that err becomes, and logs it.
func (e *edge) fail(c *gin.Context, err error) {
	c.Abort()
	a := e.judge(c.Request.Context(), err)
	if c.Writer.Written() {
		return // the status is out; the log has the error
	}
	e.write(c, a)
}

// judge turns err into an answer and logs what the answer does not say: faults
// whole, refusals with their cause.
func (e *edge) judge(ctx context.Context, err error) answer {
	outOfTime := errors.Is(context.Cause(ctx), errBudget)
	if outOfTime && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w: %w", latchkey.ErrUnavailable, errBudget, err)
	}
	a := answerOf(err)
	v := visitOf(ctx)
	v.code = a.Code
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil && !outOfTime && a.Status >= http.StatusInternalServerError:
		// The client left; nobody reads the answer and nothing is wrong.
		a.Status, a.Code = 499, "client_closed_request"
		v.code = a.Code
	case a.Status >= http.StatusInternalServerError:
		e.log.ErrorContext(ctx, "request failed", "request_id", v.id, "status", a.Status, "code", a.Code, "error", err.Error())
	default:
		if p := (*latchkey.Problem)(nil); errors.As(err, &p) && p.Cause != nil {
			e.log.InfoContext(ctx, "request refused", "request_id", v.id, "status", a.Status, "code", a.Code, "reason", p.Cause.Error())
		}
	}
	return a
}

// kinds says what each kind of error becomes when no Problem says it better.
// The order matters where an error is of two kinds: the database being away
// explains whatever else went wrong.
var kinds = []struct {
	kind error
	answer
}{
	{latchkey.ErrUnavailable, answer{Status: 503, Code: "unavailable", Message: "The service is not available for the moment. Try again shortly.", RetryAfter: retryAfter}},
	{context.DeadlineExceeded, answer{Status: 503, Code: "unavailable", Message: "This took too long. Try again shortly.", RetryAfter: retryAfter}},
	{latchkey.ErrSealMismatch, answer{Status: 500, Code: "internal", Message: internalMessage}},
	{latchkey.ErrLimited, answer{Status: 429, Code: "rate_limited", Message: "Too many tries. Wait a little and try again.", RetryAfter: retryAfter}},
	{latchkey.ErrUnauthorized, answer{Status: 401, Code: "session_required", Message: "Sign in first."}},
	{latchkey.ErrForbidden, answer{Status: 403, Code: "forbidden", Message: "You may not do this."}},
	{latchkey.ErrNotFound, answer{Status: 404, Code: "not_found", Message: "There is no such thing, or it is not yours."}},
	{latchkey.ErrConflict, answer{Status: 409, Code: "conflict", Message: "Something changed in the meantime. Look again and retry."}},
	{latchkey.ErrExpired, answer{Status: 410, Code: "token_expired", Message: "This has expired. Start again."}},
	{latchkey.ErrInvalid, answer{Status: 400, Code: "malformed_request", Message: "The request could not be understood."}},
}

// answerOf decides status, code and words for err. What is of no known kind is
// internal: a request number and nothing else.
func answerOf(err error) answer {
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) {
		return answerOfProblem(p)
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return k.answer
		}
	}
	return answer{Status: http.StatusInternalServerError, Code: "internal", Message: internalMessage}
}

func answerOfProblem(p *latchkey.Problem) answer {
	a := answer{Status: http.StatusInternalServerError, Code: "internal", Message: internalMessage}
	for _, k := range kinds {
		if p.Kind == k.kind {
			a = k.answer
			break
		}
	}
	if a.Status == http.StatusInternalServerError && p.Status == 0 {
		return a // a Problem of no known kind is a fault of ours, not a message
	}
	if p.Status != 0 {
		a.Status = p.Status
	}
	a.Code, a.Message, a.Fields, a.Extra = p.Code, p.Message, p.Fields, p.Extra
	if seconds, ok := p.Extra["retry_after"].(int); ok {
		a.RetryAfter = seconds
	}
	return a
}

// retryable says whether the very same request may succeed later.
func (a answer) retryable() bool {
	return a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable
}

// write sends an answer in the shape of its route.
func (e *edge) write(c *gin.Context, a answer) {
	id := visitOf(c.Request.Context()).id
	visitOf(c.Request.Context()).code = a.Code
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	h.Del("Last-Modified")
	if a.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	switch shapeOf(c.Request) {
	case shapeProblem:
		c.Render(a.Status, problemRender{newProblem(a, id)})
	case shapeOAuth:
		c.Render(a.Status, oauthRender{newOAuthError(a, id)})
	default:
		h.Set("Content-Security-Policy", pageCSP)
		c.Data(a.Status, "text/html; charset=utf-8", e.renderErrorPage(c.Request.Context(), a, id))
	}
}
