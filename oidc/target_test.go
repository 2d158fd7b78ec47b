package oidc_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

const (
	calendarAt = "https://api.example.com/calendar"
	mailAt     = "https://api.example.com/mail"
)

// apis are two APIs with an application that serves each, and one that may use
// them for the people who sign in to it and for itself.
type apis struct {
	*world
	calendar, mail       *latchkey.API
	calendarApp, mailApp *app
	a                    *app
	alice                *latchkey.User
	b                    *browser
}

func newAPIs(t testing.TB, change ...func(*latchkey.Client)) *apis {
	t.Helper()
	w := newWorld(t)
	x := &apis{world: w, calendarApp: w.app(t, "calendar"), mailApp: w.app(t, "mail")}
	x.calendar = w.api(t, &latchkey.API{Resource: calendarAt, Name: "Calendar", ClientID: "calendar"}, "calendar.read", "calendar.write")
	x.mail = w.api(t, &latchkey.API{Resource: mailAt, Name: "Mail", ClientID: "mail"}, "mail.read")
	x.a = w.app(t, "wiki", append([]func(*latchkey.Client){func(c *latchkey.Client) {
		c.GrantTypes = append(c.GrantTypes, latchkey.GrantClientCredentials, latchkey.GrantImplicit)
		c.ResponseTypes = latchkey.ResponseTypes()
		c.Scopes = append(c.Scopes, "wiki:edit")
	}}, change...)...)
	x.allow(t, x.calendar, []string{"calendar.read"}, []string{"calendar.write"})
	x.allow(t, x.mail, []string{"mail.read"}, nil)
	x.alice = w.user(t, "alice")
	x.b = w.browser().signIn(t, x.alice)
	return x
}

func (w *world) api(t testing.TB, a *latchkey.API, scopes ...string) *latchkey.API {
	t.Helper()
	for _, s := range scopes {
		a.Permissions = append(a.Permissions, latchkey.Permission{Scope: s, Description: "Words of " + s})
	}
	w.in(t, func(tx *storage.Tx) error { return tx.CreateAPI(t.Context(), a) })
	return a
}

func (w *world) in(t testing.TB, f func(*storage.Tx) error) {
	t.Helper()
	if err := w.db.InTx(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func (x *apis) allow(t testing.TB, api *latchkey.API, people, itself []string) {
	t.Helper()
	x.in(t, func(tx *storage.Tx) error {
		return tx.AllowAPI(t.Context(), latchkey.APIAccess{APIID: api.ID, ClientID: "wiki", ForUsers: people, ForSelf: itself})
	})
}

func (x *apis) deny(t testing.TB, api *latchkey.API) {
	t.Helper()
	x.in(t, func(tx *storage.Tx) error { return tx.DenyAPI(t.Context(), api.ID, "wiki") })
}

const everyScope = "openid profile offline_access wiki:edit calendar.read mail.read"

// both is a request for tokens of both APIs.
func (x *apis) both() string {
	q := x.a.params("scope", everyScope)
	q["resource"] = []string{calendarAt, mailAt, calendarAt}
	return "/oauth2/authorize?" + q.Encode()
}

func (x *apis) codeForBoth(t testing.TB) string {
	t.Helper()
	got := x.b.get(t, x.both())
	code := got.location(t).Query().Get("code")
	if code == "" {
		t.Fatalf("authorize answered %d %s", got.status, got.header.Get("Location"))
	}
	return code
}

// wantToken checks whom an access token is for and with what, in the answer, in
// the token and at introspection.
func (x *apis) wantToken(t *testing.T, what string, got *answer, scope string, aud ...string) tokens {
	t.Helper()
	tk := readTokens(t, got)
	var one any = aud[0]
	if len(aud) > 1 {
		list := []any{}
		for _, r := range aud {
			list = append(list, r)
		}
		one = list
	}
	told, _ := got.json(t)["scope"].(string)
	seen := x.a.introspected(t, tk.access)
	seenScope, _ := seen["scope"].(string)
	if told != scope || seenScope != scope {
		t.Errorf("%s: scope %q, introspected %q, want %q", what, told, seenScope, scope)
	}
	if diff := cmp.Diff(one, seen["aud"]); diff != "" {
		t.Errorf("%s: introspected (-want +got):\n%s", what, diff)
	}
	if strings.HasPrefix(tk.access, storage.AccessPrefix) {
		return tk
	}
	claims := claimsIn(t, tk.access)
	if diff := cmp.Diff(one, claims["aud"]); diff != "" || scope != "" && claims["scope"] != scope {
		t.Errorf("%s: scope %v and aud (-want +got):\n%s", what, claims["scope"], diff)
	}
	return tk
}

// TestTokensForResources from the request to the last refresh (RFC 8707 §2).
func TestTokensForResources(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	a, mine := x.a, "openid profile offline_access wiki:edit"
	tk := x.wantToken(t, "for one", a.exchange(t, a.code(t, x.b, "resource", calendarAt, "scope", "openid calendar.read offline_access")), "calendar.read", calendarAt)
	if tk.id == "" || claimsIn(t, tk.id)["aud"] != "wiki" {
		t.Error("no ID token although openid was granted")
	}
	wantFault(t, x.userinfo(t, tk.access), 401, "invalid_token")
	tk = x.wantToken(t, "for both", a.exchange(t, x.codeForBoth(t)), "calendar.read mail.read", calendarAt, mailAt)
	for _, c := range []struct{ what, resource, scope, asked string }{
		{"calendar", calendarAt, "calendar.read", ""}, {"mail", mailAt, "mail.read", everyScope}, {"ourselves", x.issuer, mine, ""}, {"ourselves, less", x.issuer, "openid", "openid mail.read"},
		{"nothing of it", mailAt, "", "calendar.read"},
	} {
		refreshed := x.wantToken(t, c.what, a.refresh(t, tk.refresh, "resource", c.resource, "scope", c.asked), c.scope, c.resource)
		if told := x.userinfo(t, refreshed.access); (told.status == 200) != (c.resource == x.issuer) {
			t.Errorf("%s: userinfo answered %d %s", c.what, told.status, told.body)
		}
		tk.refresh = refreshed.refresh
	}
	x.wantToken(t, "all again", a.refresh(t, tk.refresh), "calendar.read mail.read", calendarAt, mailAt)
	x.wantToken(t, "one of two at once", a.exchange(t, x.codeForBoth(t), "resource", mailAt), "mail.read", mailAt)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {x.codeForBoth(t)}, "redirect_uri": {callback}, "code_verifier": {verifier}, "resource": {mailAt, x.issuer, mailAt}}
	both := x.wantToken(t, "an API and ourselves", a.call(t, "/oauth2/token", form), mine+" mail.read", mailAt, x.issuer)
	if told := x.userinfo(t, both.access); told.status != 200 {
		t.Errorf("userinfo answered %d %s", told.status, told.body)
	}
	x.wantToken(t, "nothing asked", a.exchange(t, a.code(t, x.b, "scope", mine)), mine, x.issuer)
	x.wantToken(t, "ourselves asked", a.exchange(t, a.code(t, x.b, "scope", mine, "resource", x.issuer)), mine, x.issuer)
	x.wantToken(t, "ourselves asked at the token endpoint", a.exchange(t, a.code(t, x.b, "scope", mine), "resource", x.issuer), mine, x.issuer)
	if n := x.events(t, latchkey.TokenRefused, ""); n != 4 { // at userinfo
		t.Errorf("%d refusals", n)
	}
}

// TestResourcesByEveryWay that a request comes in by.
func TestResourcesByEveryWay(t *testing.T) {
	t.Parallel()
	keys := newObjectKeys(t)
	x := newAPIs(t, signs(keys, t))
	a := x.a
	two := func(q url.Values) url.Values {
		q["resource"] = []string{calendarAt, mailAt}
		return q
	}
	ask := a.params("scope", everyScope)
	pushed := a.call(t, "/oauth2/par", two(a.params("scope", everyScope)))
	if pushed.status != 201 {
		t.Fatalf("PAR answered %d %s", pushed.status, pushed.body)
	}
	object := keys.sign(t, latchkey.PS256, "", a.object("scope", everyScope, "resource", []string{calendarAt, mailAt}))
	single := keys.sign(t, latchkey.PS256, "", a.object("scope", "openid mail.read", "resource", mailAt))
	waits := waitingFor(t, x.b.post(t, "/oauth2/authorize", two(a.params("scope", everyScope))), "/oauth2/authorize")
	nobody := x.browser()
	late := waitingFor(t, nobody.get(t, "/oauth2/authorize?"+two(ask).Encode()), "/login")
	nobody.signIn(t, x.alice)
	for _, c := range []struct {
		what string
		b    *browser
		at   string
		aud  []string
	}{
		{"pushed", x.b, a.named(pushed.json(t)["request_uri"].(string)), []string{calendarAt, mailAt}},
		{"a list in a request object", x.b, a.by(object), []string{calendarAt, mailAt}},
		{"one in a request object", x.b, a.by(single), []string{mailAt}},
		{"posted", x.b, "/oauth2/authorize?request=" + waits, []string{calendarAt, mailAt}},
		{"after a sign-in", nobody, "/oauth2/authorize?request=" + late, []string{calendarAt, mailAt}},
	} {
		got := c.b.get(t, c.at)
		scope := "calendar.read mail.read"
		if len(c.aud) == 1 {
			scope = "mail.read"
		}
		x.wantToken(t, c.what, a.exchange(t, got.location(t).Query().Get("code")), scope, c.aud...)
	}
}

// TestFrontChannelTokensForResources: for all that were asked (RFC 8707 §2.1).
func TestFrontChannelTokensForResources(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	q := x.a.params("scope", everyScope, "response_type", "code id_token token")
	q["resource"] = []string{calendarAt, mailAt}
	got := x.b.get(t, "/oauth2/authorize?"+q.Encode())
	front, err := url.ParseQuery(got.location(t).Fragment)
	if err != nil {
		t.Fatal(err)
	}
	claims := claimsIn(t, front.Get("access_token"))
	if diff := cmp.Diff([]any{calendarAt, mailAt}, claims["aud"]); diff != "" || claims["scope"] != "calendar.read mail.read" || front.Get("scope") != "calendar.read mail.read" {
		t.Errorf("answered %v: %s", front, diff)
	}
	if front.Get("id_token") == "" || claimsIn(t, front.Get("id_token"))["aud"] != "wiki" {
		t.Errorf("answered %v", front)
	}
	x.wantToken(t, "its code", x.a.exchange(t, front.Get("code"), "resource", mailAt), "mail.read", mailAt)
}

// TestResourcesRefusedAtAuthorize: one thing wrong at a time.
func TestResourcesRefusedAtAuthorize(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	own := x.api(t, &latchkey.API{Resource: "https://api.example.com/jobs", Name: "Jobs"}, "jobs.run")
	x.allow(t, own, nil, []string{"jobs.run"})
	x.api(t, &latchkey.API{Resource: "https://api.example.com/closed", Name: "Closed"}, "closed.read")
	for _, c := range []struct {
		what      string
		resources []string
		scope     string
		code      string
		reason    string
	}{
		{"a fragment", []string{calendarAt + "#x"}, "openid", "invalid_target", "malformed_resource"},
		{"no absolute URI", []string{"/calendar"}, "openid", "invalid_target", "malformed_resource"},
		{"an empty one of two", []string{calendarAt, ""}, "openid", "invalid_target", "malformed_resource"},
		{"bytes that are no text", []string{calendarAt, "https://\xff.example"}, "openid", "invalid_request", "malformed_parameter"},
		{"nobody's", []string{"https://api.example.com/nothing"}, "openid", "invalid_target", "resource_not_allowed"},
		{"another spelling", []string{calendarAt + "/"}, "openid", "invalid_target", "resource_not_allowed"},
		{"the issuer with a slash", []string{x.issuer + "/"}, "openid", "invalid_target", "resource_not_allowed"},
		{"not allowed", []string{"https://api.example.com/closed"}, "openid", "invalid_target", "resource_not_allowed"},
		{"not allowed, beside one that is", []string{calendarAt, "https://api.example.com/closed"}, "openid", "invalid_target", "resource_not_allowed"},
		{"for the application itself only", []string{own.Resource}, "openid", "invalid_target", "resource_not_allowed"},
		{"permission without its resource", nil, "openid calendar.read", "invalid_scope", "scope_without_resource"},
		{"permission of another resource", []string{mailAt}, "openid calendar.read", "invalid_scope", "scope_without_resource"},
		{"permission for itself only", []string{calendarAt}, "openid calendar.write", "invalid_scope", "scope_not_allowed"},
		{"permission of an API that is closed", []string{calendarAt}, "closed.read", "invalid_scope", "no_scope"},
	} {
		before := x.events(t, latchkey.AuthorizationRefused, c.reason)
		q := x.a.params("scope", c.scope)
		q["resource"] = c.resources
		x.wantRedirect(t, c.what, x.b.get(t, "/oauth2/authorize?"+q.Encode()), c.code)
		if n := x.events(t, latchkey.AuthorizationRefused, c.reason) - before; n != 1 {
			t.Errorf("%s: %d events of reason %s", c.what, n, c.reason)
		}
		if c.reason != "malformed_parameter" { // PAR reads its form more strictly
			wantFault(t, x.a.call(t, "/oauth2/par", q), 400, c.code)
		}
	}
	x.noGrant(t)
	// Other parameters still come once.
	q := x.a.params("resource", calendarAt)
	q["scope"] = []string{"openid", "openid"}
	x.wantRedirect(t, "scope twice", x.b.get(t, "/oauth2/authorize?"+q.Encode()), "invalid_request")
	wantFault(t, x.a.call(t, "/oauth2/par", q), 400, "invalid_request")
}

// TestResourcesRefusedForACode: the attempt spends the code, and what came of it
// has ended.
func TestResourcesRefusedForACode(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	for _, c := range []struct {
		what, resource, scope, asked, reason string
		before, after                        func()
	}{
		{what: "not granted", resource: calendarAt, scope: "openid", asked: mailAt, reason: "wrong_target"},
		{what: "nothing granted", scope: "openid", asked: mailAt, reason: "wrong_target"},
		{what: "ourselves, without openid", resource: calendarAt, scope: "calendar.read", asked: x.issuer, reason: "wrong_target"},
		{what: "not allowed", resource: calendarAt, scope: "openid", asked: "https://api.example.com/x", reason: "resource_not_allowed"},
		{what: "malformed", resource: calendarAt, scope: "openid", asked: "x", reason: "malformed_resource"},
		{what: "taken meanwhile", resource: mailAt, scope: "openid mail.read", asked: mailAt, reason: "resource_not_allowed",
			before: func() { x.deny(t, x.mail) }, after: func() { x.allow(t, x.mail, []string{"mail.read"}, nil) }},
		{what: "taken meanwhile, not named", resource: mailAt, scope: "openid mail.read", reason: "wrong_target",
			before: func() { x.deny(t, x.mail) }, after: func() { x.allow(t, x.mail, []string{"mail.read"}, nil) }},
	} {
		code := x.a.code(t, x.b, "resource", c.resource, "scope", c.scope)
		if c.before != nil {
			c.before()
		}
		refused, issued := x.events(t, latchkey.TokenRefused, c.reason), x.events(t, latchkey.TokenIssued, "")
		got := x.a.exchange(t, code, "resource", c.asked)
		if c.after != nil {
			c.after()
		}
		wantFault(t, got, 400, "invalid_target")
		if strings.Contains(got.body, "token\":") || x.events(t, latchkey.TokenRefused, c.reason) != refused+1 || x.events(t, latchkey.TokenIssued, "") != issued {
			t.Errorf("%s: %s; refusals %d, issued %d", c.what, got.body, x.events(t, latchkey.TokenRefused, c.reason)-refused, x.events(t, latchkey.TokenIssued, "")-issued)
		}
		wantFault(t, x.a.exchange(t, code), 400, "invalid_grant")
	}
	if n := x.count(t, `SELECT count(*) FROM grants WHERE revoked_at IS NULL OR rt_gen > 0`); n != 0 {
		t.Errorf("%d grants live on", n)
	}
}

// TestResourcesRefusedForARefreshToken: the token stays good.
func TestResourcesRefusedForARefreshToken(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	a := x.a
	tk := readTokens(t, a.exchange(t, a.code(t, x.b, "resource", calendarAt, "scope", "calendar.read offline_access")))
	for _, asked := range []string{mailAt, x.issuer, "https://api.example.com/x", "x"} {
		wantFault(t, a.refresh(t, tk.refresh, "resource", asked), 400, "invalid_target")
	}
	for reason, want := range map[string]int{"wrong_target": 2, "resource_not_allowed": 1, "malformed_resource": 1} {
		if n := x.events(t, latchkey.TokenRefused, reason); n != want {
			t.Errorf("%d events of reason %s, want %d", n, reason, want)
		}
	}
	// Without the API there is nothing left, and ourselves never take its place.
	x.deny(t, x.calendar)
	wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_target")
	x.allow(t, x.calendar, nil, []string{"calendar.write"})
	wantFault(t, a.refresh(t, tk.refresh), 400, "invalid_target")
	x.allow(t, x.calendar, []string{"calendar.write"}, nil) // another permission than was granted
	tk = x.wantToken(t, "without its permission", a.refresh(t, tk.refresh), "", calendarAt)
	x.allow(t, x.calendar, []string{"calendar.read"}, nil)
	x.wantToken(t, "all back", a.refresh(t, tk.refresh), "calendar.read", calendarAt)
	// Of two, the one that is left.
	two := readTokens(t, a.exchange(t, x.codeForBoth(t)))
	x.deny(t, x.calendar)
	x.wantToken(t, "one of two left", a.refresh(t, two.refresh), "mail.read", mailAt)
}

// TestResourcesOfAnApplicationItself by client_credentials.
func TestResourcesOfAnApplicationItself(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	ask := func(scope string, resources ...string) *answer {
		return x.a.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "resource": resources})
	}
	x.wantToken(t, "its permission", ask("calendar.write", calendarAt), "calendar.write", calendarAt)
	x.wantToken(t, "without permissions", ask("", calendarAt), "", calendarAt)
	x.wantToken(t, "and ourselves", ask("wiki:edit calendar.write", calendarAt, x.issuer), "wiki:edit calendar.write", calendarAt, x.issuer)
	x.wantToken(t, "nothing named", ask("wiki:edit"), "wiki:edit", x.issuer)
	for _, c := range []struct{ what, scope, resource, code, reason string }{
		{"for people only", "", mailAt, "invalid_target", "resource_not_allowed"},
		{"nobody's", "", "https://api.example.com/x", "invalid_target", "resource_not_allowed"},
		{"malformed", "", "x", "invalid_target", "malformed_resource"},
		{"permission for people", "calendar.read", calendarAt, "invalid_scope", "scope_not_allowed"},
		{"permission without its resource", "calendar.write", "", "invalid_scope", "scope_without_resource"},
		{"own scope at an API", "wiki:edit", calendarAt, "invalid_scope", "scope_without_resource"},
		{"about a person", "openid", calendarAt, "invalid_scope", "scope_not_allowed"},
	} {
		before := x.events(t, latchkey.TokenRefused, c.reason)
		wantFault(t, x.a.call(t, "/oauth2/token", changed(url.Values{"grant_type": {"client_credentials"}}, "scope", c.scope, "resource", c.resource)), 400, c.code)
		if n := x.events(t, latchkey.TokenRefused, c.reason) - before; n != 1 {
			t.Errorf("%s: %d events of reason %s", c.what, n, c.reason)
		}
	}
}

// TestTokensAsTheirAPIWantsThem: format and lifetime.
func TestTokensAsTheirAPIWantsThem(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	x.calendar.AccessTokenFormat, x.calendar.AccessTokenTTL = latchkey.FormatOpaque, 2*time.Minute
	x.mail.AccessTokenTTL = time.Hour
	x.in(t, func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), x.calendar) })
	x.in(t, func(tx *storage.Tx) error { return tx.UpdateAPI(t.Context(), x.mail) })
	look := func(what string, got *answer, opaque bool, expires float64) {
		t.Helper()
		token := readTokens(t, got).access
		if strings.HasPrefix(token, storage.AccessPrefix) != opaque || got.json(t)["expires_in"] != expires {
			t.Errorf("%s: %s", what, got.body)
		}
		seen := x.a.introspected(t, token)
		if lived := seen["exp"].(float64) - seen["iat"].(float64); lived != expires {
			t.Errorf("%s: lives %v s, want %v", what, lived, expires)
		}
	}
	look("opaque and short", x.a.exchange(t, x.codeForBoth(t), "resource", calendarAt), true, 120)
	look("longer than the server's", x.a.exchange(t, x.codeForBoth(t), "resource", mailAt), false, 3600)
	look("both: signed, and the shorter", x.a.exchange(t, x.codeForBoth(t)), false, 120)
	look("ourselves", x.a.exchange(t, x.codeForBoth(t), "resource", x.issuer), false, 600)
	look("itself", x.a.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "resource": {calendarAt}}), true, 120)
	x.sql(t, `UPDATE clients SET access_token_format = 'opaque', access_token_ttl = 90`)
	x.sql(t, `UPDATE apis SET access_token_format = 'jwt' WHERE name = 'Calendar'`)
	x.sql(t, `UPDATE cache_version SET version = version + 1`)
	if err := x.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	look("the application's is shorter", x.a.exchange(t, x.codeForBoth(t), "resource", calendarAt), false, 90)
	look("as the application has it", x.a.exchange(t, x.codeForBoth(t), "resource", mailAt), true, 90)
	look("one has to read it", x.a.exchange(t, x.codeForBoth(t)), false, 90)
}

// TestResourcesCostNothing: no further question to the database, whether or not
// any are named.
func TestResourcesCostNothing(t *testing.T) {
	t.Parallel()
	x := newAPIs(t)
	trips := func(resource, scope string) (n []int) {
		fewest := []int{1 << 30, 1 << 30, 1 << 30, 1 << 30}
		for range 3 {
			if err := x.db.PollCaches(t.Context()); err != nil {
				t.Fatal(err)
			}
			var code string
			var tk tokens
			for i, step := range []func(){
				func() { code = x.a.code(t, x.b, "resource", resource, "scope", scope) },
				func() { tk = readTokens(t, x.a.exchange(t, code)) },
				func() { tk = readTokens(t, x.a.refresh(t, tk.refresh)) },
				func() { x.a.introspected(t, tk.access) },
			} {
				x.wire.Reset()
				step()
				fewest[i] = min(fewest[i], x.wire.Trips())
			}
		}
		return fewest
	}
	without, with := trips("", "openid offline_access"), trips(calendarAt, "openid offline_access calendar.read")
	if !slices.Equal(without, with) {
		t.Errorf("round trips of authorize, code, refresh and introspection: %v without, %v with a resource", without, with)
	}
}
