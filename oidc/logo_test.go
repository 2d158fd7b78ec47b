package oidc_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"latchkey"
	"latchkey/oidc"
	"latchkey/outbound/outboundtest"
)

// picture is a red image of that size, by one of the encoders of the library.
func picture(t testing.TB, width, height int, kind string) []byte {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.NRGBA{R: 0xff, A: 0xff}, color.White})
	var raw bytes.Buffer
	err := map[string]func() error{
		"png": func() error { return png.Encode(&raw, m) }, "gif": func() error { return gif.Encode(&raw, m, nil) },
		"jpeg": func() error { return jpeg.Encode(&raw, m, nil) },
	}[kind]()
	if err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// smallWebP is one red point (lossless WebP).
const smallWebP = "RIFF\x1e\x00\x00\x00WEBPVP8L\x11\x00\x00\x00/\x00\x00\x00\x00\x07\xd0\xff\xfe\xf7\xbf\xff\x81\x88\xe8\x7f\x00\x00"

// logoHost shows what its test put there, and counts how often it was asked.
type logoHost struct {
	uri   string
	asked atomic.Int64
	shows atomic.Value // []byte; none = 404
}

func newLogoHost(t testing.TB) *logoHost {
	t.Helper()
	h := &logoHost{}
	h.uri = outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) {
		h.asked.Add(1)
		raw, ok := h.shows.Load().([]byte)
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/html") // not believed
		_, _ = w.Write(raw)
	}) + "/logo"
	return h
}

func reaching(t testing.TB) func(*oidc.Options) {
	return func(o *oidc.Options) { o.Outbound = outboundtest.Client(t, nil, outboundtest.Home) }
}

// logoOf is the address of the copy that the pages show; "" when there is none.
func (w *world) logoOf(t testing.TB, clientID string) string {
	t.Helper()
	c, err := w.db.FindClient(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	return c.LogoPath()
}

// TestLogosAreDrawnAnew: what people's browsers get is a small PNG of our own,
// whatever the address said that it shows, in the same answer that registers it.
func TestLogosAreDrawnAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration, reaching(t))
	for _, c := range []struct {
		name          string
		raw           []byte
		width, height int
	}{
		{"png", picture(t, 640, 96, "png"), 320, 48},
		{"gif", picture(t, 40, 40, "gif"), 40, 40},
		{"jpeg", picture(t, 96, 960, "jpeg"), 9, 96},
		{"webp", []byte(smallWebP), 1, 1},
		{"a script behind the image", append(picture(t, 20, 20, "png"), "<script>alert(1)</script>"...), 20, 20},
	} {
		host := newLogoHost(t)
		host.shows.Store(c.raw)
		s := w.registerOpen(t, asTheSuite().with("logo_uri", host.uri))
		path := w.logoOf(t, s.id)
		if path == "" {
			t.Errorf("%s: there is no copy", c.name)
			continue
		}
		got := w.browser().get(t, path)
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "image/png" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: answered %d %v", c.name, got.status, got.header)
		}
		shown, err := png.Decode(strings.NewReader(got.body))
		if err != nil || shown.Bounds().Dx() != c.width || shown.Bounds().Dy() != c.height {
			t.Errorf("%s: shows %v, %v", c.name, shown, err)
			continue
		}
		if r, g, b, _ := shown.At(0, 0).RGBA(); c.name != "webp" && (r < 0xf000 || g > 0x1000 || b > 0x1000) {
			t.Errorf("%s: it is not red", c.name)
		}
		if strings.Contains(got.body, "script") {
			t.Errorf("%s: foreign bytes arrived", c.name)
		}
	}
	for _, path := range []string{"/logos/" + strings.Repeat("0", 64) + ".png", "/logos/x.png", "/logos/" + strings.Repeat("0", 64)} {
		if got := w.browser().get(t, path); got.status < 400 || strings.Contains(got.body, "PNG") {
			t.Errorf("%s answered %d", path, got.status)
		}
	}
}

// TestLogosThatAreNone: an application is registered all the same, and people
// see its initials.
func TestLogosThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration, reaching(t))
	short := picture(t, 20, 20, "png")
	for name, raw := range map[string][]byte{
		"nothing there": nil,
		"SVG":           []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"HTML":          []byte("<html>"),
		"cut short":     short[:len(short)/2],
		"too many dots": picture(t, 4097, 1025, "gif"),
		"too long":      append(picture(t, 20, 20, "png"), make([]byte, 256<<10)...),
	} {
		host := newLogoHost(t)
		if raw != nil {
			host.shows.Store(raw)
		}
		s := w.registerOpen(t, asTheSuite().with("logo_uri", host.uri))
		if path := w.logoOf(t, s.id); path != "" || host.asked.Load() == 0 {
			t.Errorf("%s: shown at %q, asked %d times", name, path, host.asked.Load())
		}
	}
	w.provider.Outbound = outboundtest.Client(t, nil) // whose rules changed
	host := newLogoHost(t)
	w.app(t, "inside", func(c *latchkey.Client) { c.Metadata.LogoURI = host.uri })
	if err := w.provider.FetchLogos(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.logoOf(t, "inside") != "" || host.asked.Load() != 0 || w.events(t, latchkey.OutboundBlocked, "") == 0 {
		t.Errorf("an address inside was asked %d times", host.asked.Load())
	}
}

// TestALogoThatCannotBeStored: the registration stands, and its answer has the
// secret and the token that nobody gets a second time.
func TestALogoThatCannotBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration, reaching(t))
	host := newLogoHost(t)
	host.shows.Store(picture(t, 20, 20, "png"))
	w.sql(t, `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$`)
	w.sql(t, `CREATE TRIGGER no_room BEFORE INSERT ON client_logos FOR EACH ROW EXECUTE FUNCTION no_room()`)
	s := w.registerOpen(t, asTheSuite().with("logo_uri", host.uri))
	if s.secret == "" {
		t.Error("it got no secret")
	}
	after := w.registered(t, s.replace(t, asTheSuite().with("logo_uri", host.uri+"2")), http.StatusOK)
	if got := after.read(t); got.status != http.StatusOK {
		t.Errorf("its new token answers %d %s", got.status, got.body)
	}
}

// TestLogosAreFetchedSeldom: at most once in 30 s for one application, by the
// background only when it is new, changed or old, and another address never
// keeps the copy of the one before.
func TestLogosAreFetchedSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration, reaching(t))
	host := newLogoHost(t)
	host.shows.Store(picture(t, 20, 20, "png"))
	s := w.registerOpen(t, asTheSuite().with("logo_uri", host.uri))
	turn := func(age string, want int64) {
		t.Helper()
		w.sql(t, fmt.Sprintf(`UPDATE client_logos SET asked_at = now() - interval '%s'`, age))
		if err := w.provider.FetchLogos(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := host.asked.Load(); n != want {
			t.Errorf("after %s it was asked %d times, want %d", age, n, want)
		}
	}
	turn("6 days", 1)
	turn("8 days", 2)
	again := func() { s = w.registered(t, s.replace(t, asTheSuite().with("logo_uri", host.uri)), http.StatusOK) }
	again() // within 30 s
	if n := host.asked.Load(); n != 2 {
		t.Errorf("asked %d times within 30 s", n)
	}
	first := w.logoOf(t, s.id)
	host.uri += "2"
	again()
	if path := w.logoOf(t, s.id); path != "" || first == "" {
		t.Errorf("another address shows the logo of the one before: %q", path)
	}
	host.shows.Store(picture(t, 30, 30, "png"))
	turn("10 seconds", 2)
	turn("31 seconds", 3)
	if path := w.logoOf(t, s.id); path == "" || path == first {
		t.Errorf("the new address shows %q", path)
	}
	host.shows.Store([]byte("gone"))
	w.sql(t, `UPDATE client_logos SET hash = NULL, image = NULL`)
	turn("50 minutes", 3)
	turn("61 minutes", 4)
	w.sql(t, `UPDATE clients SET enabled = false`)
	turn("8 days", 4)
}

// TestConsentShowsWhoAsks: the logo, and links to the policy and the terms, from
// our own address.
func TestConsentShowsWhoAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reaching(t))
	host := newLogoHost(t)
	host.shows.Store(picture(t, 20, 20, "png"))
	a := w.app(t, "wiki", third, func(c *latchkey.Client) {
		c.Metadata.LogoURI, c.Metadata.PolicyURI, c.Metadata.TOSURI = host.uri, "https://wiki.example.com/privacy", "https://wiki.example.com/terms"
		c.Metadata.Contacts = []string{"help@wiki.example.com"}
	})
	if err := w.provider.FetchLogos(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	b.signIn(t, w.user(t, "alice"))
	id := waitingFor(t, b.get(t, a.request("scope", "openid")), "/consent")
	page := b.get(t, "/consent?request="+url.QueryEscape(id)).body
	for _, want := range []string{
		`<img class="logo" src="` + w.logoOf(t, "wiki") + `" alt="">`, `href="https://wiki.example.com/privacy"`, `href="https://wiki.example.com/terms"`, "help@wiki.example.com",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, host.uri) {
		t.Error("browsers are sent to the address of the application")
	}
}
