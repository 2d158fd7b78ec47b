package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"latchkey/server"
	"latchkey/session"
)

// certificateLeft is how long before its end doctor speaks up. What renews by
// itself has done so by then.
const certificateLeft = 14 * day

// outside goes through the issuer's address, as people and applications do.
func (x *examination) outside(ctx context.Context) {
	trusted := x.issuer.Scheme == "http" || x.certificate(ctx)
	// With a certificate that browsers would refuse, the rest can still be looked
	// at: what is asked for is public. The probe is not, so it stays here.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: !trusted}
	defer transport.CloseIdleConnections()
	visitor := &visitor{issuer: x.Issuer, client: &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if !x.issuerAnswers(ctx, visitor) {
		return
	}
	x.cookies(ctx, visitor)
	if trusted && x.probe != "" {
		x.proxyHeaders(ctx, visitor)
	}
}

// visitor asks for addresses of the issuer.
type visitor struct {
	issuer string
	client *http.Client
}

func (v *visitor) get(ctx context.Context, path string, header ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.issuer+path, nil)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res, body, err
}

// certificate looks at what the issuer shows at the TLS handshake. It reports
// whether browsers would go on.
func (x *examination) certificate(ctx context.Context) (good bool) {
	const check = "certificate"
	host, port := x.issuer.Hostname(), x.issuer.Port()
	if port == "" {
		port = "443"
	}
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// Every certificate is accepted here and judged below, so that the reason
	// can be told.
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(asking, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return true // whether anything answers is the next check's question
	}
	defer conn.Close()
	shown := conn.(*tls.Conn).ConnectionState().PeerCertificates
	leaf, chain := shown[0], x509.NewCertPool()
	for _, c := range shown[1:] {
		chain.AddCert(c)
	}
	ends := leaf.NotAfter.UTC().Format(time.RFC3339)
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Intermediates: chain})
	unknown := x509.UnknownAuthorityError{}
	switch {
	case time.Now().After(leaf.NotAfter):
		x.fail(check, "The TLS certificate of "+host+" ended at "+ends+".", "Renew it, and see why it did not renew by itself.")
	case errors.As(err, &unknown):
		x.warn(check, "This machine does not know the authority of "+host+"'s TLS certificate.", "Fine if every browser knows it; else use one of a public authority (--acme).")
	case err != nil:
		x.fail(check, "Browsers refuse the TLS certificate of "+host+": "+err.Error()+".", "Use a certificate for "+host+" with its whole chain.")
	case time.Until(leaf.NotAfter) < certificateLeft:
		x.warn(check, "The TLS certificate of "+host+" ends at "+ends+".", "Renew it, and see why it did not renew by itself.")
		return true
	default:
		x.ok(check, "The TLS certificate of "+host+" is good until "+ends+".")
		return true
	}
	return false
}

// issuerAnswers reads the discovery document, in which applications look for
// exactly the issuer they were told.
func (x *examination) issuerAnswers(ctx context.Context, v *visitor) bool {
	const check = "issuer"
	res, body, err := v.get(ctx, "/.well-known/openid-configuration")
	if err != nil {
		next := "Start `latchkey serve` with the same settings."
		if x.askListener(ctx) == nil {
			next = "latchkey itself answers at " + x.Listen + ": look at DNS, at the firewall, and at the proxy in front."
		}
		x.fail(check, "Nothing answers at "+x.Issuer+": "+err.Error()+".", next)
		return false
	}
	var found struct{ Issuer string }
	switch err := json.Unmarshal(body, &found); {
	case res.StatusCode != http.StatusOK || err != nil:
		x.fail(check, fmt.Sprintf("%s answers, but not as latchkey does: %s for its discovery document.", x.Issuer, res.Status),
			"Let the proxy pass every path of this host to latchkey, and look at the log of `latchkey serve`.")
		return false
	case found.Issuer != x.Issuer:
		x.fail(check, fmt.Sprintf("What answers at %s calls itself %s.", x.Issuer, found.Issuer),
			"Start `latchkey serve` with --issuer "+x.Issuer+", or give doctor the address that applications use.")
		return false
	}
	x.ok(check, x.Issuer+" answers and calls itself so.")
	return true
}

// cookies compares the one that the sign-in page sets with what browsers need.
func (x *examination) cookies(ctx context.Context, v *visitor) {
	const check = "cookies"
	next := "Let the proxy pass Set-Cookie as it is, without another name, path, domain or flags."
	res, _, err := v.get(ctx, "/login")
	if err != nil {
		x.fail(check, "The sign-in page does not answer: "+err.Error()+".", "Let the proxy pass every path of this host to latchkey.")
		return
	}
	want := session.PreCookie(x.issuer)
	for _, got := range res.Cookies() {
		if got.Name != want.Name {
			continue
		}
		if got.Path != want.Path || got.Domain != "" || got.Secure != want.Secure || !got.HttpOnly || got.SameSite != want.SameSite {
			x.fail(check, "The cookie "+want.Name+" arrives changed: "+strings.Replace(got.Raw, got.Value, "…", 1)+".", next)
			return
		}
		x.ok(check, "The cookie "+want.Name+" arrives as it was sent.")
		return
	}
	x.fail(check, "The sign-in page, which answered "+res.Status+", sets no cookie "+want.Name+".", next)
}

// proxyHeaders asks the server what it saw of a request that came through the
// issuer's address.
func (x *examination) proxyHeaders(ctx context.Context, v *visitor) {
	const check = "proxy"
	res, body, err := v.get(ctx, "/healthz", server.ProbeHeader, x.probe)
	var answer struct{ Seen *server.Seen }
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	switch {
	case err != nil:
		x.fail(check, "No node says how requests arrive: "+err.Error()+".", "Let the proxy pass /healthz to latchkey.")
		return
	case answer.Seen == nil:
		x.warn(check, "The node that answers ("+res.Status+" at /healthz) did not say how requests arrive.",
			"Let the proxy pass the header "+server.ProbeHeader+", and give all nodes and doctor the same key file and release.")
		return
	}
	x.judgeProxies(*answer.Seen)
}

// judgeProxies finds out what stands between doctor and the server. doctor
// sends no X-Forwarded-For, so the first entry is its own address as the first
// proxy saw it, and whatever comes after it are proxies.
func (x *examination) judgeProxies(seen server.Seen) {
	const check = "proxy"
	headers := "Let the proxy set X-Forwarded-For and X-Forwarded-Proto and pass Host unchanged (docs/operations.md, TLS)."
	if len(seen.ForwardedFor) == 0 {
		if seen.Trusted || seen.Scheme != x.issuer.Scheme {
			x.fail(check, "Requests come from "+seen.Peer+" without a word on whom they are from: that one address gets the rate limits of everybody.",
				headers+" And start latchkey with --trusted-proxies "+x.needed(seen)+".")
			return
		}
		x.ok(check, "Requests arrive straight from clients.")
		return
	}
	switch client := seen.ForwardedFor[0]; {
	case !seen.Trusted, seen.Address != client:
		x.fail(check, fmt.Sprintf("A proxy says that it asks for %s, but latchkey takes %s for the client: rate limits and the audit log count the proxy.", client, seen.Address),
			"Start `latchkey serve` with --trusted-proxies "+x.needed(seen)+".")
	case seen.Scheme != x.issuer.Scheme:
		x.warn(check, "Requests arrive as "+seen.Scheme+", although the issuer is "+x.issuer.Scheme+".", headers)
	case seen.Host != x.issuer.Host:
		x.warn(check, "Requests arrive for the host "+seen.Host+" instead of "+x.issuer.Host+".", headers)
	default:
		x.ok(check, "Scheme, host and client address arrive as they were sent, through "+strings.Join(hops(seen), " and ")+".")
	}
}

// hops are the proxies that a request came through, the nearest first.
func hops(seen server.Seen) []string {
	proxies := []string{seen.Peer}
	for _, hop := range slices.Backward(seen.ForwardedFor[min(1, len(seen.ForwardedFor)):]) {
		proxies = append(proxies, hop)
	}
	return proxies
}

// needed is the value of --trusted-proxies that the way of this request needs:
// what is set, and what is missing.
func (x *examination) needed(seen server.Seen) string {
	value := slices.Clone(x.TrustedProxies)
	for _, hop := range hops(seen) {
		a, err := netip.ParseAddr(hop)
		if err != nil || slices.ContainsFunc(x.settings.proxies, func(p netip.Prefix) bool { return p.Contains(a) }) {
			continue
		}
		value = append(value, netip.PrefixFrom(a, a.BitLen()).String())
	}
	return strings.Join(value, ",")
}
