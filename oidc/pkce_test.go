package oidc_test

import (
	"strings"
	"testing"

	"latchkey"
)

// SECURITY case 6.
func TestAuthorizePKCE(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod, c.Type = latchkey.AuthNone, "spa" })
	strict := w.app(t, "strict", func(c *latchkey.Client) { c.Profile = latchkey.ProfileOAuth21 })
	lax := w.app(t, "lax")
	nobody := w.browser() // refused before any login page
	for what, c := range map[string]struct {
		reason string
		pairs  []string
	}{
		"no challenge":   {"no_challenge", []string{"code_challenge", "", "code_challenge_method", ""}},
		"method only":    {"malformed_challenge", []string{"code_challenge", ""}},
		"no method":      {"challenge_method", []string{"code_challenge_method", ""}},
		"plain":          {"challenge_method", []string{"code_challenge_method", "plain"}},
		"unknown method": {"challenge_method", []string{"code_challenge_method", "S512"}},
		"lower case":     {"challenge_method", []string{"code_challenge_method", "s256"}},
		"42 characters":  {"malformed_challenge", []string{"code_challenge", strings.Repeat("a", 42)}},
		"129 characters": {"malformed_challenge", []string{"code_challenge", strings.Repeat("a", 129)}},
		"bad alphabet":   {"malformed_challenge", []string{"code_challenge", strings.Repeat("a", 42) + "="}},
	} {
		before, want := w.events(t, latchkey.AuthorizationRefused, c.reason), 2
		for _, a := range []*app{public, strict} {
			w.wantRedirect(t, a.ID+": "+what, nobody.get(t, a.request(c.pairs...)), "invalid_request")
		}
		if what != "no challenge" {
			want++
			w.wantRedirect(t, "sent without need: "+what, nobody.get(t, lax.request(c.pairs...)), "invalid_request")
		}
		if n := w.events(t, latchkey.AuthorizationRefused, c.reason); n != before+want {
			t.Errorf("%s: %d events of reason %s, want %d", what, n-before, c.reason, want)
		}
	}
	w.noGrant(t)
	// A confidential client of profile oidc needs neither PKCE nor nonce.
	b := w.browser().signIn(t, w.user(t, "alice"))
	code := lax.code(t, b, "code_challenge", "", "code_challenge_method", "", "nonce", "")
	if got := lax.exchange(t, code, "code_verifier", ""); got.status != 200 {
		t.Errorf("without PKCE: %d %s", got.status, got.body)
	}
}

// RFC 7636 appendix B.
func TestPKCEVector(t *testing.T) {
	t.Parallel()
	if got := challenge(); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %s", got)
	}
}
