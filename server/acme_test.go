package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/server/servertest/acmetest"
)

// The whole way: a listener without a certificate, the authority's challenge
// by TLS-ALPN-01, the certificate in use, and its renewal before it ends.
func TestACMEGetsAndRenewsACertificate(t *testing.T) {
	const host = "id.example.test"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	authority := acmetest.Start(t, ln.Addr().(*net.TCPAddr).Port, 9)
	logs := &logBuffer{}
	logger, err := NewLogger(logs, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(t.TempDir(), "acme")
	a, err := NewACME(ACMEOptions{Host: host, Directory: authority.Directory, CacheDir: cache, HTTP: authority.Client, Log: logger})
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
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{ServerName: name, RootCAs: authority.Roots})
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
