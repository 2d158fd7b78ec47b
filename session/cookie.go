package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
)

// names are those of the cookies. They and Secure follow the issuer's scheme,
// never the request: with https the __Host- prefix makes browsers refuse what
// another host or plain http planted (RFC 6265bis §4.1.3.2). With http, which
// is for localhost only, the port is part of the name, since cookies ignore
// ports, and Secure is left out, since Safari refuses it there.
type names struct {
	session, pre, state string
	secure              bool
}

func namesFor(issuer *url.URL) names {
	if issuer.Scheme == "https" {
		return names{session: "__Host-latchkey", pre: "__Host-latchkey-pre", state: "__Host-latchkey-opbs", secure: true}
	}
	port := issuer.Port()
	if port == "" {
		port = "80"
	}
	return names{session: "latchkey-" + port, pre: "latchkey-pre-" + port, state: "latchkey-opbs-" + port}
}

// longestCookie is well above any value of ours.
const longestCookie = 128

// cookie returns the value of the one cookie of that name. Two of a name are
// none: the second was planted, and nobody can tell which it is.
func (s *Sessions) cookie(r *http.Request, name string) string {
	found := r.CookiesNamed(name)
	if len(found) != 1 || len(found[0].Value) > longestCookie {
		return ""
	}
	return found[0].Value
}

// Cookie carries the raw token of a session. It ends with the browser; the
// session's own ends are judged by the database.
func (s *Sessions) Cookie(rawToken string) http.Cookie { return s.make(s.names.session, rawToken, 0) }

// EndCookie removes the session's cookie.
func (s *Sessions) EndCookie() http.Cookie { return s.make(s.names.session, "", -1) }

// NewPre makes the cookie of a browser before sign-in: 256 random bits.
func (s *Sessions) NewPre() http.Cookie {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead
	return s.make(s.names.pre, base64.RawURLEncoding.EncodeToString(raw[:]), 0)
}

// PreCookie is how the cookie of a browser before sign-in looks at an issuer,
// without its value.
func PreCookie(issuer *url.URL) http.Cookie {
	s := Sessions{names: namesFor(issuer)}
	return s.make(s.names.pre, "", 0)
}

// EnsurePre returns the browser's pre-session value, made now when it has none;
// cookies then holds what has to be set in the answer.
func (s *Sessions) EnsurePre(ctx context.Context) (pre string, cookies []http.Cookie) {
	if b := BrowserFrom(ctx); len(b.Pre) == base64.RawURLEncoding.EncodedLen(32) {
		return b.Pre, nil
	}
	made := s.NewPre()
	return made.Value, []http.Cookie{made}
}

// StateCookie carries the browser state of OpenID Connect Session Management; ""
// removes it. A script in a frame of ours reads it, inside pages of other sites
// too where the browser lets it: it has no authority.
func (s *Sessions) StateCookie(value string) http.Cookie {
	c := s.make(s.names.state, value, 0)
	if value == "" {
		c.MaxAge = -1
	}
	c.HttpOnly = false
	if s.names.secure {
		c.SameSite = http.SameSiteNoneMode // refused by browsers without Secure
	}
	return c
}

// EndCookies are EndCookie and, where the browser has one, the end of its state.
func (s *Sessions) EndCookies(ctx context.Context) []http.Cookie {
	cookies := []http.Cookie{s.EndCookie()}
	if BrowserFrom(ctx).State != "" {
		cookies = append(cookies, s.StateCookie(""))
	}
	return cookies
}

func (s *Sessions) make(name, value string, maxAge int) http.Cookie {
	return http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: s.names.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
