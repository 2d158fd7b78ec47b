// Package acmetest runs Let's Encrypt's own test authority inside a test. It
// never links into the product.
package acmetest

import (
	"crypto/x509"
	"encoding/pem"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// Authority gives certificates for any name. It resolves all of them to this
// machine and calls back on the port it was started with.
type Authority struct {
	Directory string
	Roots     *x509.CertPool // of the certificates it gives
	Client    *http.Client   // trusts the authority's own address
	address   *x509.Certificate
}

// Start runs an authority until the test ends. tlsPort is where the listener
// that wants a certificate answers; certificates live for validSeconds.
func Start(t *testing.T, tlsPort int, validSeconds uint64) *Authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "20")
	quiet := log.New(discard{}, "", 0)

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
	return &Authority{Directory: s.URL + wfe.DirectoryPath, Roots: roots, Client: s.Client(), address: s.Certificate()}
}

// CertFile writes the certificate of the authority's own address to a file in
// folder, for programs that are told by SSL_CERT_FILE whom to trust.
func (a *Authority) CertFile(t *testing.T, folder string) string {
	t.Helper()
	name := filepath.Join(folder, "authority.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.address.Raw})
	if err := os.WriteFile(name, block, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// discard keeps the authority's chatter out of the output.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

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
