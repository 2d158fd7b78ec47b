package account_test

import (
	"slices"
	"strings"
	"testing"

	"latchkey"
	"latchkey/passkey/passkeytest"
)

// myApp is an application as the API tells of it.
type myApp struct {
	ClientID   string `json:"client_id"`
	Name       string
	FirstParty bool `json:"first_party"`
	Scopes     []string
	Claims     []string
	GrantedAt  *string `json:"granted_at"`
	LastUsedAt *string `json:"last_used_at"`
}

func apps(t testing.TB, b *passkeytest.Browser) map[string]myApp {
	t.Helper()
	got := b.Get("/api/v1/me/apps")
	wantStatus(t, got, 200)
	byID := map[string]myApp{}
	for _, a := range decode[struct{ Items []myApp }](t, got).Items {
		byID[a.ClientID] = a
	}
	return byID
}

// TestTheListOfApps: what was allowed in sentences, and apart from it what the
// administrator provides.
func TestTheListOfApps(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	wantText(t, alice.Get("/account/apps"), "No apps yet")
	notes := w.app(t, "notes", func(c *latchkey.Client) { c.Metadata.ClientURI = "https://notes.example/start" })
	w.app(t, "wiki", firstParty)
	w.app(t, "other")
	w.app(t, "machine", firstParty, func(c *latchkey.Client) { c.GrantTypes = []string{latchkey.GrantClientCredentials} })
	w.app(t, "off", firstParty, func(c *latchkey.Client) { c.Enabled = false })
	w.app(t, "gated", firstParty)
	w.Exec(t, "INSERT INTO groups (id, name, name_key) VALUES (gen_random_uuid(), 'staff', 'staff')")
	w.Exec(t, "INSERT INTO client_groups SELECT 'gated', id FROM groups")
	notes.signIn(t, alice, "openid email offline_access", `{"userinfo": {"nickname": null, "email": null}}`)
	page := alice.Get("/account/apps")
	wantPage(t, page, 200, "account-apps")
	wantText(t, page, "Notes Stays signed in notes.example Allowed just now Used just now", "Know that it is you",
		"Read your e-mail address Read your nickname All this also when you are away", "Provided by latchkey", "Wiki wiki.example.com")
	noText(t, page, "Read your name", "Other", "Machine", "Off", "Gated")
	got := apps(t, alice)
	if len(got) != 2 || got["notes"].GrantedAt == nil || got["notes"].LastUsedAt == nil || got["notes"].FirstParty || len(got["notes"].Scopes) != 3 || !slices.Equal(got["notes"].Claims, []string{"nickname"}) {
		t.Errorf("applications are %+v", got)
	}
	if wiki := got["wiki"]; !wiki.FirstParty || wiki.GrantedAt != nil || wiki.LastUsedAt != nil || len(wiki.Scopes) != 0 || wiki.Claims == nil || len(wiki.Claims) != 0 {
		t.Errorf("the provided application is %+v", wiki)
	}
	w.Exec(t, "INSERT INTO memberships (group_id, user_id) SELECT g.id, u.id FROM groups g, users u WHERE u.username = 'alice'")
	if _, ok := apps(t, alice)["gated"]; !ok {
		t.Error("an application for the person's group is not listed")
	}
}

// TestABadAddressOfAnAppIsNoLink: what was written into the database by hand
// must not break the page or run anything.
func TestABadAddressOfAnAppIsNoLink(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	for i, uri := range []string{"javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "%zz"} {
		w.app(t, "app"+string(rune('a'+i)), firstParty, func(c *latchkey.Client) { c.Metadata.ClientURI = uri })
	}
	page := alice.Get("/account/apps")
	wantPage(t, page, 200, "account-apps")
	for n := range node(t, page).Descendants() {
		if href := attr(n, "href"); n.Data == "a" && !strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "#") {
			t.Errorf("the page links to %q", href)
		}
	}
}

// TestRemovingAnApp takes the consent back: everything issued under it ends, for
// this person only, and the application has to ask again.
func TestRemovingAnApp(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, alice *passkeytest.Browser){
		"page": func(t *testing.T, alice *passkeytest.Browser) {
			wantTo(t, submit(t, alice, alice.Get("/account/apps"), "/account/apps/notes/remove", nil), "/account/apps?done=removed")
			wantText(t, alice.Get("/account/apps?done=removed"), "The application was removed.", "Wiki")
		},
		"API": func(t *testing.T, alice *passkeytest.Browser) {
			wantStatus(t, alice.Do("DELETE", "/api/v1/me/apps/notes", nil), 204)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			alice := w.admin(t)
			phone, bob := w.another(t, alice), w.enroll(t, "bob")
			notes, wiki := w.app(t, "notes"), w.app(t, "wiki")
			here, there := notes.signIn(t, alice, "openid"), notes.signIn(t, phone, "openid offline_access")
			bobs, wikis := notes.signIn(t, bob, "openid"), wiki.signIn(t, alice, "openid")
			remove(t, alice)
			wantLife(t, "its tokens", here, dead)
			wantLife(t, "its tokens of another session, with offline_access", there, dead)
			wantLife(t, "somebody else's tokens", bobs, alive)
			wantLife(t, "another application's tokens", wikis, alive)
			if !signedIn(t, alice) || !signedIn(t, phone) {
				t.Error("a session ended")
			}
			if got := apps(t, alice); len(got) != 1 {
				t.Errorf("applications are %+v, want only the wiki", got)
			}
			events := w.events(t, "consent.revoked")
			if len(events) != 1 || events[0].Client != "notes" || events[0].Subject != w.user(t, "alice") || events[0].Detail != `{"grants": 2}` {
				t.Errorf("events are %+v, want one that counts 2 grants", events)
			}
			if got := notes.signIn(t, alice, "openid"); got.Access == "" || len(w.events(t, "consent.granted")) != 5 {
				t.Errorf("%d consents were given, want the application to ask again", len(w.events(t, "consent.granted")))
			}
		})
	}
}

// TestRemovingWhatIsNotThere: an application without consent, one that somebody
// else allowed, none at all.
func TestRemovingWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	bob := w.enroll(t, "bob")
	notes := w.app(t, "notes")
	w.app(t, "wiki", firstParty)
	held := notes.signIn(t, alice, "openid")
	for name, id := range map[string]string{"Alice's": "notes", "a provided one": "wiki", "nobody's": "none", "no id": "a%20b"} {
		wantRefused(t, bob.Do("DELETE", "/api/v1/me/apps/"+id, nil), 404, "not_found")
		if got := bob.Form("/account/apps/"+id+"/remove", nil); got.Status != 404 {
			t.Errorf("%s: the form answered %d, want 404", name, got.Status)
		}
	}
	wantLife(t, "Alice's tokens", held, alive)
	if len(w.events(t, "consent.revoked")) != 0 {
		t.Error("a consent was taken back")
	}
}
