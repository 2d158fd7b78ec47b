package oidc

import (
	"net/url"
	"strings"

	"latchkey"
)

// matchRedirect returns the address of the answer. It is compared byte by byte,
// query included. Only where a native application registered a loopback address
// (RFC 8252 §7.3) may the port differ. None sent is right when one is registered.
func matchRedirect(c *latchkey.Client, sent string, wasSent bool) (string, bool) {
	if !wasSent {
		if len(c.RedirectURIs) == 1 {
			return c.RedirectURIs[0], true
		}
		return "", false
	}
	for _, registered := range c.RedirectURIs {
		if sent == registered || c.Type == "native" && sameLoopback(registered, sent) {
			return sent, true
		}
	}
	return "", false
}

// sameLoopback tells whether sent is the registered loopback address on another
// port, spelled the same in every other byte.
func sameLoopback(registered, sent string) bool {
	for _, prefix := range []string{"http://127.0.0.1", "http://[::1]"} {
		rest, ok := strings.CutPrefix(registered, prefix)
		sentRest, sentOK := strings.CutPrefix(sent, prefix)
		if !ok || !sentOK {
			continue
		}
		port, path := cutPort(rest)
		sentPort, sentPath := cutPort(sentRest)
		if path != sentPath || !isPort(port) || !isPort(sentPort) {
			return false
		}
		// What both begin with is the same; a user name or another host cannot
		// hide, since a path or nothing follows.
		return path == "" || path[0] == '/' || path[0] == '?'
	}
	return false
}

func cutPort(rest string) (port, path string) {
	if !strings.HasPrefix(rest, ":") {
		return "", rest
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	return rest[:end], rest[end:]
}

// isPort tells whether s is nothing, or a colon and a port in its one spelling.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	digits := s[1:]
	if digits == "" || len(digits) > 5 || digits[0] == '0' || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return false
	}
	return len(digits) < 5 || digits <= "65535"
}

// withParams appends parameters to a registered address without touching what
// it holds.
func withParams(address string, params url.Values) string {
	switch {
	case !strings.Contains(address, "?"):
		return address + "?" + params.Encode()
	case strings.HasSuffix(address, "?"), strings.HasSuffix(address, "&"):
		return address + params.Encode()
	}
	return address + "&" + params.Encode()
}
