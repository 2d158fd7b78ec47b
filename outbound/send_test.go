package outbound_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"latchkey/outbound"
	"latchkey/outbound/outboundtest"
)

// TestGet is the plain case, with what the host gets to see.
func TestGet(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	address := outboundtest.Host(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Write([]byte("keys"))
	})
	got, err := newWorld(t).client(outboundtest.Home).Get(t.Context(), address+"/jwks?a=b#c", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Body) != "keys" || got.Status != 200 || got.Header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("got %+v", got)
	}
	if seen.RequestURI != "/jwks?a=b" || seen.Header.Get("Accept") != "application/json" || seen.Header.Get("User-Agent") != "latchkey" {
		t.Errorf("the host saw %s with %v", seen.RequestURI, seen.Header)
	}
	if seen.TLS.Version != tls.VersionTLS13 {
		t.Errorf("TLS %x, want 1.3", seen.TLS.Version)
	}
	if seen.Header.Get("Accept-Encoding") != "" || seen.Header.Get("Cookie") != "" {
		t.Errorf("more was sent than meant: %v", seen.Header)
	}
}

// TestPost: one try, any status is an answer, and its body does not matter.
func TestPost(t *testing.T) {
	t.Parallel()
	calls := atomic.Int32{}
	address := outboundtest.Host(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || string(body) != "logout_token=x" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("the host saw %s %q %v: %v", r.Method, body, r.Header, err)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write(make([]byte, 1<<20))
	})
	got, err := newWorld(t).client(outboundtest.Home).Post(t.Context(), address, "application/x-www-form-urlencoded", []byte("logout_token=x"))
	if err != nil || got.Status != http.StatusServiceUnavailable || calls.Load() != 1 {
		t.Errorf("%+v %v after %d calls, want one 503", got, err, calls.Load())
	}
}

// TestNoRedirect: the next hop was never judged, so it is never taken.
func TestNoRedirect(t *testing.T) {
	t.Parallel()
	c := newWorld(t).client(outboundtest.Home)
	reached := atomic.Bool{}
	next := outboundtest.Host(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		address := outboundtest.Host(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", next)
			w.WriteHeader(status)
		})
		if _, err := c.Get(t.Context(), address, ""); refusalOf(err) != outbound.Redirect {
			t.Errorf("GET answered by %d: %v, want a refusal", status, err)
		}
		if _, err := c.Post(t.Context(), address, "text/plain", []byte("x")); refusalOf(err) != outbound.Redirect {
			t.Errorf("POST answered by %d: %v, want a refusal", status, err)
		}
	}
	if reached.Load() {
		t.Error("a redirect was followed")
	}
}

// TestBodyBound: 256 KiB are read, one byte more is an error, and so is a length
// that is only announced.
func TestBodyBound(t *testing.T) {
	t.Parallel()
	c := newWorld(t).client(outboundtest.Home)
	for _, size := range []int{256 << 10, 256<<10 + 1, 8 << 20} {
		address := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, strings.NewReader(strings.Repeat("x", size))) })
		got, err := c.Get(t.Context(), address, "")
		if size <= 256<<10 && (err != nil || len(got.Body) != size) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if size > 256<<10 && !errors.Is(err, outbound.ErrTooLarge) {
			t.Errorf("%d bytes: %v, want %v", size, err, outbound.ErrTooLarge)
		}
	}
	header := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 32<<10)) })
	if _, err := c.Get(t.Context(), header, ""); err == nil {
		t.Error("a header of 32 KiB was read")
	}
}

// TestOnlyOK: nothing but 200 is an answer to GET. A host that says that it
// cannot just now is asked once more; one that says no is not.
func TestOnlyOK(t *testing.T) {
	t.Parallel()
	c := newWorld(t).client(outboundtest.Home)
	for status, want := range map[int]int32{201: 1, 204: 1, 400: 1, 404: 1, 500: 1, 502: 2, 503: 2, 504: 2} {
		calls := atomic.Int32{}
		address := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(status) })
		if _, err := c.Get(t.Context(), address, ""); !errors.Is(err, outbound.ErrStatus) {
			t.Errorf("%d: %v, want %v", status, err, outbound.ErrStatus)
		}
		if calls.Load() != want {
			t.Errorf("%d: asked %d times, want %d", status, calls.Load(), want)
		}
	}
}

// TestSecondTry: a connection that broke is made once more.
func TestSecondTry(t *testing.T) {
	t.Parallel()
	calls := atomic.Int32{}
	address := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte("there"))
	})
	got, err := newWorld(t).client(outboundtest.Home).Get(t.Context(), address, "")
	if err != nil || string(got.Body) != "there" || calls.Load() != 2 {
		t.Errorf("%v after %d calls: %v", got, calls.Load(), err)
	}
}

// TestFiveSeconds: whoever answers slowly, in whatever part, holds nobody for
// longer. Each part has its own host, all at once.
func TestFiveSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(outboundtest.Home)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for name, h := range map[string]http.HandlerFunc{
		"no header": func(http.ResponseWriter, *http.Request) { <-stop },
		"no body": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			http.NewResponseController(w).Flush()
			<-stop
		},
		"drops": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				w.Write([]byte("x"))
				http.NewResponseController(w).Flush()
				select {
				case <-stop:
				case <-time.After(200 * time.Millisecond):
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(h)
			s.StartTLS()
			t.Cleanup(s.CloseClientConnections)
			began := time.Now()
			_, err := c.Get(t.Context(), s.URL, "")
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took < 4*time.Second || took > 6*time.Second {
				t.Errorf("ended after %v: %v, want 5 s", took, err)
			}
		})
	}
}

// TestCallerGoesAway: whoever asked may stop waiting, and the host is not blamed.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	arrived, stop := make(chan struct{}, 8), make(chan struct{})
	address := outboundtest.Host(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/quick" {
			return
		}
		arrived <- struct{}{}
		<-stop
	})
	defer close(stop)
	c := newWorld(t).client(outboundtest.Home)
	for range 6 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		if _, err := c.Get(ctx, address, ""); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want %v", err, context.Canceled)
		}
	}
	if _, err := c.Get(t.Context(), address+"/quick", ""); err != nil {
		t.Errorf("the next: %v", err)
	}
}

// TestNoProxyFromTheEnvironment: a proxy would resolve the name itself.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxied := atomic.Bool{}
	proxy := outboundtest.PlainHost(t, func(http.ResponseWriter, *http.Request) { proxied.Store(true) })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy)
	}
	w := newWorld(t)
	c := w.client(outboundtest.Home)
	w.Set("app.example.com", "127.0.0.1")
	answer := func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("direct")) }
	for _, address := range []string{outboundtest.At(t, outboundtest.Host(t, answer), "app.example.com"), outboundtest.At(t, outboundtest.PlainHost(t, answer), "app.example.com")} {
		if got, err := c.Get(t.Context(), address, ""); err != nil || string(got.Body) != "direct" || proxied.Load() {
			t.Errorf("%s: %v %v (proxied: %t)", address, got, err, proxied.Load())
		}
	}
}

// TestAuthorities: a certificate of an unknown authority, for another name or of
// an old protocol is not believed.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(outboundtest.Home)
	w.Set("app.example.com", "127.0.0.1")
	w.Set("app.example.org", "127.0.0.1")
	address := outboundtest.Host(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := c.Get(t.Context(), outboundtest.At(t, address, "app.example.com"), ""); err != nil {
		t.Errorf("right: %v", err)
	}
	if _, err := c.Get(t.Context(), outboundtest.At(t, address, "app.example.org"), ""); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("for another name: %v, want an error", err)
	}
	if _, err := outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix(outboundtest.Home)}}).Get(t.Context(), address, ""); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("of an unknown authority: %v, want an error", err)
	}
	for version, works := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true} {
		old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		old.StartTLS()
		if _, err := c.Get(t.Context(), old.URL, ""); (err == nil) != works {
			t.Errorf("TLS %x: %v", version, err)
		}
		old.Close()
	}
}

// TestBreaker: a host that fails five times in a row is left in peace; its
// neighbours are not, and neither refusals nor a 404 count.
func TestBreaker(t *testing.T) {
	t.Parallel()
	calls := atomic.Int32{}
	down := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(500) })
	missing := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	moved := outboundtest.Host(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	c := newWorld(t).client(outboundtest.Home)
	for range 5 {
		if _, err := c.Get(t.Context(), down, ""); !errors.Is(err, outbound.ErrStatus) {
			t.Fatalf("before it rests: %v", err)
		}
	}
	if _, err := c.Get(t.Context(), down+"/elsewhere", ""); !errors.Is(err, outbound.ErrResting) {
		t.Errorf("the sixth: %v, want %v", err, outbound.ErrResting)
	}
	if _, err := c.Post(t.Context(), down, "text/plain", nil); !errors.Is(err, outbound.ErrResting) {
		t.Errorf("a POST: %v, want %v", err, outbound.ErrResting)
	}
	if calls.Load() != 5 {
		t.Errorf("asked %d times, want 5", calls.Load())
	}
	for range 6 {
		if _, err := c.Get(t.Context(), missing, ""); !errors.Is(err, outbound.ErrStatus) || errors.Is(err, outbound.ErrResting) {
			t.Errorf("a neighbour that has no such thing: %v", err)
		}
		if _, err := c.Get(t.Context(), moved, ""); refusalOf(err) != outbound.Redirect {
			t.Errorf("a neighbour that redirects: %v", err)
		}
	}
}
