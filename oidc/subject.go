package oidc

import (
	"maps"
	"slices"

	"latchkey"
)

// Scopes of this release (OpenID Connect Core §5.4 and §11; groups is ours).
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopeGroups  = "groups"
	scopeOffline = "offline_access"
)

// profileClaims are the further claims of scope profile (Core §5.4) that a
// person's record may hold, with whether a value has the right JSON type.
func profileClaims() map[string]func(any) bool {
	text := func(v any) bool { _, ok := v.(string); return ok }
	return map[string]func(any) bool{
		"family_name": text, "given_name": text, "middle_name": text, "nickname": text, "profile": text,
		"picture": text, "website": text, "gender": text, "birthdate": text, "zoneinfo": text, "locale": text,
	}
}

// claimsOf is what userinfo tells of a person for the scopes of a token. The
// address is released only when verified: storage gives no other.
func claimsOf(u *latchkey.User, scopes []string) map[string]any {
	claims := map[string]any{"sub": u.Subject}
	if slices.Contains(scopes, scopeProfile) {
		maps.Copy(claims, profileOf(u))
	}
	if slices.Contains(scopes, scopeEmail) && u.Email != "" {
		claims["email"], claims["email_verified"] = u.Email, true
	}
	if slices.Contains(scopes, scopeGroups) {
		claims["groups"] = u.Groups
	}
	return claims
}

func profileOf(u *latchkey.User) map[string]any {
	claims := map[string]any{"name": u.DisplayName, "preferred_username": u.Username, "updated_at": u.UpdatedAt.Unix()}
	for name, fits := range profileClaims() {
		if v, ok := u.Claims[name]; ok && fits(v) {
			claims[name] = v
		}
	}
	return claims
}
