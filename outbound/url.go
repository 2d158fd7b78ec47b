package outbound

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	maxURL     = 2048 // bytes of an address
	maxLookups = 16   // at once
)

// CheckURL judges an address that latchkey will go to later, before anything is
// stored: its spelling, and all that its host resolves to now. What it refuses
// comes as a *Refusal. A name that does not resolve now is judged by its spelling
// alone; the socket has the last word each time.
func (c *Client) CheckURL(ctx context.Context, raw string) error {
	u, r := parse(raw)
	if r != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	if r := c.judgeHost(u, c.lookup(ctx, u.Hostname())); r != nil {
		return r
	}
	return nil
}

// CheckAll judges the addresses of several members of a registration as CheckURL
// does, all at once, and returns the first refusal of each member. Empty ones are
// passed over.
func (c *Client) CheckAll(ctx context.Context, members map[string][]string) map[string]*Refusal {
	refused := map[string]*Refusal{}
	found := c.lookupAll(ctx, members)
	for member, list := range members {
		for _, raw := range list {
			if raw == "" || refused[member] != nil {
				continue
			}
			u, r := parse(raw)
			if r == nil {
				r = c.judgeHost(u, found[u.Hostname()])
			}
			if r != nil {
				refused[member] = r
			}
		}
	}
	return refused
}

// lookupAll looks up each host of the addresses once.
func (c *Client) lookupAll(ctx context.Context, members map[string][]string) map[string][]netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(maxLookups)
	found := map[string][]netip.Addr{}
	for _, list := range members {
		for _, raw := range list {
			u, r := parse(raw)
			if r != nil {
				continue
			}
			mu.Lock()
			_, asked := found[u.Hostname()]
			found[u.Hostname()] = nil
			mu.Unlock()
			if asked {
				continue
			}
			group.Go(func() error {
				addresses := c.lookup(ctx, u.Hostname())
				mu.Lock()
				defer mu.Unlock()
				found[u.Hostname()] = addresses
				return nil
			})
		}
	}
	_ = group.Wait() // its functions return none
	return found
}

// judgeHost judges all addresses that the host of an address is or resolves to.
func (c *Client) judgeHost(u *url.URL, addresses []netip.Addr) *Refusal {
	if len(addresses) == 0 && u.Scheme != "https" {
		return &Refusal{Host: u.Hostname(), Reason: NotHTTPS}
	}
	for _, a := range addresses {
		if r := c.judge(u.Scheme, a); r != nil {
			r.Host = u.Hostname()
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
	addresses, err := c.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return addresses
}

// parse reads an address by the rules that need no look-up.
func parse(raw string) (*url.URL, *Refusal) {
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
