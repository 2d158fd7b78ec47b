package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"latchkey"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// app is a client with its secret.
type app struct {
	*latchkey.Client
	w      *world
	secret string
	signer *signer // with client_secret_jwt and private_key_jwt
}

const callback = "https://wiki.example.com/callback?keep=1"

// app registers a confidential web application that is first party unless
// changed.
func (w *world) app(t testing.TB, id string, change ...func(*latchkey.Client)) *app {
	t.Helper()
	return w.appWith(t, id, w.db.NewClientSecret(), change...)
}

// appWith is app with a secret of one's own, if it has any.
func (w *world) appWith(t testing.TB, id, secret string, change ...func(*latchkey.Client)) *app {
	t.Helper()
	c := &latchkey.Client{
		ID: id, Name: "App " + id, Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true, FirstParty: true,
		RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"https://wiki.example.com/bye"},
		GrantTypes:    []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken},
		ResponseTypes: []string{"code"}, Scopes: latchkey.Scopes(), AuthMethod: latchkey.AuthBasic,
		IDTokenAlg: latchkey.RS256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt",
	}
	for _, f := range change {
		f(c)
	}
	a := &app{Client: c, w: w}
	if c.HasSecret() {
		a.secret = secret
	}
	switch {
	case c.AuthMethod == latchkey.AuthSecretJWT:
		a.signer = &signer{alg: "HS256", key: []byte(secret)}
	case c.AuthMethod == latchkey.AuthPrivateKeyJWT && c.Protocol.JWKS == nil && c.Protocol.JWKSURI == "":
		a.signer = newSigner(t, latchkey.ES256, 0)
		c.Protocol.JWKS = jwks(t, a.signer.public())
	}
	if err := w.db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), c, a.secret) }); err != nil {
		t.Fatal(err)
	}
	return a
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request; pairs change it, "" leaves out.
func (a *app) request(pairs ...string) string {
	return "/oauth2/authorize?" + a.params(pairs...).Encode()
}

func (a *app) params(pairs ...string) url.Values {
	q := url.Values{
		"client_id": {a.ID}, "redirect_uri": {a.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid profile email groups offline_access"},
		"state": {"s t&ate"}, "nonce": {"n-1"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	return changed(q, pairs...)
}

func changed(q url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// code signs in through the browser and returns the code.
func (a *app) code(t testing.TB, b *browser, pairs ...string) string {
	t.Helper()
	got := b.get(t, a.request(pairs...))
	code := got.location(t).Query().Get("code")
	if got.status != http.StatusSeeOther || code == "" {
		t.Fatalf("authorize answered %d %s %s", got.status, got.header.Get("Location"), got.body)
	}
	return code
}

// call posts to a protocol address with the client's credentials.
func (a *app) call(t testing.TB, path string, form url.Values) *answer {
	t.Helper()
	r := a.w.form(t, path, form)
	if a.Public() {
		form.Set("client_id", a.ID)
		r = a.w.form(t, path, form)
	} else if a.signer != nil {
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", a.signer.sign(t, a.w.claims(a.ID)))
		r = a.w.form(t, path, form)
	} else if a.AuthMethod == latchkey.AuthPost {
		form.Set("client_id", a.ID)
		form.Set("client_secret", a.secret)
		r = a.w.form(t, path, form)
	} else {
		r.SetBasicAuth(a.ID, a.secret)
	}
	return a.w.browser().do(t, r)
}

func (a *app) exchange(t testing.TB, code string, pairs ...string) *answer {
	t.Helper()
	return a.call(t, "/oauth2/token", changed(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.RedirectURIs[0]}, "code_verifier": {verifier},
	}, pairs...))
}

func (a *app) refresh(t testing.TB, token string, pairs ...string) *answer {
	t.Helper()
	return a.call(t, "/oauth2/token", changed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, pairs...))
}

// tokens are those of a fresh grant.
type tokens struct{ access, refresh, id string }

func (a *app) tokens(t testing.TB, b *browser, pairs ...string) tokens {
	t.Helper()
	return readTokens(t, a.exchange(t, a.code(t, b, pairs...)))
}

func readTokens(t testing.TB, got *answer) tokens {
	t.Helper()
	if got.status != http.StatusOK {
		t.Fatalf("token endpoint answered %d %s", got.status, got.body)
	}
	m := got.json(t)
	text := func(name string) string { s, _ := m[name].(string); return s }
	return tokens{text("access_token"), text("refresh_token"), text("id_token")}
}

func (w *world) userinfo(t testing.TB, token string) *answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return w.browser().do(t, r)
}

func (a *app) active(t testing.TB, token string) bool {
	t.Helper()
	got := a.call(t, "/oauth2/introspect", url.Values{"token": {token}})
	if got.status != http.StatusOK {
		t.Fatalf("introspection answered %d %s", got.status, got.body)
	}
	active, _ := got.json(t)["active"].(bool)
	return active
}

// wantFault checks an answer of RFC 6749 §5.2.
func wantFault(t *testing.T, got *answer, status int, code string) {
	t.Helper()
	if got.status != status || got.json(t)["error"] != code {
		t.Errorf("answered %d %s, want %d %s", got.status, got.body, status, code)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", got.header.Get("Cache-Control"))
	}
}

func (w *world) withdraw(t *testing.T, userID, clientID string) {
	t.Helper()
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.WithdrawConsent(t.Context(), userID, clientID) })
	if err != nil {
		t.Fatal(err)
	}
}

// connect opens the database as a second node and judges access tokens there.
func connect(t *testing.T, w *world) func(token string) storage.Verdict {
	t.Helper()
	db := storagetest.Connect(t, w.url)
	return func(token string) storage.Verdict {
		claims := claimsIn(t, token)
		jti := claims["jti"].(string)
		raw, err := base64.RawURLEncoding.DecodeString(jti)
		if err != nil {
			t.Fatal(err)
		}
		id, err := uuid.FromBytes(raw[:16])
		if err != nil {
			t.Fatal(err)
		}
		issued := time.UnixMicro(int64(binary.BigEndian.Uint64(raw[16:24])))
		state, err := db.AccessState(t.Context(), storage.Access{GrantID: id.String(), ClientID: claims["client_id"].(string), JTI: jti, IssuedAt: issued})
		if err != nil {
			t.Fatal(err)
		}
		return state.Verdict
	}
}

// end ends what a cause ends.
func (w *world) end(t *testing.T, e storage.Ending) {
	t.Helper()
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.EndSessions(t.Context(), e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
