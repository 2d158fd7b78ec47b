package oidc_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/keys"
	"latchkey/oidc"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/storage/storagetest"
	"latchkey/templates"
)

// world is a provider on its own database behind its own address.
type world struct {
	db       *storage.DB
	url      string // of the database
	issuer   string
	keys     *keys.Ring
	sessions *session.Sessions
	trips    *counter
}

// counter counts round trips to the database.
type counter struct {
	mu   sync.Mutex
	n    int
	seen []string
}

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.seen = append(c.seen, strings.Join(strings.Fields(d.SQL), " "))
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.seen = 0, nil
}

func (c *counter) count() (int, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, c.seen
}

func newWorld(t *testing.T, change ...func(*oidc.Options)) *world {
	t.Helper()
	w := &world{url: storagetest.URL(t), trips: &counter{}}
	w.db = storagetest.Connect(t, w.url, func(o *storage.Options) { o.Tracer = w.trips })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	w.issuer = "http://localhost:" + port
	w.keys = keys.New(keys.Options{DB: w.db})
	w.shareKeys(t)
	if w.sessions, err = session.New(session.Options{DB: w.db, Issuer: w.issuer}); err != nil {
		t.Fatal(err)
	}
	pages, err := templates.New(templates.Options{Issuer: w.issuer})
	if err != nil {
		t.Fatal(err)
	}
	o := oidc.Options{DB: w.db, Keys: w.keys, Sessions: w.sessions, Templates: pages, Issuer: w.issuer}
	for _, f := range change {
		f(&o)
	}
	p, err := oidc.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(w.router(p))
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return w
}

// sharedKeys are the signing keys of all worlds: an RSA key takes a while.
var sharedKeys struct {
	sync.Mutex
	made []latchkey.SigningKey
}

func (w *world) shareKeys(t *testing.T) {
	t.Helper()
	sharedKeys.Lock()
	defer sharedKeys.Unlock()
	for _, k := range sharedKeys.made {
		err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
			_, err := tx.AddSigningKey(t.Context(), k, storage.KeyIfMissing)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.keys.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	made, err := w.db.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sharedKeys.made = made
}

// router registers the handlers as package server does, with the least of its
// words: who comes, what cookies, which session, and errors as pages.
func (w *world) router(p *oidc.Provider) http.Handler {
	gin.SetMode(gin.TestMode)
	r := gin.New()
	r.Use(func(c *gin.Context) {
		actor := latchkey.Actor{Kind: latchkey.ActorNobody, Address: netip.MustParseAddr("203.0.113.7"), RequestID: "test-request"}
		ctx, err := w.sessions.Load(w.sessions.Read(latchkey.WithActor(c.Request.Context(), actor), c.Request))
		if err != nil {
			c.AbortWithStatus(http.StatusServiceUnavailable)
			return
		}
		c.Request = c.Request.WithContext(ctx)
	})
	for _, route := range []struct {
		method, path string
		h            func(*gin.Context) error
	}{
		{"GET", "/oauth2/authorize", p.Authorize}, {"POST", "/oauth2/authorize", p.AuthorizePost},
		{"GET", "/consent", p.Consent}, {"POST", "/consent", p.Decide},
		{"POST", "/oauth2/token", p.Token}, {"GET", "/oauth2/token", p.Token},
		{"GET", "/oauth2/userinfo", p.Userinfo}, {"POST", "/oauth2/userinfo", p.Userinfo},
		{"POST", "/oauth2/introspect", p.Introspect}, {"POST", "/oauth2/revoke", p.Revoke},
		{"GET", "/oauth2/logout", p.Logout}, {"POST", "/oauth2/logout", p.LogoutPost}, {"POST", "/logout", p.ConfirmLogout},
		{"GET", "/oauth2/jwks", p.JWKS},
		{"GET", "/.well-known/openid-configuration", p.Discovery}, {"GET", "/.well-known/oauth-authorization-server", p.Discovery},
	} {
		r.Handle(route.method, route.path, func(c *gin.Context) {
			if err := route.h(c); err != nil {
				answerError(c, err)
			}
		})
	}
	return r
}

func answerError(c *gin.Context, err error) {
	problem := (*latchkey.Problem)(nil)
	switch {
	case !errors.As(err, &problem):
		c.String(http.StatusInternalServerError, "internal: %v", err)
	case problem.Status != 0:
		c.String(problem.Status, "page %s", problem.Code)
	case problem.Kind == latchkey.ErrForbidden:
		c.String(http.StatusForbidden, "page %s", problem.Code)
	default:
		c.String(http.StatusBadRequest, "page %s", problem.Code)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// location is where the answer leads, by redirect or by the hand-over page.
func (a *answer) location(t *testing.T) *url.URL {
	t.Helper()
	address := a.header.Get("Location")
	if address == "" {
		_, rest, found := strings.Cut(a.body, `id="continue" href="`)
		if !found {
			t.Fatalf("the answer leads nowhere: %d %s", a.status, a.body)
		}
		address, _, _ = strings.Cut(rest, `"`)
		address = html.UnescapeString(address)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (a *answer) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("not JSON: %d %s", a.status, a.body)
	}
	return m
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	w       *world
	cookies map[string]string
	session *latchkey.Session
	user    *latchkey.User
}

func (w *world) browser() *browser { return &browser{w: w, cookies: map[string]string{}} }

func (b *browser) do(t *testing.T, r *http.Request) *answer {
	t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	client := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return &answer{response.StatusCode, response.Header, string(body)}
}

func (b *browser) get(t *testing.T, path string) *answer {
	t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.w.issuer + path
	}
	r, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, r)
}

func (b *browser) post(t *testing.T, path string, form url.Values) *answer {
	t.Helper()
	return b.do(t, b.w.form(t, path, form))
}

func (w *world) form(t *testing.T, path string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// signIn begins a session of the person in this browser, as a passkey would.
func (b *browser) signIn(t *testing.T, u *latchkey.User) *browser {
	t.Helper()
	s := &latchkey.Session{UserID: u.ID, Kind: latchkey.SessionFull, ACR: "phr", AMR: []string{"pop", "user", "mfa"}}
	err := b.w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		raw, err := tx.StartSession(t.Context(), s, b.w.sessions.Times())
		cookie := b.w.sessions.Cookie(raw)
		b.cookies[cookie.Name] = cookie.Value
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Subject = u.Subject
	b.session, b.user = s, u
	return b
}

func (w *world) user(t *testing.T, name string) *latchkey.User {
	t.Helper()
	u := &latchkey.User{Username: name, DisplayName: strings.ToUpper(name[:1]) + name[1:], Email: name + "@example.com",
		Claims: map[string]any{"given_name": "Given", "locale": 7.0}}
	if err := w.db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
		t.Fatal(err)
	}
	return u
}

// app is a client with its secret.
type app struct {
	*latchkey.Client
	w      *world
	secret string
}

const callback = "https://wiki.example.com/callback?keep=1"

// app registers a confidential web application that is first party unless
// changed.
func (w *world) app(t *testing.T, id string, change ...func(*latchkey.Client)) *app {
	t.Helper()
	c := &latchkey.Client{
		ID: id, Name: "App " + id, Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true, FirstParty: true,
		RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"https://wiki.example.com/bye"},
		GrantTypes:    []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken},
		ResponseTypes: []string{"code"}, Scopes: oidc.Scopes(), AuthMethod: latchkey.AuthBasic,
		IDTokenAlg: latchkey.RS256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt",
	}
	for _, f := range change {
		f(c)
	}
	a := &app{Client: c, w: w}
	if !c.Public() {
		a.secret = w.db.NewClientSecret()
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
func (a *app) code(t *testing.T, b *browser, pairs ...string) string {
	t.Helper()
	got := b.get(t, a.request(pairs...))
	code := got.location(t).Query().Get("code")
	if got.status != http.StatusSeeOther || code == "" {
		t.Fatalf("authorize answered %d %s %s", got.status, got.header.Get("Location"), got.body)
	}
	return code
}

// call posts to a protocol address with the client's credentials.
func (a *app) call(t *testing.T, path string, form url.Values) *answer {
	t.Helper()
	r := a.w.form(t, path, form)
	if a.Public() {
		form.Set("client_id", a.ID)
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

func (a *app) exchange(t *testing.T, code string, pairs ...string) *answer {
	t.Helper()
	return a.call(t, "/oauth2/token", changed(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.RedirectURIs[0]}, "code_verifier": {verifier},
	}, pairs...))
}

func (a *app) refresh(t *testing.T, token string, pairs ...string) *answer {
	t.Helper()
	return a.call(t, "/oauth2/token", changed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, pairs...))
}

// tokens are those of a fresh grant.
type tokens struct{ access, refresh, id string }

func (a *app) tokens(t *testing.T, b *browser, pairs ...string) tokens {
	t.Helper()
	return readTokens(t, a.exchange(t, a.code(t, b, pairs...)))
}

func readTokens(t *testing.T, got *answer) tokens {
	t.Helper()
	if got.status != http.StatusOK {
		t.Fatalf("token endpoint answered %d %s", got.status, got.body)
	}
	m := got.json(t)
	text := func(name string) string { s, _ := m[name].(string); return s }
	return tokens{text("access_token"), text("refresh_token"), text("id_token")}
}

func (w *world) userinfo(t *testing.T, token string) *answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return w.browser().do(t, r)
}

func (a *app) active(t *testing.T, token string) bool {
	t.Helper()
	got := a.call(t, "/oauth2/introspect", url.Values{"token": {token}})
	if got.status != http.StatusOK {
		t.Fatalf("introspection answered %d %s", got.status, got.body)
	}
	active, _ := got.json(t)["active"].(bool)
	return active
}

// events counts how often a kind and reason ("" = any) stands in the log, also
// where one event stands for several.
func (w *world) events(t *testing.T, kind latchkey.EventKind, reason string) int {
	t.Helper()
	if err := w.db.FlushAllCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return int(storagetest.Value[int64](t, w.url, `
		SELECT coalesce(sum(coalesce((detail->>'count')::bigint, 1)), 0)::bigint
		FROM audit_pending WHERE kind = $1 AND ($2 = '' OR reason = $2)`, string(kind), reason))
}

func (w *world) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	return int(storagetest.Value[int64](t, w.url, query, args...))
}

func (w *world) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	storagetest.SQL(t, w.url, statement, args...)
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
