package latchkey

import (
	"slices"
	"strings"
	"time"
)

// InitialToken lets applications register themselves (RFC 7591 §3), within
// bounds. Only the hash of the token itself is kept.
type InitialToken struct {
	ID         string
	Name       string   // what administrators call it
	Profile    Profile  // that its applications live by
	Scopes     []string // that its applications may have at most; none = those about a person
	MaxUses    int      // how many applications may register with it
	Uses       int      // how many did
	CreatedBy  string   // user id; "" = at the command line
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // zero = never
	RevokedAt  time.Time // zero = not revoked
}

// Bounds of an initial access token.
const (
	MaxTokenUses = 100_000
	minTokenLife = time.Minute
	maxTokenLife = 365 * 24 * time.Hour
)

// State says in a word whether it may be used: open, used_up, expired or revoked.
func (t *InitialToken) State(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case t.Uses >= t.MaxUses:
		return "used_up"
	case !t.ExpiresAt.After(now):
		return "expired"
	}
	return "open"
}

// Check judges one that somebody wants, to live for ttl. What is wrong comes as
// InvalidFields with name, profile, scope, max_uses and ttl. It may tidy t.
func (t *InitialToken) Check(ttl time.Duration) error {
	p := problems{}
	t.Name, t.Scopes = strings.TrimSpace(t.Name), once(t.Scopes)
	if t.Name == "" {
		p.add("name", "Enter a name: what the token is for.")
	}
	checkText(p, "name", t.Name, maxClientName)
	if !slices.Contains([]Profile{ProfileOIDC, ProfileOAuth21}, t.Profile) {
		p.add("profile", "A profile is oidc or oauth21, not %q.", t.Profile)
	}
	if len(t.Scopes) > maxScopes {
		p.add("scope", "These are more than %d scopes.", maxScopes)
	}
	for _, s := range t.Scopes {
		if !scopeToken(s) {
			p.add("scope", "%q cannot be a scope: up to %d visible ASCII characters, without quotation mark and backslash.", s, maxScope)
		}
	}
	if t.MaxUses < 1 || t.MaxUses > MaxTokenUses {
		p.add("max_uses", "It is for 1 to %d applications.", MaxTokenUses)
	}
	if ttl < minTokenLife || ttl > maxTokenLife {
		p.add("ttl", "It lives from a minute to a year.")
	}
	if len(p) > 0 {
		return InvalidFields(p)
	}
	return nil
}
