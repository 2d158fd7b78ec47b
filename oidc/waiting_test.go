package oidc_test

import (
	"testing"

	"latchkey"
)

func TestRequestWaitsForSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request("login_hint", "alice")), "/login")
	in, err := w.db.FindInteraction(t.Context(), id, b.pre(t))
	if err != nil || in.Needs.Reason != "login" || in.Needs.Hint != "alice" || in.ClientID != "wiki" {
		t.Fatalf("waits %+v %v", in, err)
	}
	// Another browser with the id is told nothing.
	thief := w.browser().signIn(t, w.user(t, "mallory"))
	wantPage(t, thief.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	b.signIn(t, w.user(t, "alice"))
	got := b.get(t, "/oauth2/authorize?request="+id)
	if q := got.location(t).Query(); q.Get("code") == "" || q.Get("state") != "s t&ate" || q.Get("iss") != w.issuer {
		t.Errorf("answered %v", q)
	}
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	if n := w.events(t, latchkey.AuthorizationGranted, ""); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestRequestWaitsNoLongerThanItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request()), "/login")
	w.sql(t, `UPDATE interactions SET expires_at = now()`)
	b.signIn(t, w.user(t, "alice"))
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	wantPage(t, b.get(t, "/oauth2/authorize?request=garbage"), 400, "request_expired")
	w.noGrant(t)
}

func TestApplicationDisabledWhileTheRequestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser()
	id := waitingFor(t, b.get(t, a.request()), "/login")
	w.sql(t, `UPDATE clients SET enabled = false`)
	b.signIn(t, w.user(t, "alice"))
	wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "unknown_client")
	w.noGrant(t)
}
