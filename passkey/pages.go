package passkey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/templates"
)

// Start serves GET /: what people open who know nothing but the address. It
// leads to the account, or to the set-up as long as nobody has one.
func (s *Service) Start(c *gin.Context) error {
	done, err := s.db.HasAdmin(c.Request.Context())
	if err != nil {
		return err
	}
	if !done {
		return redirect(c, "/setup")
	}
	return redirect(c, "/account")
}

// Setup serves GET /setup: until an administrator exists. The token of the
// set-up link stands in the fragment, so reading the page spends nothing.
func (s *Service) Setup(c *gin.Context) error {
	done, err := s.db.HasAdmin(c.Request.Context())
	if err != nil {
		return err
	}
	if done { // somebody opened the printed link once more
		return latchkey.Refuse(latchkey.ErrNotFound, "setup_done", "The set-up link works once. Sign in with your passkey, or ask an administrator for an invitation.")
	}
	return s.show(c, templates.Setup{})
}

// Invite serves GET /invite; the token stands in the fragment.
func (s *Service) Invite(c *gin.Context) error {
	if s.noInvites {
		return latchkey.SignUpOff()
	}
	return s.show(c, templates.Invite{})
}

// Recover serves GET /recover: the code to type, or the passkey to make once
// this browser has a recovery session.
func (s *Service) Recover(c *gin.Context) error {
	return s.show(c, templates.Recover{Ready: session.RecoveryFrom(c.Request.Context()) != nil})
}

// Login serves GET /login: sign-in, or "Confirm it's you" for whoever is signed
// in and has to use the passkey again. ?request=ID names the authorization
// request that waits, and ?switch=1 with it that somebody else wants to go on;
// ?return=PATH the page of ours that asked.
func (s *Service) Login(c *gin.Context) error {
	ctx := c.Request.Context()
	if id := c.Query("request"); id != "" {
		return s.loginForRequest(c, id)
	}
	back := c.Query("return")
	if back != "" && !localPath(back) {
		back = ""
	}
	current := session.FromContext(ctx)
	switch {
	case current == nil:
		return s.show(c, templates.Login{Return: back})
	case back == "":
		return redirect(c, "/account")
	case current.Fresh():
		return redirect(c, back)
	}
	return s.show(c, templates.StepUp{
		Base:   templates.Base{Person: templates.PersonOf(current)},
		Reason: "You are about to change how your account is protected.",
		Return: back, Back: "/account",
	})
}

// loginForRequest reads what package oidc decided about a request and shows the
// page for it. When nothing is left to do here, oidc decides again.
func (s *Service) loginForRequest(c *gin.Context, id string) error {
	ctx := c.Request.Context()
	in, err := s.waiting(ctx, id)
	if err != nil {
		return err
	}
	client, err := s.db.Client(ctx, in.ClientID)
	if err != nil && !errors.Is(err, latchkey.ErrNotFound) {
		return err
	}
	app, facts := "", templates.AppFacts{}
	if client != nil {
		app, facts = client.Name, templates.AppFactsOf(client)
	}
	current := session.FromContext(ctx)
	switch {
	case current != nil && c.Query("switch") == "" && !current.AuthTime.Before(in.CreatedAt):
		// Done since, perhaps in another tab.
	case in.Needs.Reason == "login" || current == nil || c.Query("switch") != "":
		return s.show(c, templates.Login{Request: id, App: app, Facts: facts, Username: in.Needs.Hint, Cancel: "/consent"})
	case in.Needs.Reason == "reauth" && (in.Needs.UserID == "" || in.Needs.UserID == current.UserID):
		return s.show(c, templates.StepUp{
			Base:    templates.Base{Person: templates.PersonOf(current)},
			Request: id, App: app, Facts: facts, Cancel: "/consent", Switch: "/login?request=" + url.QueryEscape(id) + "&switch=1",
			Reason: "The application asks you to use your passkey again.",
		})
	}
	return redirect(c, "/oauth2/authorize?request="+url.QueryEscape(id))
}

// waiting finds the authorization request of this browser.
func (s *Service) waiting(ctx context.Context, id string) (*latchkey.Interaction, error) {
	in, err := s.db.FindInteraction(ctx, id, session.BrowserFrom(ctx).Pre)
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, latchkey.Refuse(latchkey.ErrNotFound, "not_found",
			"This sign-in was finished or took too long. Go back to the application and start again.")
	}
	return in, err
}

// PasskeyEndpoints serves GET /.well-known/passkey-endpoints: where password
// managers send people to make and manage passkeys.
func (s *Service) PasskeyEndpoints(c *gin.Context) error {
	page := s.origin + "/account/passkeys"
	c.JSON(http.StatusOK, gin.H{"enroll": page, "manage": page})
	return nil
}

// ChangePassword serves GET /.well-known/change-password (W3C): there are no
// passwords, so it leads to the passkeys.
func (s *Service) ChangePassword(c *gin.Context) error { return redirect(c, "/account/passkeys") }

func redirect(c *gin.Context, path string) error {
	c.Redirect(http.StatusSeeOther, path)
	return nil
}

// show renders a page whole before it is sent, and gives the browser the cookie
// that its ceremony will be bound to.
func (s *Service) show(c *gin.Context, page templates.Page) error {
	var whole bytes.Buffer
	if err := s.templates.Render(&whole, page); err != nil {
		return fmt.Errorf("show a page: %w", err)
	}
	_, cookies := s.sessions.EnsurePre(c.Request.Context())
	for i := range cookies {
		http.SetCookie(c.Writer, &cookies[i])
	}
	c.Data(http.StatusOK, "text/html; charset=utf-8", whole.Bytes())
	return nil
}
