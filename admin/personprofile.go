package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// ChangeUser changes what applications learn of a person, on an administrator's
// word: claims by name, as typed; nil takes one away. version is that of the
// person as they were read, 0 = whatever they are now. It returns the names of
// the claims that are different. Problems: validation_failed, email_taken,
// not_found, conflict.
func (s *Service) ChangeUser(ctx context.Context, userID string, claims map[string]any, version int64) (u *latchkey.User, changed []string, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) error {
		u, changed, err = tx.ChangeUser(ctx, userID, storage.UserChange{Claims: claims, Trusted: true, Version: version})
		return err
	})
	if latchkey.CodeOf(err) == "email_taken" {
		taken := latchkey.Refuse(latchkey.ErrConflict, "email_taken", "Somebody here has this e-mail address.")
		taken.Fields = map[string]string{latchkey.ClaimEmail: taken.Message}
		return nil, nil, taken
	}
	return u, changed, orNobody(err)
}

// UserProfilePage serves GET /admin/users/{id}/profile.
func (s *Service) UserProfilePage(c *gin.Context) error {
	u, err := s.db.FindUser(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return s.show(c, http.StatusOK, templates.AdminUserProfile{Base: s.base(c), ID: u.ID, Name: u.DisplayName, Form: templates.ProfileFormOf(u, true)})
}

// UserProfileForm serves POST /admin/users/{id}/profile.
func (s *Service) UserProfileForm(c *gin.Context) error {
	ctx, form := c.Request.Context(), c.Request.PostForm
	u, err := s.db.FindUser(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	claims := templates.ProfileClaims(form, true)
	if form.Get(latchkey.ClaimEmail) == u.Email && form.Get("email_verified") != "yes" {
		delete(claims, latchkey.ClaimEmail) // one that stayed as it was proves nothing
	}
	version, err := strconv.ParseInt(form.Get("version"), 10, 64)
	if err != nil {
		version = -1 // no profile that was shown: it is shown now
	}
	_, changed, err := s.ChangeUser(ctx, u.ID, claims, version)
	p := (*latchkey.Problem)(nil)
	switch {
	case err == nil && len(changed) == 0:
		return redirect(c, "/admin/users/"+u.ID+"?done=same")
	case err == nil:
		return redirect(c, "/admin/users/"+u.ID+"?done=profile")
	case !errors.As(err, &p) || len(p.Fields) == 0 && p.Code != "conflict":
		return err
	}
	page := templates.AdminUserProfile{Base: s.base(c), ID: u.ID, Name: u.DisplayName, Form: templates.ProfileTyped(form, p.Fields, true)}
	page.Form.Unproven = u.Email != "" && u.EmailVerifiedAt.IsZero()
	page.Alert = &templates.Alert{Code: p.Code}
	if p.Code == "conflict" {
		page.Form.Version = strconv.FormatInt(u.Version, 10)
		page.Alert.Title = "This person was changed meanwhile"
		page.Alert.Text = "What you typed is still here, and not saved. Save again to put it in the place of what is stored by now."
	}
	return s.show(c, statusOf(p), page)
}
