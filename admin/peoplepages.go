package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// What the list of people says after a change. The address carries the code,
// never the words.
var peopleSay = map[string]string{
	"withdrawn": "The invitation ended. Its link no longer works.",
}

// UsersPage serves GET /admin/users: open invitations and people, searched by
// ?q= and paged by ?cursor=.
func (s *Service) UsersPage(c *gin.Context) error {
	ctx, text := c.Request.Context(), c.Query("q")
	found, err := s.ListUsers(ctx, storage.UserQuery{Text: text, Cursor: c.Query("cursor")})
	if err != nil {
		return err
	}
	page := templates.AdminUsers{Base: s.said(c, peopleSay), Query: text, Count: peopleCount(found)}
	for _, u := range found.Items {
		page.Items = append(page.Items, userItem(u, s.now()))
	}
	if found.Next != "" {
		page.Next = listAddress("/admin/users", text, found.Next)
	}
	if c.Query("cursor") == "" {
		links, err := s.Invitations(ctx)
		if err != nil {
			return err
		}
		page.Invites = inviteItems(links, text, s.now())
	}
	return s.show(c, http.StatusOK, page)
}

// said is base with what was just done, by its code in the address.
func (s *Service) said(c *gin.Context, words map[string]string) templates.Base {
	base := s.base(c)
	base.Status = words[c.Query("done")]
	return base
}

func listAddress(path, text, cursor string) string {
	next := url.Values{"cursor": {cursor}}
	if text != "" {
		next.Set("q", text)
	}
	return path + "?" + next.Encode()
}

// peopleCount is "14 people", or "8 of 14" of a search.
func peopleCount(p *storage.UserPage) string {
	if p.Found != p.All {
		return fmt.Sprintf("%d of %d", p.Found, p.All)
	}
	return people(p.All)
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

func userItem(u *latchkey.User, now time.Time) templates.UserItem {
	item := templates.UserItem{
		ID: u.ID, Name: u.DisplayName, Detail: detailOf(u), Admin: u.IsAdmin(), Disabled: u.Status != latchkey.StatusActive,
		Groups: strings.Join(u.Groups, ", "), Passkeys: strconv.Itoa(u.Passkeys), Created: templates.At(u.CreatedAt, now),
	}
	switch {
	case u.Passkeys == 0 && u.RecoveryCodesLeft == 0:
		item.Passkeys, item.PasskeysWarn = "None, no codes", true
	case u.Passkeys == 0:
		item.Passkeys, item.PasskeysWarn = "None", true
	case u.Passkeys == 1 && u.RecoveryCodesLeft == 0:
		item.Passkeys, item.PasskeysWarn = "Only 1, no codes", true
	}
	return item
}

// detailOf tells people of the same name apart.
func detailOf(u *latchkey.User) string {
	if u.Email != "" {
		return u.Email
	}
	return u.Username
}

// inviteItems are the open invitations that match what is looked for.
func inviteItems(links []*latchkey.Link, text string, now time.Time) (items []templates.InviteItem) {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, l := range links {
		in := l.Invite
		if !strings.Contains(strings.ToLower(in.DisplayName+"\n"+in.Email+"\n"+in.Username), text) {
			continue
		}
		items = append(items, templates.InviteItem{
			ID: l.ID, Who: nameOf(in), Admin: in.Role == latchkey.RoleAdmin, By: in.InvitedBy,
			Groups: strings.Join(in.Groups, ", "), Ends: templates.At(l.ExpiresAt, now),
		})
	}
	return items
}

// nameOf is whom an invitation is for, as far as it says.
func nameOf(in latchkey.Invite) string {
	for _, name := range []string{in.DisplayName, in.Email, in.Username} {
		if name != "" {
			return name
		}
	}
	return ""
}
