package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks whose word about the client is believed.
type proxies []netip.Prefix

// ParseProxies reads the values of --trusted-proxies: CIDR blocks or single
// addresses.
func ParseProxies(values []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, v := range values {
		v = strings.TrimSpace(v)
		if a, err := netip.ParseAddr(v); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (p proxies) trust(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// origin is what is known about where a request came from.
type origin struct {
	address netip.Addr // invalid when the peer has none
	scheme  string     // "http" or "https" as the client spoke it
	trusted bool       // the peer is a listed proxy
}

// client finds the address that the request came from: the peer's, or, when
// the peer is a listed proxy, the rightmost address of X-Forwarded-For that is
// no listed proxy. Everything left of it was written by that client and is
// ignored; so is the whole header from any other peer.
func (p proxies) client(r *http.Request) origin {
	o := origin{address: hostAddr(r.RemoteAddr), scheme: "http"}
	if r.TLS != nil {
		o.scheme = "https"
	}
	if !o.address.IsValid() || !p.trust(o.address) {
		return o
	}
	o.trusted = true
	if protos := listed(r.Header.Values("X-Forwarded-Proto")); len(protos) > 0 {
		switch strings.ToLower(protos[len(protos)-1]) {
		case "https":
			o.scheme = "https"
		case "http":
			o.scheme = "http"
		}
	}
	hops := listed(r.Header.Values("X-Forwarded-For"))
	for i := len(hops) - 1; i >= 0; i-- {
		hop := hostAddr(hops[i])
		if !hop.IsValid() {
			break // nothing beyond an unreadable hop can be vouched for
		}
		o.address = hop
		if !p.trust(hop) {
			break
		}
	}
	return o
}

// listed splits comma separated header values in the order in which proxies
// appended them.
func listed(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	parts := strings.Split(strings.Join(values, ","), ",")
	out := parts[:0]
	for _, part := range parts {
		out = append(out, strings.TrimSpace(part))
	}
	return out
}

// hostAddr reads an address with or without port; the zero Addr means that it
// is none. Zones and the IPv4-in-IPv6 spelling are dropped, so that one client
// has one address.
func hostAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
