package outboundtest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Names is a name server within the test. Its zero value knows no name.
type Names struct {
	mu        sync.Mutex
	addresses map[string][]netip.Addr
}

// Set makes a host resolve to addresses, and to nothing else from now on.
// Addresses of IPv4 in IPv6 are told as they are.
func (n *Names) Set(host string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.addresses == nil {
		n.addresses = map[string][]netip.Addr{}
	}
	n.addresses[host] = nil
	for _, a := range addresses {
		n.addresses[host] = append(n.addresses[host], netip.MustParseAddr(a))
	}
}

// Resolver asks this name server and no other.
func (n *Names) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		// What is no packet connection is spoken to as by TCP (RFC 1035 §4.2.2).
		theirs, ours := net.Pipe()
		go n.serve(ours)
		return theirs, nil
	}}
}

func (n *Names) serve(c net.Conn) {
	defer c.Close()
	var length [2]byte
	for {
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer, err := n.answer(question)
		if err != nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
		if _, err := c.Write(append(framed, answer...)); err != nil {
			return
		}
	}
}

func (n *Names) answer(question []byte) ([]byte, error) {
	m := dnsmessage.Message{}
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	q := m.Questions[0]
	n.mu.Lock()
	found, known := n.addresses[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	n.mu.Unlock()
	reply := dnsmessage.Message{Questions: m.Questions}
	reply.ID, reply.Response, reply.Authoritative = m.ID, true, true
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range found {
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return reply.Pack()
}
