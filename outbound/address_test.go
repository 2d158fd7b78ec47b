package outbound_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"latchkey/outbound"
	"latchkey/outbound/outboundtest"
)

// inside are addresses of every class that no application may send us to.
var inside = []struct{ name, address, reason string }{
	{"loopback", "127.0.0.1", outbound.Loopback},
	{"all of loopback", "127.255.255.254", outbound.Loopback},
	{"loopback of IPv6", "::1", outbound.Loopback},
	{"private, 10", "10.1.2.3", outbound.Private},
	{"private, 172.16", "172.31.255.255", outbound.Private},
	{"private, 192.168", "192.168.1.1", outbound.Private},
	{"unique local", "fd12:3456::1", outbound.Private},
	{"unique local, the other half", "fc00::1", outbound.Private},
	{"site-local", "fec0::1", outbound.Private},
	{"link-local", "169.254.1.1", outbound.LinkLocal},
	{"link-local of IPv6", "fe80::1", outbound.LinkLocal},
	{"carrier-grade NAT", "100.64.0.1", outbound.Shared},
	{"metadata", "169.254.169.254", outbound.Metadata},
	{"metadata of IPv6", "fd00:ec2::254", outbound.Metadata},
	{"metadata at a public number", "168.63.129.16", outbound.Metadata},
	{"metadata in carrier-grade NAT", "100.100.100.200", outbound.Metadata},
	{"unspecified", "0.0.0.0", outbound.Unspecified},
	{"this network", "0.1.2.3", outbound.Unspecified},
	{"unspecified of IPv6", "::", outbound.Unspecified},
	{"multicast", "224.0.0.1", outbound.Multicast},
	{"multicast of IPv6", "ff02::1", outbound.Multicast},
	{"broadcast", "255.255.255.255", outbound.Reserved},
	{"future use", "240.0.0.1", outbound.Reserved},
	{"documentation", "192.0.2.1", outbound.Reserved},
	{"documentation of IPv6", "2001:db8::1", outbound.Reserved},
	{"benchmarks", "198.18.0.1", outbound.Reserved},
	{"protocol assignments", "192.0.0.8", outbound.Reserved},
	{"Teredo", "2001:0:1::1", outbound.Reserved},
	{"given out to nobody", "4000::1", outbound.Reserved},
	{"compatible with IPv4", "::10.0.0.1", outbound.Reserved},
	{"mapped loopback", "::ffff:127.0.0.1", outbound.Loopback},
	{"mapped private", "::ffff:10.0.0.1", outbound.Private},
	{"mapped metadata", "::ffff:169.254.169.254", outbound.Metadata},
	{"NAT64 of a private one", "64:ff9b::10.0.0.1", outbound.Translated},
	{"NAT64 of a public one", "64:ff9b::9.9.9.9", outbound.Translated},
	{"local NAT64", "64:ff9b:1::1", outbound.Translated},
	{"6to4 of a private one", "2002:a00:1::1", outbound.Translated},
}

// TestInsideIsRefused: at save and at the socket, as an address and behind a
// name. The message names the setting that would allow exactly this address.
func TestInsideIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client()
	for i, in := range inside {
		t.Run(in.name, func(t *testing.T) {
			address := netip.MustParseAddr(in.address)
			name := "h" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + ".example.com"
			w.Set(name, in.address)
			for _, target := range []string{"https://" + netip.AddrPortFrom(address, 443).String() + "/jwks", "https://" + name + "/jwks"} {
				err := c.CheckURL(t.Context(), target)
				r := (*outbound.Refusal)(nil)
				if !errors.As(err, &r) || r.Reason != in.reason {
					t.Fatalf("check of %s: %v, want a refusal for %s", target, err, in.reason)
				}
				setting := "--outbound-allow " + netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()).String()
				if !strings.Contains(r.Message(), setting) {
					t.Errorf("%q does not name %s", r.Message(), setting)
				}
				if strings.Contains(target, name) && strings.Contains(r.Public(), in.address) {
					t.Errorf("%q tells a stranger what the name resolves to", r.Public())
				}
				if _, err := c.Get(t.Context(), target, ""); refusalOf(err) != in.reason {
					t.Errorf("GET %s: %v, want a refusal for %s", target, err, in.reason)
				}
				if _, err := c.Post(t.Context(), target, "text/plain", nil); refusalOf(err) != in.reason {
					t.Errorf("POST %s: %v, want a refusal for %s", target, err, in.reason)
				}
			}
		})
	}
}

// TestOutsideIsFine: public addresses next to those that are refused.
func TestOutsideIsFine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client()
	w.Set("app.example.com", "9.9.9.9", "2620:fe::fe")
	for _, target := range []string{
		"https://app.example.com", "https://APP.example.com:8443/jwks?x=1#part", "https://unknown.example.com/",
		"https://9.9.9.9/", "https://[2620:fe::fe]/", "https://[::ffff:9.9.9.9]/",
		"https://126.255.255.255/", "https://128.0.0.1/", "https://11.0.0.1/", "https://172.32.0.1/", "https://172.15.255.255/",
		"https://192.167.0.1/", "https://100.63.255.255/", "https://100.128.0.1/", "https://169.253.0.1/", "https://223.255.255.255/",
		"https://1.0.0.1/", "https://[2001:4860::1]/", "https://[2003::1]/",
	} {
		if err := c.CheckURL(t.Context(), target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// TestOneRefusedAddressIsEnough: a name with a public address beside one of ours
// is refused when it is registered.
func TestOneRefusedAddressIsEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Set("both.example.com", "9.9.9.9", "10.0.0.1")
	if err := w.client().CheckURL(t.Context(), "https://both.example.com/"); refusalOf(err) != outbound.Private {
		t.Errorf("got %v, want a refusal", err)
	}
}

// TestRebinding: a name that was public when it was registered leads home later.
// Its owner decides that, so the socket does not believe the check.
func TestRebinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client()
	reached := false
	address := outboundtest.At(t, outboundtest.Host(t, func(http.ResponseWriter, *http.Request) { reached = true }), "app.example.com")
	w.Set("app.example.com", "9.9.9.9")
	if err := c.CheckURL(t.Context(), address); err != nil {
		t.Fatalf("while it is public: %v", err)
	}
	w.Set("app.example.com", "127.0.0.1")
	if _, err := c.Get(t.Context(), address, ""); refusalOf(err) != outbound.Loopback || reached {
		t.Errorf("afterwards: %v (reached: %t), want a refusal", err, reached)
	}
	w.Set("app.example.com", "::ffff:127.0.0.1")
	if _, err := c.Get(t.Context(), address, ""); refusalOf(err) != outbound.Loopback || reached {
		t.Errorf("as a mapped address: %v (reached: %t), want a refusal", err, reached)
	}
}

// TestAllowed: a network of the setting is reached, its neighbour is not, and
// http works there only.
func TestAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) }
	secure := outboundtest.Host(t, answer)
	plain := outboundtest.PlainHost(t, answer)
	c := w.client("127.0.0.1/32", "9.9.9.0/24")
	for _, target := range []string{secure, plain} {
		if err := c.CheckURL(t.Context(), target); err != nil {
			t.Errorf("check of %s: %v", target, err)
		}
		if got, err := c.Get(t.Context(), target, ""); err != nil || string(got.Body) != "hello" {
			t.Errorf("GET %s: %v %v", target, got, err)
		}
	}
	w.Set("app.example.com", "8.8.8.8")
	w.Set("lan.example.com", "9.9.9.9")
	for _, refused := range []struct{ name, target, reason string }{
		{"the neighbour", outboundtest.At(t, secure, "127.0.0.2"), outbound.Loopback},
		{"http to a public address", "http://8.8.8.8/", outbound.NotHTTPS},
		{"http to a public name", "http://app.example.com/", outbound.NotHTTPS},
		{"http to the neighbour", outboundtest.At(t, plain, "127.0.0.2"), outbound.Loopback},
	} {
		if err := c.CheckURL(t.Context(), refused.target); refusalOf(err) != refused.reason {
			t.Errorf("check of %s: %v, want %s", refused.name, err, refused.reason)
		}
		if _, err := c.Get(t.Context(), refused.target, ""); refusalOf(err) != refused.reason {
			t.Errorf("GET of %s: %v, want %s", refused.name, err, refused.reason)
		}
	}
	if err := c.CheckURL(t.Context(), "http://nowhere.example.com/"); refusalOf(err) != outbound.NotHTTPS {
		t.Errorf("http to a name that does not resolve: %v, want %s", err, outbound.NotHTTPS)
	}
	if err := c.CheckURL(t.Context(), "http://lan.example.com/"); err != nil {
		t.Errorf("http to an allowed public network: %v", err)
	}
}

// TestAllowedSpellings: mapped networks are those of IPv4, and an allowed
// translator opens only what it leads to.
func TestAllowedSpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		allow, target string
		reason        string
	}{
		{"::ffff:10.0.0.0/104", "https://10.1.2.3/", ""},
		{"10.0.0.0/8", "https://[::ffff:10.1.2.3]/", ""},
		{"10.1.2.3/8", "https://10.9.9.9/", ""},
		{"64:ff9b::/96", "https://[64:ff9b::9.9.9.9]/", ""},
		{"64:ff9b::/96", "https://[64:ff9b::10.0.0.1]/", outbound.Private},
		{"64:ff9b::/96", "http://[64:ff9b::9.9.9.9]/", outbound.NotHTTPS},
		{"fd00::/8", "https://[fd00:ec2::254]/", ""},
		{"127.0.0.0/8", "https://localhost/", ""},
		{"10.0.0.0/8", "https://localhost/", outbound.Loopback},
		{"10.0.0.0/8", "https://app.localhost./", outbound.Loopback},
	} {
		if err := w.client(c.allow).CheckURL(t.Context(), c.target); refusalOf(err) != c.reason || c.reason == "" && err != nil {
			t.Errorf("%s with %s: %v, want %q", c.target, c.allow, err, c.reason)
		}
	}
}

// TestCheckAll: the addresses of all members at once, the first refusal of each.
func TestCheckAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("10.1.0.0/16")
	w.Set("app.example.com", "9.9.9.9")
	w.Set("lan.example.com", "10.1.2.3")
	w.Set("home.example.com", "127.0.0.1")
	got := c.CheckAll(t.Context(), map[string][]string{
		"fine": {"https://app.example.com/a", "", "http://lan.example.com/b", "https://unknown.example.com/"}, "none": nil, "empty": {""},
		"home": {"https://app.example.com/a", "https://home.example.com/b", "http://app.example.com/"},
		"http": {"http://app.example.com/"}, "spelling": {"https://app.example.com/", "x"}, "unknown by http": {"http://unknown.example.com/"},
	})
	want := map[string]string{"home": outbound.Loopback, "http": outbound.NotHTTPS, "spelling": outbound.Malformed, "unknown by http": outbound.NotHTTPS}
	for member, refusal := range got {
		if want[member] != refusal.Reason {
			t.Errorf("%s: %v, want %q", member, refusal, want[member])
		}
		delete(want, member)
	}
	if len(want) > 0 {
		t.Errorf("not refused: %v", want)
	}
}
