// Package servertest starts the real server on a real database for tests that
// look at it from outside. It never links into the product.
package servertest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/server"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// App is one running installation with a database of its own.
type App struct {
	URL         string // issuer and address, such as http://localhost:40000
	DatabaseURL string
	DB          *storage.DB
}

// Start runs an installation until the test ends. change may set further
// options of the server.
func Start(t testing.TB, change ...func(*server.Options)) *App {
	t.Helper()
	databaseURL := storagetest.URL(t)
	return StartOn(t, databaseURL, storagetest.Connect(t, databaseURL), change...)
}

// StartOn is Start on a database that is open already, at databaseURL.
func StartOn(t testing.TB, databaseURL string, db *storage.DB, change ...func(*server.Options)) *App {
	t.Helper()
	// The address is known only once it listens, and the issuer is the address.
	var handler http.Handler
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(listener.Close)
	issuer, err := url.Parse(strings.Replace(listener.URL, "127.0.0.1", "localhost", 1))
	if err != nil {
		t.Fatal(err)
	}
	o := server.Options{Issuer: issuer, RPID: "localhost", DB: db, Log: slog.New(slog.DiscardHandler), Version: "test"}
	for _, c := range change {
		c(&o)
	}
	s, err := server.New(o)
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatalf("prepare the server: %v", err)
	}
	handler = s
	return &App{URL: issuer.String(), DatabaseURL: databaseURL, DB: db}
}

// SetupToken makes a set-up link and returns its token.
func (a *App) SetupToken(t testing.TB) string {
	t.Helper()
	return a.link(t, &latchkey.Link{Purpose: latchkey.LinkSetup}, 24*time.Hour)
}

// InviteToken makes an invitation and returns its token.
func (a *App) InviteToken(t testing.TB, invite latchkey.Invite) string {
	t.Helper()
	return a.link(t, &latchkey.Link{Purpose: latchkey.LinkInvite, Invite: invite}, 7*24*time.Hour)
}

// RecoveryToken makes a recovery link for a person and returns its token.
func (a *App) RecoveryToken(t testing.TB, userID string) string {
	t.Helper()
	return a.link(t, &latchkey.Link{Purpose: latchkey.LinkRecover, UserID: userID}, time.Hour)
}

func (a *App) link(t testing.TB, link *latchkey.Link, ttl time.Duration) (token string) {
	t.Helper()
	err := a.DB.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		token, err = tx.CreateLink(t.Context(), link, ttl)
		return err
	})
	if err != nil {
		t.Fatalf("make a %s link: %v", link.Purpose, err)
	}
	return token
}

// Exec runs SQL beside the server, to age rows or to tamper with them.
func (a *App) Exec(t testing.TB, sql string, arguments ...any) {
	t.Helper()
	storagetest.SQL(t, a.DatabaseURL, sql, arguments...)
}

// Text returns the first value of a query as text; no row is "".
func (a *App) Text(t testing.TB, sql string) string {
	t.Helper()
	return storagetest.Value[string](t, a.DatabaseURL, "SELECT COALESCE(("+sql+")::text, '')")
}
