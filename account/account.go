// Package account is what a person does alone: their passkeys, recovery codes,
// sessions and applications, as pages below /account and as /api/v1/me.
//
// It refuses to run ceremonies (package passkey does) and to touch anybody
// else's account: whose it is comes from the session alone, never from the
// address. The threats it answers are the id of somebody else's thing (the owner
// is part of every condition, and what is not theirs is not there), the browser
// left unlocked (guards on the routes ask for the passkey again), and the person
// who locks themselves out (the last passkey is protected).
package account

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// Options are what people's own pages need.
type Options struct {
	DB        *storage.DB          // required
	Sessions  *session.Sessions    // required
	Templates *templates.Templates // required
	RPID      string               // required: whose passkeys the browser is told about
}

// Service shows and changes what belongs to whoever is signed in. It is safe for
// concurrent use.
type Service struct {
	db       *storage.DB
	sessions *session.Sessions
	pages    *templates.Templates
	rpID     string
	now      func() time.Time // for words on pages only
}

// New checks the options.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Sessions == nil || o.Templates == nil || o.RPID == "" {
		return nil, errors.New("account: a database, sessions, templates and an RP ID are required")
	}
	return &Service{db: o.DB, sessions: o.Sessions, pages: o.Templates, rpID: o.RPID, now: time.Now}, nil
}

// Home serves GET /account, where sign-in and set-up lead.
func (s *Service) Home(c *gin.Context) error { return redirect(c, "/account/passkeys") }

// show renders a page whole before it is sent.
func (s *Service) show(c *gin.Context, status int, page templates.Page) error {
	var whole bytes.Buffer
	if err := s.pages.Render(&whole, page); err != nil {
		return fmt.Errorf("show a page: %w", err)
	}
	c.Header("Cache-Control", "no-store")
	c.Data(status, "text/html; charset=utf-8", whole.Bytes())
	return nil
}

// base is what every page shows: who is signed in, and what was just done.
func base(owner *latchkey.Session, said string) templates.Base {
	return templates.Base{Person: templates.PersonOf(owner), Status: said}
}

// signedOut leads away a browser whose own session just ended; done says why
// (package oidc has the words), "" = the person asked for just that.
func (s *Service) signedOut(c *gin.Context, done string) error {
	for _, cookie := range s.sessions.EndCookies(c.Request.Context()) {
		http.SetCookie(c.Writer, &cookie)
	}
	if done == "" {
		return redirect(c, "/logout")
	}
	return redirect(c, "/logout?done="+done)
}

func redirect(c *gin.Context, path string) error {
	c.Redirect(http.StatusSeeOther, path)
	return nil
}
