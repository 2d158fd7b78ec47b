package chrome_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/server/servertest/chrome"
)

// verdict stands in for a test that is supposed to fail: it keeps what it was
// told. Like a real one, Fatalf ends the goroutine.
type verdict struct {
	testing.TB
	mu       sync.Mutex
	said     []string
	failed   bool
	cleanups []func()
}

func (v *verdict) Helper() {}

func (v *verdict) Failed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failed
}

func (v *verdict) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }

func (v *verdict) Logf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.said = append(v.said, fmt.Sprintf(format, args...))
}

func (v *verdict) Errorf(format string, args ...any) {
	v.Logf(format, args...)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failed = true
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

// picture finds the file that a failure names.
var picture = regexp.MustCompile(`its picture: (\S+/page\.png)`)

// judge runs a journey to its end, cleanups included, and returns what it was
// told.
func judge(t *testing.T, journey func(t testing.TB)) *verdict {
	t.Helper()
	v := &verdict{TB: t}
	var done sync.WaitGroup
	done.Go(func() {
		defer func() {
			for i := len(v.cleanups) - 1; i >= 0; i-- {
				v.cleanups[i]()
			}
		}()
		journey(v)
	})
	done.Wait()
	t.Cleanup(func() {
		for _, found := range picture.FindAllStringSubmatch(strings.Join(v.said, "\n"), -1) {
			if err := os.RemoveAll(filepath.Dir(found[1])); err != nil {
				t.Error(err)
			}
		}
	})
	return v
}

func (v *verdict) wants(t *testing.T, words string) {
	t.Helper()
	if !v.failed || !strings.Contains(strings.Join(v.said, "\n"), words) {
		t.Errorf("failed is %v, want a failure that says %q, got: %q", v.failed, words, v.said)
	}
}

const good = `<!doctype html><html lang="en"><title>Good</title><main data-page="good"><h1>Good</h1><p role="status">Fine</p><button id="b">Press</button></main>`

// site serves one page with a strict policy.
func site(t *testing.T, html string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, html)
	})
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/throw.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `throw new Error("out of cheese")`)
	})
	mux.HandleFunc("/dim.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprint(w, `@media (prefers-color-scheme: dark) { p { color: #444; background: #333 } }`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAGoodPagePasses(t *testing.T) {
	t.Parallel()
	p := chrome.Open(t)
	p.Goto(site(t, good))
	p.Want("good")
	p.WantStatus("Fine")
	p.Click("#b")
}

func TestFaultsFailTheTest(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct{ html, words string }{
		"an input without a label": {strings.Replace(good, "<button", "<input><button", 1), "label"},
		"grey on grey in the dark": {strings.Replace(good, "<title>", `<link rel="stylesheet" href="/dim.css"><title>`, 1), "dark, 320 px"},
		"no language":              {strings.Replace(good, ` lang="en"`, "", 1), "html-has-lang"},
		"scrolls sideways":         {strings.Replace(good, "<button", "<pre>"+strings.Repeat("wide", 100)+"</pre><button", 1), "scrolls sideways: "},
		"an inline script":         {good + `<script>1</script>`, "content security policy: script-src"},
		"an exception":             {good + `<script src="/throw.js"></script>`, "out of cheese"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := site(t, fault.html)
			judge(t, func(v testing.TB) {
				p := chrome.Open(v)
				p.Goto(address)
				p.Want("good")
			}).wants(t, fault.words)
		})
	}
}

func TestAnotherPageFailsTheTest(t *testing.T) {
	t.Parallel()
	address := site(t, strings.ReplaceAll(good, `data-page="good"`, `data-page="bad"`))
	judge(t, func(v testing.TB) {
		p := chrome.Open(v)
		p.Goto(address)
		p.Patience = time.Second
		p.Want("good")
	}).wants(t, "waited for the page good")
}

// TestAFocusHasToBeSeen: where Tab leads, and where a page puts the focus.
func TestAFocusHasToBeSeen(t *testing.T) {
	t.Parallel()
	address := site(t, good) // the ring of the browser itself is too thin
	for words, look := range map[string]func(p *chrome.Page){
		"nobody sees that #b has the focus": func(p *chrome.Page) { p.TabTo("#b"); p.WantFocus("#b") },
		"Tab never reaches #c":              func(p *chrome.Page) { p.TabTo("#c") },
		"waited for the focus on #b":        func(p *chrome.Page) { p.Patience = time.Second; p.WantFocus("#b") },
	} {
		judge(t, func(v testing.TB) {
			p := chrome.Open(v)
			p.Goto(address)
			look(p)
		}).wants(t, words)
	}
}

// TestAFailureLeavesAPicture and says where it is and what the page was.
func TestAFailureLeavesAPicture(t *testing.T) {
	t.Parallel()
	address := site(t, good)
	v := judge(t, func(v testing.TB) {
		p := chrome.Open(v)
		p.Goto(address)
		v.Errorf("something is wrong")
	})
	v.wants(t, address)
	found := picture.FindStringSubmatch(strings.Join(v.said, "\n"))
	if found == nil {
		t.Fatalf("no picture is named: %q", v.said)
	}
	if raw, err := os.ReadFile(found[1]); err != nil || !strings.HasPrefix(string(raw), "\x89PNG") {
		t.Errorf("the picture is %.8q, %v", raw, err)
	}
}

// TestPagesShareNoCookies: each Open is a browser of its own, a Tab is not.
func TestPagesShareNoCookies(t *testing.T) {
	t.Parallel()
	address := site(t, good)
	first := chrome.Open(t)
	first.Goto(address)
	chrome.Eval[string](first, `document.cookie = "who=me"`)
	tab := first.Tab()
	tab.Goto(address)
	if got := chrome.Eval[string](tab, `document.cookie`); got != "who=me" {
		t.Errorf("another tab has the cookies %q", got)
	}
	second := chrome.Open(t)
	second.Goto(address)
	if got := chrome.Eval[string](second, `document.cookie`); got != "" {
		t.Errorf("another browser has the cookies %q", got)
	}
}

// TestWithoutItsToolsATestFails runs a test of this binary where neither
// Chromium nor Node is.
func TestWithoutItsToolsATestFails(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAGoodPagePasses$", "-test.v")
	cmd.Env = append(os.Environ(), "PATH=/nonexistent")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "start Chromium (make test installs it)") || strings.Contains(string(out), "SKIP") {
		t.Errorf("without Chromium: %v, %s", err, out)
	}
}
