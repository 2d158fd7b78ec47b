package oidc

import (
	"slices"

	"latchkey"
)

// Scopes of this release (OpenID Connect Core §5.4 and §11; groups is ours).
const (
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
)

// claimsOf is what userinfo tells of a person for the scopes of a token (OpenID
// Connect Core §5.4): what is set, and nothing else.
func claimsOf(u *latchkey.User, scopes []string) map[string]any {
	told := map[string]any{"sub": u.Subject}
	for _, c := range latchkey.Claims() {
		if !slices.Contains(scopes, c.Scope) {
			continue
		}
		if value, set := u.Claim(c.Name); set {
			told[c.Name] = value
		}
	}
	return told
}
