package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// ProbeHeader carries the token by which doctor shows that it holds the same
// keys as the server it asks (storage.DB.NewProbe).
const ProbeHeader = "X-Latchkey-Probe"

// Seen is what a server saw of a request, for whoever wants to know what the
// proxies in front did to it. It names addresses of the own network, so only
// holders of the keys get it.
type Seen struct {
	Scheme       string   `json:"scheme"`  // as the client spoke it, as far as that is believed
	Host         string   `json:"host"`    // of the Host header
	Peer         string   `json:"peer"`    // who opened the connection
	Trusted      bool     `json:"trusted"` // the peer is a listed proxy
	Address      string   `json:"address"` // what is taken for the client's
	ForwardedFor []string `json:"forwarded_for"`
}

// seen describes the request. Addresses are spelled without ports, so that the
// one who asks can compare them.
func (e *edge) seen(r *http.Request) Seen {
	from := e.proxies.client(r)
	s := Seen{
		Scheme: from.scheme, Host: r.Host, Trusted: from.trusted,
		Peer: hostAddr(r.RemoteAddr).String(), Address: from.address.String(), ForwardedFor: []string{},
	}
	for _, hop := range listed(r.Header.Values("X-Forwarded-For")) {
		s.ForwardedFor = append(s.ForwardedFor, hostAddr(hop).String())
	}
	return s
}

// answerProbe adds what was seen to the answer of healthz for holders of the
// keys; a wrong token is answered like none.
func (e *edge) answerProbe(c *gin.Context, answer gin.H) {
	token := c.GetHeader(ProbeHeader)
	if token != "" && e.probe != nil && e.probe(token) {
		answer["seen"] = e.seen(c.Request)
	}
}
