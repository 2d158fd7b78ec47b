// Package passkey runs the WebAuthn ceremonies: it makes people's passkeys at
// set-up, by invitation and later, signs them in, confirms them, and lets those
// who lost theirs make a new one.
//
// It refuses everything else: it decides nothing about applications (package
// oidc reads the session it leaves), lists and removes no passkeys (account and
// admin do), and keeps no state of its own. The threats it answers are the
// phisher (origin and RP ID are compared byte for byte), the replayed or swapped
// ceremony (a challenge is good once, for one browser, person and purpose) and
// the key that could never sign in or that anybody could sign with.
package passkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// Options are what the ceremonies need.
type Options struct {
	DB       *storage.DB       // required
	Sessions *session.Sessions // required
	Issuer   string            // required: the origin of every ceremony
	RPID     string            // required: the issuer's host or a parent domain of it
	// Allow spends one event of a limit for the address in ctx and for account,
	// or says when to come back; nil = no limits.
	Allow func(ctx context.Context, limit, account string) error
	// Templates are needed by the pages; without them only the API works.
	Templates *templates.Templates
	SiteName  string // shown by browsers and authenticators; "" = latchkey
	NoInvites bool   // refuses invitations, those made before too
}

// Service runs the ceremonies of one relying party. It is safe for concurrent
// use and keeps nothing between requests.
type Service struct {
	db        *storage.DB
	sessions  *session.Sessions
	origin    string
	rpID      string
	siteName  string
	rp        *webauthn.WebAuthn
	templates *templates.Templates
	allow     func(ctx context.Context, limit, account string) error
	noInvites bool
}

// limitRecovery is the limit on recovery codes and links, by address and by
// the name that was typed.
const limitRecovery = "recovery"

// ceremonyLife is how long a browser may take from options to verify.
const ceremonyLife = 10 * time.Minute

// New checks the options.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Sessions == nil {
		return nil, errors.New("passkey: a database and sessions are required")
	}
	s := &Service{
		db: o.DB, sessions: o.Sessions, origin: o.Issuer, rpID: o.RPID,
		siteName: o.SiteName, templates: o.Templates, allow: o.Allow, noInvites: o.NoInvites,
	}
	if s.siteName == "" {
		s.siteName = "latchkey"
	}
	if s.allow == nil {
		s.allow = func(context.Context, string, string) error { return nil }
	}
	rp, err := newRelyingParty(s.rpID, s.siteName, s.origin)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	s.rp = rp
	return s, nil
}
