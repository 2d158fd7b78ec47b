// Package outbound is the only way out for HTTP: whatever latchkey fetches from
// an application, or tells it, goes through its one client. It owns where a
// request may go, how long it takes, how much is read, and when a host is left
// in peace.
//
// It refuses to know what is fetched: keys, request objects and logos belong to
// their features. The threat it answers is the application that names an address
// of ours (SSRF): loopback, the local network, the metadata service of a cloud.
// An address is judged twice, when it is registered and at the socket, because
// what a name resolves to is its owner's choice each time.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/maypok86/otter/v2"
)

// Bounds of one request.
const (
	timeout    = 5 * time.Second // in all: names, connection, both tries, body
	dnsTimeout = 2 * time.Second // of a check before something is stored
	maxBody    = 256 << 10       // bytes of an answer
	maxHeader  = 16 << 10        // bytes of its header
	maxTries   = 2               // of a GET
	tryPause   = 100 * time.Millisecond
	maxHosts   = 1000 // whose failures are remembered
	userAgent  = "latchkey"
)

// Options say where requests may go.
type Options struct {
	// Allow are the networks that may be reached although they are private; http
	// is for them only. Empty = none.
	Allow []netip.Prefix

	// Roots are the authorities whose certificates are believed. nil = the
	// system's.
	Roots *x509.CertPool

	// Resolver looks names up. nil = net.DefaultResolver.
	Resolver *net.Resolver
}

// Client sends guarded requests. Its zero value is not usable; make it by New.
type Client struct {
	allow         []netip.Prefix
	resolver      *net.Resolver
	secure, plain *http.Client
	hosts         *otter.Cache[string, *breaker]
}

// New makes a client. It opens nothing and starts nothing.
func New(o Options) *Client {
	c := &Client{resolver: o.Resolver, hosts: otter.Must(&otter.Options[string, *breaker]{MaximumSize: maxHosts})}
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	for _, p := range o.Allow {
		c.allow = append(c.allow, unmapped(p))
	}
	c.secure = c.client("https", o.Roots)
	c.plain = c.client("http", nil)
	return c
}

// client is an HTTP client for one scheme. Every request makes its own
// connection, so that each is judged at the socket; there is no proxy, since the
// address that is judged would be the proxy's; and no compression, since the
// bound is on what is read.
func (c *Client) client(scheme string, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Resolver: c.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return c.judgeSocket(scheme, address)
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext,
			// The version that both have is chosen, 1.3 before 1.2.
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// judgeSocket is the last word: it sees the address that the connection is about
// to be made to.
func (c *Client) judgeSocket(scheme, address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return errors.Join(&Refusal{Host: address, Reason: Malformed}, err)
	}
	if r := c.judge(scheme, target.Addr()); r != nil {
		return r
	}
	return nil
}
