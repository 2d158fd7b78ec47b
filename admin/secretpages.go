package admin

import (
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/storage"
	"latchkey/templates"
)

// AddSecretForm serves POST /admin/clients/{id}/secrets. Its answer is the only
// place where the secret is ever shown. A form that was sent before, as by a
// reload, names another secret as the newest and adds none.
func (s *Service) AddSecretForm(c *gin.Context) error {
	ctx, form := c.Request.Context(), c.Request.PostForm
	found, err := s.FindClient(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	if form.Has("newest") && form.Get("newest") != newestSecret(found) {
		return redirect(c, clientPath(found.ID)+"?done=twice-added")
	}
	added, err := s.AddSecret(ctx, found.ID, "", 0)
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && p.Kind == latchkey.ErrConflict {
		base := s.base(c)
		base.Alert = alertOf(p)
		return s.showClient(c, statusOf(p), found, base, typedOf(found), nil)
	}
	if err != nil {
		return err
	}
	return s.show(c, http.StatusOK, templates.AdminClientDone{
		Base: s.base(c), ID: found.ID, Name: found.Name, Added: true, Secret: added.Secret, Settings: settingsOf(found),
	})
}

func newestSecret(c *latchkey.Client) string {
	if len(c.Secrets) == 0 {
		return ""
	}
	return c.Secrets[len(c.Secrets)-1].ID
}

// RevokeSecretPage serves GET /admin/clients/{id}/secrets/{secret}/revoke: the
// question, with how lately it was used.
func (s *Service) RevokeSecretPage(c *gin.Context) error {
	return s.askAboutClient(c, func(found *latchkey.Client, _ storage.DeletedClient, page *templates.AdminConfirm) {
		page.Action = clientPath(found.ID) + "/secrets/" + c.Param("secret") + "/revoke"
		page.Title, page.Button, page.Keep = "Revoke a secret of "+quoted(found.Name)+"?", "Revoke secret", "Keep it"
		i := slices.IndexFunc(found.Secrets, func(secret latchkey.ClientSecret) bool { return secret.ID == c.Param("secret") })
		if i < 0 {
			page.Refused = "This application has no such secret, or it was revoked already."
			return
		}
		secret := &found.Secrets[i]
		begins := "A secret that was brought along"
		if secret.Prefix != "" {
			begins = "The secret that begins with " + secret.Prefix
		}
		page.Text = begins + " was last used: " + templates.At(secret.LastUsedAt, s.now()).Text +
			". Whoever sends it is refused from now on; tokens that were got with it live on."
		if len(found.Secrets) == 1 {
			page.Text += " It is the only one: the application gets no tokens until it has another."
		}
	})
}

// RevokeSecretForm serves POST /admin/clients/{id}/secrets/{secret}/revoke.
func (s *Service) RevokeSecretForm(c *gin.Context) error {
	if err := s.RevokeSecret(c.Request.Context(), c.Param("id"), c.Param("secret")); err != nil {
		return err
	}
	return redirect(c, clientPath(c.Param("id"))+"?done=revoked")
}
