package server

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// shape is the form in which an error leaves.
type shape int

const (
	shapePage    shape = iota // HTML
	shapeProblem              // application/problem+json, RFC 9457
	shapeOAuth                // application/json with error and error_description, RFC 6749 section 5.2
)

// shapeOf goes by the address: the API answers with problems, the protocol
// with its own errors except where a browser stands, everything else with
// pages unless the client asks for JSON and not for HTML.
func shapeOf(r *http.Request) shape {
	path := r.URL.Path
	switch kindOf(path) {
	case kindAPI, kindHealth:
		return shapeProblem
	case kindProtocol:
		switch path {
		case "/oauth2/authorize", "/oauth2/logout", "/oauth2/check_session":
			return shapePage
		}
		if under(path, "/oauth2") {
			return shapeOAuth
		}
		if wants(r, "text/html") {
			return shapePage
		}
		return shapeProblem
	default:
		if (wants(r, typeJSON) || wants(r, "application/problem+json")) && !wants(r, "text/html") {
			return shapeProblem
		}
		return shapePage
	}
}

// wants reports whether the Accept header names the type itself; wildcards do
// not count.
func wants(r *http.Request, media string) bool {
	for _, part := range listed(r.Header.Values("Accept")) {
		if got, params, err := mime.ParseMediaType(part); err == nil && got == media && params["q"] != "0" {
			return true
		}
	}
	return false
}

// problem is the body of every error of the JSON API (RFC 9457).
type problem struct {
	Type       string            `json:"type" doc:"Always about:blank; code tells errors apart."`
	Title      string            `json:"title" doc:"The words of the status."`
	Status     int               `json:"status" doc:"The HTTP status."`
	Code       string            `json:"code" doc:"Stable name of the error." example:"challenge_expired"`
	Detail     string            `json:"detail" doc:"What happened and what to do, for people."`
	RequestID  string            `json:"request_id" doc:"Number of the request in the log."`
	Retryable  bool              `json:"retryable" doc:"Whether the same request may succeed later."`
	RetryAfter int               `json:"retry_after,omitempty" doc:"Seconds to wait."`
	Fields     map[string]string `json:"fields,omitempty" doc:"With validation_failed: field name to what is wrong."`

	extra map[string]any // further members, such as signal and max_age
}

func newProblem(a answer, requestID string) *problem {
	return &problem{
		Type:       "about:blank",
		Title:      http.StatusText(a.Status),
		Status:     a.Status,
		Code:       a.Code,
		Detail:     a.Message,
		RequestID:  requestID,
		Retryable:  a.retryable(),
		RetryAfter: a.RetryAfter,
		Fields:     a.Fields,
		extra:      a.Extra,
	}
}

// MarshalJSON writes the problem with its further members beside the fixed
// ones, which cannot be overwritten.
func (p *problem) MarshalJSON() ([]byte, error) {
	type fixed problem
	body, err := json.Marshal((*fixed)(p))
	if err != nil || len(p.extra) == 0 {
		return body, err
	}
	members := map[string]any{}
	maps.Copy(members, p.extra)
	own := map[string]any{}
	if err := json.Unmarshal(body, &own); err != nil {
		return nil, err
	}
	maps.Copy(members, own)
	return json.Marshal(members)
}

// Error, GetStatus, ContentType and GetHeaders are what the API library asks
// of an error that it sends as it is.
func (p *problem) Error() string { return p.Code }

// GetStatus is the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is the media type of problems, whatever was negotiated.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are the headers that go with the problem.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	return h
}

type problemRender struct{ *problem }

// Render writes the body.
func (r problemRender) Render(w http.ResponseWriter) error {
	r.WriteContentType(w)
	return json.NewEncoder(w).Encode(r.problem)
}

// WriteContentType sets the header.
func (r problemRender) WriteContentType(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
}

// oauthError is the body of a refusal at a protocol address that did not get
// as far as the protocol.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Code        string `json:"code"`
	RequestID   string `json:"request_id"`
}

func newOAuthError(a answer, requestID string) *oauthError {
	code := "invalid_request"
	switch {
	case a.Status == http.StatusServiceUnavailable, a.Status == http.StatusTooManyRequests:
		code = "temporarily_unavailable"
	case a.Status >= http.StatusInternalServerError:
		code = "server_error"
	case a.Status == http.StatusForbidden:
		code = "access_denied"
	}
	return &oauthError{Error: code, Description: oauthText(a.Message), Code: a.Code, RequestID: requestID}
}

// oauthText keeps the characters that RFC 6749 section 5.2 allows in a
// description.
func oauthText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

type oauthRender struct{ *oauthError }

// Render writes the body.
func (r oauthRender) Render(w http.ResponseWriter) error {
	r.WriteContentType(w)
	return json.NewEncoder(w).Encode(r.oauthError)
}

// WriteContentType sets the header.
func (r oauthRender) WriteContentType(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
}
