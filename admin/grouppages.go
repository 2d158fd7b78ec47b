package admin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// What the pages of groups say after a change.
var groupsSay = map[string]string{
	"created": "The group was created. Nobody is in it yet.",
	"deleted": "The group was deleted.",
	"added":   "Added to the group.",
	"removed": "Removed from the group. What only this group opened has ended.",
}

// GroupsPage serves GET /admin/groups, paged by ?cursor=.
func (s *Service) GroupsPage(c *gin.Context) error {
	return s.showGroups(c, http.StatusOK, templates.AdminGroups{Base: s.said(c, groupsSay)})
}

func (s *Service) showGroups(c *gin.Context, status int, page templates.AdminGroups) error {
	found, err := s.ListGroups(c.Request.Context(), storage.GroupQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	for _, g := range found.Items {
		page.Items = append(page.Items, templates.GroupItem{ID: g.ID, Name: g.Name, Members: people(g.Members), Created: templates.At(g.CreatedAt, s.now())})
	}
	if found.Next != "" {
		page.Next = listAddress("/admin/groups", "", found.Next)
	}
	return s.show(c, status, page)
}

// NewGroupForm serves POST /admin/groups.
func (s *Service) NewGroupForm(c *gin.Context) error {
	typed := c.Request.PostForm.Get("name")
	g, err := s.CreateGroup(c.Request.Context(), typed)
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) {
		page := templates.AdminGroups{Base: s.base(c), Typed: typed, Error: p.Message}
		if text := p.Fields["name"]; text != "" {
			page.Error = text
		}
		page.Alert = &templates.Alert{Code: "validation_failed"}
		return s.showGroups(c, statusOf(p), page)
	}
	if err != nil {
		return err
	}
	return redirect(c, "/admin/groups/"+g.ID+"?done=created")
}

// GroupPage serves GET /admin/groups/{id}; its people are paged by ?cursor=.
func (s *Service) GroupPage(c *gin.Context) error {
	return s.showGroup(c, http.StatusOK, templates.AdminGroup{Base: s.said(c, groupsSay)})
}

func (s *Service) showGroup(c *gin.Context, status int, page templates.AdminGroup) error {
	ctx := c.Request.Context()
	g, err := s.groupOf(c)
	if err != nil {
		return err
	}
	page.ID, page.Name = g.ID, g.Name
	members, err := s.db.Members(ctx, g.ID, c.Query("cursor"))
	if err != nil {
		return err
	}
	for _, u := range members.Items {
		page.Members = append(page.Members, templates.MemberItem{UserID: u.ID, Name: u.DisplayName, Detail: detailOf(u)})
	}
	if members.Next != "" {
		page.Next = listAddress("/admin/groups/"+g.ID, "", members.Next)
	}
	apps, err := s.db.ClientsOpenTo(ctx, g.ID)
	if err != nil {
		return err
	}
	for i := range apps {
		page.Apps = append(page.Apps, clientItem(&apps[i], s.now()))
	}
	return s.show(c, status, page)
}

// groupOf is the group that the address names by id.
func (s *Service) groupOf(c *gin.Context) (*latchkey.Group, error) {
	g, err := s.FindGroup(c.Request.Context(), c.Param("id"))
	if err == nil && g.ID != c.Param("id") {
		return nil, latchkey.ErrNotFound // a name is no address: another group may have it tomorrow
	}
	return g, err
}

// DeleteGroupPage serves GET /admin/groups/{id}/delete: the question.
func (s *Service) DeleteGroupPage(c *gin.Context) error { return s.askDeletion(c, http.StatusOK, nil) }

func (s *Service) askDeletion(c *gin.Context, status int, refused *latchkey.Problem) error {
	g, err := s.groupOf(c)
	if err != nil {
		return err
	}
	page := templates.AdminConfirm{
		Base: s.base(c), Nav: "groups", Back: "/admin/groups/" + g.ID, BackLabel: g.Name, Action: "/admin/groups/" + g.ID + "/delete",
		Title: "Delete the group " + quoted(g.Name) + "?", Button: "Delete group", Keep: "Keep it",
		Text: "Applications no longer learn of it. In it: " + people(g.Members) + ". This cannot be undone.",
	}
	if refused != nil {
		page.Alert, page.Refused = alertOf(refused), refused.Message
	}
	return s.show(c, status, page)
}

// DeleteGroupForm serves POST /admin/groups/{id}/delete.
func (s *Service) DeleteGroupForm(c *gin.Context) error {
	err := s.DeleteGroup(c.Request.Context(), c.Param("id"))
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && p.Kind == latchkey.ErrConflict {
		return s.askDeletion(c, statusOf(p), p)
	}
	if err != nil {
		return err
	}
	return redirect(c, "/admin/groups?done=deleted")
}

// AddMemberForm serves POST /admin/groups/{id}/members.
func (s *Service) AddMemberForm(c *gin.Context) error {
	ctx, typed := c.Request.Context(), c.Request.PostForm.Get("user")
	u, err := s.FindUser(ctx, typed)
	if errors.Is(err, latchkey.ErrNotFound) {
		page := templates.AdminGroup{Base: s.base(c), Typed: typed, Error: "There is nobody with this username or verified e-mail address."}
		page.Alert = &templates.Alert{Code: "validation_failed"}
		return s.showGroup(c, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.AddMember(ctx, c.Param("id"), u.ID); err != nil {
		return err
	}
	return redirect(c, groupAddress(c)+"?done=added")
}

// RemoveMemberForm serves POST /admin/groups/{id}/members/{user}/remove.
func (s *Service) RemoveMemberForm(c *gin.Context) error {
	if err := s.RemoveMember(c.Request.Context(), c.Param("id"), c.Param("user")); err != nil {
		return err
	}
	return redirect(c, groupAddress(c)+"?done=removed")
}

func groupAddress(c *gin.Context) string { return "/admin/groups/" + url.PathEscape(c.Param("id")) }
