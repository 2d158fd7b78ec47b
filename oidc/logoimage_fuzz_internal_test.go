package oidc

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"testing"
)

// FuzzDrawLogo: whatever an address shows, the copy is a small PNG, or there is
// none.
func FuzzDrawLogo(f *testing.F) {
	for _, seed := range []string{
		"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", // one point: PNG
		"R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=",                                                 // GIF
		"UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAfQ//73v/+BiOh/AAA=",                                             // WebP
		"PHN2Zz48L3N2Zz4=", // SVG
	} {
		raw, err := base64.StdEncoding.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		drawn, err := drawLogo(raw)
		if err != nil {
			return
		}
		shape, err := png.DecodeConfig(bytes.NewReader(drawn))
		if err != nil || shape.Width > logoWidth || shape.Height > logoHeight || len(drawn) > 128<<10 {
			t.Fatalf("%d bytes of %v: %v", len(drawn), shape, err)
		}
	})
}
