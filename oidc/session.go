package oidc

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/token/jwt"
)

// person is fosite's session: who the tokens are about. It is the only place
// where fosite's JWT types appear; they are shown to its checks and never
// signed. What is in the tokens comes from the unit of the request.
type person struct {
	subject  string
	authTime time.Time
	expires  map[fosite.TokenType]time.Time
	claims   jwt.IDTokenClaims
	headers  jwt.Headers
}

func newPerson(subject string, authTime time.Time) *person {
	return &person{
		subject: subject, authTime: authTime, expires: map[fosite.TokenType]time.Time{},
		claims:  jwt.IDTokenClaims{Subject: subject, AuthTime: authTime, RequestedAt: authTime},
		headers: jwt.Headers{Extra: map[string]any{}},
	}
}

func (s *person) SetExpiresAt(key fosite.TokenType, exp time.Time) { s.expires[key] = exp }
func (s *person) GetExpiresAt(key fosite.TokenType) time.Time      { return s.expires[key] }
func (s *person) GetUsername() string                              { return "" }
func (s *person) GetSubject() string                               { return s.subject }
func (s *person) Clone() fosite.Session                            { return newPerson(s.subject, s.authTime) }
func (s *person) IDTokenClaims() *jwt.IDTokenClaims                { return &s.claims }
func (s *person) IDTokenHeaders() *jwt.Headers                     { return &s.headers }
