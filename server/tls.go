package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// tlsConfig returns the terms on which we speak TLS. minimum is "1.3" or
// "1.2"; the latter adds only the four ECDHE suites with AES-GCM.
func tlsConfig(minimum string) (*tls.Config, error) {
	c := &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	switch minimum {
	case "", "1.3":
		c.MinVersion = tls.VersionTLS13
	case "1.2":
		c.MinVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		}
	default:
		return nil, fmt.Errorf("TLS version %q is neither 1.3 nor 1.2", cut(minimum, 20))
	}
	return c, nil
}

// FileTLS serves the certificate in certFile with the key in keyFile and takes
// up a renewed pair by itself. It reads both at once, so that a bad pair stops
// the start, and so that a start as root can open them before it drops.
func FileTLS(certFile, keyFile, minimum string, log *slog.Logger) (*tls.Config, error) {
	c, err := tlsConfig(minimum)
	if err != nil {
		return nil, err
	}
	pair := &keyPair{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := pair.load(); err != nil {
		return nil, err
	}
	c.GetCertificate = pair.certificate
	return c, nil
}

// keyPair is a certificate that follows its files.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	loaded  [2]os.FileInfo
	looked  time.Time
	told    string // the last complaint, said once
}

// reloadEvery is how often, at most, a handshake looks at the files.
const reloadEvery = time.Second

func (k *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.looked) >= reloadEvery {
		k.looked = now
		k.refresh()
	}
	return k.current, nil
}

// refresh takes up changed files. A pair that does not load, as while one of
// the two files is already new, leaves the old one in use: a working
// certificate is never given up for a broken one.
func (k *keyPair) refresh() {
	files, err := k.stat()
	if err == nil && sameFile(files[0], k.loaded[0]) && sameFile(files[1], k.loaded[1]) {
		k.told = ""
		return
	}
	if err == nil {
		err = k.load()
	}
	if err != nil {
		if err.Error() != k.told {
			k.told = err.Error()
			k.log.Error("the changed TLS certificate cannot be used; the old one stays", "error", err.Error())
		}
		return
	}
	k.told = ""
	k.log.Info("TLS certificate taken up", "not_after", k.current.Leaf.NotAfter.UTC().Format(time.RFC3339))
}

func (k *keyPair) stat() (files [2]os.FileInfo, err error) {
	for i, name := range []string{k.certFile, k.keyFile} {
		if files[i], err = os.Stat(name); err != nil {
			return files, fmt.Errorf("look at the TLS files: %w", err)
		}
	}
	return files, nil
}

func (k *keyPair) load() error {
	// Before reading: a change in between is then seen the next time.
	files, err := k.stat()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("load TLS certificate %s with key %s: %w", k.certFile, k.keyFile, err)
	}
	if cert.Leaf == nil {
		return errors.New("load TLS certificate: it holds no certificate")
	}
	k.current, k.loaded = &cert, files
	return nil
}

func sameFile(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
