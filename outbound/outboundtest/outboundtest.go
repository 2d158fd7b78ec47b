// Package outboundtest has names and hosts for tests of what latchkey fetches:
// name servers whose answers a test chooses, and hosts on this machine. It never
// links into the product.
package outboundtest

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	"latchkey/outbound"
)

// Home is the network of this machine, where the hosts of tests are.
const Home = "127.0.0.0/8"

// Client may reach the given networks, trusts the certificates of Host, and
// looks names up in names (nil = there are none).
func Client(t testing.TB, names *Names, networks ...string) *outbound.Client {
	t.Helper()
	if names == nil {
		names = &Names{}
	}
	o := outbound.Options{Resolver: names.Resolver(), Roots: Roots(t)}
	for _, n := range networks {
		o.Allow = append(o.Allow, netip.MustParsePrefix(n))
	}
	return outbound.New(o)
}

// Roots is the authority of the certificates of Host, which are for example.com,
// the names one level below it, and 127.0.0.1.
func Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

// Host runs an https host on 127.0.0.1 until the test ends and returns its
// address.
func Host(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// PlainHost is Host without TLS.
func PlainHost(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// At is address with another name for its host.
func At(t testing.TB, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort(name, u.Port())
	return u.String()
}
