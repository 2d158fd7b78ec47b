package outbound

import (
	"fmt"
	"net/netip"
)

// Reasons of refusals, as events name them.
const (
	Malformed   = "malformed_url"
	UserInfo    = "user_info"
	NumericHost = "numeric_host"
	NotHTTPS    = "not_https"
	Loopback    = "loopback"
	Private     = "private"
	LinkLocal   = "link_local"
	Shared      = "shared" // carrier-grade NAT (RFC 6598)
	Metadata    = "metadata"
	Unspecified = "unspecified"
	Multicast   = "multicast"
	Translated  = "translated" // carries another address (NAT64, 6to4)
	Reserved    = "reserved"
	Redirect    = "redirect"
)

// words say what a reason is about an address.
var words = map[string]string{
	Loopback:    "an address of this machine itself",
	Private:     "an address of a private network",
	LinkLocal:   "an address of the local link",
	Shared:      "an address within a provider's network",
	Metadata:    "an address where clouds answer their own machines",
	Unspecified: "no address of any host",
	Multicast:   "an address of many machines at once",
	Translated:  "an address that stands for another one",
	Reserved:    "an address that no public network has",
}

// Refusal is a request that a rule forbids: it was not sent, or its answer was
// not followed. Nothing but a change of the rule makes it work.
type Refusal struct {
	Host    string     // as the URL names it
	Address netip.Addr // what it is or resolves to; zero when the URL alone decides
	Reason  string     // one of those above
}

// Error is for the log.
func (r *Refusal) Error() string {
	if r.Address.IsValid() && r.Address.String() != r.Host {
		return fmt.Sprintf("outbound request to %q at %s refused: %s", r.Host, r.Address, r.Reason)
	}
	return fmt.Sprintf("outbound request to %q refused: %s", r.Host, r.Reason)
}

// Message tells an administrator what is wrong, and names the setting that would
// allow it where there is one. It shows what a name resolves to inside: strangers
// get Public instead.
func (r *Refusal) Message() string {
	if !r.Address.IsValid() {
		return r.Public()
	}
	setting := fmt.Sprintf("--outbound-allow %s", netip.PrefixFrom(r.Address, r.Address.BitLen()))
	if r.Reason == NotHTTPS {
		return fmt.Sprintf("Write https: http is for the networks of --outbound-allow, and %s is in none of them (%s would add it).", r.Address, setting)
	}
	where := r.Host + " leads to " + r.Address.String() + ","
	if r.Host == r.Address.String() {
		where = r.Host + " is"
	}
	return fmt.Sprintf("%s %s. latchkey goes there only with the setting %s.", where, words[r.Reason], setting)
}

// Public tells a stranger what is wrong, without what a name resolves to.
func (r *Refusal) Public() string {
	switch r.Reason {
	case Malformed:
		return "This is no full address with a host. Write it like https://app.example.com/path."
	case UserInfo:
		return "There is a user name in the address. Leave it out."
	case NumericHost:
		return "The host is a number that programs read in different ways. Write a name, or an address like 192.168.1.5."
	case NotHTTPS:
		return "The address must be https."
	case Redirect:
		return "The address leads on to another one. Write the last."
	}
	return "The address does not lead to a public host. The administrator of this server decides where else it may go (--outbound-allow)."
}
