package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage/storagetest"
)

// encryptionKey is the published key of an algorithm, as an application reads it.
func (h *house) encryptionKey(t testing.TB, alg string) jose.JSONWebKey {
	t.Helper()
	body, _ := h.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	var found []jose.JSONWebKey
	for _, k := range set.Keys {
		if k.Use == "enc" && k.Algorithm == alg {
			found = append(found, k)
		}
	}
	if len(found) != 1 || !found[0].IsPublic() {
		t.Fatalf("%d keys for %s", len(found), alg)
	}
	return found[0]
}

// sealTo encrypts as an application does.
func sealTo(t testing.TB, to jose.Recipient, enc jose.ContentEncryption, content string, o *jose.EncrypterOptions) string {
	t.Helper()
	e, err := jose.NewEncrypter(enc, to, o)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := e.Encrypt([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// TestDecrypt: by every algorithm, with and without a kid; also on a node that
// does not know the key yet.
func TestDecrypt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, alg := range latchkey.DecryptionAlgs() {
		key := h.encryptionKey(t, alg)
		for _, enc := range latchkey.ContentEncs() {
			for _, kid := range []string{key.KeyID, ""} {
				sealed := sealTo(t, jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: key.Key, KeyID: kid}, jose.ContentEncryption(enc), "hello", nil)
				for _, want := range [][2]string{{"", ""}, {alg, ""}, {alg, enc}} {
					if got, err := h.Decrypt(t.Context(), sealed, want[0], want[1]); err != nil || string(got) != "hello" {
						t.Errorf("%s %s %q: %q, %v", alg, enc, kid, got, err)
					}
				}
			}
		}
	}
	other := h.another(t)
	if err := h.Rotate(t.Context(), []string{"ECDH-ES"}, false); err != nil {
		t.Fatal(err)
	}
	key := h.encryptionKey(t, "ECDH-ES")
	sealed := sealTo(t, jose.Recipient{Algorithm: jose.ECDH_ES, Key: key.Key, KeyID: key.KeyID}, jose.A128GCM, "new", nil)
	if got, err := other.Decrypt(t.Context(), sealed, "", ""); err != nil || string(got) != "new" {
		t.Errorf("on a node that did not know the key: %q, %v", got, err)
	}
}

// TestDecryptRefuses each alone.
func TestDecryptRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rsaKey, ecKey := h.encryptionKey(t, "RSA-OAEP-256"), h.encryptionKey(t, "ECDH-ES")
	signer, _ := h.private(t, latchkey.RS256)
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	to := func(alg jose.KeyAlgorithm, key jose.JSONWebKey, kid string) string {
		return sealTo(t, jose.Recipient{Algorithm: alg, Key: key.Key, KeyID: kid}, jose.A128CBC_HS256, "hello", nil)
	}
	whole := to(jose.ECDH_ES, ecKey, ecKey.KeyID)
	part := func(i int, change func(string) string) string {
		parts := strings.Split(whole, ".")
		parts[i] = change(parts[i])
		return strings.Join(parts, ".")
	}
	header := func(change func(map[string]any)) string {
		return part(0, func(raw string) string {
			decoded, err := base64.RawURLEncoding.DecodeString(raw)
			if err != nil {
				t.Fatal(err)
			}
			var members map[string]any
			if err := json.Unmarshal(decoded, &members); err != nil {
				t.Fatal(err)
			}
			change(members)
			encoded, err := json.Marshal(members)
			if err != nil {
				t.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(encoded)
		})
	}
	flip := func(raw string) string {
		decoded, err := base64.RawURLEncoding.DecodeString(raw)
		if err != nil || len(decoded) == 0 {
			t.Fatalf("%q: %v", raw, err)
		}
		decoded[0] ^= 1
		return base64.RawURLEncoding.EncodeToString(decoded)
	}
	epk := func(curve elliptic.Curve) any {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := jose.JSONWebKey{Key: &key.PublicKey}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return json.RawMessage(encoded)
	}
	for name, sealed := range map[string]string{
		"RSA1_5":                      to(jose.RSA1_5, rsaKey, rsaKey.KeyID),
		"RSA-OAEP with SHA-1":         to(jose.RSA_OAEP, rsaKey, rsaKey.KeyID),
		"a wrapped agreed key":        to(jose.ECDH_ES_A128KW, ecKey, ecKey.KeyID),
		"dir":                         sealTo(t, jose.Recipient{Algorithm: jose.DIRECT, Key: make([]byte, 32)}, jose.A128CBC_HS256, "hello", nil),
		"a password":                  sealTo(t, jose.Recipient{Algorithm: jose.PBES2_HS256_A128KW, Key: []byte("password"), PBES2Count: 1000}, jose.A128CBC_HS256, "hello", nil),
		"content of another length":   sealTo(t, jose.Recipient{Algorithm: jose.ECDH_ES, Key: ecKey.Key, KeyID: ecKey.KeyID}, jose.A192GCM, "hello", nil),
		"compressed":                  sealTo(t, jose.Recipient{Algorithm: jose.ECDH_ES, Key: ecKey.Key, KeyID: ecKey.KeyID}, jose.A128CBC_HS256, "hello", &jose.EncrypterOptions{Compression: jose.DEFLATE}),
		"too long":                    sealTo(t, jose.Recipient{Algorithm: jose.ECDH_ES, Key: ecKey.Key, KeyID: ecKey.KeyID}, jose.A128CBC_HS256, strings.Repeat("x", 64<<10), nil),
		"a kid that is nobody's":      to(jose.ECDH_ES, ecKey, "nobody"),
		"a kid of a key for another":  to(jose.ECDH_ES, ecKey, rsaKey.KeyID),
		"the kid of a key that signs": to(jose.RSA_OAEP_256, rsaKey, signer),
		"a foreign key":               to(jose.ECDH_ES, jose.JSONWebKey{Key: &foreign.PublicKey}, ""),
		"a foreign key under our kid": to(jose.ECDH_ES, jose.JSONWebKey{Key: &foreign.PublicKey}, ecKey.KeyID),
		"an extension":                header(func(m map[string]any) { m["crit"] = []string{"x"}; m["x"] = 1 }),
		"another type":                header(func(m map[string]any) { m["typ"] = "JWT" }),
		"no ephemeral key":            header(func(m map[string]any) { delete(m, "epk") }),
		"a point of another curve":    header(func(m map[string]any) { m["epk"] = epk(elliptic.P384()) }),
		"another ephemeral key":       header(func(m map[string]any) { m["epk"] = epk(elliptic.P256()) }),
		"other content":               part(3, flip),
		"another tag":                 part(4, flip),
		"another nonce":               part(2, flip),
		"a line break":                whole + "\n",
		"unused bits":                 whole[:len(whole)-1] + string("BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", whole[len(whole)-1])]),
		"a JWS":                       h.sign(t, latchkey.RS256, keys.TypeJWT),
		"empty parts":                 "....",
		"six parts":                   whole + ".AA",
	} {
		if got, err := h.Decrypt(t.Context(), sealed, "", ""); !errors.Is(err, keys.ErrNotForUs) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, other := range [][2]string{{"RSA-OAEP-256", ""}, {"", "A128GCM"}, {"none", ""}} {
		if got, err := h.Decrypt(t.Context(), whole, other[0], other[1]); !errors.Is(err, keys.ErrNotForUs) {
			t.Errorf("by another way than %v: %q, %v", other, got, err)
		}
	}
	if _, err := h.Decrypt(t.Context(), whole, "", ""); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

// TestEncryptionKeysByAge: at 89 days one of several nodes replaces a key; the
// old one leaves the JWKS at once, opens for 30 days more, and is gone then.
func TestEncryptionKeysByAge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	nodes := []*house{h, h.another(t)}
	maintain := func() {
		t.Helper()
		for _, n := range nodes {
			if err := n.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	pass := func(by time.Duration) {
		t.Helper()
		storagetest.SQL(t, h.url, `UPDATE encryption_keys SET created_at = created_at - $1::interval, retire_at = retire_at - $1::interval, delete_at = delete_at - $1::interval WHERE alg = 'ECDH-ES'`, by.String())
		for _, n := range nodes {
			if err := n.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := h.encryptionKey(t, "ECDH-ES")
	sealed := sealTo(t, jose.Recipient{Algorithm: jose.ECDH_ES, Key: first.Key, KeyID: first.KeyID}, jose.A128GCM, "old", nil)
	opens := func() bool {
		_, err := h.Decrypt(t.Context(), sealed, "", "")
		return err == nil
	}
	pass(88 * 24 * time.Hour)
	maintain()
	if h.encryptionKey(t, "ECDH-ES").KeyID != first.KeyID {
		t.Error("a young key was replaced")
	}
	other := h.encryptionKey(t, "RSA-OAEP-256").KeyID
	pass(2 * 24 * time.Hour)
	maintain()
	second := h.encryptionKey(t, "ECDH-ES")
	if second.KeyID == first.KeyID || !opens() || h.encryptionKey(t, "RSA-OAEP-256").KeyID != other {
		t.Errorf("after 90 days: the same key %t, opens %t", second.KeyID == first.KeyID, opens())
	}
	if n := storagetest.Value[int](t, h.url, `SELECT count(*) FROM encryption_keys WHERE alg = 'ECDH-ES'`); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
	pass(29 * 24 * time.Hour)
	if !opens() {
		t.Error("after 29 days the old key opens nothing any more")
	}
	pass(2 * 24 * time.Hour)
	if opens() {
		t.Error("after 31 days the old key still opens")
	}
}

// TestEncryptionKeysAreSealed in the database, each at its place, and none is in
// the JWKS with more than its public half.
func TestEncryptionKeysAreSealed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	body, _ := h.JWKS()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	kids := map[any]bool{}
	for _, k := range set.Keys {
		kids[k["kid"]] = true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := k[private]; there {
				t.Errorf("%v is in the JWKS with %s", k["kid"], private)
			}
		}
	}
	if want := len(latchkey.SigningAlgs()) + len(latchkey.DecryptionAlgs()); len(kids) != want || len(set.Keys) != want {
		t.Errorf("%d keys with %d kids, want %d", len(set.Keys), len(kids), want)
	}
	storagetest.SQL(t, h.url, `UPDATE encryption_keys SET private_key = set_byte(private_key, 40, get_byte(private_key, 40) # 1) WHERE alg = 'ECDH-ES'`)
	if err := h.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "encryption key") {
		t.Errorf("a bent key was loaded: %v", err)
	}
}
