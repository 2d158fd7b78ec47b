package server_test

import (
	"bytes"
	"image/png"
	"net/url"
	"os"
	"testing"

	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/server/servertest/chrome"
)

// TestPictureOfTheSignInPage draws what the README shows, from the real page at
// its usual address, and writes it when LATCHKEY_PICTURE names a file.
func TestPictureOfTheSignInPage(t *testing.T) {
	t.Parallel()
	usual := &url.URL{Scheme: "http", Host: "localhost:8080"}
	app := servertest.Start(t, func(o *server.Options) { o.Issuer = usual })
	p := chrome.OpenVia(t, app.URL)
	p.Device()
	p.Goto(usual.String() + "/login")
	p.Want("login")
	p.WantText("footer", usual.Host)
	first := p.Draw(900, 700)
	if second := p.Draw(900, 700); !bytes.Equal(first, second) {
		t.Error("two pictures of the same page differ")
	}
	picture, err := png.Decode(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if size := picture.Bounds().Size(); size.X != 900 || size.Y != 700 {
		t.Errorf("the picture has %v", size)
	}
	if name := os.Getenv("LATCHKEY_PICTURE"); name != "" {
		if err := os.WriteFile(name, first, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
