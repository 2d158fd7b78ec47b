package account

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/templates"
)

// What the list of sessions says after a change.
var sessionsSay = map[string]string{
	"ended":        "The session ended.",
	"others-ended": "All other sessions ended, and what applications could do by them.",
}

// SessionsPage serves GET /account/sessions.
func (s *Service) SessionsPage(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	live, err := s.db.Sessions(ctx, owner.UserID)
	if err != nil {
		return err
	}
	held, err := s.db.Passkeys(ctx, owner.UserID)
	if err != nil {
		return err
	}
	told, err := s.db.LastNotices(ctx, owner.UserID)
	if err != nil {
		return err
	}
	names := make(map[string]string, len(held))
	for _, p := range held {
		names[p.ID] = p.DeviceName
	}
	now, times := s.now(), s.sessions.Times()
	page := templates.AccountSessions{
		Base: base(owner, sessionsSay[c.Query("done")]),
		Length: "A session ends " + templates.Length(times.Idle) + " after you last did something, and never lasts longer than " +
			templates.Length(times.Max) + ".",
	}
	for _, l := range live {
		item := templates.SessionItem{
			ID: l.ID, Name: l.UserAgent, Kind: templates.AgentIcon(l.UserAgent), Current: l.ID == owner.ID, Recovery: l.Kind == latchkey.SessionRecovery,
			Place: l.Address, Passkey: names[l.CredentialID],
			SignedIn: templates.At(l.CreatedAt, now), LastSeen: templates.At(l.LastActivity, now),
		}
		if item.Name == "" {
			item.Name = "Unknown browser"
		}
		page.Items = append(page.Items, item)
	}
	for _, n := range told {
		page.Told, page.ToldAt = append(page.Told, templates.ToldOf(n)), templates.At(n.CreatedAt, now)
	}
	return s.show(c, http.StatusOK, page)
}

// EndSessionForm serves POST /account/sessions/{id}/end.
func (s *Service) EndSessionForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	if err := s.endSession(ctx, owner.UserID, c.Param("id")); err != nil {
		return err
	}
	if c.Param("id") == owner.ID {
		return s.signedOut(c, "")
	}
	return redirect(c, "/account/sessions?done=ended")
}

// EndOthersForm serves POST /account/sessions/end-others.
func (s *Service) EndOthersForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	if err := s.endSessions(ctx, owner.UserID, owner.ID); err != nil {
		return err
	}
	return redirect(c, "/account/sessions?done=others-ended")
}

// EndAllForm serves POST /account/sessions/end-all: signs out everywhere, here
// too.
func (s *Service) EndAllForm(c *gin.Context) error {
	ctx := c.Request.Context()
	owner, err := session.Require(ctx)
	if err != nil {
		return err
	}
	if err := s.endSessions(ctx, owner.UserID, ""); err != nil {
		return err
	}
	return s.signedOut(c, "everywhere")
}
