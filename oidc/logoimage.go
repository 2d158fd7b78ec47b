package oidc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // formats that a logo may have
	_ "image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// Bounds of logos, in pixels. They are shown at half their size at most, for
// screens of two dots per pixel.
const (
	logoWidth, logoHeight = 320, 96
	logoPixels            = 4 << 20 // of what is fetched: 16 MiB in memory
)

var errNoLogo = errors.New("the address does not show a PNG, JPEG, GIF or WebP image of at most 4 million pixels")

// drawLogo draws an image anew, as a PNG within the bounds of logos: nothing of
// the bytes that came from elsewhere reaches a browser. What is no image, or too
// large to be opened, is errNoLogo.
func drawLogo(raw []byte) ([]byte, error) {
	shape, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil || shape.Width < 1 || shape.Height < 1 || shape.Width > logoPixels/shape.Height {
		return nil, errNoLogo
	}
	from, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, errNoLogo
	}
	width, height := fit(from.Bounds().Dx(), from.Bounds().Dy())
	to := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(to, to.Bounds(), from, from.Bounds(), draw.Src, nil)
	var drawn bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&drawn, to); err != nil {
		return nil, fmt.Errorf("draw a logo: %w", err)
	}
	return drawn.Bytes(), nil
}

// fit makes a size smaller, never larger, until it is within the bounds.
func fit(width, height int) (int, int) {
	if width > logoWidth {
		width, height = logoWidth, max(1, height*logoWidth/width)
	}
	if height > logoHeight {
		width, height = max(1, width*logoHeight/height), logoHeight
	}
	return width, height
}
