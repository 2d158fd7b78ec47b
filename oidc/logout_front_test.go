package oidc_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

var frameSrc = regexp.MustCompile(`<iframe src="([^"]*)"`)

// frames are those of a page.
func (a *answer) frames() (list []string) {
	for _, m := range frameSrc.FindAllStringSubmatch(a.body, -1) {
		list = append(list, html.UnescapeString(m[1]))
	}
	return list
}

func framedAt(uri string) func(*latchkey.Client) {
	return func(c *latchkey.Client) { c.Protocol.FrontchannelLogoutURI = uri }
}

// TestFrontchannelLogout is the conformance suite's module
// oidcc-frontchannel-rp-initiated-logout: the page loads each application's
// address with iss and sid, then goes on to where the one that asked wanted.
func TestFrontchannelLogout(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		w := newWorld(t)
		a := w.app(t, "wiki", framedAt("https://wiki.example.com/out"))
		other := w.app(t, "other", framedAt("https://wiki.example.com/other?keep=1"))
		w.app(t, "unused", framedAt("https://wiki.example.com/unused"))
		b := w.browser().signIn(t, w.user(t, "alice"))
		other.tokens(t, b)
		hint := a.tokens(t, b).id
		got := b.askToSignOut(t, method, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}, "state": {"s"}})
		query := url.Values{"iss": {w.issuer}, "sid": {b.session.ID}}.Encode()
		if diff := cmp.Diff([]string{"https://wiki.example.com/other?keep=1&" + query, "https://wiki.example.com/out?" + query}, got.frames()); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if got.status != 200 || got.location(t).String() != bye+"?state=s" || !strings.Contains(html.UnescapeString(got.body), `content="3;url=`+bye+`?state=s"`) || b.alive(t) {
			t.Errorf("answered %d %s", got.status, got.body)
		}
		if csp := got.header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; frame-src https://wiki.example.com") {
			t.Errorf("the policy is %q", csp)
		}
		if got := b.get(t, a.request("prompt", "none")); got.location(t).Query().Get("error") != "login_required" {
			t.Errorf("afterwards: %v", got.location(t))
		}
	}
}

// A sign-out that leads nowhere has the frames too, and stays.
func TestFrontchannelLogoutOfOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	w.app(t, "wiki", framedAt("https://wiki.example.com/out")).tokens(t, b)
	got := b.post(t, "/logout", url.Values{"decision": {"yes"}})
	wantSignedOut(t, "yes", got)
	if len(got.frames()) != 1 || strings.Contains(got.body, "refresh") || strings.Contains(got.body, "frames.js") || !strings.Contains(got.body, "Told by this browser") {
		t.Errorf("the page is %s", got.body)
	}
	wantSignedOut(t, "again", b.post(t, "/logout", url.Values{"decision": {"yes"}}))
}
