package admin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/storage"
)

const callback = "http://127.0.0.1:9/callback"

// app is an application that people are signed in to.
type app struct {
	c      *console
	config oauth2.Config
}

// app registers an application that is open to some groups, or to everyone.
func (c *console) app(id string, groups ...string) *app {
	c.t.Helper()
	secret := c.DB.NewClientSecret()
	err := c.DB.InTx(c.t.Context(), func(tx *storage.Tx) error {
		return tx.CreateClient(c.t.Context(), &latchkey.Client{
			ID: id, Name: strings.ToUpper(id), Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true, FirstParty: true, AllowedGroups: groups,
			RedirectURIs: []string{callback}, GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken}, ResponseTypes: []string{"code"},
			Scopes:     []string{"openid", "profile", "groups", "offline_access"},
			AuthMethod: latchkey.AuthBasic, IDTokenAlg: latchkey.RS256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt",
		}, secret)
	})
	if err != nil {
		c.t.Fatalf("register %s: %v", id, err)
	}
	return &app{c, oauth2.Config{
		ClientID: id, ClientSecret: secret, RedirectURL: callback, Scopes: []string{"openid", "profile", "groups", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: c.App.URL + "/oauth2/authorize", TokenURL: c.App.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInHeader},
	}}
}

// authorize sends somebody's browser to the application and returns the last
// answer that is no redirect of ours: a page, or the way to the application.
func (a *app) authorize(b *passkeytest.Browser) (answer *passkeytest.Answer, back url.Values) {
	a.c.t.Helper()
	address := a.config.AuthCodeURL("the-state", oauth2.S256ChallengeOption("a-verifier-of-the-right-length-for-the-test"))
	for range 5 {
		answer = b.Get(strings.TrimPrefix(address, a.c.App.URL))
		address = answer.Header.Get("Location")
		if to, found := strings.CutPrefix(address, callback+"?"); found {
			values, err := url.ParseQuery(to)
			if err != nil {
				a.c.t.Fatal(err)
			}
			return answer, values
		}
		if answer.Status < 300 || answer.Status > 399 {
			return answer, nil
		}
	}
	a.c.t.Fatal("no end of redirects")
	return nil, nil
}

// signIn gets tokens for whoever is signed in to the browser.
func (a *app) signIn(b *passkeytest.Browser) *oauth2.Token {
	a.c.t.Helper()
	answer, back := a.authorize(b)
	if back.Get("code") == "" {
		a.c.t.Fatalf("authorize answered %d and %v: %.300s", answer.Status, back, answer.Raw)
	}
	tokens, err := a.config.Exchange(a.c.t.Context(), back.Get("code"), oauth2.VerifierOption("a-verifier-of-the-right-length-for-the-test"))
	if err != nil {
		a.c.t.Fatalf("exchange: %v", err)
	}
	return tokens
}

// refresh uses the refresh token and returns the error code, "" = it worked.
func (a *app) refresh(tokens *oauth2.Token) string {
	a.c.t.Helper()
	_, err := a.config.TokenSource(a.c.t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken, Expiry: time.Unix(1, 0)}).Token()
	if refused, ok := err.(*oauth2.RetrieveError); ok {
		return refused.ErrorCode
	}
	if err != nil {
		a.c.t.Fatalf("refresh: %v", err)
	}
	return ""
}

// userinfo uses the access token and returns the status and the groups.
func (a *app) userinfo(tokens *oauth2.Token) (status int, groups []string) {
	a.c.t.Helper()
	res, err := a.config.Client(a.c.t.Context(), &oauth2.Token{AccessToken: tokens.AccessToken}).Get(a.c.App.URL + "/oauth2/userinfo")
	if err != nil {
		a.c.t.Fatal(err)
	}
	defer res.Body.Close()
	var claims struct{ Groups []string }
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(&claims); err != nil {
			a.c.t.Fatal(err)
		}
	}
	return res.StatusCode, claims.Groups
}

// wantAlive insists that tokens work, or that they have ended.
func (a *app) wantAlive(tokens *oauth2.Token, alive bool, when string) {
	a.c.t.Helper()
	wantStatus, wantError := http.StatusOK, ""
	if !alive {
		wantStatus, wantError = http.StatusUnauthorized, "invalid_grant"
	}
	if got, _ := a.userinfo(tokens); got != wantStatus {
		a.c.t.Errorf("%s: userinfo of %s answered %d, want %d", when, a.config.ClientID, got, wantStatus)
	}
	// Whoever is outside of the groups is told that, before what has ended.
	if got := a.refresh(tokens); got != wantError && (alive || got != "access_denied") {
		a.c.t.Errorf("%s: refresh of %s answered %q, want %q", when, a.config.ClientID, got, wantError)
	}
}

// TestTurningOffReachesEverythingAtOnce: the open session, the way to
// applications, refresh and userinfo.
func TestTurningOffReachesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t)
	wiki, bob, carol := c.app("wiki"), c.as("bob"), c.as("carol")
	tokens, others := wiki.signIn(bob.Browser), wiki.signIn(carol.Browser)
	wiki.wantAlive(tokens, true, "before")
	tokens = wiki.signIn(bob.Browser)
	path := "/admin/users/" + c.id("bob")
	c.done(c.submit(c.open(path+"/disable"), path+"/disable", nil), path, "disabled", "Turned off")

	wiki.wantAlive(tokens, false, "after turning off")
	wiki.wantAlive(others, true, "after somebody else was turned off")
	bob.open("/account/passkeys").wantRedirect("/login?return=%2Faccount%2Fpasskeys")
	if answer, back := wiki.authorize(bob.Browser); back != nil || !strings.Contains(string(answer.Raw), `data-page="login"`) {
		t.Errorf("authorize of somebody who is off answered %d %v", answer.Status, back)
	}
	if a := bob.SignIn(""); a.Code != "account_disabled" {
		t.Errorf("sign-in of somebody who is off answered %d %s", a.Status, a.Code)
	}
	c.submit(c.open(path), path+"/enable", nil)
	wiki.wantAlive(tokens, false, "after turning on again")
}

// TestSigningOutEverywhereReachesApplications.
func TestSigningOutEverywhereReachesApplications(t *testing.T) {
	t.Parallel()
	c := open(t)
	wiki, bob := c.app("wiki"), c.as("bob")
	tokens := wiki.signIn(bob.Browser)
	path := "/admin/users/" + c.id("bob")
	c.submit(c.open(path+"/sign-out"), path+"/sign-out", nil).wantRedirect(path + "?done=signed-out")
	wiki.wantAlive(tokens, false, "after sign-out everywhere")
	if a := bob.SignIn(""); a.Status != http.StatusOK {
		t.Errorf("bob does not get in again: %d %s", a.Status, a.Code)
	}
	own := "/admin/users/" + c.id("alice")
	ask := c.open(own + "/sign-out")
	if !ask.shows("This is you") {
		t.Errorf("the question about oneself is %s", ask.text())
	}
	c.submit(ask, own+"/sign-out", nil)
	c.open("/admin/users").wantRedirect("/login?return=%2Fadmin%2Fusers")
}

// TestLeavingAGroupClosesItsApplications: at authorize, refresh and userinfo,
// and for one application of two.
func TestLeavingAGroupClosesItsApplications(t *testing.T) {
	t.Parallel()
	c := open(t)
	staff, guests := c.group("staff"), c.group("guests")
	wiki, chat, blog := c.app("wiki", "staff"), c.app("chat", "staff", "guests"), c.app("blog")
	bob := c.as("bob")
	if answer, back := wiki.authorize(bob.Browser); back != nil || !strings.Contains(string(answer.Raw), `data-code="not_allowed"`) {
		t.Fatalf("bob is in no group, and authorize answered %d %v", answer.Status, back)
	}
	for _, group := range []string{staff, guests} {
		path := "/admin/groups/" + group
		c.done(c.submit(c.open(path), path+"/members", url.Values{"user": {"bob"}}), path, "added", "Added to the group")
	}
	tokens := map[*app]*oauth2.Token{wiki: wiki.signIn(bob.Browser), chat: chat.signIn(bob.Browser), blog: blog.signIn(bob.Browser)}
	if _, groups := wiki.userinfo(tokens[wiki]); strings.Join(groups, " ") != "guests staff" {
		t.Errorf("the wiki learns of the groups %v", groups)
	}
	page := c.open("/admin/groups/" + staff)
	if !page.shows("Bob", "WIKI", "CHAT") || page.shows("BLOG") {
		t.Errorf("the page of the group: %s", page.text())
	}
	remove := "/admin/groups/" + staff + "/members/" + c.id("bob") + "/remove"
	c.done(c.submit(page, remove, nil), "/admin/groups/"+staff, "removed", "Removed from the group")

	wiki.wantAlive(tokens[wiki], false, "after leaving")
	chat.wantAlive(tokens[chat], true, "another group opens it still")
	blog.wantAlive(tokens[blog], true, "open to everyone")
	if answer, back := wiki.authorize(bob.Browser); back != nil || !strings.Contains(string(answer.Raw), `data-code="not_allowed"`) {
		t.Errorf("after leaving, authorize answered %d %v", answer.Status, back)
	}
	if p := bob.open("/account/passkeys"); p.status != http.StatusOK {
		t.Errorf("leaving a group ended the session: %d", p.status)
	}
	// Back again: what ended stays ended, a new sign-in works.
	c.post("/admin/groups/"+staff+"/members", url.Values{"user": {"bob"}})
	wiki.wantAlive(tokens[wiki], false, "after joining again")
	wiki.wantAlive(wiki.signIn(bob.Browser), true, "after signing in again")
}

// TestAGroupIsDeletedOnceNothingIsOpenToIt.
func TestAGroupIsDeletedOnceNothingIsOpenToIt(t *testing.T) {
	t.Parallel()
	c := open(t)
	made := c.submit(c.open("/admin/groups"), "/admin/groups", url.Values{"name": {"Sales team"}})
	staff := c.Text(t, "SELECT id FROM groups")
	path := "/admin/groups/" + staff
	c.done(made, path, "created", "The group was created")
	c.app("wiki", "Sales team")
	if p := c.open(path); p.find("a", "href", path+"/delete") != nil || !p.shows("While an application is open to this group") {
		t.Errorf("the page offers to delete what is in use: %s", p.text())
	}
	refused := c.post(path+"/delete", nil).want(http.StatusConflict, "admin-confirm")
	if refused.alert() != "group_in_use" || !refused.shows("WIKI (wiki)") || refused.find("form", "action", path+"/delete") != nil {
		t.Errorf("deleting a group in use: %s %s", refused.alert(), refused.text())
	}
	if n := c.Text(t, "SELECT count(*) FROM client_groups"); n != "1" {
		t.Fatal("the application is open to everyone now")
	}
	c.Exec(t, "DELETE FROM client_groups")
	ask := c.open(path+"/delete").want(http.StatusOK, "admin-confirm")
	if p := c.done(c.submit(ask, path+"/delete", nil), "/admin/groups", "deleted", "The group was deleted"); !p.shows("No groups yet") {
		t.Errorf("after deleting: %s", p.text())
	}
}

// TestARecoveryLinkFromThePage is used to the end: the person's sessions, tokens
// and other links end, and only the last link made ever worked.
func TestARecoveryLinkFromThePage(t *testing.T) {
	t.Parallel()
	c := open(t)
	wiki, bob := c.app("wiki"), c.as("bob")
	tokens := wiki.signIn(bob.Browser)
	path := "/admin/users/" + c.id("bob")
	make := func() string {
		return c.token(c.submit(c.open(path), path+"/recover", url.Values{"ttl": {"15m"}}).want(http.StatusOK, "admin-link"), "recover")
	}
	replaced, token := make(), make()
	lost := passkeytest.NewBrowser(t, c.App.URL)
	redeem := func(b *passkeytest.Browser, token string) *passkeytest.Answer {
		return b.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": token})
	}
	if a := redeem(lost, replaced); a.Status != http.StatusUnauthorized {
		t.Errorf("the link that was replaced answered %d", a.Status)
	}
	wiki.wantAlive(tokens, true, "before the link is used")
	tokens = wiki.signIn(bob.Browser)
	if a := redeem(lost, token); a.Status != http.StatusOK {
		t.Fatalf("the link answered %d %s", a.Status, a.Raw)
	}
	wiki.wantAlive(tokens, false, "after the link was used")
	bob.open("/account/passkeys").wantRedirect("/login?return=%2Faccount%2Fpasskeys")
	if p := (&console{c.App, lost, t}).open("/admin/users"); p.status != http.StatusSeeOther {
		t.Errorf("a recovery session gets %d on a page of administration", p.status)
	}
	if a := lost.Register("recover", "", nil); a.Status != http.StatusCreated {
		t.Fatalf("recovery answered %d %s", a.Status, a.Raw)
	}
	for _, b := range []*passkeytest.Browser{lost, passkeytest.NewBrowser(t, c.App.URL)} {
		if a := redeem(b, token); a.Status != http.StatusUnauthorized {
			t.Errorf("the used link answered %d", a.Status)
		}
	}
	if n := c.Text(t, "SELECT count(*) FROM one_time_links WHERE purpose = 'recover' AND used_at IS NULL"); n != "0" {
		t.Errorf("%s recovery links still work", n)
	}
}
