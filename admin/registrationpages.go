package admin

import (
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

// What the page of registration says after a change.
var registrationSays = map[string]string{
	"token-revoked": "The token ended. Applications that registered with it stay.",
}

// RegistrationPage serves GET /admin/registration: who may register applications.
func (s *Service) RegistrationPage(c *gin.Context) error {
	form := url.Values{"max_uses": {"1"}, "days": {"7"}, "profile": {string(latchkey.ProfileOIDC)}}
	return s.showRegistration(c, http.StatusOK, s.said(c, registrationSays), form, nil)
}

func (s *Service) showRegistration(c *gin.Context, status int, base templates.Base, form url.Values, wrong map[string]string) error {
	tokens, err := s.InitialTokens(c.Request.Context())
	if err != nil {
		return err
	}
	page := templates.AdminRegistration{Base: base, Mode: string(s.registration), Form: tokenForm(form, wrong)}
	now := s.now()
	for _, t := range tokens {
		page.Tokens = append(page.Tokens, templates.InitialTokenItem{
			ID: t.ID, Name: t.Name, Over: tokenOver(t, now), Used: fmt.Sprintf("%d of %s", t.Uses, counted(t.MaxUses, "application", "applications")),
			Gives: profileName(t.Profile) + ", " + scopesInWords(t.Scopes), Ends: templates.At(tokenEnd(t, now), now),
		})
	}
	return s.show(c, status, page)
}

func tokenForm(form url.Values, wrong map[string]string) templates.InitialTokenForm {
	return templates.InitialTokenForm{
		Name: form.Get("name"), MaxUses: form.Get("max_uses"), Scope: form.Get("scope"), Errors: wrong,
		Days:     options(form.Get("days"), "1", "1 day", "7", "7 days", "30", "30 days", "90", "90 days", "365", "1 year"),
		Profiles: options(form.Get("profile"), "oidc", "OpenID Connect: PKCE where it is sent", "oauth21", "OAuth 2.1: every request needs PKCE"),
	}
}

// tokenOver says why a token cannot be used any more; "" when it can.
func tokenOver(t *latchkey.InitialToken, now time.Time) string {
	return map[string]string{"used_up": "Used up", "expired": "Expired", "revoked": "Revoked"}[t.State(now)]
}

// tokenEnd is when a token ends, or did.
func tokenEnd(t *latchkey.InitialToken, now time.Time) time.Time {
	switch t.State(now) {
	case "revoked":
		return t.RevokedAt
	case "used_up":
		return t.LastUsedAt
	}
	return t.ExpiresAt
}

func profileName(p latchkey.Profile) string {
	if p == latchkey.ProfileOAuth21 {
		return "OAuth 2.1"
	}
	return "OpenID Connect"
}

func scopesInWords(scopes []string) string {
	if len(scopes) == 0 {
		return "what is about a person"
	}
	return strings.Join(scopes, " ")
}

// NewInitialTokenForm serves POST /admin/registration/tokens. Its answer is the
// only place where the token is ever shown.
func (s *Service) NewInitialTokenForm(c *gin.Context) error {
	form := c.Request.PostForm
	days, err := strconv.Atoi(form.Get("days"))
	if err != nil || days < 1 {
		days = -1 // not 0, which is the default
	}
	uses, err := strconv.Atoi(strings.TrimSpace(form.Get("max_uses")))
	if err != nil {
		uses = -1
	}
	wanted := &latchkey.InitialToken{
		Name: form.Get("name"), Profile: latchkey.Profile(form.Get("profile")), Scopes: strings.Fields(form.Get("scope")), MaxUses: uses,
	}
	raw, err := s.CreateInitialToken(c.Request.Context(), wanted, time.Duration(min(days, 1000))*24*time.Hour)
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) && len(p.Fields) > 0 {
		base := s.base(c)
		base.Alert = alertOf(p)
		return s.showRegistration(c, statusOf(p), base, form, p.Fields)
	}
	if err != nil {
		return err
	}
	return s.show(c, http.StatusOK, templates.AdminTokenDone{
		Base: s.base(c), Name: wanted.Name, Token: raw, Used: counted(wanted.MaxUses, "application", "applications"), Ends: templates.At(wanted.ExpiresAt, s.now()),
	})
}

// RevokeInitialTokenPage serves GET /admin/registration/tokens/{id}/revoke: the
// question.
func (s *Service) RevokeInitialTokenPage(c *gin.Context) error {
	tokens, err := s.InitialTokens(c.Request.Context())
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.ID == c.Param("id") && t.State(s.now()) == "open" {
			return s.show(c, http.StatusOK, templates.AdminConfirm{
				Base: s.base(c), Nav: "clients", Back: "/admin/registration", BackLabel: "Registration",
				Action: "/admin/registration/tokens/" + t.ID + "/revoke", Button: "Revoke token", Keep: "Keep it",
				Title: "Revoke " + quoted(t.Name) + "?",
				Text:  "No further application can register with it. Those that did stay: " + counted(t.Uses, "application", "applications") + ".",
			})
		}
	}
	return storage.NoSuchInitialToken()
}

// RevokeInitialTokenForm serves POST /admin/registration/tokens/{id}/revoke.
func (s *Service) RevokeInitialTokenForm(c *gin.Context) error {
	if err := s.RevokeInitialToken(c.Request.Context(), c.Param("id")); err != nil {
		return err
	}
	return redirect(c, "/admin/registration?done=token-revoked")
}

// cameBy says how an application came here.
func cameBy(c *latchkey.Client) string {
	switch {
	case c.Registration == nil:
		return "By an administrator"
	case c.Registration.TokenID == "":
		return "By itself: registration was open"
	}
	return "By itself, with the initial access token " + quoted(c.Registration.TokenName)
}
