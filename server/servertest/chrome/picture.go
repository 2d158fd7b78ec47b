package chrome

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
)

// Draw is a picture of what can be seen in a window of that size, the same at
// every time of day: the text cursor, which blinks, is left out.
func (p *Page) Draw(width, height int64) []byte {
	p.t.Helper()
	p.do("make room", chromedp.EmulateViewport(width, height))
	Eval[any](p, `document.activeElement.style.caretColor = "transparent"`)
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("draw the page: %v", err)
	}
	return png
}

// picture draws the whole page into a fresh folder and returns the file, or why
// there is none.
func (p *Page) picture() string {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return "none: " + err.Error()
	}
	dir, err := os.MkdirTemp("", "latchkey-journey-")
	if err != nil {
		return "none: " + err.Error()
	}
	name := filepath.Join(dir, "page.png")
	if err := os.WriteFile(name, png, 0o600); err != nil {
		return "none: " + err.Error()
	}
	return name
}
