package admin

import (
	"context"
	"errors"
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

// What the page of an application says after a change.
var clientSays = map[string]string{
	"saved":       "Settings saved. Applications and browsers see them within seconds.",
	"same":        "Nothing was different.",
	"on":          "It is on again. People can sign in to it.",
	"off":         "It is turned off. Its tokens have ended.",
	"revoked":     "The secret ended. Tokens that were got with it live on.",
	"twice":       "This form was sent twice, and counted once. If the secret is lost, add another one.",
	"twice-added": "This form was sent twice, and one secret was added. If it is lost, revoke it and add another.",
}

// endsSoon is when the end of a secret is worth a warning.
const endsSoon = 14 * 24 * time.Hour

// ClientPage serves GET /admin/clients/{id}.
func (s *Service) ClientPage(c *gin.Context) error {
	found, err := s.FindClient(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return s.showClient(c, http.StatusOK, found, s.said(c, clientSays), typedOf(found), nil)
}

// showClient shows an application, with its form as it was typed and what is
// wrong with it.
func (s *Service) showClient(c *gin.Context, status int, found *latchkey.Client, base templates.Base, typed url.Values, wrong map[string]string) error {
	groups, err := s.db.GroupNames(c.Request.Context())
	if err != nil {
		return err
	}
	page := templates.AdminClient{
		Base: base, ID: found.ID, Name: found.Name, Lead: leadOfClient(found), Enabled: found.Enabled, Public: found.Public(),
		OwnKey: !found.Public() && !found.HasSecret(),
		Facts:  s.clientFacts(found), Form: clientForm(typed, groups, wrong), Settings: settingsOf(found),
	}
	if page.Notices, err = s.noticesOf(c.Request.Context(), found); err != nil {
		return err
	}
	now := s.now()
	for i := range found.Secrets {
		secret := &found.Secrets[i]
		page.Newest = secret.ID
		page.Secrets = append(page.Secrets, templates.SecretItem{
			ID: secret.ID, Prefix: secret.Prefix, Made: templates.At(secret.CreatedAt, now), LastUsed: templates.At(secret.LastUsedAt, now),
			Ends: templates.At(secret.ExpiresAt, now), EndsSoon: !secret.ExpiresAt.IsZero() && secret.ExpiresAt.Sub(now) < endsSoon,
		})
	}
	return s.show(c, status, page)
}

func leadOfClient(c *latchkey.Client) string {
	if host := hostOf(c); host != "" {
		return host + " · " + typeName(c.Type)
	}
	return typeName(c.Type)
}

func (s *Service) clientFacts(c *latchkey.Client) []templates.Fact {
	facts := []templates.Fact{{Name: "Client ID", Value: c.ID, Code: true}, {Name: "Issuer", Value: s.issuer, Code: true}}
	if c.SignsPeopleIn() {
		facts = append(facts, templates.Fact{Name: "Who may sign in", Value: whoMay(c)})
	}
	facts = append(facts, templates.Fact{Name: "Proves itself by", Value: methodWords(c)})
	if origins := c.Origins(); len(origins) > 0 {
		facts = append(facts, templates.Fact{Name: "Scripts may call from", Value: strings.Join(origins, ", ")})
	}
	return append(facts, templates.Fact{Name: "Connected", Value: cameBy(c) + ", " + templates.Date(c.CreatedAt)})
}

// ClientForm serves POST /admin/clients/{id}: the settings. What is refused
// comes back as it was typed; so does what somebody else was faster with.
func (s *Service) ClientForm(c *gin.Context) error {
	ctx, form := c.Request.Context(), c.Request.PostForm
	found, err := s.FindClient(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	next, wrong := applyForm(found, form)
	if version, err := strconv.ParseInt(form.Get("version"), 10, 64); err == nil {
		next.Version = version
	}
	var changed []string
	var is *Registered
	if err = checkTyped(next, wrong); err == nil {
		changed, is, err = s.UpdateClient(ctx, next)
	}
	p := (*latchkey.Problem)(nil)
	switch {
	case err == nil && is.Secret != "":
		return s.show(c, http.StatusOK, templates.AdminClientDone{
			Base: s.base(c), ID: found.ID, Name: is.Client.Name, Added: true, Secret: is.Secret, Sealed: true, Settings: settingsOf(is.Client),
		})
	case err == nil && len(changed) == 0:
		return redirect(c, clientPath(found.ID)+"?done=same")
	case err == nil:
		return redirect(c, clientPath(found.ID)+"?done=saved")
	case errors.As(err, &p) && len(p.Fields) > 0:
		base := s.base(c)
		base.Alert = alertOf(p)
		base.Alert.Text = withoutField(form, p.Fields)
		return s.showClient(c, statusOf(p), found, base, form, p.Fields)
	case latchkey.CodeOf(err) == "conflict":
		return s.showStale(c, next, form)
	}
	return err
}

// showStale shows what was typed on top of what somebody else saved meanwhile;
// saved again, it replaces that.
func (s *Service) showStale(c *gin.Context, typed *latchkey.Client, form url.Values) error {
	now, err := s.FindClient(c.Request.Context(), typed.ID)
	if err != nil {
		return err
	}
	form.Set("version", strconv.FormatInt(now.Version, 10))
	base := s.base(c)
	base.Alert = &templates.Alert{
		Code: "conflict", Title: "Somebody changed this application meanwhile",
		Text: "What you typed is still here, and not saved. " + savedNow(now, typed) + " Save again to put yours in its place.",
	}
	return s.showClient(c, http.StatusConflict, now, base, form, nil)
}

// savedNow says what is stored where it differs from what was typed.
func savedNow(now, typed *latchkey.Client) string {
	var said []string
	for _, member := range latchkey.ChangedMembers(now, typed) {
		switch member {
		case "client_name":
			said = append(said, "the name is "+quoted(now.Name))
		case "redirect_uris":
			said = append(said, "the redirect URIs are "+strings.Join(now.RedirectURIs, ", "))
		case "post_logout_redirect_uris":
			said = append(said, "the addresses after sign-out are "+orNone(now.PostLogoutRedirectURIs))
		case "scope":
			said = append(said, "the scopes are "+orNone(now.Scopes))
		case "allowed_groups":
			said = append(said, "it is open to "+map[bool]string{true: "everyone", false: "the groups " + strings.Join(now.AllowedGroups, ", ")}[len(now.AllowedGroups) == 0])
		case "first_party":
			said = append(said, map[bool]string{true: "consent is not asked", false: "consent is asked"}[now.FirstParty])
		case "enabled":
			said = append(said, map[bool]string{true: "it is on", false: "it is off"}[now.Enabled])
		default:
			said = append(said, "another setting ("+member+") is different")
		}
	}
	if len(said) == 0 {
		return "It says the same by now."
	}
	return "Stored by now, where it differs: " + strings.Join(said, "; ") + "."
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// EnableClientForm serves POST /admin/clients/{id}/enable.
func (s *Service) EnableClientForm(c *gin.Context) error {
	return s.switchClient(c, s.EnableClient, "on")
}

// DisableClientPage serves GET /admin/clients/{id}/disable: the question.
func (s *Service) DisableClientPage(c *gin.Context) error {
	return s.askAboutClient(c, func(found *latchkey.Client, use storage.DeletedClient, page *templates.AdminConfirm) {
		page.Action, page.Button, page.Keep = clientPath(found.ID)+"/disable", "Turn off", "Leave it on"
		page.Title = "Turn off " + quoted(found.Name) + "?"
		page.Text = "Nobody can sign in to it, and its tokens end now: " + counted(use.Grants, "sign-in", "sign-ins") +
			". Its settings, secrets and consents stay; once it is on again, people sign in anew."
	})
}

// DisableClientForm serves POST /admin/clients/{id}/disable.
func (s *Service) DisableClientForm(c *gin.Context) error {
	return s.switchClient(c, s.DisableClient, "off")
}

func (s *Service) switchClient(c *gin.Context, change func(context.Context, string) (*latchkey.Client, error), done string) error {
	changed, err := change(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return redirect(c, clientPath(changed.ID)+"?done="+done)
}

// DeleteClientPage serves GET /admin/clients/{id}/delete: what goes with it.
func (s *Service) DeleteClientPage(c *gin.Context) error {
	return s.askAboutClient(c, func(found *latchkey.Client, use storage.DeletedClient, page *templates.AdminConfirm) {
		page.Action, page.Button, page.Keep = clientPath(found.ID)+"/delete", "Delete application", "Keep it"
		page.Title = "Delete " + quoted(found.Name) + "?"
		page.Text = fmt.Sprintf("Its client ID %s stops working. With it go %s, %s and %s. This cannot be undone; to stop sign-ins for a while, turn it off instead.",
			found.ID, counted(use.Secrets, "secret", "secrets"), counted(use.Grants, "sign-in with tokens", "sign-ins with tokens"), counted(use.Consents, "consent", "consents"))
	})
}

// DeleteClientForm serves POST /admin/clients/{id}/delete.
func (s *Service) DeleteClientForm(c *gin.Context) error {
	if _, err := s.DeleteClient(c.Request.Context(), c.Param("id")); err != nil {
		return err
	}
	return redirect(c, "/admin/clients?done=deleted")
}

// askAboutClient shows a question about an application, filled in by ask.
func (s *Service) askAboutClient(c *gin.Context, ask func(*latchkey.Client, storage.DeletedClient, *templates.AdminConfirm)) error {
	ctx := c.Request.Context()
	found, err := s.FindClient(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	use, err := s.db.ClientUse(ctx, found.ID)
	if err != nil {
		return err
	}
	page := templates.AdminConfirm{Base: s.base(c), Nav: "clients", Back: clientPath(found.ID), BackLabel: found.Name}
	ask(found, use, &page)
	return s.show(c, http.StatusOK, page)
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return "no " + many
	case 1:
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
