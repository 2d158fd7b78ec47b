package demo

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	sessionLife = time.Hour
	pendingLife = 15 * time.Minute
	maxSessions = 1000
	maxPending  = 10
)

// pending is one sign-in that has left for the provider.
type pending struct {
	nonce     string
	verifier  string
	startedAt time.Time
	// fresh asks that the person used the passkey for this very sign-in.
	fresh bool
}

// session is what the application knows of one browser. Its fields belong to
// the lock of sessions.
type session struct {
	expiresAt   time.Time
	pending     map[string]pending // by state
	logoutState string             // sent along with the last sign-out
	person      *person
	before      *fingerprints // the tokens before the last refresh
	// refreshing makes two presses of the button wait for each other: the
	// second would otherwise send a refresh token that has just been used.
	refreshing sync.Mutex
}

// sessions keeps them in memory: an unguessable cookie value to a session. When
// full, the one that would end first makes room.
type sessions struct {
	mu      sync.Mutex
	now     func() time.Time
	byToken map[string]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byToken: map[string]*session{}}
}

// random returns 260 unguessable bits in URL-safe letters.
func random() string { return rand.Text() + rand.Text() }

// get returns the live session of a cookie value, or nil.
func (s *sessions) get(token string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.byToken[token]
	if sess == nil || !sess.expiresAt.After(s.now()) {
		delete(s.byToken, token)
		return nil
	}
	return sess
}

// start makes an empty session and returns its cookie value.
func (s *sessions) start() (string, *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byToken) >= maxSessions {
		s.makeRoom()
	}
	token := random()
	sess := &session{expiresAt: s.now().Add(sessionLife), pending: map[string]pending{}}
	s.byToken[token] = sess
	return token, sess
}

// makeRoom removes what has expired and, if that was nothing, the session that
// would end first.
func (s *sessions) makeRoom() {
	now := s.now()
	first := ""
	for token, sess := range s.byToken {
		if !sess.expiresAt.After(now) {
			delete(s.byToken, token)
		} else if first == "" || sess.expiresAt.Before(s.byToken[first].expiresAt) {
			first = token
		}
	}
	if len(s.byToken) >= maxSessions {
		delete(s.byToken, first)
	}
}

// rename gives a session a new cookie value and a new hour; the old value is
// worth nothing from now on. Sign-ins begun in other tabs stay known.
func (s *sessions) rename(token string, sess *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byToken, token)
	token = random()
	sess.expiresAt = s.now().Add(sessionLife)
	s.byToken[token] = sess
	return token
}

// end forgets a session.
func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byToken, token)
}

// edit runs f on a session under the lock.
func (s *sessions) edit(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// await remembers a sign-in under its state; the oldest of too many is dropped.
func (s *sessions) await(sess *session, state string, p pending) {
	s.edit(func() {
		if len(sess.pending) >= maxPending {
			oldest := ""
			for state, p := range sess.pending {
				if oldest == "" || p.startedAt.Before(sess.pending[oldest].startedAt) {
					oldest = state
				}
			}
			delete(sess.pending, oldest)
		}
		sess.pending[state] = p
	})
}

// take removes the sign-in of a state and returns it: a state answers once.
func (s *sessions) take(sess *session, state string) (pending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := sess.pending[state]
	delete(sess.pending, state)
	return p, known && s.now().Sub(p.startedAt) < pendingLife
}

// cookieName follows the scheme of the application's address: the prefix
// __Host- needs https, and cookies ignore ports, so a plain one names its own.
func cookieName(base *url.URL) string {
	if base.Scheme == "https" {
		return "__Host-latchkey-demo"
	}
	return "latchkey-demo-" + base.Port()
}

// current returns the browser's session and cookie value, or nil and "".
func (a *App) current(r *http.Request) (*session, string) {
	cookie, err := r.Cookie(a.cookieName)
	if err != nil {
		return nil, ""
	}
	sess := a.sessions.get(cookie.Value)
	if sess == nil {
		return nil, ""
	}
	return sess, cookie.Value
}

func (a *App) setCookie(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{
		Name:     a.cookieName,
		Value:    token,
		Path:     "/",
		Secure:   a.base.Scheme == "https",
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		MaxAge:   int(sessionLife / time.Second),
	})
}
