package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
)

// opbs is the browser state that scripts would read; "" without one.
func (b *browser) opbs() string {
	for name, value := range b.cookies {
		if strings.HasPrefix(name, "latchkey-opbs-") {
			return value
		}
	}
	return ""
}

// unchanged is what the frame would answer the application's page at an origin.
func (b *browser) unchanged(client, origin, sessionState string) bool {
	_, salt, _ := strings.Cut(sessionState, ".")
	sum := sha256.Sum256([]byte(client + " " + origin + " " + b.opbs() + " " + salt))
	return sessionState == base64.RawURLEncoding.EncodeToString(sum[:])+"."+salt
}

// TestSessionState is the conformance suite's module
// oidcc-session-management-rp-initiated-logout as far as no browser decides:
// unchanged after sign-in, changed after sign-out.
func TestSessionState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	if b.opbs() != "" {
		t.Error("nobody uses session management, and the browser has its cookie")
	}
	got := b.get(t, a.request())
	state, origin := got.location(t).Query().Get("session_state"), "https://wiki.example.com"
	if strings.Contains(state, " ") || b.opbs() == "" || !b.unchanged("wiki", origin, state) {
		t.Fatalf("session_state %q, cookie %q", state, b.opbs())
	}
	if b.unchanged("other", origin, state) || b.unchanged("wiki", "https://other.example.com", state) {
		t.Error("it is good for another application or origin")
	}
	if again := b.get(t, a.request("prompt", "none")).location(t).Query().Get("session_state"); again == state || !b.unchanged("wiki", origin, again) || !b.unchanged("wiki", origin, state) {
		t.Errorf("the second answer has %q", again)
	}
	hint := a.tokens(t, b).id
	if got := b.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", bye)); got.header.Get("Location") != bye {
		t.Errorf("answered %d", got.status)
	}
	if b.opbs() != "" || b.unchanged("wiki", origin, state) {
		t.Error("unchanged after the sign-out")
	}
	// An application that waits for a sign-in knows of it by the same means (§3.2).
	none := b.get(t, a.request("prompt", "none")).location(t).Query()
	if waiting := none.Get("session_state"); none.Get("error") != "login_required" || !b.unchanged("wiki", origin, waiting) {
		t.Errorf("%v", none)
	} else if b.signIn(t, b.user); b.get(t, a.request()).status != http.StatusSeeOther || b.unchanged("wiki", origin, waiting) {
		t.Error("unchanged after the sign-in")
	}
}

// Who cannot ask the frame gets neither session_state nor a cookie.
func TestNoSessionState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	native := func(c *latchkey.Client) {
		c.Type, c.RedirectURIs = latchkey.TypeNative, []string{"com.example.app:/callback"}
	}
	for what, path := range map[string]string{
		"a native application": w.app(t, "native", native).request(),
		"no OpenID Connect":    w.app(t, "plain").request("scope", "profile"),
		"a refusal":            w.app(t, "refused").request("max_age", "x"),
	} {
		b := w.browser().signIn(t, alice)
		got := b.get(t, path)
		if got.status != http.StatusSeeOther || got.location(t).Query().Has("session_state") || b.opbs() != "" {
			t.Errorf("%s: answered %d %s, cookie %q", what, got.status, got.header.Get("Location"), b.opbs())
		}
	}
}

// The browser state follows whoever is signed in, and goes with a session that
// ended elsewhere.
func TestTheBrowserStateFollowsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	b.get(t, a.request())
	first := b.opbs()
	b.signIn(t, w.user(t, "bob"))
	b.get(t, a.request())
	if second := b.opbs(); second == "" || second == first {
		t.Errorf("first %q, then %q", first, second)
	}
	w.sql(t, `DELETE FROM sessions`)
	b.get(t, a.request("prompt", "none"))
	if b.opbs() != "" {
		t.Error("it outlives its session")
	}
	b.signIn(t, b.user)
	b.get(t, a.request())
	b.post(t, "/logout", url.Values{"decision": {"yes"}})
	if b.opbs() != "" {
		t.Error("it outlives the sign-out")
	}
}
