package server

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

// routes is every address with its guards on the line.
func (s *Server) routes() *gin.Engine {
	r := s.engine()
	r.GET("/healthz", s.healthz)
	r.GET("/readyz", s.readyz)

	r.GET("/.well-known/openid-configuration", s.corsAny, s.page(s.provider.Discovery))
	r.OPTIONS("/.well-known/openid-configuration", s.corsAny)
	r.GET("/.well-known/oauth-authorization-server", s.corsAny, s.page(s.provider.Discovery))
	r.OPTIONS("/.well-known/oauth-authorization-server", s.corsAny)
	r.GET("/oauth2/jwks", s.corsAny, s.page(s.provider.JWKS))
	r.OPTIONS("/oauth2/jwks", s.corsAny)
	r.GET("/oauth2/authorize", s.session, s.page(s.provider.Authorize))
	r.POST("/oauth2/authorize", s.form, s.browser, s.page(s.provider.AuthorizePost))
	r.GET("/consent", s.session, s.page(s.provider.Consent))
	r.POST("/consent", s.origin, s.form, s.session, s.page(s.provider.Decide))
	token := s.cors(s.provider.AllowedOrigin, http.MethodPost)
	r.POST("/oauth2/token", token, s.form, s.page(s.provider.Token))
	r.OPTIONS("/oauth2/token", token)
	userinfo := s.cors(s.provider.AllowedOrigin, http.MethodGet, http.MethodPost)
	r.GET("/oauth2/userinfo", userinfo, s.page(s.provider.Userinfo))
	r.POST("/oauth2/userinfo", userinfo, s.userinfoBody, s.page(s.provider.Userinfo))
	r.OPTIONS("/oauth2/userinfo", userinfo)
	r.POST("/oauth2/par", s.form, s.page(s.provider.PushRequest))
	r.POST("/oauth2/introspect", s.form, s.page(s.provider.Introspect))
	r.POST("/oauth2/revoke", token, s.form, s.page(s.provider.Revoke))
	r.OPTIONS("/oauth2/revoke", token)
	if s.registers {
		r.POST("/oauth2/register", s.json, s.page(s.provider.Register))
		r.GET("/oauth2/register/:id", s.page(s.provider.Registered))
		r.PUT("/oauth2/register/:id", s.json, s.page(s.provider.Reregister))
		r.DELETE("/oauth2/register/:id", s.page(s.provider.Deregister))
	}
	r.GET("/oauth2/logout", s.session, s.page(s.provider.Logout))
	r.POST("/oauth2/logout", s.form, s.browser, s.page(s.provider.LogoutPost))
	r.GET("/oauth2/check_session", s.page(s.provider.CheckSession)) // framable: the one page that is
	r.GET("/logout", s.session, s.page(s.provider.AskLogout))
	r.POST("/logout", s.origin, s.form, s.session, s.page(s.provider.ConfirmLogout))

	r.GET("/audit/checkpoint", s.limit(limitCheckpoint), s.page(s.checkpoint))

	r.GET("/static/*path", gin.WrapH(s.pages.Static()))
	r.GET("/logos/:file", s.page(s.provider.Logo))
	r.GET("/.well-known/passkey-endpoints", s.page(s.passkeys.PasskeyEndpoints))
	r.GET("/.well-known/change-password", s.page(s.passkeys.ChangePassword))

	r.GET("/", s.page(s.passkeys.Start))
	r.GET("/setup", s.browser, s.page(s.passkeys.Setup))
	r.GET("/invite", s.browser, s.page(s.passkeys.Invite))
	r.GET("/login", s.session, s.page(s.passkeys.Login))
	r.GET("/recover", s.session, s.page(s.passkeys.Recover))

	r.GET("/admin", s.session, s.admin, s.page(s.operators.Home))
	r.GET("/admin/clients", s.session, s.admin, s.page(s.operators.ClientsPage))
	r.GET("/admin/clients/new", s.session, s.admin, s.page(s.operators.NewClientPage))
	r.POST("/admin/clients", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.NewClientForm))
	r.GET("/admin/clients/:id", s.session, s.admin, s.page(s.operators.ClientPage))
	r.POST("/admin/clients/:id", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.ClientForm))
	r.POST("/admin/clients/:id/enable", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.EnableClientForm))
	r.GET("/admin/clients/:id/disable", s.session, s.admin, s.page(s.operators.DisableClientPage))
	r.POST("/admin/clients/:id/disable", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.DisableClientForm))
	r.GET("/admin/clients/:id/delete", s.session, s.admin, s.page(s.operators.DeleteClientPage))
	r.POST("/admin/clients/:id/delete", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.DeleteClientForm))
	r.POST("/admin/clients/:id/secrets", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.AddSecretForm))
	r.GET("/admin/clients/:id/secrets/:secret/revoke", s.session, s.admin, s.page(s.operators.RevokeSecretPage))
	r.POST("/admin/clients/:id/secrets/:secret/revoke", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RevokeSecretForm))
	r.GET("/admin/registration", s.session, s.admin, s.page(s.operators.RegistrationPage))
	r.POST("/admin/registration/tokens", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.NewInitialTokenForm))
	r.GET("/admin/registration/tokens/:id/revoke", s.session, s.admin, s.page(s.operators.RevokeInitialTokenPage))
	r.POST("/admin/registration/tokens/:id/revoke", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RevokeInitialTokenForm))
	r.GET("/admin/users", s.session, s.admin, s.page(s.operators.UsersPage))
	r.GET("/admin/users/invite", s.session, s.admin, s.page(s.operators.InvitePage))
	r.POST("/admin/users/invite", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.InviteForm))
	r.POST("/admin/users/invitations/:id/withdraw", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.WithdrawForm))
	r.GET("/admin/users/:id", s.session, s.admin, s.page(s.operators.UserPage))
	r.GET("/admin/users/:id/profile", s.session, s.admin, s.page(s.operators.UserProfilePage))
	r.POST("/admin/users/:id/profile", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.UserProfileForm))
	r.GET("/admin/users/:id/disable", s.session, s.admin, s.page(s.operators.DisablePage))
	r.POST("/admin/users/:id/disable", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.DisableForm))
	r.POST("/admin/users/:id/enable", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.EnableForm))
	r.POST("/admin/users/:id/role", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RoleForm))
	r.POST("/admin/users/:id/recover", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RecoverForm))
	r.GET("/admin/users/:id/sign-out", s.session, s.admin, s.page(s.operators.SignOutPage))
	r.POST("/admin/users/:id/sign-out", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.SignOutForm))
	r.POST("/admin/users/:id/groups", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.JoinForm))
	r.POST("/admin/users/:id/groups/:group/remove", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.LeaveForm))
	r.GET("/admin/groups", s.session, s.admin, s.page(s.operators.GroupsPage))
	r.POST("/admin/groups", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.NewGroupForm))
	r.GET("/admin/groups/:id", s.session, s.admin, s.page(s.operators.GroupPage))
	r.GET("/admin/groups/:id/delete", s.session, s.admin, s.page(s.operators.DeleteGroupPage))
	r.POST("/admin/groups/:id/delete", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.DeleteGroupForm))
	r.POST("/admin/groups/:id/members", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.AddMemberForm))
	r.POST("/admin/groups/:id/members/:user/remove", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RemoveMemberForm))

	r.GET("/admin/keys", s.session, s.admin, s.page(s.operators.KeysPage))
	r.GET("/admin/keys/:key/rotate", s.session, s.admin, s.page(s.operators.RotatePage))
	r.POST("/admin/keys/:key/rotate", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RotateForm))
	r.POST("/admin/keys/:key/rotate-now", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RotateNowForm))
	r.GET("/admin/keys/:key/retire", s.session, s.admin, s.page(s.operators.RetirePage))
	r.POST("/admin/keys/:key/retire", s.origin, s.form, s.session, s.admin, s.fresh, s.page(s.operators.RetireForm))

	r.GET("/account", s.session, s.person, s.page(s.account.Home))
	r.GET("/account/profile", s.session, s.person, s.page(s.account.ProfilePage))
	r.POST("/account/profile", s.origin, s.form, s.session, s.person, s.page(s.account.ProfileForm))
	r.GET("/account/passkeys", s.session, s.person, s.page(s.account.PasskeysPage))
	r.POST("/account/passkeys/:id/rename", s.origin, s.form, s.session, s.person, s.page(s.account.RenamePasskeyForm))
	r.GET("/account/passkeys/:id/remove", s.session, s.person, s.page(s.account.RemovePasskeyPage))
	r.POST("/account/passkeys/:id/remove", s.origin, s.form, s.session, s.person, s.fresh, s.page(s.account.RemovePasskeyForm))
	r.GET("/account/recovery-codes", s.session, s.person, s.page(s.account.RecoveryCodesPage))
	r.POST("/account/recovery-codes", s.origin, s.form, s.session, s.person, s.fresh, s.page(s.account.NewRecoveryCodesForm))
	r.GET("/account/sessions", s.session, s.person, s.page(s.account.SessionsPage))
	r.POST("/account/sessions/end-others", s.origin, s.form, s.session, s.person, s.page(s.account.EndOthersForm))
	r.POST("/account/sessions/end-all", s.origin, s.form, s.session, s.person, s.page(s.account.EndAllForm))
	r.POST("/account/sessions/:id/end", s.origin, s.form, s.session, s.person, s.page(s.account.EndSessionForm))
	r.GET("/account/apps", s.session, s.person, s.page(s.account.AppsPage))
	r.POST("/account/apps/:client_id/remove", s.origin, s.form, s.session, s.person, s.page(s.account.RemoveAppForm))

	a := newAPI(s.edge, r, "latchkey", s.version)
	// No person types these bodies: the ceremonies judge them themselves, and
	// answer malformed_request instead of a list of fields.
	ceremony := func(path string, status int) huma.Operation {
		return huma.Operation{Method: http.MethodPost, Path: "/api/v1/webauthn/" + path, DefaultStatus: status, SkipValidateBody: true}
	}
	call(a, "POST", "/api/v1/webauthn/registration/link", s.passkeys.Link, s.origin, s.limit(limitVerification), s.json, s.browser)
	operation(a, ceremony("registration/options", http.StatusOK), s.passkeys.RegistrationOptions, s.origin, s.limit(limitCeremony), s.limit(limitVerification), s.json, s.session)
	operation(a, ceremony("registration/verify", http.StatusCreated), s.passkeys.VerifyRegistration, s.origin, s.limit(limitVerification), s.json, s.browser)
	operation(a, ceremony("authentication/options", http.StatusOK), s.passkeys.AuthenticationOptions, s.origin, s.limit(limitCeremony), s.json, s.browser)
	operation(a, ceremony("authentication/verify", http.StatusOK), s.passkeys.VerifyAuthentication, s.origin, s.limit(limitVerification), s.json, s.browser)
	call(a, "POST", "/api/v1/recovery/redeem", s.passkeys.Redeem, s.origin, s.json, s.browser)
	call(a, "POST", "/api/v1/session/logout", s.passkeys.Logout, s.origin, s.json, s.session)

	call(a, "GET", "/api/v1/me", s.account.Me, s.session, s.person)
	call(a, "PATCH", "/api/v1/me", s.account.UpdateMe, s.origin, s.json, s.session, s.person)
	call(a, "GET", "/api/v1/me/passkeys", s.account.Passkeys, s.session, s.person)
	call(a, "PATCH", "/api/v1/me/passkeys/{id}", s.account.RenamePasskey, s.origin, s.json, s.session, s.person)
	call(a, "DELETE", "/api/v1/me/passkeys/{id}", s.account.RemovePasskey, s.origin, s.json, s.session, s.person, s.fresh)
	call(a, "GET", "/api/v1/me/recovery-codes", s.account.RecoveryCodes, s.session, s.person)
	created := huma.Operation{Method: http.MethodPost, Path: "/api/v1/me/recovery-codes", DefaultStatus: http.StatusCreated}
	operation(a, created, s.account.NewRecoveryCodes, s.origin, s.json, s.session, s.person, s.fresh)
	call(a, "GET", "/api/v1/me/sessions", s.account.Sessions, s.session, s.person)
	call(a, "DELETE", "/api/v1/me/sessions", s.account.EndSessions, s.origin, s.json, s.session, s.person)
	call(a, "DELETE", "/api/v1/me/sessions/{id}", s.account.EndSession, s.origin, s.json, s.session, s.person)
	call(a, "GET", "/api/v1/me/apps", s.account.Apps, s.session, s.person)
	call(a, "DELETE", "/api/v1/me/apps/{client_id}", s.account.RemoveApp, s.origin, s.json, s.session, s.person)
	return r
}

// browser puts the cookies of the request into its context; it asks nothing of
// the database.
func (s *Server) browser(c *gin.Context) {
	c.Request = c.Request.WithContext(s.sessions.Read(c.Request.Context(), c.Request))
}

// userinfoBody is form for a POST that brings the token in its body; one that
// brings it in a header may have no body at all (OpenID Connect Core §5.3.1).
func (s *Server) userinfoBody(c *gin.Context) {
	if c.Request.ContentLength != 0 {
		s.form(c)
	}
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
