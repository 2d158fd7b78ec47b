package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"latchkey/storage"
)

// Options say what the server is made of.
type Options struct {
	Issuer         *url.URL       // required
	DB             *storage.DB    // required
	Log            *slog.Logger   // required
	TrustedProxies []netip.Prefix // whose X-Forwarded-* are believed; empty = nobody's
	NoRateLimits   bool           // switches off every 429; caps on sizes and open rows stay
}

// Server is the whole product behind one listener.
type Server struct {
	*edge
	db     *storage.DB
	router http.Handler
}

// New puts the parts together. It starts nothing; Serve does.
func New(o Options) (*Server, error) {
	if o.DB == nil {
		return nil, errors.New("server: a database is required")
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
	s := &Server{edge: e, db: o.DB}
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
