// Package chrome drives a real Chromium with virtual authenticators, for tests
// that go through pages as people do. It never links into the product.
//
// One headless Chromium serves all tests of a test binary; each test opens
// pages of its own, whose cookies nobody else sees. Whatever a page complains
// about, be it an exception, a line in the console or a breach of the content
// security policy, fails the test unless it was expected. There is no way to
// skip: a machine without Chromium or Node fails with what installs them.
package chrome

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for anything. It is far longer than a page
// takes, so that a busy machine fails no test.
const patience = 30 * time.Second

// chromium is the one of this test binary. The first test starts it.
var chromium = sync.OnceValues(startChromium)

// keeper runs Chromium and removes its folder afterwards. Chromium ends when
// the pipe to the test binary closes, also when that one is killed.
const keeper = `
dir="$1"; shift
"$@"
cd /
for try in 1 2 3; do rm -rf "$dir" 2>/dev/null && break; done`

func startChromium() (context.Context, error) {
	dir, err := os.MkdirTemp("/tmp", "latchkey-chromium-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir), chromedp.Env("TMPDIR="+dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// Nothing but this machine can be reached, so no test depends on more.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.Args = append([]string{"/bin/sh", "-c", keeper, "keeper", dir, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
			// A session of its own: an interrupt of the test run must not end
			// the keeper before the folder is gone.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		}),
	)
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	browser, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return browser, nil
}

// Open opens a page in a browser of its own: no cookies, no passkeys. It closes
// when the test ends; when the test failed, there is a picture of it.
func Open(t testing.TB) *Page {
	t.Helper()
	return open(t)
}

// OpenVia is Open in a browser that finds every host at one server, localhost
// included: so a page shows the address that it has in life.
func OpenVia(t testing.TB, serverURL string) *Page {
	t.Helper()
	return open(t, func(p *target.CreateBrowserContextParams) {
		p.ProxyServer, p.ProxyBypassList = serverURL, "<-loopback>"
	})
}

func open(t testing.TB, change ...chromedp.CreateBrowserContextOption) *Page {
	t.Helper()
	browser, err := chromium()
	if err != nil {
		t.Fatalf("start Chromium (make test installs it): %v", err)
	}
	return newPage(t, browser, chromedp.WithNewBrowserContext(change...))
}

// On is a page for a tab that the test opened by itself, in a browser of its
// own. What that tab complains about is the test's business.
func On(t testing.TB, tab context.Context) *Page {
	return &Page{t: t, ctx: tab, Patience: patience, width: wide}
}

// Tab opens another tab of the same browser: cookies are shared, authenticators
// are not.
func (p *Page) Tab() *Page {
	p.t.Helper()
	return newPage(p.t, p.ctx)
}

func newPage(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *Page {
	t.Helper()
	p := &Page{t: t, Patience: patience, width: wide}
	ctx, closeTab := chromedp.NewContext(parent, append(options, chromedp.WithListener(p.listen))...)
	p.ctx = ctx
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx, call(audits.Enable, cdp.Empty{}), call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}), chromedp.EmulateViewport(wide, tall)); err != nil {
		t.Fatalf("open a page: %v", err)
	}
	t.Cleanup(p.finish)
	return p
}

// Popup does what opens another window, and returns that window.
func (p *Page) Popup(open func()) *Page {
	p.t.Helper()
	found := chromedp.WaitNewTarget(p.ctx, func(*target.Info) bool { return true })
	open()
	select {
	case id := <-found:
		return newPage(p.t, p.ctx, chromedp.WithTargetID(id))
	case <-time.After(p.Patience):
		p.t.Fatalf("no window opened\nat %s", p.describe())
		return nil
	}
}

// finish looks at what the page complained about last, and draws it for whoever
// has to find out why the test failed.
func (p *Page) finish() {
	p.quiet()
	if p.t.Failed() {
		p.t.Logf("the last page: %s", p.describe())
		p.t.Logf("its picture: %s", p.picture())
	}
}

// call makes an action of a command of the protocol.
func call[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, cmd, params)
		if err != nil {
			err = fmt.Errorf("%s: %w", cmd.Method, err)
		}
		return chromedp.Void{}, err
	}
}
