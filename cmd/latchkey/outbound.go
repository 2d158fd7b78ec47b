package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"latchkey/outbound"
)

// checkOutbound makes the client that fetches what applications name. The file
// is read here, before root is given up.
func (s *settings) checkOutbound() error {
	networks, err := parseNetworks(s.OutboundAllow)
	if err != nil {
		return wrong("outbound-allow", err.Error(), "10.0.0.0/8")
	}
	roots, err := s.outboundRoots()
	if err != nil {
		return wrong("outbound-ca", err.Error(), "/etc/latchkey/ca.pem")
	}
	s.outbound = outbound.New(outbound.Options{Allow: networks, Roots: roots})
	return nil
}

// parseNetworks reads CIDR blocks and single addresses.
func parseNetworks(values []string) (networks []netip.Prefix, err error) {
	for _, v := range values {
		v = strings.TrimSpace(v)
		if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
			networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, fmt.Errorf("%q is no network", v)
		}
		networks = append(networks, p)
	}
	return networks, nil
}

// outboundRoots are the system's authorities and those of --outbound-ca; nil
// when there are only the system's.
func (s *settings) outboundRoots() (*x509.CertPool, error) {
	if s.OutboundCA == "" {
		return nil, nil
	}
	content, err := os.ReadFile(s.OutboundCA)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's authorities: %w", err)
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, errors.New("there is no certificate in the file")
	}
	return roots, nil
}

// sayOutbound tells the log what was opened.
func (c *commands) sayOutbound() {
	if len(c.OutboundAllow) > 0 {
		c.log.Warn("applications may name addresses in these networks, and latchkey will go there, by http too", "outbound_allow", c.OutboundAllow)
	}
	if c.OutboundCA != "" {
		c.log.Info("further authorities are believed when latchkey fetches", "outbound_ca", c.OutboundCA)
	}
}
