package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
)

// The sizes of bodies (64 KiB unless a route says otherwise).
const (
	maxForm     = 64 << 10
	maxFormKeys = 200
	maxJSON     = 64 << 10
	maxImport   = 5 << 20
	maxDepth    = 32
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// closeBody shuts the body of every request; the words form, json and
// importJSON on a route open it. A handler on a route without such a word
// that reads the body gets the refusal instead of a stranger's bytes.
func (e *edge) closeBody(c *gin.Context) {
	if c.Request.Body != nil && c.Request.Body != http.NoBody {
		c.Request.Body = &closedBody{c.Request.Body}
	}
	c.Next()
}

type closedBody struct{ io.ReadCloser }

func (*closedBody) Read([]byte) (int, error) {
	return 0, refuseBody(http.StatusRequestEntityTooLarge, "body_too_large", "This address takes no body.")
}

func refuseBody(status int, code, message string) *latchkey.Problem {
	return &latchkey.Problem{Kind: latchkey.ErrInvalid, Status: status, Code: code, Message: message}
}

// form opens a form body: urlencoded only, at most 64 KiB and 200 parameters.
// The handler finds it parsed in PostForm, and may read it again from Body.
func (e *edge) form(c *gin.Context) {
	body, err := readBody(c.Request, maxForm, typeForm)
	if err != nil {
		e.fail(c, err)
		return
	}
	// Counted before parsing: a map of 30,000 keys is what the limit is for.
	if bytes.Count(body, []byte("&")) >= maxFormKeys {
		e.fail(c, refuseBody(http.StatusBadRequest, "malformed_request", "This form has too many fields."))
		return
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		e.fail(c, refuseBody(http.StatusBadRequest, "malformed_request", "This form could not be read."))
		return
	}
	c.Request.PostForm = values
	c.Next()
}

// json opens a JSON body: application/json only, at most 64 KiB and 32 levels
// deep. Requests without a body pass; whether one is needed, the operation's
// schema says.
func (e *edge) json(c *gin.Context) { e.openJSON(c, maxJSON) }

// importJSON is json for the administrators' import: at most 5 MiB.
func (e *edge) importJSON(c *gin.Context) { e.openJSON(c, maxImport) }

func (e *edge) openJSON(c *gin.Context, limit int64) {
	if c.Request.ContentLength == 0 && c.GetHeader("Content-Type") == "" {
		c.Request.Body = http.NoBody
		c.Next()
		return
	}
	body, err := readBody(c.Request, limit, typeJSON)
	if err != nil {
		e.fail(c, err)
		return
	}
	if len(body) > 0 && (tooDeep(body, maxDepth) || !json.Valid(body)) {
		e.fail(c, refuseBody(http.StatusBadRequest, "malformed_request", "The body is no JSON document, or nested too deeply."))
		return
	}
	c.Next()
}

// readBody reads a body of one content type whole and puts it back to be read
// again. A body of unknown length is read up to the limit and one byte more.
func readBody(r *http.Request, limit int64, contentType string) ([]byte, error) {
	if err := checkContentType(r, contentType); err != nil {
		return nil, err
	}
	tooLarge := refuseBody(http.StatusRequestEntityTooLarge, "body_too_large", "What you sent is too large.")
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	raw := r.Body
	if shut, ok := raw.(*closedBody); ok {
		raw = shut.ReadCloser
	}
	if raw == nil {
		raw = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(raw, limit+1))
	if err != nil {
		return nil, bodyReadError(err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

func bodyReadError(err error) error {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		p := refuseBody(http.StatusRequestTimeout, "request_timeout", "Sending took too long.")
		p.Cause = err
		return p
	}
	p := refuseBody(http.StatusBadRequest, "malformed_request", "The body could not be read.")
	p.Cause = err
	return p
}

func checkContentType(r *http.Request, want string) error {
	unsupported := refuseBody(http.StatusUnsupportedMediaType, "unsupported_media_type", "This address takes "+want+" only.")
	// Two headers of either sort, or a coded body, are read differently by
	// different software; none of our callers sends them.
	if len(r.Header["Content-Type"]) > 1 || len(r.Header["Content-Encoding"]) > 0 {
		return unsupported
	}
	got := r.Header.Get("Content-Type")
	if got == "" && r.ContentLength == 0 {
		return nil
	}
	media, params, err := mime.ParseMediaType(got)
	if err != nil || media != want {
		return unsupported
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return unsupported
	}
	return nil
}

// tooDeep reports whether body opens more than limit objects and arrays within
// one another. It looks at nothing else; json.Valid judges the rest, and has a
// limit of its own far above ours.
func tooDeep(body []byte, limit int) bool {
	depth, inString, escaped := 0, false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case inString:
			inString, escaped = b != '"', b == '\\'
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > limit {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}
