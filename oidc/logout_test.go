package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/keys"
)

func (b *browser) alive(t *testing.T) bool {
	t.Helper()
	return b.w.count(t, `SELECT count(*) FROM sessions WHERE id = $1`, b.session.ID) == 1
}

func logout(pairs ...string) string {
	return "/oauth2/logout?" + changed(url.Values{}, pairs...).Encode()
}

func wantAsked(t *testing.T, what string, b *browser, got *answer) url.Values {
	t.Helper()
	if got.status != 200 || !strings.Contains(got.body, `<form id="logout"`) || !b.alive(t) {
		t.Errorf("%s: answered %d, session lives: %v", what, got.status, b.alive(t))
	}
	return hidden(got.body)
}

func wantSignedOut(t *testing.T, what string, got *answer) {
	t.Helper()
	if got.status != 200 || !strings.Contains(got.body, `data-page="signed-out"`) || got.header.Get("Location") != "" {
		t.Errorf("%s: answered %d %s %s", what, got.status, got.header.Get("Location"), got.body)
	}
}

func TestLogoutByTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	for _, state := range []string{"", strings.Repeat("s", 128)} {
		b := w.browser().signIn(t, alice)
		tk := a.tokens(t, b)
		got := b.get(t, logout("id_token_hint", tk.id, "post_logout_redirect_uri", "https://wiki.example.com/bye", "state", state))
		want := "https://wiki.example.com/bye"
		if state != "" {
			want += "?state=" + state
		}
		if got.status != http.StatusSeeOther || got.header.Get("Location") != want || b.alive(t) {
			t.Errorf("answered %d %q, session lives: %v", got.status, got.header.Get("Location"), b.alive(t))
		}
		if a.active(t, tk.access) {
			t.Error("the access token is active")
		}
		if got := b.get(t, a.request("prompt", "none")); got.location(t).Query().Get("error") != "login_required" {
			t.Errorf("afterwards: %v", got.location(t))
		}
	}
	if n := w.events(t, latchkey.SessionEnded, "signed_out"); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestLogoutWithAnExpiredHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	claims := claimsIn(t, a.tokens(t, b).id)
	claims["exp"] = 1000
	old, err := w.keys.Sign(latchkey.RS256, keys.TypeJWT, claims)
	if err != nil {
		t.Fatal(err)
	}
	got := b.get(t, logout("id_token_hint", old, "post_logout_redirect_uri", "https://wiki.example.com/bye"))
	if got.status != http.StatusSeeOther || b.alive(t) {
		t.Errorf("answered %d", got.status)
	}
}

// SECURITY case 70: whatever is not proven asks, and leads nowhere.
func TestLogoutThatProvesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other", func(c *latchkey.Client) { c.PostLogoutRedirectURIs = nil })
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b)
	bye := "https://wiki.example.com/bye"
	parts := strings.Split(tk.id, ".")
	ofClient := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	for what, path := range map[string]string{
		"no parameters":           logout(),
		"only state":              logout("state", "x"),
		"no hint":                 logout("post_logout_redirect_uri", bye, "state", "x"),
		"no hint but client_id":   logout("post_logout_redirect_uri", bye, "client_id", "wiki"),
		"hint with alg none":      logout("post_logout_redirect_uri", bye, "id_token_hint", "eyJhbGciOiJub25lIn0."+parts[1]+"."),
		"hint of another signer":  logout("post_logout_redirect_uri", bye, "id_token_hint", ofClient),
		"access token as hint":    logout("post_logout_redirect_uri", bye, "id_token_hint", tk.access),
		"hint of another client":  logout("post_logout_redirect_uri", bye, "id_token_hint", tk.id, "client_id", other.ID),
		"hint of unknown client":  logout("post_logout_redirect_uri", bye, "id_token_hint", tk.id, "client_id", "nobody"),
		"garbage as hint":         logout("post_logout_redirect_uri", bye, "id_token_hint", "garbage"),
		"kept names from outside": logout("post_logout_redirect_uri", bye, "client_id", "wiki", "hinted_subject", b.user.Subject, "hinted_sid", b.session.ID),
	} {
		form := wantAsked(t, what, b, b.get(t, path))
		form.Set("decision", "yes")
		signedOut := w.browser().signIn(t, b.user)
		wantSignedOut(t, what, signedOut.post(t, "/logout", form))
		if signedOut.alive(t) {
			t.Errorf("%s: the session lives after yes", what)
		}
	}
	// Proven, but to an address that is not registered: signed out, not sent.
	for _, uri := range []string{bye + "?foo=bar", bye + "/", "https://evil.example/", "javascript:alert(1)"} {
		c := w.browser().signIn(t, b.user)
		hint := a.tokens(t, c).id
		wantSignedOut(t, uri, c.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", uri)))
		if c.alive(t) {
			t.Errorf("%s: the session lives", uri)
		}
	}
}

// SECURITY case 71.
func TestLogoutOfAnotherSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	first, second := w.browser().signIn(t, alice), w.browser().signIn(t, alice)
	hint := a.tokens(t, first).id
	form := wantAsked(t, "another session", second, second.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", "https://wiki.example.com/bye", "state", "x")))
	form.Set("decision", "no")
	if got := second.post(t, "/logout", form); got.status != 400 || !second.alive(t) {
		t.Errorf("no answered %d", got.status)
	}
	form.Set("decision", "yes")
	got := second.post(t, "/logout", form)
	if got.status != 200 || got.location(t).String() != "https://wiki.example.com/bye?state=x" || second.alive(t) || !first.alive(t) {
		t.Errorf("yes answered %d %v; lives: %v, the other: %v", got.status, got.location(t), second.alive(t), first.alive(t))
	}
	bob := w.browser().signIn(t, w.user(t, "bob"))
	wantAsked(t, "another person", bob, bob.get(t, logout("id_token_hint", hint)))
}

// SECURITY case 78: a POST from an application's page changes nothing by cookie.
func TestLogoutByPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	hint := a.tokens(t, b).id
	form := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://wiki.example.com/bye"}, "state": {"x"}, "decision": {"yes"}}
	got := b.post(t, "/oauth2/logout", form)
	waitingFor(t, got, "/oauth2/logout")
	if !b.alive(t) {
		t.Fatal("the POST ended the session")
	}
	got = b.get(t, got.header.Get("Location"))
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "https://wiki.example.com/bye?state=x" || b.alive(t) {
		t.Errorf("answered %d %s", got.status, got.header.Get("Location"))
	}
	if got := b.post(t, "/oauth2/logout", url.Values{"state": {"a", "b"}}); got.status != 400 {
		t.Errorf("repeated parameter answered %d", got.status)
	}
}

func TestLogoutOfNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	hint := a.tokens(t, b).id
	nobody := w.browser()
	wantSignedOut(t, "nobody", nobody.get(t, logout()))
	if got := nobody.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", "https://wiki.example.com/bye")); got.status != 303 {
		t.Errorf("answered %d", got.status)
	}
	if !b.alive(t) {
		t.Error("somebody's session ended from another browser")
	}
	wantSignedOut(t, "garbage request", nobody.get(t, "/oauth2/logout?request=garbage"))
}
