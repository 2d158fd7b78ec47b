package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEOptions is what getting certificates by itself needs.
type ACMEOptions struct {
	Host        string        // required: the issuer's host, the only name asked for
	Directory   string        // URL of the authority's directory; empty = Let's Encrypt
	CacheDir    string        // required: folder for account key and certificates, made 0700
	Minimum     string        // as --tls-min
	RenewBefore time.Duration // 0 = a third of the certificate's life, at most 30 days
	HTTP        *http.Client  // required: the way out to the authority
	Log         *slog.Logger  // required
}

// ACME keeps a certificate for one host: it asks for it by the TLS-ALPN-01
// challenge (RFC 8737), which needs no second port, keeps it on disk and
// renews it in time.
type ACME struct {
	host    string
	manager *autocert.Manager
	log     *slog.Logger
	config  *tls.Config
}

// NewACME prepares the folder. It asks the authority nothing yet.
func NewACME(o ACMEOptions) (*ACME, error) {
	if !strings.Contains(strings.Trim(o.Host, "."), ".") {
		return nil, fmt.Errorf("certificates by ACME need a public host name, not %q", cut(o.Host, 80))
	}
	if o.CacheDir == "" || o.HTTP == nil || o.Log == nil {
		return nil, errors.New("ACME: a folder, an HTTP client and a logger are required")
	}
	config, err := tlsConfig(o.Minimum)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	directory := o.Directory
	if directory == "" {
		directory = acme.LetsEncryptURL
	}
	a := &ACME{host: o.Host, log: o.Log, config: config}
	a.manager = &autocert.Manager{
		Prompt:      autocert.AcceptTOS,
		Cache:       autocert.DirCache(o.CacheDir),
		HostPolicy:  autocert.HostWhitelist(o.Host),
		RenewBefore: o.RenewBefore,
		Client:      &acme.Client{DirectoryURL: directory, HTTPClient: o.HTTP, UserAgent: "latchkey"},
	}
	config.NextProtos = append(config.NextProtos, acme.ALPNProto)
	config.GetCertificate = a.certificate
	return a, nil
}

// Config is the TLS configuration to serve with.
func (a *ACME) Config() *tls.Config { return a.config }

// certificate answers a handshake. Clients that send no name get the one
// certificate there is; foreign names are refused before anybody is asked.
func (a *ACME) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = a.host
		hello = &named
	}
	return a.manager.GetCertificate(hello)
}

// Obtain gets the certificate now instead of at the first visitor's handshake,
// and starts its renewal. The listener must already answer, because the
// authority calls back. It tries again until it succeeds or ctx ends.
func (a *ACME) Obtain(ctx context.Context) error {
	for wait := 10 * time.Second; ; wait = min(2*wait, time.Hour) {
		cert, err := a.manager.GetCertificate(&tls.ClientHelloInfo{
			ServerName:       a.host,
			CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			SupportedCurves:  []tls.CurveID{tls.CurveP256},
		})
		if err == nil {
			a.log.Info("TLS certificate is in place", "not_after", cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
			return nil
		}
		a.log.Error("the authority gave no TLS certificate; trying again", "error", err.Error(), "in", wait.String())
		select {
		case <-ctx.Done():
			return fmt.Errorf("get a TLS certificate for %s: %w", a.host, err)
		case <-time.After(wait):
		}
	}
}
