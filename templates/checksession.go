package templates

import (
	"fmt"
	"html/template"
	"io"
)

// checkSession is the frame of OpenID Connect Session Management §3.2: nothing
// to see, and one script.
const checkSession = `<!doctype html>
<html lang="{{site.Lang}}">
<head>
<meta charset="utf-8">
<title>{{site.Name}}</title>
<script src="{{asset "js/check-session.js"}}" data-cookie="{{.}}"></script>
</head>
</html>
`

// CheckSession writes the frame that tells applications whether the session is
// still the one they know. cookie is the name of the browser state's.
func (t *Templates) CheckSession(w io.Writer, cookie string) error {
	page, err := template.New("check-session").Funcs(t.funcs()).Parse(checkSession)
	if err == nil {
		err = page.Execute(w, cookie)
	}
	if err != nil {
		return fmt.Errorf("make the frame of session management: %w", err)
	}
	return nil
}
