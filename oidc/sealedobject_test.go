package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/oidc"
	"latchkey/outbound"
)

// sealed encrypts to latchkey, as an application does: to a key of the JWKS.
func (w *world) sealed(t testing.TB, alg, enc, content string) string {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.browser().get(t, "/oauth2/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.Use == "enc" && k.Algorithm == alg {
			return sealTo(t, jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: k.Key, KeyID: k.KeyID}, enc, content, nil)
		}
	}
	t.Fatalf("no key for %s", alg)
	return ""
}

func sealTo(t testing.TB, to jose.Recipient, enc, content string, o *jose.EncrypterOptions) string {
	t.Helper()
	e, err := jose.NewEncrypter(jose.ContentEncryption(enc), to, o)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := e.Encrypt([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestEncryptedRequestObject: signed, then encrypted by each algorithm; by value,
// by address, by POST and pushed. One that is only signed still does.
func TestEncryptedRequestObject(t *testing.T) {
	t.Parallel()
	object := ""
	store := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(object)) }))
	t.Cleanup(store.Close)
	w := newWorld(t, func(o *oidc.Options) {
		o.Outbound = outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	})
	keys := newObjectKeys(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	inner := func(what string, got *answer) {
		t.Helper()
		if to := got.toApp(t); to.params.Get("state") != "inner" || to.params.Get("code") == "" {
			t.Errorf("%s: answered %v", what, to)
		}
	}
	for _, alg := range latchkey.DecryptionAlgs() {
		for _, enc := range latchkey.ContentEncs() {
			a := w.app(t, "wiki-"+alg+"-"+enc, signs(keys, t), func(c *latchkey.Client) {
				if enc != latchkey.A128GCM { // that one says nothing about encryption
					c.Protocol.RequestObjectEncAlg, c.Protocol.RequestObjectEnc = alg, enc
				}
				c.Protocol.RequestURIs = []string{store.URL + "/object"}
			})
			object = w.sealed(t, alg, enc, keys.sign(t, "ES256", "", a.object()))
			inner(a.ID, b.get(t, a.by(object)))
			if enc != latchkey.A256CBCHS512 {
				continue
			}
			inner("by address", b.get(t, a.by("", "request", "", "request_uri", store.URL+"/object")))
			waiting := b.post(t, "/oauth2/authorize", url.Values{"client_id": {a.ID}, "request": {object}})
			inner("by POST", b.get(t, waiting.location(t).String()))
			pushed := a.call(t, "/oauth2/par", url.Values{"request": {object}})
			inner("pushed", b.get(t, a.named(pushed.json(t)["request_uri"].(string))))
			inner("only signed", b.get(t, a.by(keys.sign(t, "ES256", "", a.object()))))
		}
	}
}

// TestEncryptedRequestObjectRefused: each alone. What is inside has to stand what
// a plain one has to, and whatever hinders the opening has one answer.
func TestEncryptedRequestObjectRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys, others := newObjectKeys(t), newObjectKeys(t)
	a := w.app(t, "wiki", signs(keys, t))
	only := w.app(t, "only", signs(keys, t), func(c *latchkey.Client) {
		c.Protocol.RequestObjectEncAlg, c.Protocol.RequestObjectEnc = "ECDH-ES", "A256GCM"
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	good := func(a *app, pairs ...any) string { return keys.sign(t, "ES256", "", a.object(pairs...)) }
	sealed := func(content string) string { return w.sealed(t, "ECDH-ES", "A256GCM", content) }
	plain, err := json.Marshal(a.object())
	if err != nil {
		t.Fatal(err)
	}
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(good(a), ".")[1] + "."
	for what, c := range map[string]struct {
		app          *app
		object       string
		code, reason string
	}{
		"claims without a signature": {a, sealed(string(plain)), "invalid_request_object", "malformed_object"},
		"unsigned":                   {a, sealed(unsigned), "request_not_supported", "object_unsigned"},
		"by another's key":           {a, sealed(others.sign(t, "ES256", "", a.object())), "invalid_request_object", "object_signature"},
		"for another provider":       {a, sealed(good(a, "aud", "https://other.example")), "invalid_request_object", "object_audience"},
		"encrypted twice":            {a, sealed(sealed(good(a))), "invalid_request_object", "malformed_object"},
		"by another algorithm":       {only, w.sealed(t, "RSA-OAEP-256", "A256GCM", good(only)), "invalid_request_object", "object_encryption"},
		"by another content":         {only, w.sealed(t, "ECDH-ES", "A128GCM", good(only)), "invalid_request_object", "object_encryption"},
		"to another's key":           {a, sealTo(t, jose.Recipient{Algorithm: jose.ECDH_ES, Key: newKey(t).Public()}, "A128GCM", good(a), nil), "invalid_request_object", "object_encryption"},
		"garbage of five parts":      {a, "a.b.c.d.e", "invalid_request_object", "object_encryption"},
	} {
		before := w.events(t, latchkey.AuthorizationRefused, c.reason)
		w.wantRedirect(t, what, b.get(t, c.app.by(c.object, "redirect_uri", callback, "state", "s t&ate")), c.code)
		wantFault(t, c.app.call(t, "/oauth2/par", url.Values{"request": {c.object}, "response_type": {"code"}, "scope": {"openid"}}), 400, c.code)
		if n := w.events(t, latchkey.AuthorizationRefused, c.reason); n != before+2 {
			t.Errorf("%s: %d events %s", what, n-before, c.reason)
		}
	}
	w.noGrant(t)
}
