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

	"latchkey/passkey"
	"latchkey/session"
	"latchkey/storage"
)

// Options say what the server is made of.
type Options struct {
	Issuer         *url.URL       // required
	RPID           string         // required: what passkeys are bound to
	DB             *storage.DB    // required
	Log            *slog.Logger   // required
	Version        string         // of the product, for the description of the API
	TrustedProxies []netip.Prefix // whose X-Forwarded-* are believed; empty = nobody's
	NoRateLimits   bool           // switches off every 429; caps on sizes and open rows stay
}

// Server is the whole product behind one listener.
type Server struct {
	*edge
	version  string
	sessions *session.Sessions
	passkeys *passkey.Service
	router   http.Handler
}

// New puts the parts together. It starts nothing; Serve does.
func New(o Options) (*Server, error) {
	if o.DB == nil || o.Issuer == nil {
		return nil, errors.New("server: a database and an issuer are required")
	}
	sessions, err := session.New(session.Options{DB: o.DB, Issuer: o.Issuer.String()})
	if err != nil {
		return nil, fmt.Errorf("make sessions: %w", err)
	}
	passkeys, err := passkey.New(passkey.Options{DB: o.DB, Sessions: sessions, Issuer: o.Issuer.String(), RPID: o.RPID, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("make the ceremonies: %w", err)
	}
	e, err := newEdge(edgeOptions{
		Issuer:         o.Issuer,
		TrustedProxies: o.TrustedProxies,
		Log:            o.Log,
		RateLimits:     !o.NoRateLimits,
		Checks:         []Check{{Name: "database", Run: o.DB.Ping}},
	})
	if err != nil {
		return nil, err
	}
	s := &Server{edge: e, version: o.Version, sessions: sessions, passkeys: passkeys}
	s.router = s.routes()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

// Serve answers requests on ln until ctx ends, then stops in order: what is
// under way gets up to ten seconds. secure is nil for plain http.
func (s *Server) Serve(ctx context.Context, ln net.Listener, secure *tls.Config) error {
	defer s.close()
	return s.serve(ctx, ln, secure, s)
}
