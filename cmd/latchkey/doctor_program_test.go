package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/storage/storagetest"
)

// TestDoctorOfATrial: what doctor finds from the empty folder to the running
// database and after its end, and that it leaves everything as it was.
func TestDoctorOfATrial(t *testing.T) {
	t.Parallel()
	dir, listen := shortDir(t), freeAddress(t)
	settings := []string{"--data-dir", dir, "--listen", listen, "--issuer", "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)}
	finds := func(when string, want map[string]string) diagnosis {
		t.Helper()
		code, stdout, stderr := runProgram(t, append([]string{"doctor", "--json"}, settings...)...)
		d := diagnose(t, code, stdout, stderr)
		if diff := cmp.Diff(want, d.troubles()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		return d
	}
	notServing := map[string]string{"issuer": "fail"}
	finds("before the first start", map[string]string{"data_dir": "warn", "issuer": "fail"})
	if _, err := os.Stat(dir); err == nil {
		t.Error("doctor made the data dir")
	}
	serve, _ := startProgram(t, settings...)
	finds("while it runs", map[string]string{})
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Fatal(err)
	}
	if next := finds("after its end", notServing).next("issuer"); !strings.Contains(next, "latchkey serve") {
		t.Errorf("after its end: next %q, want the command that starts it", next)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); err == nil {
		t.Error("doctor left the database running")
	}

	keyFile := filepath.Join(dir, "keys.json")
	if err := os.Rename(keyFile, keyFile+".away"); err != nil {
		t.Fatal(err)
	}
	finds("without the key file", map[string]string{"issuer": "fail", "key_file": "fail"})
	if _, err := os.Stat(keyFile); err == nil {
		t.Error("doctor made a key file")
	}
	if err := os.Rename(keyFile+".away", keyFile); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "postgres", "PG_VERSION")
	made, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(version, []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	finds("with a database of another version", map[string]string{"issuer": "fail", "database": "fail"})
	if err := os.WriteFile(version, made, 0o600); err != nil {
		t.Fatal(err)
	}
	parent := filepath.Dir(dir)
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who is not root owns the folder and may enter it
		finds("in a folder that its user cannot enter", map[string]string{"issuer": "fail", "data_dir": "fail"})
	}
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	finds("with everything back", notServing)
}

// TestDoctorChangesNothing: of an empty database it only says that it is one.
func TestDoctorChangesNothing(t *testing.T) {
	t.Parallel()
	database, dir := storagetest.Empty(t), worldDir(t)
	code, stdout, stderr := runProgram(t, "doctor", "--json", "--database-url", database, "--data-dir", dir, "--issuer", "http://localhost:"+portOf(freeAddress(t)))
	if diff := cmp.Diff(map[string]string{"issuer": "fail", "schema": "warn"}, diagnose(t, code, stdout, stderr).troubles()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := storagetest.Value[int](t, database, "SELECT count(*)::int FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
		t.Errorf("doctor made %d tables", n)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("doctor made %v in the data dir (%v)", entries, err)
	}
}

// TestDoctorOfCertificates: what browsers would say at the handshake.
func TestDoctorOfCertificates(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	authority := newTestAuthority(t)
	var shown atomic.Pointer[tls.Certificate]
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: listen})
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	front.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }}
	front.StartTLS()
	t.Cleanup(front.Close)
	dir := worldDir(t)
	issuer := strings.Replace(front.URL, "127.0.0.1", "localhost", 1)
	settings := []string{"--issuer", issuer, "--listen", listen, "--database-url", storagetest.Empty(t), "--data-dir", dir, "--trusted-proxies", "127.0.0.1"}
	start(t, settings...)
	roots := filepath.Join(filepath.Dir(dir), "roots.pem")
	if err := os.WriteFile(roots, authority.pem, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		shows *tls.Certificate
		roots string
		want  map[string]string
		says  string
	}{
		{"a good one", authority.issue(t, "localhost", 90*day), roots, map[string]string{}, "good until"},
		{"one that ends soon", authority.issue(t, "localhost", 13*day), roots, map[string]string{"certificate": "warn"}, "ends at"},
		{"one that has ended", authority.issue(t, "localhost", -time.Hour), roots, map[string]string{"certificate": "fail"}, "ended at"},
		{"one of another name", authority.issue(t, "id.example.com", 90*day), roots, map[string]string{"certificate": "fail"}, "id.example.com"},
		{"one of an authority that is not known here", authority.issue(t, "localhost", 90*day), "/dev/null", map[string]string{"certificate": "warn"}, "authority"},
	} {
		shown.Store(c.shows)
		cmd := program(t, append([]string{"doctor", "--json"}, settings...)...)
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+c.roots, "SSL_CERT_DIR=/nonexistent")
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		d := diagnose(t, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String())
		if diff := cmp.Diff(c.want, d.troubles()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		for _, f := range d.Findings {
			if f.Check == "certificate" && !strings.Contains(f.Message, c.says) {
				t.Errorf("%s: %q, want words of %q", c.name, f.Message, c.says)
			}
		}
	}
}

// testAuthority makes certificates.
type testAuthority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newTestAuthority(t *testing.T) *testAuthority {
	t.Helper()
	a := &testAuthority{certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(365 * day), KeyUsage: x509.KeyUsageCertSign,
	}}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	return a
}

func (a *testAuthority) issue(t *testing.T, host string, life time.Duration) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// TestDoctorHealth: what the health check of a container asks.
func TestDoctorHealth(t *testing.T) {
	t.Parallel()
	healthy := func(want bool, arguments ...string) {
		t.Helper()
		code, stdout, stderr := command(t, append([]string{"doctor", "--health", "--json"}, arguments...)...)
		if d := diagnose(t, code, stdout, stderr); d.OK != want || len(d.Findings) != 1 || d.Findings[0].Check != "ready" {
			t.Errorf("%v: %s, want ok %v", arguments, stdout, want)
		}
	}
	listen, dir, database := freeAddress(t), t.TempDir(), storagetest.Empty(t)
	healthy(false, "--listen", listen)
	_, stop := start(t, "--listen", listen, "--database-url", database, "--data-dir", dir)
	healthy(true, "--listen", listen)
	healthy(true, "--listen", "0.0.0.0:"+portOf(listen))
	healthy(true, "--listen", ":"+portOf(listen))
	// No database is needed for the question, nor a folder, nor a right issuer.
	healthy(true, "--listen", listen, "--database-url", "postgres://x@"+freeAddress(t)+"/x", "--data-dir", "/nowhere", "--issuer", "https://id.example.com")
	healthy(false, "--listen", listen, "--tls-cert", "c.pem", "--tls-key", "k.pem")
	name := database[strings.LastIndex(database, "=")+1:]
	other := strings.Replace(database, name, "postgres", 1)
	storagetest.SQL(t, other, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	storagetest.SQL(t, other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	time.Sleep(1200 * time.Millisecond) // readiness may be that old
	healthy(false, "--listen", listen)
	stop()

	certificate := newTestAuthority(t).issue(t, "id.example.com", day)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}, {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(files[i], pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overTLS := []string{"--listen", freeAddress(t), "--issuer", "https://id.example.com", "--tls-cert", files[0], "--tls-key", files[1]}
	start(t, append(overTLS, "--database-url", storagetest.Empty(t), "--data-dir", worldDir(t))...)
	healthy(true, overTLS...)
}
