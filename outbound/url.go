package outbound

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxURL bounds an address, in bytes.
const maxURL = 2048

// CheckURL judges an address that latchkey will go to later, before anything is
// stored: its spelling, and all that its host resolves to now. What it refuses
// comes as a *Refusal. A name that does not resolve now is judged by its spelling
// alone; the socket has the last word each time.
func (c *Client) CheckURL(ctx context.Context, raw string) error {
	u, err := parse(raw)
	if err != nil {
		return err
	}
	host := u.Hostname()
	addresses := c.lookup(ctx, host)
	if len(addresses) == 0 && u.Scheme != "https" {
		return &Refusal{Host: host, Reason: NotHTTPS}
	}
	for _, a := range addresses {
		if r := c.judge(u.Scheme, a); r != nil {
			r.Host = host
			return r
		}
	}
	return nil
}

// lookup is what a host is or resolves to now.
func (c *Client) lookup(ctx context.Context, host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}
	}
	if local := strings.ToLower(strings.TrimSuffix(host, ".")); local == "localhost" || strings.HasSuffix(local, ".localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})} // RFC 6761 §6.3
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	addresses, err := c.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return addresses
}

// parse reads an address by the rules that need no look-up.
func parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURL || u.Opaque != "" || u.Hostname() == "" || !spelled(raw) || !spelled(u.Hostname()) {
		return nil, &Refusal{Reason: Malformed}
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, &Refusal{Host: host, Reason: NotHTTPS}
	case u.User != nil:
		return nil, &Refusal{Host: host, Reason: UserInfo}
	case !portSpelled(u):
		return nil, &Refusal{Host: host, Reason: Malformed}
	}
	a, err := netip.ParseAddr(host)
	if err == nil && a.Zone() != "" {
		return nil, &Refusal{Host: host, Reason: LinkLocal}
	}
	if err != nil && endsInNumber(host) {
		return nil, &Refusal{Host: host, Reason: NumericHost}
	}
	return u, nil
}

// spelled refuses what net/url and what a resolver reads in different ways:
// letters of other scripts (some turn into digits and dots), spaces, controls and
// backslashes. The host is looked at once more, without its escapes.
func spelled(raw string) bool {
	return !strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
}

func portSpelled(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && n > 0
}

// endsInNumber tells whether a host that is no address is one to those who read
// decimal, octal and hexadecimal parts, and fewer than four of them (WHATWG URL,
// "ends in a number checker").
func endsInNumber(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	if last == "" {
		return false
	}
	if !strings.ContainsFunc(last, func(r rune) bool { return r < '0' || r > '9' }) {
		return true
	}
	digits, hex := strings.CutPrefix(strings.ToLower(last), "0x")
	return hex && !strings.ContainsFunc(digits, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
}

// hostPort names the host for its breaker.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
