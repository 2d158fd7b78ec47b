package chrome

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeCore is the script that looks at pages, installed from npm at the version
// that testdata/package.json pins.
var axeCore = sync.OnceValues(installAxe)

//go:embed axe.js
var axeRun string

// Axe looks at the page with axe-core, in light and dark, on a large screen and
// a small phone, and fails on every violation. It runs in a world of its own
// inside the page: the page's content security policy stays as it is, and what
// axe does is not held against it.
func (p *Page) Axe() {
	p.t.Helper()
	script, err := axeCore()
	if err != nil {
		p.t.Fatalf("install axe-core (make test installs Node): %v", err)
	}
	if p.noScript {
		// Axe is a script, too. Those of the page were not run and stay so; what
		// stands in for them would vanish.
		Eval[[]any](p, `[...document.querySelectorAll("noscript")].map((e) => e.replaceWith(...e.childNodes))`)
		p.scripts(true)
		defer p.scripts(false)
	}
	tree := ask(p, page.GetFrameTree, cdp.Empty{})
	world := ask(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"}).ExecutionContextID
	p.inWorld(world, script, nil)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{wide, 320} {
			p.look(scheme, width)
			var faults []string
			p.inWorld(world, axeRun, &faults)
			for _, fault := range faults {
				p.t.Errorf("%s, %d px, %s: %s", scheme, width, tree.FrameTree.Frame.URL, fault)
			}
		}
	}
	p.look("light", p.width)
}

// look changes the colour scheme and the width of the page.
func (p *Page) look(scheme string, width int64) {
	p.t.Helper()
	p.do("change the look", chromedp.EmulateViewport(width, tall),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
}

// inWorld runs a script in an isolated world and reads its value into out.
func (p *Page) inWorld(world runtime.ExecutionContextID, script string, out any) {
	p.t.Helper()
	got := ask(p, runtime.Evaluate, runtime.EvaluateParams{Expression: script, ContextID: world, AwaitPromise: new(true), ReturnByValue: new(out != nil)})
	if got.ExceptionDetails != nil {
		p.t.Fatalf("run axe: %s %v", got.ExceptionDetails.Text, got.ExceptionDetails.Exception)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(got.Result.Value), out); err != nil {
		p.t.Fatalf("run axe: %v", err)
	}
}

// installAxe reads axe-core, after npm ci when it is not there or of another
// version. Test binaries that run at once wait for one another.
func installAxe() (string, error) {
	dir, err := packageFolder()
	if err != nil {
		return "", err
	}
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("wait for another install: %w", err)
	}
	var want struct{ DevDependencies map[string]string }
	if err := readJSON(filepath.Join(dir, "package.json"), &want); err != nil {
		return "", err
	}
	var have struct{ Version string }
	installed := filepath.Join(dir, "node_modules", "axe-core")
	if err := readJSON(filepath.Join(installed, "package.json"), &have); err != nil || have.Version != want.DevDependencies["axe-core"] {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm ci: %w: %s", err, out)
		}
	}
	script, err := os.ReadFile(filepath.Join(installed, "axe.min.js"))
	return string(script), err
}

// packageFolder finds the testdata of this package from wherever the test runs.
func packageFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "server", "servertest", "chrome", "testdata"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working folder")
		}
	}
}

func readJSON(name string, into any) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
