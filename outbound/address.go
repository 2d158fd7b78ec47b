package outbound

import (
	"net/netip"
)

// special are the addresses of the IANA special-purpose registries (RFC 6890)
// that lead to ourselves, to our neighbours or to nobody, and those that clouds
// answer their machines' questions on. The first that matches names the reason.
var special = []struct {
	network netip.Prefix
	reason  string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), Metadata},
	{netip.MustParsePrefix("169.254.170.2/32"), Metadata},   // of tasks
	{netip.MustParsePrefix("168.63.129.16/32"), Metadata},   // public by its number only
	{netip.MustParsePrefix("100.100.100.200/32"), Metadata}, // within 100.64.0.0/10
	{netip.MustParsePrefix("192.0.0.192/32"), Metadata},
	{netip.MustParsePrefix("fd00:ec2::254/128"), Metadata},
	{netip.MustParsePrefix("fd20:ce::254/128"), Metadata},
	{netip.MustParsePrefix("0.0.0.0/8"), Unspecified}, // "this network"; 0.0.0.0 reaches loopback
	{netip.MustParsePrefix("127.0.0.0/8"), Loopback},
	{netip.MustParsePrefix("10.0.0.0/8"), Private},
	{netip.MustParsePrefix("172.16.0.0/12"), Private},
	{netip.MustParsePrefix("192.168.0.0/16"), Private},
	{netip.MustParsePrefix("100.64.0.0/10"), Shared},
	{netip.MustParsePrefix("169.254.0.0/16"), LinkLocal},
	{netip.MustParsePrefix("224.0.0.0/4"), Multicast},
	{netip.MustParsePrefix("192.0.0.0/24"), Reserved},
	{netip.MustParsePrefix("192.0.2.0/24"), Reserved},
	{netip.MustParsePrefix("192.88.99.0/24"), Reserved},
	{netip.MustParsePrefix("198.18.0.0/15"), Reserved},
	{netip.MustParsePrefix("198.51.100.0/24"), Reserved},
	{netip.MustParsePrefix("203.0.113.0/24"), Reserved},
	{netip.MustParsePrefix("240.0.0.0/4"), Reserved}, // 255.255.255.255 too

	{netip.MustParsePrefix("::/128"), Unspecified},
	{netip.MustParsePrefix("::1/128"), Loopback},
	{netip.MustParsePrefix("fc00::/7"), Private},
	{netip.MustParsePrefix("fe80::/10"), LinkLocal},
	{netip.MustParsePrefix("fec0::/10"), Private}, // site-local, before RFC 4193
	{netip.MustParsePrefix("ff00::/8"), Multicast},
	{translated, Translated},
	{netip.MustParsePrefix("64:ff9b:1::/48"), Translated},
	{netip.MustParsePrefix("2002::/16"), Translated}, // 6to4 carries an IPv4 address
	{netip.MustParsePrefix("2001::/23"), Reserved},   // Teredo and other protocols
	{netip.MustParsePrefix("2001:db8::/32"), Reserved},
	{netip.MustParsePrefix("3fff::/20"), Reserved},
}

var (
	translated = netip.MustParsePrefix("64:ff9b::/96") // NAT64 (RFC 6052 §2.1)
	global     = netip.MustParsePrefix("2000::/3")     // all of IPv6 that is given out (RFC 4291 §2.4)
)

// judge refuses an address that is not public, or that http would lead to,
// unless it lies in an allowed network.
func (c *Client) judge(scheme string, a netip.Addr) *Refusal {
	a = a.WithZone("").Unmap()
	if c.allowed(a) {
		if translated.Contains(a) { // what it stands for is judged as well
			return c.judge(scheme, embedded(a))
		}
		return nil
	}
	if reason := reasonAgainst(a); reason != "" {
		return &Refusal{Host: a.String(), Address: a, Reason: reason}
	}
	if scheme != "https" {
		return &Refusal{Host: a.String(), Address: a, Reason: NotHTTPS}
	}
	return nil
}

func (c *Client) allowed(a netip.Addr) bool {
	for _, p := range c.allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// reasonAgainst says why an address is not a public one; "" when it is. What no
// registry has given out is none.
func reasonAgainst(a netip.Addr) string {
	for _, s := range special {
		if s.network.Contains(a) {
			return s.reason
		}
	}
	if !a.Is4() && !global.Contains(a) {
		return Reserved
	}
	return ""
}

// embedded is the IPv4 address at the end of a translated one.
func embedded(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// unmapped spells a network of IPv4-mapped addresses as one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked()
	}
	return p.Masked()
}
