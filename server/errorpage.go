package server

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"net/http"

	"latchkey/templates"
)

// ErrorPage is what a page about an error says.
type ErrorPage struct {
	Status     int
	Title      string // the words of the status
	Code       string // stable; goes into data-code
	Message    string // what happened and what to do
	RequestID  string
	RetryAfter int // seconds; 0 = not known
}

// renderErrorPage makes the page. When the templates themselves are at fault
// the plain page still says what is needed.
func (e *edge) renderErrorPage(ctx context.Context, a answer, requestID string) []byte {
	p := ErrorPage{
		Status: a.Status, Title: http.StatusText(a.Status), Code: a.Code, Message: a.Message,
		RequestID: requestID, RetryAfter: a.RetryAfter,
	}
	if e.errorPage != nil {
		body, err := e.errorPage(p)
		if err == nil {
			return body
		}
		e.log.ErrorContext(ctx, "error page could not be rendered", "request_id", requestID, "error", err.Error())
	}
	return plainErrorPage(p)
}

// errorPageOf renders errors with the templates: the words of the catalogue by
// code where it has them.
func errorPageOf(pages *templates.Templates) func(ErrorPage) ([]byte, error) {
	return func(p ErrorPage) ([]byte, error) {
		var whole bytes.Buffer
		err := pages.Render(&whole, templates.Error{Code: p.Code, Text: p.Message, Support: p.RequestID})
		return whole.Bytes(), err
	}
}

func plainErrorPage(p ErrorPage) []byte {
	return fmt.Appendf(nil, `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title></head>
<body>
<main data-page="error">
<h1>%s</h1>
<p role="alert" data-code="%s">%s</p>
<p>Request number: <code>%s</code></p>
</main>
</body>
</html>
`, html.EscapeString(p.Title), html.EscapeString(p.Title), html.EscapeString(p.Code), html.EscapeString(p.Message), html.EscapeString(p.RequestID))
}
