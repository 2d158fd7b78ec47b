package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// authority is Let's Encrypt's own test authority, run inside the test. It
// resolves every name to this machine and calls back on the given port.
type authority struct {
	directory string
	roots     *x509.CertPool
	client    *http.Client
}

func startAuthority(t *testing.T, tlsPort int, validSeconds uint64) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "20")
	quiet := log.New(testWriter{t}, "", 0)

	dns := freePort(t)
	resolver, err := challtestsrv.New(challtestsrv.Config{Log: quiet, DNSAddrs: []string{dns}})
	if err != nil {
		t.Fatal(err)
	}
	resolver.SetDefaultDNSIPv6("")
	go resolver.Run()
	t.Cleanup(resolver.Shutdown)
	awaitPort(t, dns)

	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "test", ValidityPeriod: validSeconds}}
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	front := wfe.New(quiet, store, va.New(quiet, 1, tlsPort, false, dns, store), issuer, []string{"pebble.example"}, false, false, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(issuer.GetRootCert(0).Cert)
	return &authority{directory: s.URL + wfe.DirectoryPath, roots: roots, client: s.Client()}
}

// testWriter keeps the authority's chatter out of a passing test's output.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { return len(p), nil }

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func awaitPort(t *testing.T, addr string) {
	t.Helper()
	for range 200 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nothing answers at %s", addr)
}

// The whole way: a listener without a certificate, the authority's challenge
// by TLS-ALPN-01, the certificate in use, and its renewal before it ends.
func TestACMEGetsAndRenewsACertificate(t *testing.T) {
	const host = "id.example.test"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	authority := startAuthority(t, ln.Addr().(*net.TCPAddr).Port, 9)
	logs := &logBuffer{}
	logger, err := NewLogger(logs, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(t.TempDir(), "acme")
	a, err := NewACME(ACMEOptions{Host: host, Directory: authority.directory, CacheDir: cache, HTTP: authority.client, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := newTestEdge(t)
	r := e.engine()
	r.GET("/", e.page(fine))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.serve(ctx, ln, a.Config(), e.handler(r)) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()

	if err := a.Obtain(ctx); err != nil {
		t.Fatal(err)
	}
	visit := func(name string) (*x509.Certificate, error) {
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{ServerName: name, RootCAs: authority.roots})
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0], nil
	}
	first, err := visit(host)
	if err != nil {
		t.Fatalf("visit: %v\n%s", err, logs)
	}
	if _, err := visit("evil.example.test"); err == nil {
		t.Error("a certificate was got for a foreign name")
	}

	info, err := os.Stat(cache)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v", info.Mode())
	}
	files, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", f.Name(), info.Mode())
		}
		names += f.Name() + " "
	}
	if !strings.Contains(names, host) || !strings.Contains(names, "acme_account") {
		t.Errorf("the folder holds %q", names)
	}

	deadline := time.Now().Add(20 * time.Second)
	for {
		now, err := visit(host)
		if err == nil && now.SerialNumber.Cmp(first.SerialNumber) != 0 {
			if !now.NotAfter.After(first.NotAfter) {
				t.Errorf("renewed until %v, before until %v", now.NotAfter, first.NotAfter)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not renewed in 20 s, the last visit: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func TestACMESaysWhenTheAuthorityDoesNotAnswer(t *testing.T) {
	t.Parallel()
	logs := &logBuffer{}
	logger, err := NewLogger(logs, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	a, err := NewACME(ACMEOptions{
		Host: "id.example.test", Directory: gone.URL, CacheDir: filepath.Join(t.TempDir(), "acme"),
		HTTP: &http.Client{Timeout: time.Second}, Log: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := a.Obtain(ctx); err == nil || !strings.Contains(err.Error(), "id.example.test") {
		t.Errorf("Obtain: %v", err)
	}
	if n := len(logs.lines(t, "the authority gave no TLS certificate; trying again")); n != 1 {
		t.Errorf("%d complaints, want 1", n)
	}
}

func TestNewACMERefuses(t *testing.T) {
	t.Parallel()
	good := ACMEOptions{Host: "id.example.test", CacheDir: t.TempDir(), HTTP: http.DefaultClient, Log: slog.New(slog.DiscardHandler)}
	for name, bend := range map[string]func(*ACMEOptions){
		"localhost":        func(o *ACMEOptions) { o.Host = "localhost" },
		"no host":          func(o *ACMEOptions) { o.Host = "" },
		"no folder":        func(o *ACMEOptions) { o.CacheDir = "" },
		"no way out":       func(o *ACMEOptions) { o.HTTP = nil },
		"no log":           func(o *ACMEOptions) { o.Log = nil },
		"old TLS":          func(o *ACMEOptions) { o.Minimum = "1.0" },
		"folder is a file": func(o *ACMEOptions) { o.CacheDir = fileIn(t) },
	} {
		o := good
		bend(&o)
		if _, err := NewACME(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewACME(good); err != nil {
		t.Error(fmt.Errorf("the good options: %w", err))
	}
}

func fileIn(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
