package keys_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// house is a ring on a database of its own.
type house struct {
	*keys.Ring
	db  *storage.DB
	url string
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{url: storagetest.URL(t)}
	h.db = storagetest.Connect(t, h.url)
	h.Ring = keys.New(keys.Options{DB: h.db})
	if err := h.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// another is a further node on the same database.
func (h *house) another(t testing.TB) *house {
	t.Helper()
	db := storagetest.Connect(t, h.url)
	other := &house{Ring: keys.New(keys.Options{DB: db}), db: db, url: h.url}
	if err := other.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return other
}

// published are the keys of the JWKS by kid.
func (h *house) published(t testing.TB) map[string]jwk {
	t.Helper()
	body, _ := h.JWKS()
	var set struct{ Keys []jwk }
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	byKID := map[string]jwk{}
	for _, k := range set.Keys {
		byKID[k.KID] = k
	}
	if len(byKID) != len(set.Keys) {
		t.Errorf("%d keys share %d kids", len(set.Keys), len(byKID))
	}
	return byKID
}

// private is the private half of the key that signs by alg.
func (h *house) private(t testing.TB, alg string) (kid string, key crypto.Signer) {
	t.Helper()
	rows, err := h.db.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range rows {
		if k.Alg == alg && k.State == latchkey.StateActive {
			private, err := x509.ParsePKCS8PrivateKey(k.PrivateKey)
			if err != nil {
				t.Fatal(err)
			}
			return k.KID, private.(crypto.Signer)
		}
	}
	t.Fatalf("no key signs by %s", alg)
	return "", nil
}

func (h *house) sign(t testing.TB, alg, typ string) string {
	t.Helper()
	token, err := h.Sign(alg, typ, map[string]any{"sub": "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestFirstKeys: one of each algorithm signs from the first start, and one of each
// can be encrypted to, each under a key of its own, and the JWKS shows their public halves and nothing more.
func TestFirstKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	body, etag := h.JWKS()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{
		"RS256": {"alg", "e", "kid", "kty", "n", "use"}, "PS256": {"alg", "e", "kid", "kty", "n", "use"},
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"}, "EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
		"RSA-OAEP-256": {"alg", "e", "kid", "kty", "n", "use"}, "ECDH-ES": {"alg", "crv", "kid", "kty", "use", "x", "y"},
	}
	for _, k := range set.Keys {
		alg, _ := k["alg"].(string)
		if diff := cmp.Diff(members[alg], slices.Sorted(maps.Keys(k))); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", alg, diff)
		}
		delete(members, alg)
	}
	if len(members) > 0 || etag == "" {
		t.Errorf("no key of %v; entity tag %q", slices.Collect(maps.Keys(members)), etag)
	}
	use := func(alg string) string {
		if slices.Contains(latchkey.DecryptionAlgs(), alg) {
			return "enc"
		}
		return "sig"
	}
	for kid, k := range h.published(t) {
		if got, err := keys.Thumbprint(k.public()); err != nil || got != kid || k.Use != use(k.Alg) {
			t.Errorf("%s: kid %s is not the thumbprint %s (%v), or use is %q", k.Alg, kid, got, err, k.Use)
		}
		if public, ok := k.public().(*rsa.PublicKey); ok && (public.N.BitLen() != 2048 || public.E != 65537) {
			t.Errorf("%s: %d bits, exponent %d", k.Alg, public.N.BitLen(), public.E)
		}
	}
	// A second node finds them, and makes none.
	before := slices.Sorted(maps.Keys(h.published(t)))
	other := h.another(t)
	if err := other.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, slices.Sorted(maps.Keys(other.published(t)))); diff != "" {
		t.Errorf("the second node (-first +second):\n%s", diff)
	}
	if err := other.Ready(); err != nil {
		t.Error(err)
	}
}

// TestTwoNodesMakeTheFirstKeys: whoever comes second keeps those of the first.
func TestTwoNodesMakeTheFirstKeys(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		ring := keys.New(keys.Options{DB: storagetest.Connect(t, url)})
		go func() { errs <- ring.Ensure(t.Context()) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := storagetest.Value[int](t, url, `SELECT count(*) FROM signing_keys`); n != len(latchkey.SigningAlgs()) {
		t.Errorf("%d keys were made", n)
	}
	if n := storagetest.Value[int](t, url, `SELECT count(*) FROM encryption_keys`); n != len(latchkey.DecryptionAlgs()) {
		t.Errorf("%d keys to encrypt to were made", n)
	}
}

// TestSign: what is signed by each algorithm and as each type verifies with the
// standard library by the published key that its header names.
func TestSign(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	published := h.published(t)
	for _, alg := range latchkey.SigningAlgs() {
		for _, typ := range []string{keys.TypeJWT, keys.TypeAccessToken, keys.TypeLogout, keys.TypeIntrospection} {
			token := h.sign(t, alg, typ)
			kid, _ := h.private(t, alg)
			got, payload, err := verify(token, published[kid])
			if err != nil {
				t.Errorf("%s as %s: %v", alg, typ, err)
			}
			if diff := cmp.Diff(header{"alg": alg, "kid": kid, "typ": typ}, got); diff != "" {
				t.Errorf("%s as %s: header (-want +got):\n%s", alg, typ, diff)
			}
			if string(payload) != `{"sub":"alice"}` {
				t.Errorf("%s as %s: payload %s", alg, typ, payload)
			}
			for range 2 { // the second time it is remembered
				if again, err := h.Verify(t.Context(), token, typ); err != nil || string(again) != string(payload) {
					t.Errorf("%s as %s: verified as %s, %v", alg, typ, again, err)
				}
			}
		}
	}
	for name, sign := range map[string]func() (string, error){
		"a type of nobody's": func() (string, error) { return h.Sign(latchkey.RS256, "secevent+jwt", 1) },
		"no type":            func() (string, error) { return h.Sign(latchkey.RS256, "", 1) },
		"no algorithm":       func() (string, error) { return h.Sign("none", keys.TypeJWT, 1) },
		"a shared secret":    func() (string, error) { return h.Sign("HS256", keys.TypeJWT, 1) },
		"claims of no JSON":  func() (string, error) { return h.Sign(latchkey.RS256, keys.TypeJWT, func() {}) },
	} {
		if token, err := sign(); err == nil {
			t.Errorf("%s: signed %s", name, token)
		}
	}
}

// TestExchangedKey: a row whose key is not the one its kid names is refused, and
// so is one that holds no private key.
func TestExchangedKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	kid, _ := h.private(t, latchkey.ES256)
	storagetest.SQL(t, h.url, `DELETE FROM signing_keys WHERE kid = $1`, kid)
	other, err := x509.MarshalPKCS8PrivateKey(foreignKey(t, latchkey.ES256))
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string][]byte{"another key": other, "no key": []byte("nothing")} {
		k := latchkey.SigningKey{KID: kid, Alg: latchkey.ES256, PublicJWK: []byte(`{}`), PrivateKey: private}
		err := h.db.InTx(t.Context(), func(tx *storage.Tx) error {
			_, err := tx.AddSigningKey(t.Context(), k, storage.KeyNow, time.Hour)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.New(keys.Options{DB: h.db}).Load(t.Context()); err == nil || !strings.Contains(err.Error(), kid) {
			t.Errorf("%s: %v", name, err)
		}
		storagetest.SQL(t, h.url, `DELETE FROM signing_keys WHERE kid = $1`, kid)
	}
}
