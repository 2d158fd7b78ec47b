package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/oidc"
	"latchkey/outbound/outboundtest"
)

// keyHost publishes the keys of an application.
type keyHost struct {
	url   string
	asked atomic.Int32
	mu    sync.Mutex
	serve http.HandlerFunc
}

func newKeyHost(t *testing.T) *keyHost {
	h := &keyHost{}
	h.url = outboundtest.Host(t, func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		h.mu.Lock()
		serve := h.serve
		h.mu.Unlock()
		serve(w, r)
	})
	return h
}

func (h *keyHost) answer(serve http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serve = serve
}

// publish makes the host answer with a set, as many do: as plain text.
func (h *keyHost) publish(set []byte) {
	h.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(set)
	})
}

func (h *keyHost) fail(status int) {
	h.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// keyWorld is a world that reaches hosts on this machine, with a clock for how
// old fetched keys are.
type keyWorld struct {
	*world
	*keyHost
	now atomic.Int64 // seconds since the start
}

func newKeyWorld(t *testing.T, networks ...string) *keyWorld {
	t.Helper()
	w := &keyWorld{keyHost: newKeyHost(t)}
	began := time.Now()
	w.world = newWorld(t, func(o *oidc.Options) {
		o.Outbound = outboundtest.Client(t, nil, networks...)
		o.Now = func() time.Time { return began.Add(time.Duration(w.now.Load()) * time.Second) }
	})
	return w
}

func (w *keyWorld) later(d time.Duration) { w.now.Add(int64(d / time.Second)) }

// atURI is an application whose keys are at the host.
func (w *keyWorld) atURI(t *testing.T, id string) *app {
	t.Helper()
	return w.app(t, id, func(c *latchkey.Client) {
		c.AuthMethod, c.Protocol.JWKSURI = latchkey.AuthPrivateKeyJWT, w.keyHost.url+"/jwks"
	})
}

// try authenticates by a key and tells whether it was believed, and how often the
// host was asked for it.
func (w *keyWorld) try(t *testing.T, id string, s *signer) (believed bool, asked int32) {
	t.Helper()
	before := w.asked.Load()
	got := w.asserted(t, s.sign(t, w.claims(id)))
	if got.status != 200 && got.status != 401 {
		t.Fatalf("answered %d %s", got.status, got.body)
	}
	return got.status == 200, w.asked.Load() - before
}

func (w *keyWorld) want(t *testing.T, what, id string, s *signer, believed bool, asked int32) {
	t.Helper()
	if b, n := w.try(t, id, s); b != believed || n != asked {
		t.Errorf("%s: believed %t after %d fetches, want %t after %d", what, b, n, believed, asked)
	}
}

// TestKeysAtAnAddress: fetched when needed, remembered, fetched anew for a key
// that nobody knows, but not twice in 30 s.
func TestKeysAtAnAddress(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	first, second, third := newSigner(t, latchkey.ES256, 1), newSigner(t, latchkey.ES256, 2), newSigner(t, latchkey.ES256, 3)
	w.atURI(t, "wiki")
	w.publish(jwks(t, first.public()))
	w.want(t, "the first time", "wiki", first, true, 1)
	w.want(t, "again", "wiki", first, true, 0)
	w.publish(jwks(t, second.public()))
	w.want(t, "a new key too soon", "wiki", second, false, 0)
	w.later(31 * time.Second)
	w.want(t, "a new key after 30 s", "wiki", second, true, 1)
	w.want(t, "the old key, which is gone", "wiki", first, false, 0)
	w.later(31 * time.Second)
	w.want(t, "the old key after 30 s", "wiki", first, false, 1)
	// A key that changed without its kid is found as well.
	third.kid = second.kid
	w.publish(jwks(t, third.public()))
	w.later(31 * time.Second)
	w.want(t, "another key of the same kid", "wiki", third, true, 1)
	// Keys grow old, even those that still fit.
	w.publish(jwks(t, first.public()))
	w.later(9 * time.Minute)
	w.want(t, "a key of nine minutes", "wiki", third, true, 0)
	w.later(2 * time.Minute)
	w.want(t, "a key of eleven minutes that is gone", "wiki", third, false, 1)
}

// TestKeysWhileTheirAddressIsDown: known keys work for an hour, what was never
// fetched does not, and a host that does not answer is asked each 30 s at most.
func TestKeysWhileTheirAddressIsDown(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	s := newSigner(t, latchkey.ES256, 1)
	w.atURI(t, "wiki")
	w.fail(404)
	w.want(t, "never fetched", "wiki", s, false, 1)
	w.want(t, "never fetched, asked again at once", "wiki", s, false, 0)
	if n := w.events(t, latchkey.ClientAuthFailed, "keys_unavailable"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	w.later(31 * time.Second)
	w.publish(jwks(t, s.public()))
	w.want(t, "there after 30 s", "wiki", s, true, 1)
	w.fail(404)
	w.later(11 * time.Minute)
	w.want(t, "old, and the host is down", "wiki", s, true, 1)
	w.want(t, "old, at once again", "wiki", s, true, 0)
	w.later(48 * time.Minute)
	w.want(t, "59 minutes old", "wiki", s, true, 1)
	w.later(2 * time.Minute)
	w.want(t, "61 minutes old", "wiki", s, false, 1)
	w.publish(jwks(t, s.public()))
	w.later(31 * time.Second)
	w.want(t, "and it comes back", "wiki", s, true, 1)
}

// TestOneFetchForManyRequests: those that come at once wait for the same one, and
// requests of other applications for none.
func TestOneFetchForManyRequests(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	s := newSigner(t, latchkey.ES256, 1)
	w.atURI(t, "slow")
	w.app(t, "quick", signing(t, s))
	set, arrived, release := jwks(t, s.public()), make(chan struct{}, 10), make(chan struct{})
	w.answer(func(rw http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		rw.Write(set)
	})
	var group sync.WaitGroup
	var believed atomic.Int32
	for range 10 {
		assertion := s.sign(t, w.claims("slow"))
		group.Go(func() {
			if w.asserted(t, assertion).status == 200 {
				believed.Add(1)
			}
		})
	}
	<-arrived
	began := time.Now()
	if got := w.asserted(t, s.sign(t, w.claims("quick"))); got.status != 200 || time.Since(began) > time.Second {
		t.Errorf("another application was answered %d after %v", got.status, time.Since(began))
	}
	close(release)
	group.Wait()
	if believed.Load() != 10 || w.asked.Load() != 1 {
		t.Errorf("%d of 10 believed after %d fetches, want one", believed.Load(), w.asked.Load())
	}
}

// TestEachApplicationAsksForItself: what one of them fetched is not another's,
// even at the same address.
func TestEachApplicationAsksForItself(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	s := newSigner(t, latchkey.ES256, 1)
	w.atURI(t, "wiki")
	w.atURI(t, "blog")
	w.publish(jwks(t, s.public()))
	w.want(t, "one", "wiki", s, true, 1)
	w.want(t, "the other", "blog", s, true, 1)
	w.want(t, "one again", "wiki", s, true, 0)
}

// TestWhereKeysMayBe: what the guarded client refuses is recorded, and nothing is
// asked.
func TestWhereKeysMayBe(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t) // no network is allowed
	s := newSigner(t, latchkey.ES256, 1)
	w.atURI(t, "wiki")
	w.publish(jwks(t, s.public()))
	w.want(t, "loopback", "wiki", s, false, 0)
	if n := w.events(t, latchkey.OutboundBlocked, "loopback"); n != 1 {
		t.Errorf("%d events, want one", n)
	}
	w.want(t, "loopback again", "wiki", s, false, 0)
	if n := w.events(t, latchkey.OutboundBlocked, ""); n != 1 {
		t.Errorf("%d events after a second try within 30 s, want one", n)
	}

	moved := newKeyWorld(t, outboundtest.Home)
	moved.atURI(t, "wiki")
	moved.answer(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks" {
			http.Redirect(rw, r, "/new", http.StatusFound)
			return
		}
		rw.Write(jwks(t, s.public()))
	})
	moved.want(t, "a redirect", "wiki", s, false, 1)
	if n := moved.events(t, latchkey.OutboundBlocked, "redirect"); n != 1 {
		t.Errorf("%d events of a redirect, want one", n)
	}
}

// TestAMovedAddress: an application whose registration names another address is
// not held to the old one's keys, nor to its pause.
func TestAMovedAddress(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	s, next := newSigner(t, latchkey.ES256, 1), newSigner(t, latchkey.ES256, 2)
	w.atURI(t, "wiki")
	w.answer(func(rw http.ResponseWriter, r *http.Request) {
		set := map[string][]byte{"/jwks": jwks(t, s.public()), "/new": jwks(t, next.public())}[r.URL.Path]
		rw.Write(set)
	})
	w.want(t, "before", "wiki", s, true, 1)
	w.sql(t, `UPDATE clients SET protocol = jsonb_set(protocol, '{jwks_uri}', to_jsonb($1::text))`, w.keyHost.url+"/new")
	w.want(t, "after", "wiki", next, true, 1)
	w.want(t, "the old key", "wiki", s, false, 0)
}

// TestWhichKeysCount: one key of the set is bent each time; the others are there
// as before, and what the set holds besides does not spoil it.
func TestWhichKeysCount(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	rs, es, ed := newSigner(t, latchkey.RS256, 0), newSigner(t, latchkey.ES256, 0), newSigner(t, latchkey.EdDSA, 0)
	other := newSigner(t, latchkey.RS256, 1)
	small := &signer{alg: latchkey.RS256, kid: "RS2560", key: smallKey(t, 1024, 65537)}
	odd := &signer{alg: latchkey.RS256, kid: "RS2560", key: smallKey(t, 2048, 3)}
	key := func(k jose.JSONWebKey, pairs ...string) json.RawMessage {
		raw, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(pairs); i += 2 {
			if members[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
				delete(members, pairs[i])
			}
		}
		if raw, err = json.Marshal(members); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	many := func(n int, last json.RawMessage) []json.RawMessage {
		var set []json.RawMessage
		for range n - 1 {
			set = append(set, key(other.public()))
		}
		return append(set, last)
	}
	nameless := &signer{alg: latchkey.RS256, key: rs.key}
	for i, c := range []struct {
		name     string
		set      []json.RawMessage
		by       *signer
		believed bool
	}{
		{"for signatures", []json.RawMessage{key(rs.public(), "use", "sig", "alg", "RS256")}, rs, true},
		{"for nothing in particular", []json.RawMessage{key(rs.public())}, rs, true},
		{"for encryption", []json.RawMessage{key(rs.public(), "use", "enc")}, rs, false},
		{"for another algorithm", []json.RawMessage{key(rs.public(), "alg", "PS256")}, rs, false},
		{"of another kind", []json.RawMessage{key(es.public(), "kid", rs.kid)}, rs, false},
		{"without a kid", []json.RawMessage{key(rs.public(), "kid", "")}, rs, true},
		{"of another kid", []json.RawMessage{key(rs.public(), "kid", "another")}, rs, false},
		{"named by nobody", []json.RawMessage{key(rs.public())}, nameless, true},
		{"the second of its kid", []json.RawMessage{key(other.public(), "kid", rs.kid), key(rs.public())}, rs, true},
		{"one of eight", many(8, key(rs.public())), nameless, true},
		{"one of nine that nothing tells apart", many(9, key(rs.public())), nameless, false},
		{"one of thirty-two that a kid tells apart", many(32, key(rs.public())), rs, true},
		{"one of thirty-three", many(33, key(rs.public())), rs, false},
		{"RSA of 1024 bits", []json.RawMessage{key(small.public())}, small, false},
		{"RSA with exponent 3", []json.RawMessage{key(odd.public())}, odd, false},
		{"a private key in public", []json.RawMessage{key(rs.public(), "d", "AQAB")}, rs, false},
		{"beside a kind that nobody knows", []json.RawMessage{[]byte(`{"kty":"XYZ","kid":"x"}`), []byte(`{"kty":"EC","crv":"secp256k1"}`), key(rs.public())}, rs, true},
		{"beside what is no key", []json.RawMessage{[]byte(`1`), []byte(`"x"`), []byte(`null`), []byte(`{"kty":1}`), key(rs.public())}, rs, true},
		{"beside a point that is none", []json.RawMessage{key(es.public(), "x", base64.RawURLEncoding.EncodeToString(make([]byte, 32))), key(es.public(), "kid", "real")},
			&signer{alg: es.alg, kid: "real", key: es.key}, true},
		{"a point that is none", []json.RawMessage{key(es.public(), "x", base64.RawURLEncoding.EncodeToString(make([]byte, 32)))}, es, false},
		{"beside a secret", []json.RawMessage{[]byte(`{"kty":"oct","k":"AAAA","kid":"RS2560"}`), key(rs.public())}, rs, true},
		{"Ed25519 by its newer name", []json.RawMessage{key(ed.public(), "alg", "Ed25519")}, ed, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := "client-" + string(rune('a'+i))
			w.atURI(t, id)
			set, err := json.Marshal(map[string]any{"keys": c.set})
			if err != nil {
				t.Fatal(err)
			}
			w.publish(set)
			w.want(t, c.name, id, c.by, c.believed, 1)
		})
	}
	for i, set := range []string{"", "x", "[]", "{}", `{"keys":{}}`, `{"keys":[]}`, `{"keys":null}`, `{"keys":[]}{}`, strings.Repeat(" ", 256<<10+1)} {
		id := "none-" + string(rune('a'+i))
		w.atURI(t, id)
		w.publish([]byte(set))
		w.want(t, "no set", id, rs, false, 1)
	}
}

func smallKey(t *testing.T, bits, exponent int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	if exponent == key.E {
		return key
	}
	// A private exponent for it, if there is one.
	one := big.NewInt(1)
	totient := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one))
	d := new(big.Int).ModInverse(big.NewInt(int64(exponent)), totient)
	if d == nil {
		return smallKey(t, bits, exponent)
	}
	odd := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: key.N, E: exponent}, D: d, Primes: key.Primes}
	odd.Precompute()
	return odd
}

// TestANewKeyAtTheRefresh: an application signs in with one key, publishes
// another in its place, and refreshes with that a minute later.
func TestANewKeyAtTheRefresh(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	old, next := newSigner(t, latchkey.RS256, 0), newSigner(t, latchkey.RS256, 1)
	a := w.atURI(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	w.publish(jwks(t, old.public()))
	a.signer = old
	tk := a.tokens(t, b)
	w.publish(jwks(t, next.public()))
	w.later(time.Minute)
	a.signer = next
	tk = readTokens(t, a.refresh(t, tk.refresh))
	a.signer = old
	wantFault(t, a.refresh(t, tk.refresh), 401, "invalid_client")
	if n := w.asked.Load(); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
}
