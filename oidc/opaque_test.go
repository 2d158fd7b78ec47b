package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

func opaque(c *latchkey.Client) { c.AccessTokenFormat = latchkey.FormatOpaque }

// introspected is what introspection says of a token.
func (a *app) introspected(t testing.TB, token string) map[string]any {
	t.Helper()
	got := a.call(t, "/oauth2/introspect", url.Values{"token": {token}})
	if got.status != 200 {
		t.Fatalf("introspection answered %d %s", got.status, got.body)
	}
	return got.json(t)
}

// TestOpaqueAccessTokens: the same answers as for a signed one, from a string
// that tells its holder nothing.
func TestOpaqueAccessTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed, sealed := w.app(t, "signed"), w.app(t, "sealed", opaque)
	gateway := w.app(t, "gateway", func(c *latchkey.Client) { c.Introspects = true })
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	jwt, got := signed.tokens(t, b), sealed.exchange(t, sealed.code(t, b))
	tk := readTokens(t, got)
	if !strings.HasPrefix(tk.access, "lk_at_") || strings.Contains(tk.access, ".") || len(tk.access) > 1000 {
		t.Errorf("the token is %s", tk.access)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(tk.access, "lk_at_"))
	if err != nil {
		t.Fatal(err)
	}
	for _, readable := range []string{alice.Subject, "sealed", "openid", w.issuer} {
		if strings.Contains(string(raw), readable) {
			t.Errorf("%s can be read in the token", readable)
		}
	}
	if m := got.json(t); m["expires_in"] != 600.0 || m["token_type"] != "Bearer" {
		t.Errorf("answered %s", got.body)
	}
	if claimsIn(t, tk.id)["at_hash"] != leftHalf(tk.access) {
		t.Error("at_hash is not that of the token")
	}
	if second := sealed.tokens(t, b); second.access == tk.access {
		t.Error("two tokens are the same")
	}
	// All three addresses answer as for a signed one.
	if one, two := w.userinfo(t, jwt.access), w.userinfo(t, tk.access); two.status != 200 || one.body != two.body {
		t.Errorf("userinfo answered %d %s, want %s", two.status, two.body, one.body)
	}
	want, answer := signed.introspected(t, jwt.access), sealed.introspected(t, tk.access)
	for _, its := range []string{"jti", "iat", "exp"} {
		if answer[its] == nil {
			t.Errorf("no %s in %v", its, answer)
		}
		delete(want, its)
		delete(answer, its)
	}
	want["client_id"] = "sealed"
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("introspection (-signed +opaque):\n%s", diff)
	}
	if signed.active(t, tk.access) || !gateway.active(t, tk.access) {
		t.Error("the wrong ones may know")
	}
	wantFault(t, signed.call(t, "/oauth2/revoke", url.Values{"token": {tk.access}}), 400, "unauthorized_client")
	if !sealed.active(t, tk.access) {
		t.Error("another client's attempt ended the token")
	}
	if got := sealed.call(t, "/oauth2/revoke", url.Values{"token": {tk.access}}); got.status != 200 || sealed.active(t, tk.access) {
		t.Errorf("revocation answered %d", got.status)
	}
	wantFault(t, w.userinfo(t, tk.access), 401, "invalid_token")
	// A refresh gives another one, and the end of the grant reaches it.
	next := readTokens(t, sealed.refresh(t, tk.refresh))
	if !strings.HasPrefix(next.access, "lk_at_") || !sealed.active(t, next.access) {
		t.Errorf("refreshed to %s", next.access)
	}
	sealed.call(t, "/oauth2/revoke", url.Values{"token": {next.refresh}})
	if sealed.active(t, next.access) || w.userinfo(t, next.access).status != 401 {
		t.Error("it outlived its refresh token")
	}
	// Those handed out in the one format stay good when the application changes to the other.
	jwt = signed.tokens(t, b)
	w.sql(t, `UPDATE clients SET access_token_format = 'opaque' WHERE id = 'signed'`)
	if !signed.active(t, jwt.access) {
		t.Error("the change of format ended a token")
	}
}

// TestOpaqueTokenOfAMachine has no row at all, like a signed one.
func TestOpaqueTokenOfAMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	machine := w.app(t, "machine", opaque, func(c *latchkey.Client) {
		c.GrantTypes, c.Scopes = []string{"client_credentials"}, []string{"jobs:run"}
	})
	token := readTokens(t, machine.call(t, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"jobs:run"}})).access
	got := machine.introspected(t, token)
	want := map[string]any{"active": true, "sub": "machine", "client_id": "machine", "token_type": "Bearer", "aud": w.issuer, "iss": w.issuer,
		"scope": "jobs:run", "iat": got["iat"], "exp": got["iat"].(float64) + 600, "jti": got["jti"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantFault(t, w.userinfo(t, token), 403, "insufficient_scope")
	w.sql(t, `UPDATE clients SET tokens_not_before = now() WHERE id = 'machine'`)
	if machine.active(t, token) {
		t.Error("active although all its tokens ended")
	}
	w.sql(t, `UPDATE clients SET tokens_not_before = NULL`)
	machine.call(t, "/oauth2/revoke", url.Values{"token": {token}})
	if machine.active(t, token) {
		t.Error("active although it was revoked")
	}
}

// TestOpaqueTokensInFront: by the browser, too, and the ID token speaks of them.
func TestOpaqueTokensInFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", opaque, func(c *latchkey.Client) {
		c.ResponseTypes, c.GrantTypes = latchkey.ResponseTypes(), append(c.GrantTypes, latchkey.GrantImplicit)
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, types := range []string{"id_token token", "code token", "code id_token token"} {
		q, err := url.ParseQuery(b.get(t, a.request("response_type", types)).location(t).Fragment)
		if err != nil {
			t.Fatal(err)
		}
		token := q.Get("access_token")
		if !strings.HasPrefix(token, "lk_at_") || w.userinfo(t, token).status != 200 || !a.active(t, token) {
			t.Errorf("%s: access token %q", types, token)
		}
		if id := q.Get("id_token"); id != "" && claimsIn(t, id)["at_hash"] != leftHalf(token) {
			t.Errorf("%s: at_hash is not that of the token", types)
		}
	}
}

// TestWhatIsNoOpaqueToken: each with one thing wrong.
func TestWhatIsNoOpaqueToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", opaque)
	good := a.tokens(t, w.browser().signIn(t, w.user(t, "alice"))).access
	raw, err := base64.RawURLEncoding.DecodeString(good[6:])
	if err != nil {
		t.Fatal(err)
	}
	spell := func(raw []byte) string { return "lk_at_" + base64.RawURLEncoding.EncodeToString(raw) }
	flipped := func(i int) string {
		bent := append([]byte(nil), raw...)
		bent[i] ^= 1
		return spell(bent)
	}
	// The same claims under our keys, as the product spells them, bent by one.
	claims := a.introspected(t, good)
	delete(claims, "active")
	delete(claims, "token_type")
	sealBy := func(db *storage.DB, claims any) string {
		encoded, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		token, err := db.SealAccess(encoded)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	seal := func(change map[string]any) string {
		bent := maps.Clone(claims)
		maps.Copy(bent, change)
		return sealBy(w.db, bent)
	}
	if !a.active(t, good) || !a.active(t, seal(nil)) {
		t.Fatal("the good one is not active")
	}
	stranger := storagetest.Connect(t, w.url, func(o *storage.Options) { o.Ring = ringOf(t, foreignKeys) })
	for name, token := range map[string]string{
		"the salt altered":        flipped(0),
		"the format altered":      flipped(16),
		"the version altered":     flipped(20),
		"the nonce altered":       flipped(21),
		"the text altered":        flipped(40),
		"the tag altered":         flipped(len(raw) - 1),
		"cut":                     spell(raw[:len(raw)-1]),
		"lengthened":              spell(append(append([]byte(nil), raw...), 0)),
		"without the prefix":      good[6:],
		"another prefix":          "lk_rt_" + good[6:],
		"the prefix alone":        "lk_at_",
		"as long as a head":       spell(raw[:16+5+12+15]),
		"far too long":            spell(make([]byte, 20<<10)),
		"padded":                  good + "=",
		"with a line break":       good[:20] + "\n" + good[20:],
		"with one at the end":     good + "\r\n",
		"expired":                 seal(map[string]any{"exp": time.Now().Add(-time.Second).Unix()}),
		"without an end":          seal(map[string]any{"exp": nil}),
		"of another issuer":       seal(map[string]any{"iss": "https://evil.example"}),
		"of another client":       seal(map[string]any{"client_id": "other"}),
		"of nobody's grant":       seal(map[string]any{"jti": strings.Repeat("A", 42) + "E"}),
		"of another installation": sealBy(stranger, claims),
		"no claims":               sealBy(w.db, nil),
		"a list":                  sealBy(w.db, []string{}),
	} {
		if a.active(t, token) {
			t.Errorf("%s: active", name)
		}
		if strings.ContainsAny(token, "\r\n") {
			continue // no header takes it
		}
		if got := w.userinfo(t, token); got.status != 401 {
			t.Errorf("%s: userinfo answered %d", name, got.status)
		}
		if got := a.call(t, "/oauth2/revoke", url.Values{"token": {token}}); got.status != 200 && name != "of another client" {
			t.Errorf("%s: revocation answered %d %s", name, got.status, got.body)
		}
	}
	if !a.active(t, good) {
		t.Error("something of all that ended the good one")
	}
}

// TestOpaqueTokensOutliveARotation of the sealing keys, as long as the key file
// still has the pair that sealed them.
func TestOpaqueTokensOutliveARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", opaque)
	b := w.browser().signIn(t, w.user(t, "alice"))
	before := a.tokens(t, b)
	rotated := w.served(t, func(o *storage.Options) { o.Ring = ringOf(t, rotatedKeys) })
	on := a.on(rotated)
	if !on.active(t, before.access) || rotated.userinfo(t, before.access).status != 200 {
		t.Error("a token from before the rotation is refused")
	}
	after := readTokens(t, on.refresh(t, before.refresh))
	if !on.active(t, after.access) {
		t.Error("a token from after the rotation is refused")
	}
	if a.active(t, after.access) {
		t.Error("a node without the new key opens what it sealed")
	}
	if got := a.call(t, "/oauth2/revoke", url.Values{"token": {before.access}}); got.status != 200 || on.active(t, before.access) {
		t.Errorf("revoked before the rotation: %d", got.status)
	}
	if got := on.call(t, "/oauth2/revoke", url.Values{"token": {after.access}}); got.status != 200 || on.active(t, after.access) {
		t.Errorf("revoked after the rotation: %d", got.status)
	}
	// The pair that sealed it has left the key file.
	forgot := storagetest.Connect(t, w.url, func(o *storage.Options) { o.Ring = ringOf(t, foreignKeys) })
	if _, ok := forgot.OpenAccess(after.access); ok {
		t.Error("opened without its key")
	}
}

// TestRevocationOfOpaqueTokensIsAtOnce on every node, whichever was asked.
func TestRevocationOfOpaqueTokensIsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", opaque)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	n := w.served(t)
	on := a.on(n)
	for name, end := range map[string]func(tk tokens){
		"the token":         func(tk tokens) { a.call(t, "/oauth2/revoke", url.Values{"token": {tk.access}}) },
		"its refresh token": func(tk tokens) { a.call(t, "/oauth2/revoke", url.Values{"token": {tk.refresh}}) },
		"the sign-in": func(tokens) {
			w.end(t, storage.Ending{Cause: storage.SignedOut, UserID: alice.ID, SessionID: b.session.ID})
		},
		"all of the person": func(tokens) { w.end(t, storage.Ending{Cause: storage.SignedOutAll, UserID: alice.ID}) },
	} {
		b = w.browser().signIn(t, alice)
		tk := a.tokens(t, b)
		if !on.active(t, tk.access) || n.userinfo(t, tk.access).status != 200 {
			t.Fatalf("%s: not active before", name)
		}
		end(tk)
		if on.active(t, tk.access) || a.active(t, tk.access) || n.userinfo(t, tk.access).status != 401 {
			t.Errorf("%s: the access token lives on", name)
		}
	}
}
