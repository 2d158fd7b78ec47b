package chrome

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
)

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
