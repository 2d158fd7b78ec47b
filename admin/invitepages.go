package admin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/templates"
)

// inviteDays are the lives of an invitation that the page offers.
var inviteDays = []string{"1", "3", "7", "14", "30"}

// InvitePage serves GET /admin/users/invite.
func (s *Service) InvitePage(c *gin.Context) error {
	return s.showInvite(c, http.StatusOK, url.Values{"days": {"7"}}, nil)
}

// InviteForm serves POST /admin/users/invite. Its answer is the only place
// where the link is ever shown.
func (s *Service) InviteForm(c *gin.Context) error {
	form := c.Request.PostForm
	days, err := strconv.Atoi(form.Get("days"))
	if err != nil || days < 1 {
		days = -1 // not 0, which is the default
	}
	made, err := s.Invite(c.Request.Context(), Invitation{
		Email: form.Get("email"), Username: form.Get("username"), DisplayName: form.Get("display_name"),
		Groups: form["group"], Role: latchkey.Role(form.Get("role")), TTL: time.Duration(min(days, 1000)) * 24 * time.Hour,
	})
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && len(p.Fields) > 0 {
		return s.showInvite(c, statusOf(p), form, p)
	}
	if err != nil {
		return err
	}
	return s.show(c, http.StatusOK, templates.AdminLink{
		Base: s.base(c), For: nameOf(made.Link.Invite), URL: made.URL, Expires: templates.At(made.Link.ExpiresAt, s.now()),
		Back: "/admin/users", BackLabel: "People",
	})
}

// showInvite shows the form as it was typed, with what is wrong.
func (s *Service) showInvite(c *gin.Context, status int, form url.Values, wrong *latchkey.Problem) error {
	names, err := s.db.GroupNames(c.Request.Context())
	if err != nil {
		return err
	}
	page := templates.AdminInvite{
		Base: s.base(c), Email: form.Get("email"), Username: form.Get("username"), DisplayName: form.Get("display_name"),
		Groups: choices(names, form["group"]...), Admin: form.Get("role") == string(latchkey.RoleAdmin), Days: choices(inviteDays, form.Get("days")),
	}
	if wrong != nil {
		page.Alert, page.Errors = alertOf(wrong), wrong.Fields
		if text := wrong.Fields["ttl"]; text != "" {
			page.Errors["days"] = text
		}
	}
	return s.show(c, status, page)
}

func choices(values []string, chosen ...string) (out []templates.Choice) {
	for _, v := range values {
		out = append(out, templates.Choice{Value: v, Chosen: slices.Contains(chosen, v)})
	}
	return out
}

// statusOf is the status of a page that comes back with what is wrong.
func statusOf(p *latchkey.Problem) int {
	switch p.Kind {
	case latchkey.ErrConflict:
		return http.StatusConflict
	case latchkey.ErrNotFound:
		return http.StatusNotFound
	}
	return http.StatusUnprocessableEntity
}

// alertOf says on a page what was refused.
func alertOf(p *latchkey.Problem) *templates.Alert {
	alert := &templates.Alert{Code: p.Code}
	if len(p.Fields) == 0 { // else it stands above the fields
		alert.Text = p.Message
	}
	return alert
}

// WithdrawForm serves POST /admin/users/invitations/{id}/withdraw.
func (s *Service) WithdrawForm(c *gin.Context) error {
	if err := s.WithdrawInvitation(c.Request.Context(), c.Param("id")); err != nil {
		return err
	}
	return redirect(c, "/admin/users?done=withdrawn")
}
