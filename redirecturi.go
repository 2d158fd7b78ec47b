package latchkey

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkURIs judges every address of an application.
func (c *Client) checkURIs(p problems) {
	switch {
	case !c.SignsPeopleIn() && len(c.RedirectURIs) > 0:
		p.add("redirect_uris", "Nobody signs in to a machine, so it has no redirect URI.")
	case c.SignsPeopleIn() && len(c.RedirectURIs) == 0:
		p.add("redirect_uris", "Enter at least one redirect URI: the address that people return to after sign-in.")
	}
	native := c.Type == TypeNative
	checkList(p, "redirect_uris", c.RedirectURIs, func(uri string) string { return RedirectURIProblem(uri, native) })
	checkList(p, "post_logout_redirect_uris", c.PostLogoutRedirectURIs, func(uri string) string { return uriProblem(uri, native) })
	checkList(p, "allowed_cors_origins", c.AllowedCORSOrigins, originProblem)
}

// checkList puts what is wrong with members of a list into one text, each
// beginning with the member itself.
func checkList(p problems, member string, list []string, problem func(string) string) {
	if len(list) > maxURIs {
		p.add(member, "These are more than %d addresses.", maxURIs)
		return
	}
	var wrong []string
	for _, uri := range list {
		if what := problem(uri); what != "" {
			wrong = append(wrong, shown(uri)+": "+what)
		}
	}
	if len(wrong) > 0 {
		p.add(member, "%s", strings.Join(wrong, " "))
	}
}

// shown makes what somebody typed fit to be quoted in a sentence.
func shown(uri string) string {
	const most = 200
	if uri == "" {
		return "An empty line"
	}
	if !printable(uri) || len(uri) > most {
		uri = strconv.QuoteToASCII(uri[:min(len(uri), most)])
	}
	return uri
}

// answerParams are the parameters of an authorization response (RFC 6749 §4.1.2,
// RFC 9207, OpenID Connect Session Management). A registered address that has
// one already would give the application two.
var answerParams = []string{"code", "state", "iss", "error", "error_description", "error_uri", "id_token", "access_token", "session_state", "response"}

// RedirectURIProblem says what is wrong with a redirect URI, and what to write
// instead; "" means that it may be registered. Redirect URIs are https; http for
// localhost, 127.0.0.1 and [::1]; of native applications also private-use
// schemes with a dot (RFC 8252 §7.1). They are compared letter by letter, so
// there are no wildcards, and nothing that software reads differently.
func RedirectURIProblem(uri string, native bool) string {
	if what := uriProblem(uri, native); what != "" {
		return what
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "this is not an address."
	}
	for name := range u.Query() {
		if slices.Contains(answerParams, name) {
			return "the query has " + name + ", which is added to the answer. Choose another name for it."
		}
	}
	return ""
}

// uriProblem is what holds for redirect URIs and for addresses after sign-out.
func uriProblem(uri string, native bool) string {
	if what := spellingProblem(uri); what != "" {
		return what
	}
	scheme, rest, found := strings.Cut(uri, ":")
	u, err := url.Parse(uri)
	switch {
	case !found || err != nil || u.Scheme == "":
		return "this is not a full address. Write it with its scheme, such as https://app.example.com/callback."
	case scheme != strings.ToLower(scheme):
		return "write the scheme in lower case: " + strings.ToLower(scheme) + ":" + rest
	case scheme == "javascript" || scheme == "data" || scheme == "vbscript":
		return "an address that runs or holds content is never allowed. Use https."
	case scheme == "https" || scheme == "http":
		return webProblem(u)
	case !native:
		return "the scheme is not https. Private schemes are for native applications only."
	case !strings.Contains(scheme, "."):
		return "a private scheme needs a dot. Turn a domain of yours around, such as com.example.app:/callback (RFC 8252)."
	case !strings.HasPrefix(rest, "/") || u.User != nil || u.Host == "" && u.Path == "": // "//" alone is lost when it is parsed
		return "write a path after the scheme, such as " + scheme + ":/callback."
	}
	return ""
}

// spellingProblem refuses what browsers, proxies and applications spell in
// different ways. Two spellings of one address never compare equal here.
func spellingProblem(uri string) string {
	switch {
	case uri == "":
		return "there is no address on it."
	case len(uri) > maxURI:
		return "this is longer than " + strconv.Itoa(maxURI) + " characters."
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "there is a space or control character in it. Write %20 where a space is meant, and one address a line."
	case strings.ContainsFunc(uri, func(r rune) bool { return r > 0x7f }):
		return "only ASCII letters can be compared. Write the host as xn--… and other letters as %XX, as the application sends it."
	case strings.Contains(uri, "*"):
		return "there are no wildcards. Enter each address by itself."
	case strings.Contains(uri, "#"):
		return "an address with a fragment (#) cannot be a target. Leave out # and what follows."
	case strings.ContainsAny(uri, "\\<>\"^`{|}"):
		return "there is a character in it that no address may have. Write it as %XX."
	}
	return ""
}

// webProblem judges addresses of http and https.
func webProblem(u *url.URL) string {
	host := u.Hostname()
	switch {
	case u.Opaque != "" || host == "":
		return "there is no host in it. Write it as https://app.example.com/callback."
	case u.User != nil:
		return "a user name before the host is not allowed. Leave out everything up to @."
	case u.Host != strings.ToLower(u.Host):
		return "write the host in lower case: " + strings.ToLower(u.Host) + "."
	case !hostFits(host):
		return "the host is not one that can be looked up. Write its ASCII form (xn--…) without signs other than - and dots."
	case !portFits(u):
		return "the port is not a number from 1 to 65535."
	case u.Scheme == "http" && !loopback(host):
		return "use https. http is for localhost, 127.0.0.1 and [::1] only."
	}
	return ""
}

// linkProblem judges an address that people are shown, or that they are sent to
// with nothing secret on it.
func linkProblem(uri string, httpsOnly bool) string {
	if what := spellingProblem(uri); what != "" {
		return what
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return "write it as https://app.example.com/."
	case httpsOnly && u.Scheme != "https":
		return "use https."
	case u.User != nil:
		return "a user name before the host is not allowed. Leave out everything up to @."
	}
	return ""
}

// hostFits tells whether host is a name of letters, digits, -, _ and dots, or an
// IPv6 address: whatever else a parser lets through, another one reads
// differently.
func hostFits(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

func portFits(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	port := u.Port()
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// loopback names are those that http may go to (RFC 8252 §7.3, §8.3).
func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// originProblem judges an origin as browsers send it (RFC 6454 §6.1): scheme,
// host, and the port where it is not the scheme's own.
func originProblem(origin string) string {
	if what := spellingProblem(origin); what != "" {
		return what
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "an origin is scheme and host, such as https://app.example.com."
	}
	if what := webProblem(u); what != "" {
		return what
	}
	own := originOf(u)
	if own != origin {
		return "write the origin as browsers send it: " + own
	}
	return ""
}

// originOf is the origin of an address.
func originOf(u *url.URL) string {
	host := u.Host
	if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return u.Scheme + "://" + host
}

// OriginOf is the origin of a web address (RFC 6454 §4); "" of any other.
func OriginOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return originOf(u)
}

// Origins are those whose scripts may call token, userinfo and revocation: of
// applications in the browser the origins of their redirect URIs, and those
// that were listed.
func (c *Client) Origins() []string {
	origins := slices.Clone(c.AllowedCORSOrigins)
	if c.Type == TypeSPA {
		for _, uri := range c.RedirectURIs {
			if u, err := url.Parse(uri); err == nil && u.Host != "" {
				origins = append(origins, originOf(u))
			}
		}
	}
	return once(origins)
}
