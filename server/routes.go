package server

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

// routes is every address with its guards on the line.
func (s *Server) routes() http.Handler {
	r := s.engine()
	r.GET("/healthz", s.healthz)
	r.GET("/readyz", s.readyz)

	a := newAPI(s.edge, r, "latchkey", s.version)
	created := func(path string) huma.Operation {
		return huma.Operation{Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated}
	}
	call(a, "POST", "/api/v1/webauthn/registration/options", s.passkeys.RegistrationOptions, s.origin, s.limit(limitCeremony), s.json, s.session)
	operation(a, created("/api/v1/webauthn/registration/verify"), s.passkeys.VerifyRegistration, s.origin, s.limit(limitVerification), s.json, s.session)
	call(a, "POST", "/api/v1/webauthn/authentication/options", s.passkeys.AuthenticationOptions, s.origin, s.limit(limitCeremony), s.json, s.session)
	call(a, "POST", "/api/v1/webauthn/authentication/verify", s.passkeys.VerifyAuthentication, s.origin, s.limit(limitVerification), s.json, s.session)
	call(a, "POST", "/api/v1/recovery/redeem", s.passkeys.Redeem, s.origin, s.limit(limitRecovery), s.json, s.browser)
	call(a, "POST", "/api/v1/session/logout", s.passkeys.Logout, s.origin, s.json, s.session)
	return s.handler(r)
}

// browser puts the cookies of the request into its context; it asks nothing of
// the database.
func (s *Server) browser(c *gin.Context) {
	c.Request = c.Request.WithContext(s.sessions.Read(c.Request.Context(), c.Request))
}

// session is browser, and looks the session of the cookie up. Having none is no
// error: handlers that need one say so.
func (s *Server) session(c *gin.Context) {
	s.browser(c)
	ctx, err := s.sessions.Load(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Request = c.Request.WithContext(ctx)
}
