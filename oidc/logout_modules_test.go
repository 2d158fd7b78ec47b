package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/keys"
)

const bye = "https://wiki.example.com/bye"

// TestRPInitiatedLogoutModules are the modules of the conformance suite's plan
// for RP-Initiated Logout 1.0, by their names, by GET and by POST: each signs
// out in the end, and only those with all in order lead back. What else an
// application may send (§2) stands beside them.
func TestRPInitiatedLogoutModules(t *testing.T) {
	t.Parallel()
	state := strings.Repeat("0123456789abcdef", 8)
	type module struct {
		name   string
		params func(*testing.T, *app, string) []string // of the application and its ID token
		back   string                                  // where it leads; "" = nowhere, after the person was asked
	}
	wanted := func(pairs ...string) func(*testing.T, *app, string) []string {
		return func(_ *testing.T, _ *app, token string) []string {
			return append([]string{"id_token_hint", token, "post_logout_redirect_uri", bye, "state", state}, pairs...)
		}
	}
	hinted := func(bend func(*testing.T, *app, string) string) func(*testing.T, *app, string) []string {
		return func(t *testing.T, a *app, token string) []string {
			return []string{"id_token_hint", bend(t, a, token), "post_logout_redirect_uri", bye, "state", state}
		}
	}
	for _, m := range []module{
		{"oidcc-rp-initiated-logout", wanted(), bye + "?state=" + state},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", wanted("post_logout_redirect_uri", "https://wiki.example.com/unregistered"), ""},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", hinted(withoutSignature), ""},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", hinted(signedBySecret), ""},
		{"oidcc-rp-initiated-logout-no-id-token-hint", wanted("id_token_hint", ""), ""},
		{"oidcc-rp-initiated-logout-no-params", wanted("id_token_hint", "", "post_logout_redirect_uri", "", "state", ""), ""},
		{"oidcc-rp-initiated-logout-only-state", wanted("id_token_hint", "", "post_logout_redirect_uri", ""), ""},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", wanted("post_logout_redirect_uri", ""), ""},
		{"oidcc-rp-initiated-logout-no-state", wanted("state", ""), bye},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", wanted("post_logout_redirect_uri", bye+"?foo=bar"), ""},

		{"logout_hint", wanted("logout_hint", "somebody@example.com"), bye + "?state=" + state},
		{"ui_locales", wanted("ui_locales", "se de-CH-1996"), bye + "?state=" + state},
		{"client_id", wanted("client_id", "wiki"), bye + "?state=" + state},
		{"client_id of another application", wanted("client_id", "other"), ""},
		{"parameters that nobody knows", wanted("request", "x", "decision", "yes", "hinted_sid", "x"), bye + "?state=" + state},
		{"a hint signed by the application's own key", hinted(signedByItself), ""},
		{"a hint with another payload", hinted(withAnotherPayload), ""},
		// The application decrypts it first (OpenID Connect Core §3.1.2.1).
		{"an encrypted hint", hinted(encrypted), ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(m.name+" by "+method, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				a := w.app(t, "wiki")
				w.app(t, "other")
				b := w.browser().signIn(t, w.user(t, "alice"))
				params := changed(url.Values{}, m.params(t, a, a.tokens(t, b).id)...)
				got := b.askToSignOut(t, method, params)
				if m.back == "" {
					form := wantAsked(t, m.name, b, got)
					got = b.post(t, "/logout", changed(form, "decision", "yes"))
					wantSignedOut(t, m.name, got)
				} else if got.status != http.StatusSeeOther || got.header.Get("Location") != m.back {
					t.Errorf("answered %d %q, want %q", got.status, got.header.Get("Location"), m.back)
				}
				if b.alive(t) {
					t.Error("the session lives")
				}
				if got := b.get(t, a.request("prompt", "none")); got.location(t).Query().Get("error") != "login_required" {
					t.Errorf("afterwards: %v", got.location(t))
				}
			})
		}
	}
}

// askToSignOut sends a request to sign out and follows our own redirect, which
// a POST has.
func (b *browser) askToSignOut(t *testing.T, method string, params url.Values) *answer {
	t.Helper()
	if method == http.MethodGet {
		return b.get(t, "/oauth2/logout?"+params.Encode())
	}
	got := b.post(t, "/oauth2/logout", params)
	waitingFor(t, got, "/oauth2/logout")
	return b.get(t, got.header.Get("Location"))
}

func withoutSignature(_ *testing.T, _ *app, token string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(token, ".")[1] + "."
}

func signedBySecret(t *testing.T, a *app, token string) string {
	return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(a.secret)}, claimsIn(t, token))
}

// signedByItself claims our key's kid for a key of the application.
func signedByItself(t *testing.T, _ *app, token string) string {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: newKey(t), KeyID: jws.Signatures[0].Header.KeyID}
	return signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: key}, claimsIn(t, token))
}

// withAnotherPayload keeps our signature of something else.
func withAnotherPayload(t *testing.T, _ *app, token string) string {
	claims := claimsIn(t, token)
	claims["nonce"] = "n-2"
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(raw) + "." + parts[2]
}

// encrypted is the ID token as it would be encrypted to the application.
func encrypted(t *testing.T, _ *app, token string) string {
	to := jose.Recipient{Algorithm: jose.ECDH_ES, Key: newKey(t).Public()}
	e, err := jose.NewEncrypter(jose.A128CBC_HS256, to, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := e.Encrypt([]byte(token))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The discovery module of the plan.
func TestDiscoveryNamesTheLogoutAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document := w.browser().get(t, "/.well-known/openid-configuration").json(t)
	if got := document["end_session_endpoint"]; got != w.issuer+"/oauth2/logout" {
		t.Errorf("end_session_endpoint is %v", got)
	}
}

// A hint may be as old as our keys are: it proves who asks, it grants nothing.
// One of a session that is over, or of no session at all, ends no other.
func TestLogoutWithTheHintOfAnEndedSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	old := a.tokens(t, b).id
	claims := claimsIn(t, old)
	b.get(t, logout("id_token_hint", old, "post_logout_redirect_uri", bye))
	if b.alive(t) {
		t.Fatal("the session lives")
	}
	delete(claims, "sid")
	unnamed, err := w.keys.Sign(latchkey.RS256, keys.TypeJWT, claims)
	if err != nil {
		t.Fatal(err)
	}
	for what, hint := range map[string]string{"an ended session": old, "no session": unnamed} {
		again := w.browser().signIn(t, alice)
		form := wantAsked(t, what, again, again.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", bye, "state", "x")))
		got := again.post(t, "/logout", changed(form, "decision", "yes"))
		if got.status != 200 || got.location(t).String() != bye+"?state=x" || again.alive(t) {
			t.Errorf("%s: yes answered %d %s", what, got.status, got.body)
		}
	}
	if got := w.browser().get(t, logout("id_token_hint", old, "post_logout_redirect_uri", bye)); got.header.Get("Location") != bye {
		t.Errorf("without a session: answered %d %s", got.status, got.header.Get("Location"))
	}
}

// A browser in the middle of a recovery is asked, too, instead of being told
// that it is signed out.
func TestLogoutOfARecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	hint := a.tokens(t, b).id
	w.sql(t, `UPDATE sessions SET kind = 'recovery', expires_at = now() + interval '10 minutes'`)
	form := wantAsked(t, "recovery", b, b.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", "https://other.example.com/")))
	wantSignedOut(t, "recovery", b.post(t, "/logout", changed(form, "decision", "yes")))
	if b.alive(t) {
		t.Error("the session lives")
	}
}

// The longest state that a form can carry comes back as it was.
func TestLogoutKeepsALongState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	state := strings.Repeat("ä", 30_000)
	got := b.askToSignOut(t, http.MethodPost, url.Values{"id_token_hint": {a.tokens(t, b).id}, "post_logout_redirect_uri": {bye}, "state": {state}})
	if diff := cmp.Diff(url.Values{"state": {state}}, got.location(t).Query()); got.status != http.StatusSeeOther || diff != "" {
		t.Errorf("answered %d", got.status)
	}
}
