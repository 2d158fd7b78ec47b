package oidc

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"latchkey"
	"latchkey/outbound"
)

// How long fetched keys are believed, and how often they are asked for.
const (
	keysFresh = 10 * time.Minute // without asking again
	keysStale = time.Hour        // while their address does not answer
	keysPause = 30 * time.Second // between two fetches for one application
	keysBytes = 32 << 20         // of memory for all applications, about
)

// keyStore remembers the keys of applications. Those at an address are fetched
// when their own application makes a request that needs them, and never within
// a request of another one.
type keyStore struct {
	out    *outbound.Client
	now    func() time.Time
	sets   *otter.Cache[string, *keySet] // by client id
	flight singleflight.Group
	failed func(ctx context.Context, clientID string, err error)
}

// keySet is what is known of the keys of one application. It never changes.
type keySet struct {
	from  string // their address, or the version of the registration they stand in
	keys  []jose.JSONWebKey
	got   time.Time // when they came from there; zero = never
	asked time.Time // when it was last tried
}

func newKeyStore(o *Options, failed func(ctx context.Context, clientID string, err error)) *keyStore {
	return &keyStore{out: o.Outbound, now: o.Now, failed: failed, sets: otter.Must(&otter.Options[string, *keySet]{
		MaximumWeight: keysBytes,
		Weigher:       func(id string, s *keySet) uint32 { return s.weight() + uint32(len(id)) },
	})}
}

// weight is about how many bytes a set takes.
func (s *keySet) weight() uint32 {
	n := 256 + len(s.from)
	for _, k := range s.keys {
		n += 512 + len(k.KeyID) + len(k.Algorithm) + len(k.Use)
		if r, ok := k.Key.(*rsa.PublicKey); ok {
			n += r.Size()
		}
	}
	return uint32(n)
}

// find shows the keys of an application to take, which says whether there is
// what it wants. It is shown them once more when that made them be fetched anew.
// Without success the answer is errNoKey, or errKeysAway.
func (s *keyStore) find(ctx context.Context, c *latchkey.Client, take func(keys []jose.JSONWebKey) bool) error {
	uri := c.Protocol.JWKSURI
	if uri == "" {
		keys, err := s.registered(c)
		if err != nil {
			return err
		}
		if !take(keys) {
			return errNoKey
		}
		return nil
	}
	have := s.known(c.ID, uri)
	if have.believable(s.now(), keysFresh) && take(have.keys) {
		return nil
	}
	next := s.fetch(ctx, c.ID, uri)
	switch {
	case !next.believable(s.now(), keysStale):
		return errKeysAway
	case next == have && have.believable(s.now(), keysFresh): // they were shown already
		return errNoKey
	case !take(next.keys):
		return errNoKey
	}
	return nil
}

// known is what is remembered of an address; a set that was never fetched when
// there is nothing.
func (s *keyStore) known(clientID, from string) *keySet {
	if set, ok := s.sets.GetIfPresent(clientID); ok && set.from == from {
		return set
	}
	return &keySet{from: from}
}

func (s *keySet) believable(now time.Time, age time.Duration) bool {
	return !s.got.IsZero() && now.Sub(s.got) < age
}

// registered are the keys that stand in the registration.
func (s *keyStore) registered(c *latchkey.Client) ([]jose.JSONWebKey, error) {
	if len(c.Protocol.JWKS) == 0 {
		return nil, errNoKey
	}
	have := s.known(c.ID, registered(c))
	if !have.got.IsZero() {
		return have.keys, nil
	}
	keys, err := parseKeys(c.Protocol.JWKS)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKeysAway, err)
	}
	s.sets.Set(c.ID, &keySet{from: have.from, keys: keys, got: s.now()})
	return keys, nil
}

// fetch asks the address, unless that was done less than 30 s ago, and returns
// what is known then. All who want the keys of one application at once share one
// fetch; whoever goes away does not end it for the others.
func (s *keyStore) fetch(ctx context.Context, clientID, uri string) *keySet {
	shared := s.flight.DoChan(clientID+" "+uri, func() (any, error) {
		have := s.known(clientID, uri)
		if !have.asked.IsZero() && s.now().Sub(have.asked) < keysPause {
			return have, nil
		}
		next := &keySet{from: uri, asked: s.now(), keys: have.keys, got: have.got}
		keys, err := s.ask(context.WithoutCancel(ctx), uri)
		if err == nil {
			next.keys, next.got = keys, next.asked
		} else {
			s.failed(context.WithoutCancel(ctx), clientID, err)
		}
		s.sets.Set(clientID, next)
		return next, nil
	})
	select {
	case <-ctx.Done():
		return s.known(clientID, uri)
	case done := <-shared:
		if set, ok := done.Val.(*keySet); ok {
			return set
		}
		return s.known(clientID, uri)
	}
}

func (s *keyStore) ask(ctx context.Context, uri string) ([]jose.JSONWebKey, error) {
	answer, err := s.out.Get(ctx, uri, "application/jwk-set+json, application/json")
	if err != nil {
		return nil, err
	}
	return parseKeys(answer.Body)
}

// keysFailed says that the keys of an application could not be fetched: an event
// when a rule forbids it, a line in the log otherwise.
func (p *Provider) keysFailed(ctx context.Context, clientID string, err error) {
	if lost := p.blocked(ctx, clientID, "jwks_uri", err); lost != nil {
		p.Log.ErrorContext(ctx, "a refused fetch was not recorded", "client_id", clientID, "error", lost.Error())
	}
	p.Log.WarnContext(ctx, "the keys of an application could not be fetched", "client_id", clientID, "cause", err.Error())
}

// blocked records that the guarded client refused an address that stands in a
// member of the registration; other errors are none of its business.
func (p *Provider) blocked(ctx context.Context, clientID, member string, err error) error {
	refusal := (*outbound.Refusal)(nil)
	if !errors.As(err, &refusal) {
		return nil
	}
	return p.refused(ctx, latchkey.Event{Kind: latchkey.OutboundBlocked, ClientID: clientID, Outcome: latchkey.Failure, Reason: refusal.Reason,
		Detail: map[string]any{"member": member}})
}
