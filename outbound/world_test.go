package outbound_test

import (
	"errors"
	"testing"

	"latchkey/outbound"
	"latchkey/outbound/outboundtest"
)

// world is a name server of our own and hosts on this machine.
type world struct {
	*testing.T
	outboundtest.Names
}

func newWorld(t *testing.T) *world { return &world{T: t} }

// client may reach the networks.
func (w *world) client(networks ...string) *outbound.Client {
	return outboundtest.Client(w.T, &w.Names, networks...)
}

// refusalOf is the reason of a refusal; "" for other errors and none.
func refusalOf(err error) string {
	if r := (*outbound.Refusal)(nil); errors.As(err, &r) {
		return r.Reason
	}
	return ""
}
