package latchkey

import (
	"context"
	"net/netip"
)

// ActorKind says what sort of thing acts.
type ActorKind string

// The sorts of actor that events name.
const (
	ActorNobody   ActorKind = "nobody"   // before authentication
	ActorUser     ActorKind = "user"     // a person with a session
	ActorClient   ActorKind = "client"   // an application with its credentials
	ActorOperator ActorKind = "operator" // somebody at the command line
	ActorSystem   ActorKind = "system"   // latchkey itself: sweepers, sequencer
)

// Actor is who does something, from where. It travels in the context from the
// edge (server or command) to the event; nothing decides by it what SQL does.
type Actor struct {
	Kind      ActorKind
	UserID    string // of a user
	SessionID string // of a user
	ClientID  string // of a client
	Name      string // of an operator: "user@host"; personal
	Address   netip.Addr
	UserAgent string // as sent, at most 512 bytes; personal
	Agent     string // family and system of it, such as "Firefox on Linux", at most 120 characters
	RequestID string
}

type actorKey struct{}

// WithActor returns a context that carries a.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns the actor of ctx; without one it is nobody.
func ActorFrom(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Kind: ActorNobody}
}

// AddressPrefix is the part of an address that may stand in logs and in the
// public part of an event: /24 of IPv4, /48 of IPv6. Empty when unknown.
func AddressPrefix(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	a = a.Unmap()
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
