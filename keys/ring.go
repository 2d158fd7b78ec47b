package keys

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/maypok86/otter/v2"

	"latchkey"
	"latchkey/storage"
)

// Ring is the set of published signing keys in memory.
type Ring struct {
	db            *storage.DB
	now           func() time.Time
	sessionMaxAge time.Duration
	current       atomic.Pointer[view]
	reload        sync.Mutex
	looked        time.Time // when an unknown kid last caused a look; guarded by reload
	trusted       *otter.Cache[[sha256.Size]byte, trusted]
}

// trusted is what a signature was good for. A resource server asks for the same
// token again and again, and the look at its signature is half of the answer's
// work. Whether the key is still published is asked anew each time.
type trusted struct {
	kid, typ string
	payload  []byte
}

// maxTrusted bounds the payloads remembered, in bytes: some thousand tokens.
const maxTrusted = 4 << 20

// Options say what a Ring works on.
type Options struct {
	DB            *storage.DB   // required
	SessionMaxAge time.Duration // how long sessions live at most; decides how long keys stay published [12 h]
}

// view is what one look at the database found.
type view struct {
	version int64
	next    time.Time // when the first of keys changes its state or goes; zero = none does
	newest  time.Time // when the newest of keys was made
	keys    []*prepared
	byKID   map[string]*prepared
	openers []*opener
	jwks    []byte
	etag    string
}

// ErrNoKey means that no key of the algorithm signs now.
var ErrNoKey = errors.New("no active signing key")

// ErrUntrusted means that a token was not signed by a published key of ours, or
// not in the wanted form.
var ErrUntrusted = errors.New("not signed by us")

// New makes an empty ring; Ensure or Load fills it.
func New(o Options) *Ring {
	r := &Ring{db: o.DB, now: o.DB.Clock, sessionMaxAge: o.SessionMaxAge}
	r.trusted = otter.Must(&otter.Options[[sha256.Size]byte, trusted]{
		MaximumWeight: maxTrusted,
		Weigher:       func(_ [sha256.Size]byte, t trusted) uint32 { return uint32(len(t.payload)) },
	})
	r.current.Store(&view{})
	return r
}

// Load reads the published keys.
func (r *Ring) Load(ctx context.Context) error {
	r.reload.Lock()
	defer r.reload.Unlock()
	return r.load(ctx)
}

func (r *Ring) load(ctx context.Context) error {
	// The version is taken before the keys: a change in between is seen again.
	version, _ := r.db.Version(storage.CacheSigningKeys)
	rows, err := r.db.SigningKeys(ctx)
	if err != nil {
		return err
	}
	v := &view{version: version, byKID: map[string]*prepared{}}
	for _, row := range rows {
		p, err := prepare(row)
		if err != nil {
			return err
		}
		v.keys, v.byKID[row.KID] = append(v.keys, p), p
		if row.CreatedAt.After(v.newest) {
			v.newest = row.CreatedAt
		}
		v.expect(r.now(), row.ActivateAt, row.RetireAt, row.DeleteAt)
	}
	if err := r.loadOpeners(ctx, v); err != nil {
		return err
	}
	if v.jwks, v.etag, err = render(v); err != nil {
		return err
	}
	r.current.Store(v)
	return nil
}

// expect notes the first of some times that is still to come.
func (v *view) expect(now time.Time, times ...time.Time) {
	for _, t := range times {
		if t.After(now) && (v.next.IsZero() || t.Before(v.next)) {
			v.next = t
		}
	}
}

// render writes the JWKS once for all its readers (RFC 7517 §5).
func render(v *view) (body []byte, etag string, err error) {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	add := func(key crypto.PublicKey, kid, alg, use string) error {
		public, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: use})
		if err != nil {
			return fmt.Errorf("encode public key %s: %w", kid, err)
		}
		set.Keys = append(set.Keys, public)
		return nil
	}
	for _, k := range v.keys {
		if err := add(k.public, k.KID, k.Alg, "sig"); err != nil {
			return nil, "", err
		}
	}
	for _, o := range v.openers {
		if o.RetireAt.IsZero() {
			if err := add(o.private.Public(), o.KID, o.Alg, "enc"); err != nil {
				return nil, "", err
			}
		}
	}
	if body, err = json.Marshal(set); err != nil {
		return nil, "", fmt.Errorf("encode JWKS: %w", err)
	}
	sum := sha256.Sum256(body)
	return body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, nil
}

// Fetch is JWKS for somebody from outside, and notes from where it was asked for.
func (r *Ring) Fetch(ctx context.Context) (body []byte, etag string) {
	v := r.current.Load()
	if v.jwks != nil {
		r.db.NoteFetch(ctx, v.newest)
	}
	return v.jwks, v.etag
}

// JWKS returns the published key set and its entity tag.
func (r *Ring) JWKS() (body []byte, etag string) {
	v := r.current.Load()
	return v.jwks, v.etag
}

// Ready tells whether every algorithm has a key that signs.
func (r *Ring) Ready() error {
	for _, alg := range latchkey.SigningAlgs() {
		if _, err := r.active(alg); err != nil {
			return err
		}
	}
	return nil
}

// Signer is the id of the key that signs by alg now; "" when there is none.
func (r *Ring) Signer(alg string) (kid string) {
	k, err := r.active(alg)
	if err != nil {
		return ""
	}
	return k.KID
}

// active is the key that signs now: of those whose time has come the newest.
func (r *Ring) active(alg string) (*prepared, error) {
	now := r.now()
	for _, k := range r.current.Load().keys { // newest first
		if k.Alg == alg && !k.ActivateAt.After(now) && (k.RetireAt.IsZero() || k.RetireAt.After(now)) {
			return k, nil
		}
	}
	// Clocks that differ by a moment must not stop the signing: at the seam
	// between two keys the one that signed last still may.
	for _, k := range r.current.Load().keys {
		if k.Alg == alg && k.State == latchkey.StateActive {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w for %s", ErrNoKey, alg)
}

// Sign returns claims as a compact JWS (RFC 7515) of type typ under the key of
// alg that signs now.
func (r *Ring) Sign(alg, typ string, claims any) (string, error) {
	k, err := r.active(alg)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signer := k.signers[typ]
	if signer == nil {
		return "", fmt.Errorf("sign: unknown type %q", typ)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", k.KID, err)
	}
	return jws.CompactSerialize()
}

// Verify returns the payload of a compact JWS of type typ that one of our
// published keys signed; it is shared and must not be changed. Whatever else it
// is, the error wraps ErrUntrusted.
func (r *Ring) Verify(ctx context.Context, token, typ string) ([]byte, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("%w: too long", ErrUntrusted)
	}
	id := sha256.Sum256([]byte(token))
	if known, ok := r.trusted.GetIfPresent(id); ok && known.typ == typ {
		if k, err := r.find(ctx, known.kid); err != nil {
			return nil, err
		} else if k != nil {
			return known.payload, nil
		}
	}
	if !canonical(token) {
		return nil, fmt.Errorf("%w: malformed", ErrUntrusted)
	}
	jws, err := jose.ParseSignedCompact(token, verified)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	header := jws.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, fmt.Errorf("%w: type %q", ErrUntrusted, got)
	}
	k, err := r.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	// One key, one algorithm: the header does not choose.
	if k == nil || k.Alg != header.Algorithm {
		return nil, fmt.Errorf("%w: unknown key", ErrUntrusted)
	}
	payload, err := jws.Verify(k.public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	r.trusted.Set(id, trusted{kid: k.KID, typ: typ, payload: payload})
	return payload, nil
}

// canonical tells whether each part of a token is spelled in its one way: the
// library would look past white space and unused bits at an end, and one token
// would have many spellings.
func canonical(token string) bool {
	strict := base64.RawURLEncoding.Strict()
	for part := range strings.SplitSeq(token, ".") {
		if strings.ContainsAny(part, "\r\n") { // which the decoder passes over (encoding/base64)
			return false
		}
		if _, err := strict.DecodeString(part); err != nil {
			return false
		}
	}
	return true
}

// verified are the algorithms of latchkey.SigningAlgs.
var verified = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// maxToken bounds what is parsed at all, in bytes.
const maxToken = 16 << 10

// find looks for a published key. One that this node does not know may be new.
func (r *Ring) find(ctx context.Context, kid string) (*prepared, error) {
	if k := r.current.Load().byKID[kid]; k != nil {
		if !k.DeleteAt.IsZero() && !k.DeleteAt.After(r.now()) {
			return nil, nil
		}
		return k, nil
	}
	if err := r.lookAgain(ctx, kid); err != nil {
		return nil, err
	}
	return r.current.Load().byKID[kid], nil
}

// lookAgain reads the keys anew for a kid that this node does not know, at most
// once a second, since strangers choose it.
func (r *Ring) lookAgain(ctx context.Context, kid string) error {
	if kid == "" || len(kid) > 64 {
		return nil
	}
	r.reload.Lock()
	defer r.reload.Unlock()
	if time.Since(r.looked) < time.Second {
		return nil
	}
	r.looked = time.Now()
	return r.load(ctx)
}
