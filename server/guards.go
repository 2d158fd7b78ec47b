package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/templates"
)

// person lets through whoever is signed in. Everybody else signs in first and
// comes back to the page; the API answers session_required. It stands after the
// word session.
func (s *Server) person(c *gin.Context) {
	if session.FromContext(c.Request.Context()) == nil {
		s.toLogin(c)
	}
}

// admin lets a page through for administrators; somebody else who is signed in
// is refused, and that is recorded.
func (s *Server) admin(c *gin.Context) {
	ctx := c.Request.Context()
	current := session.FromContext(ctx)
	switch {
	case current == nil:
		s.toLogin(c)
	case current.Role != latchkey.RoleAdmin:
		if err := s.db.Record(ctx, latchkey.Event{
			Kind: latchkey.AdminDenied, Subject: current.UserID, Outcome: latchkey.Failure, Reason: "not_admin",
			Detail: map[string]any{"route": c.FullPath()},
		}); err != nil {
			s.fail(c, err)
			return
		}
		s.fail(c, latchkey.Refuse(latchkey.ErrForbidden, "forbidden", "This page is for administrators."))
	}
}

// fresh lets through whoever used the passkey in the last ten minutes. Others
// confirm that it is them and come back; what a form held is kept on the page
// of the confirmation and sent again after it. The API answers
// reauthentication_required. It stands after person or admin.
func (s *Server) fresh(c *gin.Context) {
	current := session.FromContext(c.Request.Context())
	if current == nil || c.IsAborted() || current.Fresh() {
		return
	}
	if kindOf(c.Request.URL.Path) == kindAPI {
		_, err := session.RequireFresh(c.Request.Context())
		s.fail(c, err)
		return
	}
	page := templates.StepUp{
		Base:   templates.Base{Person: templates.PersonOf(current)},
		Reason: "You are about to change something that has to be protected.",
		Return: c.Request.URL.RequestURI(), Back: "/account",
	}
	if c.Request.Method == http.MethodPost {
		page.Return, page.Resume = "", &templates.Resume{Action: c.Request.URL.RequestURI(), Fields: hiddenOf(c.Request.PostForm)}
	}
	var whole bytes.Buffer
	if err := s.pages.Render(&whole, page); err != nil {
		s.fail(c, fmt.Errorf("show the confirmation: %w", err))
		return
	}
	c.Abort()
	c.Data(http.StatusForbidden, "text/html; charset=utf-8", whole.Bytes())
}

// hiddenOf is a form as hidden fields, in an order that does not change.
func hiddenOf(form url.Values) []templates.Hidden {
	var fields []templates.Hidden
	for name, values := range form {
		for _, value := range values {
			fields = append(fields, templates.Hidden{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(fields, func(a, b templates.Hidden) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return fields
}

// toLogin leads to the sign-in page, and from there back to a page that was
// only read; a form cannot be sent by whoever signs in next.
func (s *Server) toLogin(c *gin.Context) {
	if kindOf(c.Request.URL.Path) == kindAPI {
		s.fail(c, session.Required())
		return
	}
	back := "/account"
	if c.Request.Method == http.MethodGet {
		back = c.Request.URL.RequestURI()
	}
	c.Abort()
	c.Redirect(http.StatusSeeOther, "/login?return="+url.QueryEscape(back))
}
