package outbound_test

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"latchkey/outbound"
	"latchkey/outbound/outboundtest"
)

// spellings are addresses that are refused before anything is looked up, even
// where every network is allowed.
var spellings = []struct{ name, target, reason string }{
	{"empty", "", outbound.Malformed},
	{"no scheme", "app.example.com/jwks", outbound.Malformed},
	{"no host", "https:///jwks", outbound.Malformed},
	{"opaque", "https:app.example.com", outbound.Malformed},
	{"a port only", "https://:443/", outbound.Malformed},
	{"ftp", "ftp://app.example.com/", outbound.NotHTTPS},
	{"file", "file://localhost/etc/passwd", outbound.NotHTTPS},
	{"gopher", "gopher://app.example.com/", outbound.NotHTTPS},
	{"a user", "https://me@app.example.com/", outbound.UserInfo},
	{"a user that looks like a host", "https://app.example.com:443@10.0.0.1/", outbound.UserInfo},
	{"an empty user", "https://@app.example.com/", outbound.UserInfo},
	{"port 0", "https://app.example.com:0/", outbound.Malformed},
	{"a port too large", "https://app.example.com:65536/", outbound.Malformed},
	{"an empty port", "https://app.example.com:/", outbound.Malformed},
	{"a zone", "https://[fe80::1%25lo]/", outbound.LinkLocal},
	{"decimal", "https://2130706433/", outbound.NumericHost},
	{"hexadecimal", "https://0x7f000001/", outbound.NumericHost},
	{"hexadecimal parts", "https://0x7f.0.0.0x1/", outbound.NumericHost},
	{"an empty hexadecimal part", "https://127.0.0.0x/", outbound.NumericHost},
	{"octal", "https://0177.0.0.01/", outbound.NumericHost},
	{"two parts", "https://127.1/", outbound.NumericHost},
	{"a dot behind", "https://127.0.0.1./", outbound.NumericHost},
	{"too many parts", "https://1.127.0.0.1/", outbound.NumericHost},
	{"a name that ends in a number", "https://app.example.7/", outbound.NumericHost},
	{"wide digits", "https://１２７.０.０.１/", outbound.Malformed},
	{"circled letters", "https://ⓛocalhost/", outbound.Malformed},
	{"a wide dot", "https://127。0。0。1/", outbound.Malformed},
	{"escaped letters", "https://%6cocalhost/", outbound.Malformed},
	{"escaped wide digits", "https://%EF%BC%91.0.0.1/", outbound.Malformed},
	{"a backslash", `https://app.example.com\@10.0.0.1/`, outbound.Malformed},
	{"a space", "https://app.example.com /", outbound.Malformed},
	{"a line break", "https://app.example.com/\r\nHost: x", outbound.Malformed},
	{"a tab", "https://app.exam\tple.com/", outbound.Malformed},
	{"too long", "https://app.example.com/" + strings.Repeat("x", 2048), outbound.Malformed},
}

// TestSpellings: refused at save and again when it is used.
func TestSpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("0.0.0.0/0", "::/0")
	for _, s := range spellings {
		if err := c.CheckURL(t.Context(), s.target); refusalOf(err) != s.reason {
			t.Errorf("check of %s: %v, want %s", s.name, err, s.reason)
		}
		if _, err := c.Get(t.Context(), s.target, ""); refusalOf(err) != s.reason {
			t.Errorf("GET of %s: %v, want %s", s.name, err, s.reason)
		}
	}
}

// FuzzCheckURL: whatever is let through without a setting is https, with a host
// that is a public address or a name, and that no program reads as a number.
func FuzzCheckURL(f *testing.F) {
	for _, s := range spellings {
		f.Add(s.target)
	}
	for _, in := range inside {
		f.Add("https://" + netip.AddrPortFrom(netip.MustParseAddr(in.address), 443).String() + "/")
	}
	for _, fine := range []string{"https://app.example.com/jwks", "https://9.9.9.9:8443/x?y#z", "https://[2620:fe::fe]/", "http://9.9.9.9/", "https://localhost/"} {
		f.Add(fine)
	}
	c := outboundtest.Client(f, nil)
	f.Fuzz(func(t *testing.T, target string) {
		err := c.CheckURL(t.Context(), target)
		if err != nil {
			r := (*outbound.Refusal)(nil)
			if !errors.As(err, &r) || r.Reason == "" || r.Public() == "" || r.Message() == "" {
				t.Fatalf("%q: %v is no refusal with words", target, err)
			}
			return
		}
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Hostname() == "" {
			t.Fatalf("%q was let through", target)
		}
		host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		if ip := net.ParseIP(host); ip != nil {
			if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
				t.Fatalf("%q leads inside", target)
			}
			return
		}
		last := host[strings.LastIndexByte(host, '.')+1:]
		if _, err := strconv.ParseUint(last, 0, 64); err == nil || host == "localhost" {
			t.Fatalf("%q leads to a number or to this machine", target)
		}
	})
}
