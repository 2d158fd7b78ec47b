// Package admin is what an operator does: one function an action, behind which
// pages and commands are thin faces.
//
// It refuses to own rules that somebody else needs too: those are pure functions
// of the root or methods of a storage transaction, which do rule, lock, change
// and event together. Who may come here was judged before: by the guards on the
// routes for pages, by the file system for commands. The threat it answers is
// the change that nobody can account for: every action names its actor in the
// audit log, and secrets are shown once, to whoever made them.
package admin

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/keys"
	"latchkey/outbound"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// Options are what administration needs.
type Options struct {
	DB        *storage.DB          // required
	Issuer    string               // required: where links lead
	Templates *templates.Templates // needed by the pages; nil = only the functions work
	NoInvites bool                 // refuses to make invitations
	Outbound  *outbound.Client     // judges addresses that latchkey will go to; nil = public hosts only

	SessionMaxAge time.Duration // how long sessions live at most; 0 = the default

	// Registration says who may register applications by the protocol, for the
	// pages; "" = whoever has an initial access token.
	Registration latchkey.RegistrationMode
}

// Service does what administrators ask for. It is safe for concurrent use.
type Service struct {
	db     *storage.DB
	keys   *keys.Ring
	issuer string
	pages  *templates.Templates
	out    *outbound.Client
	now    func() time.Time // for words on pages only

	noInvites    bool
	registration latchkey.RegistrationMode
}

// New checks the options.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Issuer == "" {
		return nil, errors.New("admin: a database and an issuer are required")
	}
	if o.Outbound == nil {
		o.Outbound = outbound.New(outbound.Options{})
	}
	ring := keys.New(keys.Options{DB: o.DB, SessionMaxAge: o.SessionMaxAge})
	return &Service{
		db: o.DB, keys: ring, out: o.Outbound, issuer: o.Issuer, pages: o.Templates, now: time.Now,
		noInvites: o.NoInvites, registration: cmp.Or(o.Registration, latchkey.RegistrationToken),
	}, nil
}

// show renders a page whole before it is sent.
func (s *Service) show(c *gin.Context, status int, page templates.Page) error {
	var whole bytes.Buffer
	if err := s.pages.Render(&whole, page); err != nil {
		return fmt.Errorf("show a page: %w", err)
	}
	c.Data(status, "text/html; charset=utf-8", whole.Bytes())
	return nil
}

// base is what every page of administration shows: who is signed in.
func (s *Service) base(c *gin.Context) templates.Base {
	return templates.Base{Person: templates.PersonOf(session.FromContext(c.Request.Context()))}
}

func redirect(c *gin.Context, path string) error {
	c.Redirect(http.StatusSeeOther, path)
	return nil
}
