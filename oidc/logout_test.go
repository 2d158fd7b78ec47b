package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey"
	"latchkey/keys"
	"latchkey/oidc"

	"github.com/google/go-cmp/cmp"
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
	away := "https://other.example.com/away"
	a, other := w.app(t, "wiki"), w.app(t, "other", func(c *latchkey.Client) { c.PostLogoutRedirectURIs = []string{away} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	tk := a.tokens(t, b)
	bye := "https://wiki.example.com/bye"
	parts := strings.Split(tk.id, ".")
	// What an access token for the application itself would say.
	asAccess, err := w.keys.Sign(latchkey.ES256, keys.TypeAccessToken, claimsIn(t, tk.id))
	if err != nil {
		t.Fatal(err)
	}
	ofClient := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	for what, path := range map[string]string{
		"no parameters":           logout(),
		"only state":              logout("state", "x"),
		"no hint":                 logout("post_logout_redirect_uri", bye, "state", "x"),
		"no hint but client_id":   logout("post_logout_redirect_uri", bye, "client_id", "wiki"),
		"hint with alg none":      logout("post_logout_redirect_uri", bye, "id_token_hint", "eyJhbGciOiJub25lIn0."+parts[1]+"."),
		"hint of another signer":  logout("post_logout_redirect_uri", bye, "id_token_hint", ofClient),
		"access token as hint":    logout("post_logout_redirect_uri", bye, "id_token_hint", tk.access),
		"type of access token":    logout("post_logout_redirect_uri", bye, "id_token_hint", asAccess),
		"hint of another client":  logout("post_logout_redirect_uri", away, "id_token_hint", tk.id, "client_id", other.ID),
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
	// Proven, but without an address to go to, or with one that is not
	// registered: asked, signed out, and sent nowhere.
	for _, uri := range []string{"", bye + "?foo=bar", bye + "/", "https://WIKI.example.com/bye", "https://evil.example/", "javascript:alert(1)", callback} {
		c := w.browser().signIn(t, b.user)
		hint := a.tokens(t, c).id
		form := wantAsked(t, uri, c, c.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", uri, "state", "x")))
		wantSignedOut(t, uri, c.post(t, "/logout", changed(form, "decision", "yes")))
		if c.alive(t) {
			t.Errorf("%s: the session lives", uri)
		}
	}
}

// The application of the hint is asked anew about its address: switched off,
// gone or changed, it gets nobody sent.
func TestLogoutForAnApplicationThatChanged(t *testing.T) {
	t.Parallel()
	for _, change := range []string{
		`UPDATE clients SET enabled = false`, `DELETE FROM clients`, `UPDATE clients SET post_logout_redirect_uris = '{}'`,
	} {
		w := newWorld(t)
		a := w.app(t, "wiki")
		b := w.browser().signIn(t, w.user(t, "alice"))
		path := logout("id_token_hint", a.tokens(t, b).id, "post_logout_redirect_uri", "https://wiki.example.com/bye")
		posted := waitingFor(t, w.browser().post(t, "/oauth2/logout", url.Values{"id_token_hint": {a.tokens(t, b).id},
			"post_logout_redirect_uri": {"https://wiki.example.com/bye"}}), "/oauth2/logout")
		w.sql(t, change)
		wantAsked(t, change, b, b.get(t, path))
		form := wantAsked(t, change+", by POST", b, b.get(t, "/oauth2/logout?request="+posted))
		wantSignedOut(t, change, b.post(t, "/logout", changed(form, "decision", "yes")))
	}
}

// An address with a query keeps it, and state comes back as it was.
func TestLogoutKeepsQueryAndState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.PostLogoutRedirectURIs = []string{"https://wiki.example.com/bye?keep=1"} })
	alice := w.user(t, "alice")
	for _, state := range []string{`"><script>`, "a b+c&d=e#f;g", "ünïcödé", strings.Repeat("s", 2048)} {
		b := w.browser().signIn(t, alice)
		got := b.get(t, logout("id_token_hint", a.tokens(t, b).id, "client_id", "wiki", "post_logout_redirect_uri", a.PostLogoutRedirectURIs[0], "state", state))
		if diff := cmp.Diff(url.Values{"keep": {"1"}, "state": {state}}, got.location(t).Query()); diff != "" || b.alive(t) {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// The session ended while the page asked: there is nothing left to end, and the
// answer is the same.
func TestLogoutTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	b, other := w.browser().signIn(t, alice), w.browser().signIn(t, alice)
	form := wantAsked(t, "asked", b, b.get(t, logout("id_token_hint", a.tokens(t, other).id, "post_logout_redirect_uri", "https://wiki.example.com/bye")))
	for range 2 {
		got := b.post(t, "/logout", changed(form, "decision", "yes"))
		if got.status != 200 || got.location(t).String() != "https://wiki.example.com/bye" {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	if n := w.events(t, latchkey.SessionEnded, ""); n != 1 {
		t.Errorf("%d events", n)
	}
}

// A form of an application needs no session, so its rows are limited like those
// of authorization requests.
func TestLogoutByPostIsLimited(t *testing.T) {
	t.Parallel()
	left := 2
	w := newWorld(t, func(o *oidc.Options) {
		o.Allow = func(_ context.Context, limit, _ string) error {
			if left--; limit != "authorize" || left < 0 {
				return latchkey.Refuse(latchkey.ErrLimited, "rate_limited", "Too many tries.")
			}
			return nil
		}
	})
	for _, want := range []int{303, 303, 400} { // the test's own writer makes 400 of the limit
		if got := w.browser().post(t, "/oauth2/logout", url.Values{"state": {"x"}}); got.status != want {
			t.Errorf("answered %d, want %d", got.status, want)
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
	c := w.browser().signIn(t, b.user)
	wantPage(t, c.post(t, "/oauth2/logout", url.Values{"state": {"a", "b"}}), 400, "invalid_request")
	wantPage(t, c.post(t, "/oauth2/logout?state=a", url.Values{"state": {"b"}}), 400, "invalid_request")
	wantPage(t, c.get(t, "/oauth2/logout?state=a&state=b"), 400, "invalid_request")
	wantPage(t, c.get(t, "/oauth2/logout?state=%00"), 400, "invalid_request")
	if !c.alive(t) {
		t.Error("a refused request ended the session")
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
