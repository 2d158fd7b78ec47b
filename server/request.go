package server

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"latchkey"
)

// visit is what the shell remembers about one request while it runs.
type visit struct {
	id      string
	method  string // as sent; HEAD is served as GET
	code    string // the stable code of the refusal, for the access log
	started time.Time
	timer   *time.Timer // ends the handler's budget; nil before it begins
}

type visitKey struct{}

// visitOf returns the visit of ctx; outside the shell it is an empty one.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// identify gives the request its number and says in the context who asks: for
// now nobody, from this address. The number goes out in X-Request-Id; one from
// outside is taken only from a listed proxy, because whoever chooses it could
// otherwise make two requests look like one in the log.
func (e *edge) identify(c *gin.Context) {
	from := e.proxies.client(c.Request)
	id := ""
	if from.trusted {
		id = requestID(c.GetHeader("X-Request-Id"))
	}
	if id == "" {
		id = newRequestID()
	}
	v := &visit{id: id, method: c.Request.Method, started: e.now()}
	if c.Request.Context().Value(headKey{}) != nil {
		v.method = http.MethodHead
	}
	ctx := context.WithValue(c.Request.Context(), visitKey{}, v)
	ctx = latchkey.WithActor(ctx, latchkey.Actor{
		Kind:      latchkey.ActorNobody,
		Address:   from.address,
		UserAgent: cut(c.Request.UserAgent(), maxLogValue),
		Agent:     agentFamily(cut(c.Request.UserAgent(), maxLogValue)),
		RequestID: id,
	})
	c.Request = c.Request.WithContext(ctx)
	c.Request.URL.Scheme = from.scheme
	c.Header("X-Request-Id", id)
	c.Next()
}

// newRequestID makes a number that sorts by time, so that neighbours in the
// log are neighbours in a search.
func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

// requestID returns s when it is a request number as sane proxies make them.
func requestID(s string) string {
	if len(s) < 8 || len(s) > 64 {
		return ""
	}
	for i := range len(s) {
		b := s[i]
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '-' && b != '_' {
			return ""
		}
	}
	return s
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// The bounds that hold for every request, before its route is looked at.
const (
	maxURL     = 8 << 10
	maxHeaders = 16 << 10
	maxCookies = 50

	// headerBytes is what the HTTP server reads before it gives up by itself:
	// address and headers together, with room to answer properly above them.
	headerBytes = 32 << 10
)

// admit refuses what no honest client sends: an endless address, too many
// headers or cookies, and control characters or broken UTF-8 in the path.
func (e *edge) admit(c *gin.Context) {
	if err := e.inadmissible(c.Request); err != nil {
		e.fail(c, err)
		return
	}
	c.Next()
}

func (e *edge) inadmissible(r *http.Request) error {
	refuse := func(status int, code, message string) error {
		return &latchkey.Problem{Kind: latchkey.ErrInvalid, Status: status, Code: code, Message: message}
	}
	if len(r.RequestURI) > maxURL || len(r.URL.Path) > maxURL {
		return refuse(http.StatusRequestURITooLong, "uri_too_long", "The address of this request is too long.")
	}
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + 4 // ": " and the line's end
		}
	}
	if size > maxHeaders {
		return refuse(http.StatusRequestHeaderFieldsTooLarge, "headers_too_large", "The headers of this request are too large.")
	}
	cookies := 0
	for _, line := range r.Header["Cookie"] {
		cookies += strings.Count(line, ";") + 1
	}
	if cookies > maxCookies {
		return refuse(http.StatusBadRequest, "malformed_request", "Your browser sent too many cookies. Delete the cookies of this site and try again.")
	}
	if !utf8.ValidString(r.URL.Path) || strings.ContainsFunc(r.URL.Path, isControl) {
		return refuse(http.StatusBadRequest, "malformed_request", "The address of this request is not readable.")
	}
	return e.drain.refusal(r)
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
