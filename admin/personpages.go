package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/templates"
)

// What the page of a person says after a change.
var personSays = map[string]string{
	"disabled":   "Turned off. Every session ended, and so did what applications could do in this person’s name.",
	"enabled":    "Turned on. This person can sign in again.",
	"role":       "The role was saved.",
	"signed-out": "Signed out everywhere.",
	"joined":     "Added to the group.",
	"profile":    "The profile was saved.",
	"same":       "Nothing was different.",
	"left":       "Removed from the group. What only this group opened has ended.",
}

// UserPage serves GET /admin/users/{id}.
func (s *Service) UserPage(c *gin.Context) error { return s.showUser(c, http.StatusOK, nil) }

// showUser shows a person, with what was refused where something was.
func (s *Service) showUser(c *gin.Context, status int, alert *templates.Alert) error {
	ctx := c.Request.Context()
	u, err := s.db.FindUser(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	now := s.now()
	page := templates.AdminUser{
		Base: s.said(c, personSays), ID: u.ID, Name: u.DisplayName, Lead: leadOf(u), Admin: u.IsAdmin(),
		Disabled: u.Status != latchkey.StatusActive, Self: isActor(ctx, u), Facts: userFacts(u), CodesLeft: codesLeft(u.RecoveryCodesLeft),
		Profile: templates.ProfileFacts(u, latchkey.ClaimName, latchkey.ClaimUsername, latchkey.ClaimEmail),
	}
	if alert != nil {
		page.Alert, page.Status = alert, ""
	}
	if err := s.addHoldings(ctx, &page, u, now); err != nil {
		return err
	}
	return s.show(c, status, page)
}

// addHoldings adds the passkeys, sessions and groups of a person.
func (s *Service) addHoldings(ctx context.Context, page *templates.AdminUser, u *latchkey.User, now time.Time) error {
	held, err := s.Passkeys(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, p := range held {
		page.Passkeys = append(page.Passkeys, templates.PasskeyItem{
			ID: p.ID, Name: p.DeviceName, Kind: templates.PasskeyIcon(p), Provider: latchkey.Provider(p.AAGUID), Synced: p.BackupEligible,
			Created: templates.At(p.CreatedAt, now), LastUsed: templates.At(p.LastUsedAt, now),
		})
	}
	sessions, err := s.db.Sessions(ctx, u.ID)
	if err != nil {
		return err
	}
	page.Sessions = sessionCount(len(sessions))
	groups, err := s.db.GroupsOf(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, g := range groups {
		page.Groups = append(page.Groups, templates.GroupItem{ID: g.ID, Name: g.Name})
	}
	names, err := s.db.GroupNames(ctx)
	if err != nil {
		return err
	}
	page.More = choices(slices.DeleteFunc(names, func(name string) bool { return slices.Contains(u.Groups, name) }))
	return nil
}

func isActor(ctx context.Context, u *latchkey.User) bool {
	return latchkey.ActorFrom(ctx).UserID == u.ID
}

func leadOf(u *latchkey.User) string {
	if u.Email == "" {
		return u.Username
	}
	return u.Username + " · " + u.Email
}

func userFacts(u *latchkey.User) []templates.Fact {
	email := "None"
	switch {
	case u.Email != "" && u.EmailVerifiedAt.IsZero():
		email = u.Email + ", not verified"
	case u.Email != "":
		email = u.Email + ", verified"
	}
	facts := []templates.Fact{{Name: "Username", Value: u.Username}, {Name: "E-mail", Value: email}}
	if !u.DisabledAt.IsZero() {
		facts = append(facts, templates.Fact{Name: "Turned off", Value: templates.Date(u.DisabledAt)})
	}
	return append(facts,
		templates.Fact{Name: "Since", Value: templates.Date(u.CreatedAt)},
		templates.Fact{Name: "Subject", Value: u.Subject, Code: true},
		templates.Fact{Name: "ID", Value: u.ID, Code: true})
}

func codesLeft(n int) string {
	switch n {
	case 0:
		return "No recovery codes"
	case 1:
		return "1 recovery code left"
	}
	return fmt.Sprintf("%d recovery codes left", n)
}

func sessionCount(n int) string {
	switch n {
	case 0:
		return "Not signed in"
	case 1:
		return "1 session"
	}
	return fmt.Sprintf("%d sessions", n)
}

// changed ends a POST on a person: back to the page with what was done, or the
// page with what was refused.
func (s *Service) changed(c *gin.Context, done string, err error) error {
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && (p.Kind == latchkey.ErrConflict || p.Kind == latchkey.ErrInvalid) {
		alert := alertOf(p)
		for _, text := range p.Fields {
			alert.Text = text
		}
		return s.showUser(c, statusOf(p), alert)
	}
	if err != nil {
		return err
	}
	return redirect(c, "/admin/users/"+url.PathEscape(c.Param("id"))+"?done="+done)
}

// DisablePage serves GET /admin/users/{id}/disable: the question.
func (s *Service) DisablePage(c *gin.Context) error {
	u, err := s.db.FindUser(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	page := askAbout(s.base(c), u)
	page.Title, page.Button, page.Keep = "Turn off "+quoted(u.DisplayName)+"?", "Turn off", "Leave on"
	page.Text = "This person is signed out everywhere now, and cannot sign in until somebody turns them on again. What applications can do in their name ends, and so do the invitations and recovery links that they handed out and nobody used."
	page.Action = "/admin/users/" + u.ID + "/disable"
	if isActor(c.Request.Context(), u) {
		page.Refused = ownDisable
	}
	return s.show(c, http.StatusOK, page)
}

func askAbout(base templates.Base, u *latchkey.User) templates.AdminConfirm {
	return templates.AdminConfirm{Base: base, Nav: "users", Back: "/admin/users/" + u.ID, BackLabel: u.DisplayName}
}

// quoted sets a name off from the sentence around it, also where its letters
// run the other way (FSI and PDI, Unicode UAX #9).
func quoted(name string) string { return "“\u2068" + name + "\u2069”" }

// DisableForm serves POST /admin/users/{id}/disable.
func (s *Service) DisableForm(c *gin.Context) error {
	_, err := s.Disable(c.Request.Context(), c.Param("id"))
	return s.changed(c, "disabled", err)
}

// EnableForm serves POST /admin/users/{id}/enable.
func (s *Service) EnableForm(c *gin.Context) error {
	_, err := s.Enable(c.Request.Context(), c.Param("id"))
	return s.changed(c, "enabled", err)
}

// RoleForm serves POST /admin/users/{id}/role.
func (s *Service) RoleForm(c *gin.Context) error {
	_, err := s.SetRole(c.Request.Context(), c.Param("id"), latchkey.Role(c.Request.PostForm.Get("role")))
	return s.changed(c, "role", err)
}

// RecoverForm serves POST /admin/users/{id}/recover. Its answer is the only
// place where the link is ever shown.
func (s *Service) RecoverForm(c *gin.Context) error {
	ctx := c.Request.Context()
	u, err := s.db.FindUser(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	ttl, err := time.ParseDuration(c.Request.PostForm.Get("ttl"))
	if err != nil || ttl <= 0 {
		ttl = 1 // refused below
	}
	made, err := s.Recover(ctx, u.ID, ttl)
	if err != nil {
		return s.changed(c, "", err)
	}
	return s.show(c, http.StatusOK, templates.AdminLink{
		Base: s.base(c), Recovery: true, For: u.DisplayName, URL: made.URL, Expires: templates.At(made.Link.ExpiresAt, s.now()),
		Back: "/admin/users/" + u.ID, BackLabel: u.DisplayName,
	})
}

// SignOutPage serves GET /admin/users/{id}/sign-out: the question.
func (s *Service) SignOutPage(c *gin.Context) error {
	u, err := s.db.FindUser(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	page := askAbout(s.base(c), u)
	page.Title, page.Button, page.Keep = "Sign "+quoted(u.DisplayName)+" out everywhere?", "Sign out everywhere", "Keep signed in"
	page.Text = "Every session ends now, and what applications can do in this person’s name. They can sign in again with a passkey."
	if isActor(c.Request.Context(), u) {
		page.Text = "This is you: every session of yours ends now, this one too, and what applications can do in your name. You can sign in again with a passkey."
	}
	page.Action = "/admin/users/" + u.ID + "/sign-out"
	return s.show(c, http.StatusOK, page)
}

// SignOutForm serves POST /admin/users/{id}/sign-out.
func (s *Service) SignOutForm(c *gin.Context) error {
	_, err := s.SignOut(c.Request.Context(), c.Param("id"))
	return s.changed(c, "signed-out", err)
}

// JoinForm serves POST /admin/users/{id}/groups.
func (s *Service) JoinForm(c *gin.Context) error {
	ctx := c.Request.Context()
	g, err := s.FindGroup(ctx, c.Request.PostForm.Get("group"))
	if err != nil {
		return err
	}
	return s.changed(c, "joined", s.AddMember(ctx, g.ID, c.Param("id")))
}

// LeaveForm serves POST /admin/users/{id}/groups/{group}/remove.
func (s *Service) LeaveForm(c *gin.Context) error {
	return s.changed(c, "left", s.RemoveMember(c.Request.Context(), c.Param("group"), c.Param("id")))
}
