package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// writePair writes a self-signed certificate and its key, and returns the
// certificate's serial number.
func writePair(t *testing.T, certFile, keyFile string) *big.Int {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "id.example.com"}, DNSNames: []string{"id.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serial
}

// running is a shell that serves on a loopback port until stop is called.
type running struct {
	*edge
	addr string
	log  *logBuffer
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, secure *tls.Config, routes func(*edge, *gin.Engine)) *running {
	t.Helper()
	e, log := newTestEdge(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := e.engine()
	r.GET("/healthz", e.healthz)
	r.GET("/readyz", e.readyz)
	routes(e, r)
	ctx, cancel := context.WithCancel(t.Context())
	s := &running{edge: e, addr: ln.Addr().String(), log: log, stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- e.serve(ctx, ln, secure, e.handler(r)) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-s.done:
		case <-time.After(15 * time.Second):
			t.Error("the server did not stop")
		}
	})
	return s
}

func pages(e *edge, r *gin.Engine) { r.GET("/", e.page(fine)) }

func TestTLSVersionsAndSuites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, certFile, keyFile)
	for _, minimum := range []string{"1.3", "1.2"} {
		config, err := FileTLS(certFile, keyFile, minimum, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, config, pages)
		dial := func(change func(*tls.Config)) (*tls.ConnectionState, error) {
			c := &tls.Config{InsecureSkipVerify: true, ServerName: "id.example.com"}
			change(c)
			conn, err := tls.Dial("tcp", s.addr, c)
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			state := conn.ConnectionState()
			return &state, nil
		}
		if got, err := dial(func(*tls.Config) {}); err != nil || got.Version != tls.VersionTLS13 {
			t.Errorf("%s: a modern client: %v", minimum, err)
		}
		if got, err := dial(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }); err != nil || got.NegotiatedProtocol != "h2" {
			t.Errorf("%s: HTTP/2 is not offered: %v", minimum, err)
		}
		_, err = dial(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
		if (err == nil) != (minimum == "1.2") {
			t.Errorf("%s: a TLS 1.2 client: %v", minimum, err)
		}
		if _, err := dial(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }); err == nil {
			t.Errorf("%s: a TLS 1.1 client is served", minimum)
		}
		for suite, allowed := range map[uint16]bool{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       true,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       true,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          false,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: false,
		} {
			_, err := dial(func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite} })
			if (err == nil) != (allowed && minimum == "1.2") {
				t.Errorf("%s: %s: %v", minimum, tls.CipherSuiteName(suite), err)
			}
		}
		s.stop()
	}
	if _, err := FileTLS(certFile, keyFile, "1.1", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("TLS 1.1 is accepted as the minimum")
	}
	if _, err := FileTLS(certFile, certFile, "1.3", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a certificate is accepted as its own key")
	}
}

func TestHTTP2OnlyOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, certFile, keyFile)
	config, err := FileTLS(certFile, keyFile, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, config, pages)
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "id.example.com"},
	}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + s.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("answer came by %s", res.Proto)
	}

	plain := start(t, nil, pages)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h2c := &http.Client{Transport: &http.Transport{Protocols: protocols}, Timeout: 5 * time.Second}
	if res, err := h2c.Get("http://" + plain.addr + "/"); err == nil {
		res.Body.Close()
		t.Errorf("h2c is on: %s", res.Proto)
	}
}

func TestCertificateIsTakenUpWithoutRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := writePair(t, certFile, keyFile)
	var log logBuffer
	logger, err := NewLogger(&log, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	pair := &keyPair{certFile: certFile, keyFile: keyFile, log: logger, now: func() time.Time { return now }}
	if err := pair.load(); err != nil {
		t.Fatal(err)
	}
	serves := func(want *big.Int) {
		t.Helper()
		now = now.Add(2 * reloadEvery)
		cert, err := pair.certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Leaf.SerialNumber.Cmp(want) != 0 {
			t.Errorf("serves %v, want %v", cert.Leaf.SerialNumber, want)
		}
	}
	serves(first)
	second := writePair(t, certFile, keyFile)
	serves(second)

	half := writePair(t, certFile, filepath.Join(dir, "elsewhere.pem"))
	serves(second)
	serves(second)
	if n := len(log.lines(t, "the changed TLS certificate cannot be used; the old one stays")); n != 1 {
		t.Errorf("%d complaints about a pair that does not fit, want 1", n)
	}
	if err := os.Rename(filepath.Join(dir, "elsewhere.pem"), keyFile); err != nil {
		t.Fatal(err)
	}
	serves(half)
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	serves(half)
}

// Five hundred strangers that dribble headers or bodies are cut off within ten
// seconds, and others do not notice them.
func TestSlowConnectionsAreCut(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(e *edge, r *gin.Engine) {
		pages(e, r)
		r.POST("/form", e.form, e.page(fine))
	})
	const slow = 500
	begin := time.Now()
	cut := make(chan error, slow)
	for i := range slow {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		opening := "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 1 {
			opening = "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: " + typeForm + "\r\nContent-Length: 1000\r\n\r\n"
		}
		go func() { cut <- dribble(conn, opening, begin.Add(10*time.Second+500*time.Millisecond)) }()
	}
	var spent []time.Duration
	for range 200 {
		asked := time.Now()
		res, err := http.Get("http://" + s.addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		spent = append(spent, time.Since(asked))
		time.Sleep(10 * time.Millisecond)
	}
	slices.Sort(spent)
	if p99 := spent[len(spent)*99/100]; p99 > 500*time.Millisecond {
		t.Errorf("p99 of the others is %v", p99)
	}
	for range slow {
		if err := <-cut; err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("p99 of the others %v, all cut after %v", spent[len(spent)*99/100], time.Since(begin))
}

// dribble sends opening and then a byte every two seconds until the other side
// hangs up, which it must before the deadline.
func dribble(conn net.Conn, opening string, deadline time.Time) error {
	if _, err := io.WriteString(conn, opening); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(2 * time.Second):
				if _, err := conn.Write([]byte("a")); err != nil {
					return
				}
			}
		}
	}()
	_, err := io.Copy(io.Discard, conn)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("a dribbling connection is still open")
	}
	return nil
}

func TestOptionsStarAndOddTargets(t *testing.T) {
	t.Parallel()
	s := start(t, nil, pages)
	for request, want := range map[string]int{
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n":                                      404,
		"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n":                              404,
		"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n":                                  200,
		"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n":                                        405,
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n": 431,
	} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, request)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%.40q: %v", request, err)
		} else if res.StatusCode != want {
			t.Errorf("%.40q answers %d, want %d", request, res.StatusCode, want)
		}
		conn.Close()
	}
}

// After the signal: not ready at once, what is under way is answered, new work
// is refused once the door closes, and the end comes soon after.
func TestOrderlyStop(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s := start(t, nil, func(e *edge, r *gin.Engine) {
		r.GET("/", e.page(fine))
		r.GET("/slow", e.page(func(c *gin.Context) error {
			close(entered)
			select {
			case <-release:
				return fine(c)
			case <-c.Request.Context().Done():
				return c.Request.Context().Err()
			}
		}))
	})
	get := func(path string) (int, error) {
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}).Get("http://" + s.addr + path)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, err
	}
	expect := func(when, path string, want int) {
		t.Helper()
		if got, err := get(path); err != nil || got != want {
			t.Errorf("%s: %s answers %d (%v), want %d", when, path, got, err, want)
		}
	}
	expect("before", "/readyz", 200)
	slow := make(chan string, 1)
	go func() {
		status, err := get("/slow")
		slow <- fmt.Sprint(status, err)
	}()
	<-entered
	s.stop()
	for !s.drain.leaving.Load() {
		time.Sleep(time.Millisecond)
	}
	expect("at once", "/readyz", 503)
	if got, err := get("/"); !s.drain.closed.Load() && (err != nil || got != 200) {
		t.Errorf("while the door is open: / answers %d (%v), want 200", got, err)
	}
	for !s.drain.closed.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	expect("later", "/readyz", 503)
	expect("later", "/healthz", 200)
	expect("later", "/", 503)
	close(release)
	if got := <-slow; got != "200<nil>" && got != "200 <nil>" {
		t.Errorf("the request under way got %s", got)
	}
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("serve returned %v", err)
		}
		s.done <- nil
	case <-time.After(10 * time.Second):
		t.Error("the server did not end")
	}
	if _, err := get("/"); err == nil {
		t.Error("the port still answers")
	}
}

func TestBudgetEndsAHandler(t *testing.T) {
	t.Parallel()
	e, log := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		wait := e.page(func(c *gin.Context) error {
			select {
			case <-c.Request.Context().Done():
				return fmt.Errorf("query: %w", c.Request.Context().Err())
			case <-time.After(500 * time.Millisecond):
				return fine(c)
			}
		})
		hurry := func(c *gin.Context) {
			if timer := visitOf(c.Request.Context()).timer; timer != nil {
				timer.Reset(50 * time.Millisecond)
			}
			c.Next()
		}
		r.GET("/api/slow", hurry, wait)
		r.GET("/api/stream", hurry, e.stream, wait)
	})
	got := send(t, s, "GET", "/api/slow", "")
	if got.StatusCode != 503 || got.problem(t)["code"] != "unavailable" || got.Header.Get("Retry-After") == "" {
		t.Errorf("a slow handler answers %d %s", got.StatusCode, got.body)
	}
	if n := len(log.lines(t, "request failed")); n != 1 {
		t.Errorf("%d lines about the failure, want 1", n)
	}
	if got := send(t, s, "GET", "/api/stream", ""); got.StatusCode != 200 {
		t.Errorf("a stream answers %d", got.StatusCode)
	}
}

func TestClientThatLeavesIsNoFailure(t *testing.T) {
	t.Parallel()
	e, log := newTestEdge(t)
	entered, left := make(chan struct{}), make(chan struct{})
	s := serve(t, e, func(r *gin.Engine) {
		r.GET("/slow", e.page(func(c *gin.Context) error {
			close(entered)
			<-c.Request.Context().Done()
			defer close(left)
			return fmt.Errorf("query: %w", c.Request.Context().Err())
		}))
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-entered; cancel() }()
	if res, err := s.Client().Do(req); err == nil {
		res.Body.Close()
		t.Fatal("the request succeeded")
	}
	<-left
	deadline := time.Now().Add(5 * time.Second)
	for len(log.lines(t, "request")) == 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if lines := log.lines(t, "request"); len(lines) != 1 || lines[0]["code"] != "client_closed_request" {
		t.Errorf("log says %v", lines)
	}
	if n := len(log.lines(t, "request failed")); n != 0 {
		t.Errorf("%d failures are logged", n)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	fault := errors.New("connection refused")
	var database error
	asked := 0
	e, _ := newTestEdge(t, func(o *edgeOptions) {
		o.Checks = []Check{
			{"database", func(context.Context) error { asked++; return database }},
			{"keys", func(context.Context) error { return nil }},
		}
	})
	s := serve(t, e, func(r *gin.Engine) { r.GET("/readyz", e.readyz); r.GET("/healthz", e.healthz) })
	for range 20 {
		if got := send(t, s, "GET", "/readyz", ""); got.StatusCode != 200 {
			t.Fatalf("ready answers %d", got.StatusCode)
		}
	}
	if asked != 1 {
		t.Errorf("20 questions asked the database %d times", asked)
	}
	database = fault
	e.health.asked = time.Time{}
	got := send(t, s, "GET", "/readyz", "")
	if got.StatusCode != 503 || !strings.Contains(got.body, `"failed":["database"]`) || strings.Contains(got.body, "refused") || got.Header.Get("Retry-After") == "" {
		t.Errorf("without database: %d %s", got.StatusCode, got.body)
	}
	if got := send(t, s, "GET", "/healthz", ""); got.StatusCode != 200 {
		t.Errorf("healthz answers %d", got.StatusCode)
	}
}

func TestReadinessDoesNotWaitForAHangingOrPanickingCheck(t *testing.T) {
	t.Parallel()
	e, _ := newTestEdge(t, func(o *edgeOptions) {
		o.Checks = []Check{
			{"hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			{"panics", func(context.Context) error { panic("no") }},
		}
	})
	s := serve(t, e, func(r *gin.Engine) { r.GET("/readyz", e.readyz) })
	begin := time.Now()
	got := send(t, s, "GET", "/readyz", "")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if got.StatusCode != 503 || !bytes.Contains([]byte(got.body), []byte(`"failed":["hangs","panics"]`)) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}
