package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"latchkey"
	"latchkey/account"
	"latchkey/admin"
	"latchkey/audit"
	"latchkey/keys"
	"latchkey/oidc"
	"latchkey/outbound"
	"latchkey/passkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// Options say what the server is made of.
type Options struct {
	Issuer         *url.URL         // required
	RPID           string           // required: what passkeys are bound to
	DB             *storage.DB      // required
	Log            *slog.Logger     // required
	Version        string           // of the product, for the description of the API
	TrustedProxies []netip.Prefix   // whose X-Forwarded-* are believed; empty = nobody's
	Outbound       *outbound.Client // fetches what applications name; nil = one that reaches public hosts only
	NoRateLimits   bool             // switches off every 429; caps on sizes and open rows stay
	NoInvites      bool             // lets nobody new in, not even by an invitation that was made before

	// Registration says who may register applications by the protocol; "" =
	// whoever has an initial access token.
	Registration latchkey.RegistrationMode

	// How long sessions and tokens live; zero means the default of the package
	// that makes them.
	SessionTTL, SessionMaxAge           time.Duration
	AccessTokenTTL, IDTokenTTL, CodeTTL time.Duration
	RefreshTokenTTL, RefreshTokenMaxAge time.Duration
}

// Server is the whole product behind one listener.
type Server struct {
	*edge
	version   string
	registers bool // applications may register themselves
	db        *storage.DB
	keys      *keys.Ring
	audit     *audit.Log
	sessions  *session.Sessions
	pages     *templates.Templates
	passkeys  *passkey.Service
	account   *account.Service
	provider  *oidc.Provider
	operators *admin.Service
	router    http.Handler
}

// New puts the parts together. It starts nothing; Serve does.
func New(o Options) (*Server, error) {
	if o.DB == nil || o.Issuer == nil {
		return nil, errors.New("server: a database and an issuer are required")
	}
	if o.Outbound == nil {
		o.Outbound = outbound.New(outbound.Options{})
	}
	sessions, err := session.New(session.Options{DB: o.DB, Issuer: o.Issuer.String(), TTL: o.SessionTTL, MaxAge: o.SessionMaxAge})
	if err != nil {
		return nil, fmt.Errorf("make sessions: %w", err)
	}
	pages, err := templates.New(templates.Options{Issuer: o.Issuer.String(), RPID: o.RPID})
	if err != nil {
		return nil, fmt.Errorf("make the pages: %w", err)
	}
	ring := keys.New(keys.Options{DB: o.DB, SessionMaxAge: o.SessionMaxAge})
	e, err := newEdge(edgeOptions{
		Issuer:         o.Issuer,
		TrustedProxies: o.TrustedProxies,
		Log:            o.Log,
		RateLimits:     !o.NoRateLimits,
		Checks: []Check{
			{Name: "database", Run: o.DB.Ping},
			{Name: "schema", Run: o.DB.CheckSchema},
			{Name: "keys", Run: func(context.Context) error { return ring.Ready() }},
		},
		Probe:     o.DB.CheckProbe,
		ErrorPage: errorPageOf(pages),
	})
	if err != nil {
		return nil, err
	}
	passkeys, err := passkey.New(passkey.Options{
		DB: o.DB, Sessions: sessions, Templates: pages, Issuer: o.Issuer.String(), RPID: o.RPID, Allow: e.limits.Allow,
		NoInvites: o.NoInvites,
	})
	if err != nil {
		return nil, fmt.Errorf("make the ceremonies: %w", err)
	}
	s := &Server{
		edge: e, version: o.Version, db: o.DB, keys: ring, sessions: sessions, pages: pages, passkeys: passkeys,
		registers: o.Registration != latchkey.RegistrationOff,
	}
	s.audit, err = audit.New(audit.Options{DB: o.DB, Issuer: o.Issuer.String()})
	if err != nil {
		return nil, fmt.Errorf("make the audit log: %w", err)
	}
	s.provider, err = oidc.New(oidc.Options{
		DB: o.DB, Keys: s.keys, Sessions: sessions, Templates: s.pages, Issuer: o.Issuer.String(), Log: o.Log, Outbound: o.Outbound,
		Allow: e.limits.Allow, Penalize: e.limits.Penalize, Registration: o.Registration,
		AccessTokenTTL: o.AccessTokenTTL, IDTokenTTL: o.IDTokenTTL, CodeTTL: o.CodeTTL,
		RefreshTokenTTL: o.RefreshTokenTTL, RefreshTokenMaxAge: o.RefreshTokenMaxAge,
	})
	if err != nil {
		return nil, fmt.Errorf("make the provider: %w", err)
	}
	s.operators, err = admin.New(admin.Options{
		DB: o.DB, Issuer: o.Issuer.String(), Templates: pages, NoInvites: o.NoInvites, Outbound: o.Outbound, SessionMaxAge: o.SessionMaxAge,
		Registration: o.Registration,
	})
	if err != nil {
		return nil, fmt.Errorf("make the administration: %w", err)
	}
	s.account, err = account.New(account.Options{DB: o.DB, Sessions: sessions, Templates: pages, RPID: o.RPID})
	if err != nil {
		return nil, fmt.Errorf("make the account pages: %w", err)
	}
	s.router = s.handler(s.routes())
	return s, nil
}

// Prepare makes the keys that are missing: those that sign tokens and that of
// the checkpoints. It must have succeeded before the first request is answered.
func (s *Server) Prepare(ctx context.Context) error {
	if err := s.keys.Ensure(ctx); err != nil {
		return err
	}
	return s.audit.Prepare(ctx)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

// Serve answers requests on ln until ctx ends, then stops in order: what is
// under way gets up to ten seconds. secure is nil for plain http.
func (s *Server) Serve(ctx context.Context, ln net.Listener, secure *tls.Config) error {
	defer s.close()
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	var jobs sync.WaitGroup
	jobs.Go(func() { s.work(working) })
	err := s.serve(ctx, ln, secure, s)
	stop() // after the last request: its counts are written too
	jobs.Wait()
	return err
}
