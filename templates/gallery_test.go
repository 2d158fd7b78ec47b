package templates_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"latchkey/server/servertest/chrome"
	"latchkey/templates"
)

// pageCSP is what the server sends with every page.
const pageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// exhibition serves every sample under its name, with the server's headers,
// and the few answers of the API that the scripts ask for while a page loads.
func exhibition(t *testing.T) *httptest.Server {
	t.Helper()
	pages := site(t)
	mux := http.NewServeMux()
	mux.Handle("/static/", pages.Static())
	mux.HandleFunc("POST /api/v1/webauthn/registration/link", func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Token string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if asked.Token != "used" {
			fmt.Fprint(w, `{"expires_at":"2026-11-24T22:41:00Z"}`)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusGone)
		fmt.Fprint(w, `{"status":410,"code":"token_expired","request_id":"7f3a-91c2"}`)
	})
	mux.HandleFunc("GET /logos/sample.png", func(w http.ResponseWriter, _ *http.Request) {
		logo := image.NewPaletted(image.Rect(0, 0, 240, 64), color.Palette{color.NRGBA{R: 0x2f, G: 0x6f, B: 0x5e, A: 0xff}})
		w.Header().Set("Content-Type", "image/png")
		if err := png.Encode(w, logo); err != nil {
			t.Error(err)
		}
	})
	hangDemo(t, mux)
	for _, s := range append(samples(), failureSamples()...) {
		mux.HandleFunc("GET /"+s.name, func(w http.ResponseWriter, _ *http.Request) {
			csp := pageCSP
			if _, ok := s.page.(templates.FormPost); ok {
				csp = strings.Replace(csp, "form-action 'self'", "form-action 'none'", 1) // it would leave at once
			}
			w.Header().Set("Content-Security-Policy", csp)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := pages.Render(w, s.page); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return server
}

// console collects what a page says there; events arrive on another goroutine.
type console struct {
	mu    sync.Mutex
	lines []string
}

func (c *console) add(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

// take gives what was said since the last call.
func (c *console) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.lines
	c.lines = nil
	return lines
}

// browser starts Chromium with one tab, in which id.meridian.example is the
// server. What the console says is collected.
func browser(t *testing.T, server *httptest.Server) (context.Context, *console) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP id.meridian.example "+server.Listener.Addr().String()+", MAP * ~NOTFOUND"),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stopAllocator)
	said := new(console)
	tab, closeTab := chromedp.NewContext(allocator, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			said.add(fmt.Sprintf("%s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		case *runtime.EventExceptionThrown:
			said.add("exception " + e.ExceptionDetails.Text)
		}
	}))
	t.Cleanup(closeTab)
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("start Chromium (make test installs it): %v", err)
	}
	return tab, said
}

//go:embed testdata/check.js
var checkScript string

// TestPagesInABrowser looks at every sample at the width of a small phone, and
// draws it when LATCHKEY_GALLERY names a folder.
func TestPagesInABrowser(t *testing.T) {
	server := exhibition(t)
	tab, said := browser(t, server)
	gallery := os.Getenv("LATCHKEY_GALLERY")
	if gallery != "" {
		if err := os.MkdirAll(gallery, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range exhibits(gallery != "") {
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(tab, 30*time.Second)
			defer cancel()
			said.take()
			address := "https://id.meridian.example/" + s.name
			if s.hash != "" {
				address += "#" + s.hash
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(320, 700), chromedp.Evaluate[chromedp.Void](`origin === "null" || sessionStorage.clear()`), chromedp.Navigate("about:blank"), chromedp.Navigate(address)); err != nil {
				t.Fatal(err)
			}
			settle(ctx, t)
			if s.act != "" {
				if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](s.act)); err != nil {
					t.Fatal(err)
				}
			}
			faults, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](checkScript))
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faults {
				t.Error(fault)
			}
			for _, line := range said.take() {
				if expected(s, line) {
					continue
				}
				t.Errorf("the browser complains: %s", line)
			}
			chrome.On(t, ctx).Axe()
			if gallery != "" {
				draw(ctx, t, filepath.Join(gallery, s.name))
			}
		})
	}
}

// settle waits until the scripts have done what they do on load.
func settle(ctx context.Context, t *testing.T) {
	t.Helper()
	script := `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true), 150)))`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise)); err != nil {
		t.Fatal(err)
	}
}

// expected are the complaints about what the exhibition leaves out: an API.
func expected(s exhibit, line string) bool {
	if strings.Contains(line, "/api/v1/") {
		return true
	}
	return s.name == "form-post" && strings.Contains(line, "form-action")
}

// draw makes the pictures of a page.
func draw(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	for _, picture := range []struct {
		suffix string
		width  int64
		height int64
		scheme string
	}{{"", 1280, 900, "light"}, {"-dark", 1280, 900, "dark"}, {"-360", 360, 740, "light"}} {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: picture.scheme}}}
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
			t.Fatal(err)
		}
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(picture.width, picture.height)); err != nil {
			t.Fatal(err)
		}
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](`document.activeElement.blur(), scrollTo(0, 0)`)); err != nil {
			t.Fatal(err)
		}
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+picture.suffix+".png", png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
