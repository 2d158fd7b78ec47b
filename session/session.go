// Package session knows which browser this is: it reads and writes the two
// cookies, looks the session up, and says what a request may do by it.
//
// It refuses to authenticate: sessions begin and step up in package passkey,
// and end in storage. The threats it answers are the stolen or planted cookie
// (256 random bits, only hashes stored, a new token at every change of
// privilege, host-only names) and the recovery session that would reach further
// than making a passkey.
package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"latchkey"
	"latchkey/storage"
)

// Options say how sessions live.
type Options struct {
	DB     *storage.DB   // required
	Issuer string        // required; its scheme and port choose the cookies
	TTL    time.Duration // without use; 0 = 1 h
	MaxAge time.Duration // in all; 0 = 12 h
}

// Sessions looks sessions up and makes their cookies.
type Sessions struct {
	db    *storage.DB
	times storage.SessionTimes
	names names
}

// New checks the options.
func New(o Options) (*Sessions, error) {
	if o.DB == nil {
		return nil, errors.New("session: a database is required")
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("session: issuer %q is no address", o.Issuer)
	}
	s := &Sessions{db: o.DB, names: namesFor(issuer), times: storage.SessionTimes{Idle: o.TTL, Max: o.MaxAge}}
	if s.times.Idle == 0 {
		s.times.Idle = time.Hour
	}
	if s.times.Max == 0 {
		s.times.Max = 12 * time.Hour
	}
	if s.times.Idle < 0 || s.times.Max < s.times.Idle {
		return nil, errors.New("session: the absolute end must not come before the idle one")
	}
	return s, nil
}

// Times are the bounds of new sessions.
func (s *Sessions) Times() storage.SessionTimes { return s.times }

// Browser is what a browser shows of itself: raw cookie values. They bind
// ceremonies, links and authorization requests to it; only hashes are stored.
type Browser struct {
	Pre     string // before sign-in; empty when it has none
	Session string // of its session, live or not; empty when it has none
	State   string // of session management, without authority; empty when it has none
}

type browserKey struct{}
type sessionKey struct{}

// Read puts the cookies of r into the context. It asks nothing of the database.
func (s *Sessions) Read(ctx context.Context, r *http.Request) context.Context {
	b := Browser{Pre: s.cookie(r, s.names.pre), Session: s.cookie(r, s.names.session), State: s.cookie(r, s.names.state)}
	return context.WithValue(ctx, browserKey{}, b)
}

// BrowserFrom returns what Read found.
func BrowserFrom(ctx context.Context) Browser {
	b, _ := ctx.Value(browserKey{}).(Browser)
	return b
}

// Load looks the session of the cookie up, in one round trip when there is a
// cookie and none when there is not. With a live session, the context carries
// it and its person becomes the actor. Without, the context is returned as it
// is: that is no error.
func (s *Sessions) Load(ctx context.Context) (context.Context, error) {
	token := BrowserFrom(ctx).Session
	if token == "" {
		return ctx, nil
	}
	found, err := s.db.FindSession(ctx, token, s.times.Idle)
	if errors.Is(err, latchkey.ErrNotFound) {
		return ctx, nil
	}
	if err != nil {
		return ctx, err
	}
	return WithSession(ctx, found), nil
}

// WithSession returns a context that carries a live session and its person as
// the actor.
func WithSession(ctx context.Context, s *latchkey.Session) context.Context {
	actor := latchkey.ActorFrom(ctx)
	actor.Kind, actor.UserID, actor.SessionID = latchkey.ActorUser, s.UserID, s.ID
	return context.WithValue(latchkey.WithActor(ctx, actor), sessionKey{}, s)
}

// FromContext returns the full session of the request, or nil. A recovery
// session is none: whoever asks for a session gets one that may do everything
// its person may.
func FromContext(ctx context.Context) *latchkey.Session {
	if s, ok := ctx.Value(sessionKey{}).(*latchkey.Session); ok && s.Kind == latchkey.SessionFull {
		return s
	}
	return nil
}

// RecoveryFrom returns the recovery session of the request, or nil.
func RecoveryFrom(ctx context.Context) *latchkey.Session {
	if s, ok := ctx.Value(sessionKey{}).(*latchkey.Session); ok && s.Kind == latchkey.SessionRecovery {
		return s
	}
	return nil
}

// AnyFrom returns the session of the request of either kind, or nil: for what
// ends it.
func AnyFrom(ctx context.Context) *latchkey.Session {
	if s := FromContext(ctx); s != nil {
		return s
	}
	return RecoveryFrom(ctx)
}

// Require returns the full session of the request, or the problem
// session_required.
func Require(ctx context.Context) (*latchkey.Session, error) {
	if s := FromContext(ctx); s != nil {
		return s, nil
	}
	return nil, Required()
}

// Required is the answer to whoever is not signed in.
func Required() *latchkey.Problem {
	return latchkey.Refuse(latchkey.ErrUnauthorized, "session_required", "Sign in first.")
}

// RequireFresh returns the full session of the request whose passkey was used
// in the last 10 minutes, or the problem session_required or
// reauthentication_required {max_age} (seconds).
func RequireFresh(ctx context.Context) (*latchkey.Session, error) {
	s, err := Require(ctx)
	if err != nil {
		return nil, err
	}
	if !s.Fresh() {
		p := latchkey.Refuse(latchkey.ErrForbidden, "reauthentication_required", "Confirm it's you, with your passkey, and try again.")
		p.Extra = map[string]any{"max_age": int(latchkey.StepUpAge / time.Second)}
		return nil, p
	}
	return s, nil
}
