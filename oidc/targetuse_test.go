package oidc_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

// wantSeen checks what an application learns of a token: whom it is for and
// with what; "" as the only one means nothing.
func wantSeen(t *testing.T, what string, by *app, token, scope string, aud ...string) {
	t.Helper()
	seen := by.introspected(t, token)
	if aud[0] == "" {
		if seen["active"] != false || len(seen) != 1 {
			t.Errorf("%s: %s learns %v", what, by.ID, seen)
		}
		return
	}
	var got []string
	switch v := seen["aud"].(type) {
	case string:
		got = []string{v}
	case []any:
		for _, one := range v {
			got = append(got, one.(string))
		}
	}
	told, _ := seen["scope"].(string)
	if diff := cmp.Diff(aud, got); diff != "" || told != scope || seen["active"] != true {
		t.Errorf("%s: %s learns %v, want scope %q and aud %v", what, by.ID, seen, scope, aud)
	}
}

// TestWhoLearnsOfATokenForAPIs: whoever serves one, of that one only; others
// nothing (RFC 7662 §4, RFC 9701 §5).
func TestWhoLearnsOfATokenForAPIs(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	gateway := x.app(t, "gateway", func(c *latchkey.Client) { c.Introspects = true })
	stranger := x.app(t, "stranger")
	own := x.a.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"calendar.write wiki:edit"}, "resource": {calendarAt, x.issuer}})
	tk := readTokens(t, x.a.exchange(t, x.codeForBoth(t)))
	ours := readTokens(t, x.a.refresh(t, tk.refresh, "resource", x.issuer))
	for _, by := range []*app{x.a, gateway} {
		wantSeen(t, "of a person", by, tk.access, "calendar.read mail.read", calendarAt, mailAt)
		wantSeen(t, "of itself", by, readTokens(t, own).access, "calendar.write wiki:edit", calendarAt, x.issuer)
	}
	wantSeen(t, "of a person", x.calendarApp, tk.access, "calendar.read", calendarAt)
	wantSeen(t, "of a person", x.mailApp, tk.access, "mail.read", mailAt)
	wantSeen(t, "of a person", stranger, tk.access, "", "")
	wantSeen(t, "of itself", x.calendarApp, readTokens(t, own).access, "calendar.write", calendarAt)
	wantSeen(t, "of itself", x.mailApp, readTokens(t, own).access, "", "")
	wantSeen(t, "for ourselves", x.calendarApp, ours.access, "", "")
	wantSeen(t, "a refresh token", x.calendarApp, ours.refresh, "", "")
	x.calendar.ClientID = ""
	x.in(t, func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), x.calendar) })
	wantSeen(t, "served by nobody", x.calendarApp, tk.access, "", "")
}

// TestWhatIsTakenCountsAtOnce in tokens that are out already.
func TestWhatIsTakenCountsAtOnce(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	own := func(resources ...string) string {
		return readTokens(t, x.a.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"calendar.write"}, "resource": resources})).access
	}
	tk := readTokens(t, x.a.exchange(t, x.codeForBoth(t)))
	one := readTokens(t, x.a.refresh(t, tk.refresh, "resource", calendarAt))
	itself, mixed := own(calendarAt), own(calendarAt, x.issuer)
	x.allow(t, x.calendar, nil, nil)
	wantSeen(t, "without the permission", x.calendarApp, tk.access, "", calendarAt)
	wantSeen(t, "without the permission", x.a, tk.access, "mail.read", calendarAt, mailAt)
	wantSeen(t, "without the permission", x.calendarApp, itself, "", calendarAt)
	x.allow(t, x.calendar, []string{"calendar.read"}, nil)
	wantSeen(t, "for people only", x.calendarApp, one.access, "calendar.read", calendarAt)
	wantSeen(t, "for people only", x.calendarApp, itself, "", "")
	wantSeen(t, "for people only", x.a, mixed, "", x.issuer)
	x.allow(t, x.calendar, nil, []string{"calendar.write"})
	wantSeen(t, "for itself only", x.calendarApp, one.access, "", "")
	wantSeen(t, "for itself only", x.calendarApp, itself, "calendar.write", calendarAt)
	wantSeen(t, "for itself only", x.a, tk.access, "mail.read", mailAt)
	x.allow(t, x.calendar, []string{"calendar.read"}, []string{"calendar.write"})
	x.in(t, func(tx *storage.Tx) error { return tx.DeleteAPI(t.Context(), x.calendar.ID) })
	wantSeen(t, "deleted", x.a, one.access, "", "")
	wantSeen(t, "deleted", x.a, itself, "", "")
	wantSeen(t, "deleted", x.a, tk.access, "mail.read", mailAt)
	// The name of a permission that went to another API opens nothing at the first.
	x.mail.Permissions = append(x.mail.Permissions, latchkey.Permission{Scope: "calendar.read", Description: "Read"})
	x.in(t, func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), x.mail) })
	again := x.api(t, &latchkey.API{Resource: calendarAt, Name: "Calendar", ClientID: "calendar"})
	x.allow(t, again, nil, nil)
	x.allow(t, x.mail, []string{"mail.read", "calendar.read"}, nil)
	wantSeen(t, "a permission that moved", x.calendarApp, one.access, "", calendarAt)
	if got := x.a.call(t, "/oauth2/revoke", url.Values{"token": {tk.access}}); got.status != 200 {
		t.Errorf("revocation answered %d", got.status)
	}
	wantSeen(t, "revoked", x.mailApp, tk.access, "", "")
}

// TestConsentForResources is asked for each API once, whatever the scopes.
func TestConsentForResources(t *testing.T) {
	t.Parallel()
	x := newAPIs(t, third)
	ask := func(scope string, resources ...string) *answer {
		q := x.a.params("scope", scope)
		q["resource"] = resources
		return x.b.get(t, "/oauth2/authorize?"+q.Encode())
	}
	silent := func(what string, got *answer) {
		t.Helper()
		if got.location(t).Query().Get("code") == "" {
			t.Errorf("%s: asked again: %s", what, got.header.Get("Location"))
		}
	}
	if code := x.b.allow(t, ask("openid", calendarAt)); code == "" {
		t.Fatal("no code")
	}
	silent("the same", ask("openid", calendarAt))
	silent("nothing", ask("openid"))
	silent("ourselves", ask("openid", x.issuer, calendarAt))
	x.b.ask(t, ask("openid calendar.read", calendarAt))
	x.b.ask(t, ask("openid", mailAt))
	if code := x.b.allow(t, ask("openid mail.read", calendarAt, mailAt)); code == "" {
		t.Fatal("no code")
	}
	silent("both", ask("openid mail.read", mailAt, calendarAt))
	silent("the first", ask("openid", calendarAt))
	x.withdraw(t, x.alice.ID, "wiki")
	x.b.allow(t, ask("openid", mailAt))
	x.b.ask(t, ask("openid", calendarAt)) // withdrawn is withdrawn
}

// TestConsentNamesPermissionsInWords of whoever registered the API.
func TestConsentNamesPermissionsInWords(t *testing.T) {
	t.Parallel()
	x := newAPIs(t, third)
	q := x.a.params("scope", "openid wiki:edit calendar.read")
	q["resource"] = []string{calendarAt, mailAt, x.issuer}
	id := waitingFor(t, x.b.get(t, "/oauth2/authorize?"+q.Encode()), "/consent")
	page := x.b.get(t, "/consent?request="+url.QueryEscape(id)).body
	for words, want := range map[string]int{
		"At \u2068Calendar\u2069: Words of calendar.read": 1, "Use \u2068Mail\u2069 for you": 1, "Use “wiki:edit” for you": 1,
		"“calendar.read”": 0, "calendar.write": 0, "Use \u2068Calendar\u2069": 0, "mail.read": 0,
	} {
		if n := strings.Count(page, words); n != want {
			t.Errorf("%q stands there %d times, want %d", words, n, want)
		}
	}
}

// TestAdvertisedPermissions are in discovery for everybody, others are not; and
// without the database it still answers.
func TestAdvertisedPermissions(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	look := func(want ...any) {
		t.Helper()
		got := x.browser().get(t, "/.well-known/openid-configuration")
		if diff := cmp.Diff(append([]any{"openid", "profile", "email", "address", "phone", "groups", "offline_access"}, want...), got.json(t)["scopes_supported"]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	poll := func() {
		t.Helper()
		if err := x.db.PollCaches(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	poll()
	look()
	x.calendar.Permissions[0].Advertised = true
	x.in(t, func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), x.calendar) })
	look() // not before the node looked
	poll()
	first := x.browser().get(t, "/.well-known/openid-configuration").header.Get("ETag")
	look("calendar.read")
	x.wire.Reset()
	look("calendar.read")
	if n := x.wire.Trips(); n != 0 {
		t.Errorf("%d round trips for what is known", n)
	}
	x.calendar.Permissions[0].Advertised = false
	x.in(t, func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), x.calendar) })
	x.db.Close()
	look("calendar.read")
	if tag := x.browser().get(t, "/.well-known/openid-configuration").header.Get("ETag"); tag != first {
		t.Error("another tag for the same document")
	}
}
