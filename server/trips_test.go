package server_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// traveller is an installation whose round trips to the database are counted at
// the wire, with one person and one browser application.
type traveller struct {
	t      *testing.T
	app    *servertest.App
	wire   *storagetest.Wire
	secret string // of the client wiki
	opaque string // secret of the client sealed, whose access tokens are opaque
	robot  string // of the client robot, which signs with it
	person *passkeytest.Browser
}

func newTraveller(t *testing.T) *traveller {
	t.Helper()
	databaseURL := storagetest.URL(t)
	wire := storagetest.NewWire(t, databaseURL)
	// One connection: what a statement costs the first time, to be prepared, is
	// then paid in the round before.
	db := storagetest.Connect(t, wire.URL, func(o *storage.Options) { o.MaxConns = 1 })
	v := &traveller{t: t, app: servertest.StartOn(t, databaseURL, db), wire: wire}
	v.person = enroll(t, v.app)
	v.secret = registerClient(t, v.app, callback, func(c *latchkey.Client) { c.FirstParty = false })
	registerClient(t, v.app, "https://spa.example.com/callback", func(c *latchkey.Client) {
		c.ID, c.Type, c.AuthMethod, c.Profile = "spa", "spa", latchkey.AuthNone, latchkey.ProfileOAuth21
	})
	v.robot = registerClient(t, v.app, "https://robot.example.com/callback", func(c *latchkey.Client) {
		c.ID, c.AuthMethod, c.Introspects, c.GrantTypes = "robot", latchkey.AuthSecretJWT, true, append(c.GrantTypes, latchkey.GrantClientCredentials)
	})
	v.opaque = registerClient(t, v.app, callback, func(c *latchkey.Client) {
		c.ID, c.FirstParty, c.AccessTokenFormat = "sealed", false, latchkey.FormatOpaque
	})
	v.app.Exec(t, `UPDATE clients SET grant_types = grant_types || '{client_credentials}' WHERE id IN ('wiki', 'sealed')`)
	v.app.Exec(t, `INSERT INTO consents (user_id, client_id, scopes) SELECT users.id, clients.id, '{openid,offline_access}' FROM users, clients`)
	return v
}

// post sends a form to a protocol address, as the web application, or as the
// browser application when origin is set.
func (v *traveller) post(path, origin string, form url.Values) string {
	v.t.Helper()
	return v.postAs("wiki", v.secret, path, origin, form)
}

func (v *traveller) postAs(id, secret, path, origin string, form url.Values) string {
	v.t.Helper()
	if origin != "" {
		form.Set("client_id", "spa")
	}
	r, err := http.NewRequestWithContext(v.t.Context(), "POST", v.app.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	} else {
		r.SetBasicAuth(id, secret)
	}
	r.Header.Set("Content-Type", formType)
	return v.ok(r)
}

// asserted sends a form with an assertion of the client robot.
func (v *traveller) asserted(path string, form url.Values) string {
	v.t.Helper()
	key, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(v.robot)}, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	now := time.Now()
	assertion, err := jwt.Signed(key).Claims(jwt.Claims{
		Issuer: "robot", Subject: "robot", Audience: jwt.Audience{v.app.URL}, Expiry: jwt.NewNumericDate(now.Add(time.Minute)), ID: rand.Text(),
	}).Serialize()
	if err != nil {
		v.t.Fatal(err)
	}
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	r, err := http.NewRequestWithContext(v.t.Context(), "POST", v.app.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", formType)
	return v.ok(r)
}

func (v *traveller) ok(r *http.Request) string {
	v.t.Helper()
	res, body := do(v.t, r)
	if res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s answered %d %s", r.URL.Path, res.StatusCode, body)
	}
	return body
}

// get asks for a public document, or for userinfo with a token.
func (v *traveller) get(path, token string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), "GET", v.app.URL+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	v.ok(r)
}

const (
	pkceVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	pkceChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// code is what authorize answers with to somebody who is signed in.
func (v *traveller) code(pairs ...string) string {
	v.t.Helper()
	got := v.person.Get(authorizeRequest(append(pairs, "scope", "openid offline_access", "code_challenge", pkceChallenge, "code_challenge_method", "S256")...))
	back, err := url.Parse(got.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		v.t.Fatalf("authorize answered %d %s %s", got.Status, got.Header.Get("Location"), got.Raw)
	}
	return back.Query().Get("code")
}

// DESIGN, "Round trips": how often each flow may wait for the database, its
// event included, counted at the wire.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	v := newTraveller(t)
	var code, spaCode, askedCode string
	const asked = `{"userinfo": {"name": {"essential": true}}, "id_token": {"email": null}}`
	var tokens, spaTokens, askedTokens map[string]string
	exchange := func(origin, code, redirect string) map[string]string {
		return texts(t, v.post("/oauth2/token", origin, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {pkceVerifier}}))
	}
	refresh := func(origin string, old map[string]string) map[string]string {
		return texts(t, v.post("/oauth2/token", origin, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old["refresh_token"]}}))
	}
	newcomer, returning := &passkeytest.Browser{}, passkeytest.NewBrowserWith(t, v.app.URL, v.person.Device)
	var options *passkeytest.Answer
	begin := func(b *passkeytest.Browser, purpose string) func() {
		return func() {
			if options = b.AuthenticationOptions(purpose, ""); !options.OK() {
				t.Fatalf("options answered %d %s", options.Status, options.Raw)
			}
		}
	}
	finish := func(b *passkeytest.Browser) func() {
		return func() {
			credential, err := b.Device.Get(options.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.VerifyAuthentication(options.ChallengeID, credential); !got.OK() {
				t.Fatalf("verify answered %d %s", got.Status, got.Raw)
			}
		}
	}
	const spa = "https://spa.example.com"
	var sealedCode string
	var sealedTokens map[string]string
	sealed := func(path string, pairs ...string) string {
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return v.postAs("sealed", v.opaque, path, "", form)
	}
	steps := []struct {
		name    string
		allowed int
		before  func() // not counted
		do      func()
	}{
		{"discovery", 0, nil, func() { v.get("/.well-known/openid-configuration", "") }},
		{"JWKS", 0, nil, func() { v.get("/oauth2/jwks", "") }},
		{"client_credentials", 0, nil, func() { v.post("/oauth2/token", "", url.Values{"grant_type": {"client_credentials"}}) }},
		{"client_credentials with an assertion", 1, nil, func() { v.asserted("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}) }},
		{"authorize with a live session", 2, nil, func() { code = v.code() }},
		{"code exchange", 1, nil, func() { tokens = exchange("", code, callback) }},
		{"introspection", 1, nil, func() { v.post("/oauth2/introspect", "", url.Values{"token": {tokens["access_token"]}}) }},
		{"introspection with an assertion", 2, nil, func() { v.asserted("/oauth2/introspect", url.Values{"token": {tokens["access_token"]}}) }},
		{"introspection of a refresh token", 1, nil, func() { v.post("/oauth2/introspect", "", url.Values{"token": {tokens["refresh_token"]}}) }},
		{"userinfo", 1, nil, func() { v.get("/oauth2/userinfo", tokens["access_token"]) }},
		{"refresh", 2, nil, func() { tokens = refresh("", tokens) }},
		{"revocation", 1, nil, func() { v.post("/oauth2/revoke", "", url.Values{"token": {tokens["refresh_token"]}}) }},
		{"code exchange by a browser", 1, func() { spaCode = v.code("client_id", "spa", "redirect_uri", spa+"/callback") },
			func() { spaTokens = exchange(spa, spaCode, spa+"/callback") }},
		{"refresh by a browser", 2, nil, func() { refresh(spa, spaTokens) }},
		{"authorize with claims by name", 2, nil, func() { askedCode = v.code("client_id", "spa", "redirect_uri", spa+"/callback", "claims", asked) }},
		{"code exchange with claims for the ID token", 1, nil, func() { askedTokens = exchange(spa, askedCode, spa+"/callback") }},
		{"userinfo with claims by name", 1, nil, func() { v.get("/oauth2/userinfo", askedTokens["access_token"]) }},
		{"refresh with claims for the ID token", 2, nil, func() { refresh(spa, askedTokens) }},
		{"client_credentials, opaque", 0, nil, func() { sealed("/oauth2/token", "grant_type", "client_credentials") }},
		{"code exchange for an opaque token", 1, func() { sealedCode = v.code("client_id", "sealed") }, func() {
			sealedTokens = texts(t, sealed("/oauth2/token", "grant_type", "authorization_code", "code", sealedCode, "redirect_uri", callback, "code_verifier", pkceVerifier))
		}},
		{"introspection of an opaque token", 1, nil, func() { sealed("/oauth2/introspect", "token", sealedTokens["access_token"]) }},
		{"userinfo with an opaque token", 1, nil, func() { v.get("/oauth2/userinfo", sealedTokens["access_token"]) }},
		{"revocation of an opaque token", 1, nil, func() { sealed("/oauth2/revoke", "token", sealedTokens["access_token"]) }},
		{"passkey options", 1, func() { *newcomer = *passkeytest.NewBrowserWith(t, v.app.URL, v.person.Device) }, begin(newcomer, "login")},
		{"passkey verify", 3, nil, finish(newcomer)},
		{"passkey options with a session", 1, nil, begin(v.person, "login")},
		{"passkey verify with a session", 3, nil, finish(v.person)},
		{"passkey verify of a confirmation", 3, begin(v.person, "reauth"), finish(v.person)},
		{"passkey options with a session that is over", 1, func() {
			if got := returning.SignIn(""); !got.OK() {
				t.Fatalf("sign-in answered %d %s", got.Status, got.Raw)
			}
			v.app.Exec(t, `DELETE FROM sessions WHERE id = (SELECT id FROM sessions ORDER BY id DESC LIMIT 1)`)
		}, begin(returning, "login")},
		{"passkey verify with a session that is over", 3, nil, finish(returning)},
	}
	// The first round prepares the statements and fills the memory. Of the others
	// the better one counts: one challenge in 64 brings a statement along that may
	// have to be prepared yet.
	fewest := map[string]int{}
	for round := range 3 {
		for _, step := range steps {
			if err := v.app.DB.PollCaches(t.Context()); err != nil { // memory is believed for 5 s
				t.Fatal(err)
			}
			if step.before != nil {
				step.before()
			}
			if err := v.app.DB.Ping(t.Context()); err != nil { // the pool asks a connection that idled
				t.Fatal(err)
			}
			v.wire.Reset()
			step.do()
			if before, counted := fewest[step.name]; counted {
				fewest[step.name] = min(before, v.wire.Trips())
			} else if round > 0 {
				fewest[step.name] = v.wire.Trips()
			}
		}
	}
	for _, step := range steps {
		if fewest[step.name] != step.allowed {
			t.Errorf("%s took %d round trips, want %d", step.name, fewest[step.name], step.allowed)
		}
	}
}

// texts are the members of a JSON object that are texts.
func texts(t *testing.T, body string) map[string]string {
	t.Helper()
	list := map[string]string{}
	for name, value := range members(t, body) {
		if text, ok := value.(string); ok {
			list[name] = text
		}
	}
	return list
}
