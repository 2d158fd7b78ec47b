package chrome

import (
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// ringed says of the element that has the focus whether it is the one that was
// asked for, and whether people can see that it has it.
const ringed = `(() => {
	const at = document.activeElement
	if (!at?.matches(%s)) return ""
	const ring = getComputedStyle(at)
	return at.matches(":focus-visible") && parseFloat(ring.outlineWidth) >= 2 && ring.outlineStyle !== "none" ? "seen" : "unseen"
})()`

// TabTo presses Tab until an element has the focus, and demands that the focus
// can be seen there.
func (p *Page) TabTo(selector string) {
	p.t.Helper()
	for range 40 {
		p.Press(kb.Tab)
		if p.ringed(selector) {
			return
		}
	}
	p.t.Fatalf("Tab never reaches %s\nat %s", selector, p.describe())
}

// WantFocus waits until an element has the focus, and demands that the focus can
// be seen there.
func (p *Page) WantFocus(selector string) {
	p.t.Helper()
	p.Until(fmt.Sprintf("document.activeElement?.matches(%s)", quote(selector)), "the focus on "+selector)
	p.ringed(selector)
}

// ringed tells whether the element has the focus; a focus that nobody sees is a
// failure.
func (p *Page) ringed(selector string) bool {
	p.t.Helper()
	got := Eval[string](p, fmt.Sprintf(ringed, quote(selector)))
	if got == "unseen" {
		p.t.Errorf("nobody sees that %s has the focus", selector)
	}
	return got != ""
}
