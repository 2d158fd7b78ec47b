package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/server/servertest/acmetest"
)

// TestACME: serve gets its certificate from an authority that calls back, with
// two flags and nothing else, and keeps it where only it can read it.
func TestACME(t *testing.T) {
	listen := freeAddress(t)
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	authority := acmetest.Start(t, number, 3600)
	dir := shortDir(t)
	t.Setenv("SSL_CERT_FILE", authority.CertFile(t, filepath.Dir(dir)))
	serve, lines := startProgram(t, "--issuer", "https://id.example.test", "--listen", listen, "--data-dir", dir,
		"--acme", "--acme-directory", authority.Directory)
	if got, want := lines[len(lines)-1], "latchkey is ready at https://id.example.test"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
	visitor := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		// The name leads nowhere; the port is here.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, listen)
		},
		TLSClientConfig: &tls.Config{RootCAs: authority.Roots},
	}}
	// A handshake that waits longer than 5 s for the authority is cut off.
	res, err := visitor.Get("https://id.example.test/readyz")
	for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		res, err = visitor.Get("https://id.example.test/readyz")
	}
	if err != nil {
		t.Fatalf("visit over TLS: %v", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.TLS.Version != tls.VersionTLS13 {
		t.Errorf("readyz answered %d over TLS %x, want 200 over 1.3", res.StatusCode, res.TLS.Version)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "acme", "id.example.test*")); err != nil || len(kept) == 0 {
		t.Errorf("no certificate is kept in the data dir: %v", err)
	}
	nothingStaysRoot(t, serve.Process.Pid, dir)
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit 0", err)
	}
}

// TestACMEWithoutAnAuthority: the start does not wait for it, and neither does
// the end.
func TestACMEWithoutAnAuthority(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	serve := program(t, "serve", "--issuer", "https://id.example.test", "--listen", listen, "--data-dir", shortDir(t),
		"--acme", "--acme-directory", "https://"+freeAddress(t)+"/directory", "--log-format", "json")
	said, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(said)
	for scanner.Scan() && !strings.Contains(scanner.Text(), "the authority gave no TLS certificate") {
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for scanner.Scan() {
		if strings.Contains(scanner.Text(), "no TLS certificate") {
			t.Errorf("it complains of its own end: %s", scanner.Text())
		}
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit 0", err)
	}
}
