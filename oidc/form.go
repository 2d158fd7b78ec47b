package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// protocolForm reads the body of a POST to a protocol address. Parameters in the
// address, twice the same one and bytes that are no text are refused before
// anything looks at them (RFC 6749 §3.2).
//
// The parameters that are named may come several times.
func protocolForm(r *http.Request, several ...string) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, &fault{code: codeInvalidRequest, text: "Use POST.", status: http.StatusMethodNotAllowed, reason: "method"}
	}
	if r.URL.RawQuery != "" {
		return nil, refuse(codeInvalidRequest, "Send the parameters in the body, none in the address.").because("parameters_in_query")
	}
	form, err := postForm(r)
	if err != nil {
		return nil, err
	}
	if err := single(form, several...); err != nil {
		return nil, err
	}
	return valued(form), nil
}

// postForm is the parsed body; the route's word has limited and checked it.
func postForm(r *http.Request) (url.Values, error) {
	if r.PostForm != nil {
		return r.PostForm, nil
	}
	if media := r.Header.Get("Content-Type"); !strings.HasPrefix(media, "application/x-www-form-urlencoded") {
		return nil, &fault{code: codeInvalidRequest, text: "Send a form.", status: http.StatusUnsupportedMediaType, reason: "content_type"}
	}
	if err := r.ParseForm(); err != nil {
		return nil, &fault{code: codeInvalidRequest, text: "The form could not be read.", reason: "malformed_parameter", cause: err}
	}
	return r.PostForm, nil
}

// single refuses repeated parameters, but for those in several, and values that
// are no text.
func single(form url.Values, several ...string) error {
	for name, values := range form {
		if len(values) > 1 && !slices.Contains(several, name) {
			return refuse(codeInvalidRequest, "A parameter was sent more than once.").because("repeated_parameter")
		}
		if !isText(name) || slices.ContainsFunc(values, isNoText) {
			return refuse(codeInvalidRequest, "A parameter holds bytes that are no text.").because("malformed_parameter")
		}
	}
	return nil
}

// valued leaves out parameters without a value: they count as not sent (RFC 6749
// §3.1 and §3.2). Twice without a value stays, being twice, and so does max_age,
// which must never be read as "no limit".
func valued(form url.Values) url.Values {
	kept := url.Values{}
	for name, values := range form {
		if len(values) != 1 || values[0] != "" || name == "max_age" {
			kept[name] = values
		}
	}
	return kept
}

// parseQuery reads the parameters of an address. A bare semicolon is a character
// like any other (WHATWG URL), where net/url refuses the whole.
func parseQuery(raw string) (url.Values, error) {
	return url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B"))
}

// isText tells whether s is UTF-8 without NUL, which no column takes.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func isNoText(s string) bool { return !isText(s) }

// words splits a list of RFC 6749 §3.3; what stands twice counts once.
func words(s string) (list []string) {
	for _, word := range strings.Fields(s) {
		if !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	return list
}
