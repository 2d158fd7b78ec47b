package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"latchkey/server"
)

func (s *settings) checkTLS() error {
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return wrong("tls-cert", "and --tls-key go together", "cert.pem --tls-key key.pem")
	}
	if s.TLSMin != "1.2" && s.TLSMin != "1.3" {
		return wrong("tls-min", "is neither 1.2 nor 1.3", "1.3")
	}
	return s.checkACME()
}

func (s *settings) checkACME() error {
	if !s.ACME {
		if s.ACMEDirectory != "" {
			return wrong("acme-directory", "needs --acme beside it", letsEncryptTest+" --acme")
		}
		return nil
	}
	if s.TLSCert != "" {
		return fmt.Errorf("--acme: gets a certificate by itself, so --tls-cert and --tls-key must be left out (example: --acme)")
	}
	if s.issuer.Scheme != "https" || !strings.Contains(s.issuer.Hostname(), ".") {
		return fmt.Errorf("--acme: needs an https issuer with a public name (example: --acme --issuer %s)", issuerExample)
	}
	if s.ACMEDirectory == "" {
		return nil
	}
	if u, err := url.Parse(s.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
		return wrong("acme-directory", "is no https address", letsEncryptTest)
	}
	return nil
}

// letsEncryptTest is Let's Encrypt's authority for trying things out.
const letsEncryptTest = "https://acme-staging-v02.api.letsencrypt.org/directory"

// tlsConfig reads the certificate before root is given up: its key may be
// readable by root only.
func (c *commands) tlsConfig() (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	return server.FileTLS(c.TLSCert, c.TLSKey, c.TLSMin, c.log)
}

// acmeTimeout bounds one question to the authority.
const acmeTimeout = 30 * time.Second

// acme keeps its account and certificates in the data dir, which belongs to
// whoever this process is by now.
func (c *commands) acme() (*server.ACME, error) {
	return server.NewACME(server.ACMEOptions{
		Host: c.issuer.Hostname(), Directory: c.ACMEDirectory, CacheDir: filepath.Join(c.DataDir, "acme"), Minimum: c.TLSMin,
		HTTP: &http.Client{Timeout: acmeTimeout}, Log: c.log,
	})
}

// obtain asks for the certificate beside serving, since the authority calls
// back. The returned function ends that and waits for it.
func (c *commands) obtain(ctx context.Context, authority *server.ACME) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		if err := authority.Obtain(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("no TLS certificate", "error", err)
		}
	})
	return func() {
		cancel()
		asking.Wait()
	}
}
