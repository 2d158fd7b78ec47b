package server_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/storage"
)

// The hot flows over HTTP on the composed server with a real database, one
// client at a time: what counts is the work and the allocations of a request,
// not how many a machine can take.

func benchDriver(b *testing.B) *driver {
	b.Helper()
	log, err := server.NewLogger(io.Discard, "json", slog.LevelInfo)
	if err != nil {
		b.Fatal(err)
	}
	app := servertest.Start(b, func(o *server.Options) { o.NoRateLimits, o.Log = true, log })
	d := newDriver(b, app)
	// As in a running server, what is kept in memory may be believed.
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { app.DB.FollowCaches(ctx, func(err error) { b.Error(err) }) })
	b.Cleanup(func() {
		cancel()
		following.Wait()
	})
	for _, fresh := app.DB.Version(storage.CacheClients); !fresh; _, fresh = app.DB.Version(storage.CacheClients) {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	return d
}

func BenchmarkDiscovery(b *testing.B) {
	d := benchDriver(b)
	for b.Loop() {
		d.wants(d.send("GET", "/.well-known/openid-configuration", "", "", ""), 200, "discovery")
	}
}

func BenchmarkJWKS(b *testing.B) {
	d := benchDriver(b)
	for b.Loop() {
		d.wants(d.send("GET", "/oauth2/jwks", "", "", ""), 200, "JWKS")
	}
}

func BenchmarkClientCredentials(b *testing.B) {
	d := benchDriver(b)
	for b.Loop() {
		d.wants(d.own(), 200, "client_credentials")
	}
}

func BenchmarkIntrospect(b *testing.B) {
	d := benchDriver(b)
	token := d.tokens(d.exchange(d.code())).Access
	for b.Loop() {
		d.wants(d.introspect(token), 200, "introspection")
	}
}

func BenchmarkUserinfo(b *testing.B) {
	d := benchDriver(b)
	token := d.tokens(d.exchange(d.code())).Access
	for b.Loop() {
		d.wants(d.userinfo(token), 200, "userinfo")
	}
}

func BenchmarkRefresh(b *testing.B) {
	d := benchDriver(b)
	token := d.tokens(d.exchange(d.code())).Refresh
	for b.Loop() {
		token = d.tokens(d.refresh(token)).Refresh
	}
}

// BenchmarkCode is authorize with a live session, and the exchange.
func BenchmarkCode(b *testing.B) {
	d := benchDriver(b)
	for b.Loop() {
		d.wants(d.exchange(d.code()), 200, "exchange")
	}
}

// BenchmarkSignIn is options and verify, with the device's own signature.
func BenchmarkSignIn(b *testing.B) {
	d := benchDriver(b)
	for b.Loop() {
		d.wants(d.signIn(), 200, "sign-in")
	}
}
