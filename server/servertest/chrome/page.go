package chrome

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// wide and tall are the size of a page unless a check asks for another.
const wide, tall = 1280, 900

// Page is one tab. Its methods fail the test when what they wait for does not
// come. It is for one goroutine.
type Page struct {
	Patience time.Duration // how long it waits for anything; 30 s at first

	t        testing.TB
	ctx      context.Context
	noScript bool
	width    int64

	mu         sync.Mutex
	complaints []string
	forgiven   []string
}

// do runs actions with a deadline.
func (p *Page) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v\nat %s", what, err, p.describe())
	}
}

// Goto opens an address and waits until it is loaded.
func (p *Page) Goto(address string) {
	p.t.Helper()
	p.do("open "+address, chromedp.Navigate(address))
}

// Reload loads the page once more.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Back goes back in the history of the tab.
func (p *Page) Back() {
	p.t.Helper()
	p.do("go back", chromedp.NavigateBack())
}

// Click presses the mouse on an element, once it can be seen.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Fill replaces what stands in a field by typing.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.do("fill "+selector, chromedp.Focus(chromedp.CSS(selector)),
		chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`), chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(text))
}

// Press types keys into whatever has the focus: kb.Tab, kb.Enter.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.do("press a key", chromedp.KeyEvent(keys, asTyped))
}

// asTyped makes keys arrive as those of a keyboard do: when going down moves the
// focus, as Enter on a link that opens a dialog, the character is not typed there.
func asTyped(key *input.DispatchKeyEventParams) {
	if key.Type == kb.KeyDown {
		key.Type = input.DispatchKeyEventTypeRawKeyDown
	}
}

// Want waits for the page with this data-page, and demands that it is fit for
// everybody (Axe) and that nothing was complained about on the way.
func (p *Page) Want(name string) {
	p.t.Helper()
	p.Await(name)
	p.quiet()
	p.Axe()
}

// Await waits for the page with this data-page, and no more than that.
func (p *Page) Await(name string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`document.readyState === "complete" && document.querySelector("main")?.dataset.page === %s`, quote(name)), "the page "+name)
}

// WantStatus waits until the status line holds these words.
func (p *Page) WantStatus(words string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`document.querySelector("main [role=status]")?.textContent.includes(%s)`, quote(words)), "the status line: "+words)
}

// WantAlert waits until a failure with this code is shown and has the focus of
// whoever caused it, if anybody did.
func (p *Page) WantAlert(code string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`document.querySelector("[role=alert][data-code=" + CSS.escape(%s) + "]")?.checkVisibility()`, quote(code)), "the failure "+code)
}

// WantURL waits until the address of the page begins like this.
func (p *Page) WantURL(prefix string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`document.readyState === "complete" && location.href.startsWith(%s)`, quote(prefix)), "the address "+prefix)
}

// WantText waits until an element can be seen that holds these words.
func (p *Page) WantText(selector, words string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`Array.from(document.querySelectorAll(%s)).some((e) => e.checkVisibility() && e.textContent.includes(%s))`, quote(selector), quote(words)), selector+": "+words)
}

// WantNone waits until no element of the kind can be seen.
func (p *Page) WantNone(selector string) {
	p.t.Helper()
	p.Until(fmt.Sprintf(`!Array.from(document.querySelectorAll(%s)).some((e) => e.checkVisibility())`, quote(selector)), "no "+selector)
}

// Text is what an element says, as soon as it can be seen.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	p.WantText(selector, "")
	return Eval[string](p, fmt.Sprintf(`Array.from(document.querySelectorAll(%s)).find((e) => e.checkVisibility()).innerText`, quote(selector)))
}

// Texts is what all elements of the kind say.
func (p *Page) Texts(selector string) []string {
	p.t.Helper()
	return Eval[[]string](p, fmt.Sprintf(`Array.from(document.querySelectorAll(%s), (e) => e.innerText)`, quote(selector)))
}

// URL is the address of the page.
func (p *Page) URL() string {
	p.t.Helper()
	return Eval[string](p, `location.href`)
}

// Eval runs an expression on the page, waits for it when it is a promise, and
// returns its value.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v\nat %s", expression, err, p.describe())
	}
	return value
}

// Until waits until an expression holds on whatever page there is then.
func (p *Page) Until(expression, what string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		// Between two pages there is nothing to ask; the next one is asked.
		holds, err := p.ask(ctx, expression)
		if holds {
			return
		}
		last = err
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("waited for %s (%v)\nat %s", what, last, p.describe())
		}
	}
}

func (p *Page) ask(ctx context.Context, expression string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
}

// NoScript switches JavaScript off, for the pages opened from now on.
func (p *Page) NoScript() {
	p.t.Helper()
	p.noScript = true
	p.scripts(false)
}

// Script switches JavaScript on again.
func (p *Page) Script() {
	p.t.Helper()
	p.noScript = false
	p.scripts(true)
}

func (p *Page) scripts(on bool) {
	p.t.Helper()
	p.do("switch scripts on or off", call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
}

// Width makes the page so many pixels wide, from now on.
func (p *Page) Width(pixels int64) {
	p.t.Helper()
	p.width = pixels
	p.look("light", pixels)
}

// Before runs a script in every page opened from now on, before its own.
func (p *Page) Before(script string) {
	p.t.Helper()
	ask(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// describe says in a few lines where the page is.
func (p *Page) describe() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[
		location.href + " (" + document.readyState + ", data-page " + document.querySelector("main")?.dataset.page + ")",
		...Array.from(document.querySelectorAll("[role=alert]"), (e) => "alert " + e.dataset.code),
		document.body?.innerText.slice(0, 1200),
	].join("\n")`))
	if err != nil {
		return fmt.Sprintf("a page that does not answer: %v", err)
	}
	return strings.ReplaceAll(text, "\n", "\n    ")
}

// quote writes a string as a literal of JavaScript.
func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can always be written
	}
	return string(raw)
}
