package oidc_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

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
	wire     *storagetest.Wire
	provider *oidc.Provider
}

func newWorld(t testing.TB, change ...func(*oidc.Options)) *world {
	t.Helper()
	w := &world{url: storagetest.URL(t)}
	w.wire = storagetest.NewWire(t, w.url)
	w.db = storagetest.Connect(t, w.wire.URL)
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
	w.provider = p
	server := httptest.NewUnstartedServer(w.router(p))
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return w
}

// sharedKeys are the keys of all worlds: an RSA key takes a while.
var sharedKeys struct {
	sync.Mutex
	made  []latchkey.SigningKey
	opens []latchkey.EncryptionKey
}

func (w *world) shareKeys(t testing.TB) {
	t.Helper()
	sharedKeys.Lock()
	defer sharedKeys.Unlock()
	for _, k := range sharedKeys.made {
		err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
			_, err := tx.AddSigningKey(t.Context(), k, storage.KeyIfMissing, 48*time.Hour)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range sharedKeys.opens {
		err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
			_, err := tx.AddEncryptionKey(t.Context(), k, 0, time.Hour)
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
	if sharedKeys.opens, err = w.db.EncryptionKeys(t.Context()); err != nil {
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
		if from := c.GetHeader("Test-From"); from != "" {
			actor.Address = netip.MustParseAddr(from)
		}
		actor.Agent = c.GetHeader("Test-Agent")
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
		{"POST", "/oauth2/introspect", p.Introspect}, {"POST", "/oauth2/par", p.PushRequest}, {"POST", "/oauth2/revoke", p.Revoke},
		{"GET", "/oauth2/logout", p.Logout}, {"POST", "/oauth2/logout", p.LogoutPost}, {"POST", "/logout", p.ConfirmLogout}, {"GET", "/oauth2/check_session", p.CheckSession},
		{"POST", "/oauth2/register", p.Register}, {"GET", "/oauth2/register/:id", p.Registered},
		{"PUT", "/oauth2/register/:id", p.Reregister}, {"DELETE", "/oauth2/register/:id", p.Deregister},
		{"GET", "/oauth2/jwks", p.JWKS}, {"GET", "/logos/:file", p.Logo},
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

// events counts how often a kind and reason ("" = any) stands in the log, also
// where one event stands for several.
func (w *world) events(t testing.TB, kind latchkey.EventKind, reason string) int {
	t.Helper()
	if err := w.db.FlushAllCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return int(storagetest.Value[int64](t, w.url, `
		SELECT coalesce(sum(coalesce((detail->>'count')::bigint, 1)), 0)::bigint
		FROM audit_pending WHERE kind = $1 AND ($2 = '' OR reason = $2)`, string(kind), reason))
}

func (w *world) count(t testing.TB, query string, args ...any) int {
	t.Helper()
	return int(storagetest.Value[int64](t, w.url, query, args...))
}

func (w *world) sql(t testing.TB, statement string, args ...any) {
	t.Helper()
	storagetest.SQL(t, w.url, statement, args...)
}
