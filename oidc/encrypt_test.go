package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/outbound/outboundtest"
)

// reader is an application's key that opens what is encrypted to it.
type reader struct {
	kid     string
	private any
}

func newReader(t testing.TB, alg, kid string) *reader {
	t.Helper()
	if strings.HasPrefix(alg, "RSA") {
		return &reader{kid, rsaKeys[0]()}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{kid, key}
}

func (r *reader) public() jose.JSONWebKey {
	key := jose.JSONWebKey{Key: r.private, KeyID: r.kid}
	key = key.Public()
	key.Use = "enc"
	return key
}

// open decrypts a JWE and holds its header to what was asked for.
func (r *reader) open(t testing.TB, sealed, alg, enc, cty string) string {
	t.Helper()
	jwe, err := jose.ParseEncryptedCompact(sealed, []jose.KeyAlgorithm{jose.KeyAlgorithm(alg)}, []jose.ContentEncryption{jose.ContentEncryption(enc)})
	if err != nil {
		t.Fatalf("%s %s: %v: %s", alg, enc, err, sealed)
	}
	content, err := jwe.Decrypt(r.private)
	if err != nil {
		t.Fatalf("%s %s: %v", alg, enc, err)
	}
	said, _ := jwe.Header.ExtraHeaders["cty"].(string)
	if jwe.Header.KeyID != r.kid || said != cty {
		t.Errorf("%s %s: header %+v, want kid %s and cty %q", alg, enc, jwe.Header, r.kid, cty)
	}
	return string(content)
}

func idTokenTo(t testing.TB, r *reader, alg, enc string) func(*latchkey.Client) {
	return func(c *latchkey.Client) {
		c.Protocol.JWKS, c.Protocol.IDTokenEncAlg, c.Protocol.IDTokenEnc = jwks(t, r.public()), alg, enc
	}
}

// TestEncryptedIDTokens: by every algorithm, from a code and from a refresh
// token; what is inside is signed as ever.
func TestEncryptedIDTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	try := func(id, alg, enc string) {
		r := newReader(t, alg, "key of "+id)
		a := w.app(t, id, idTokenTo(t, r, alg, enc))
		if enc == "" {
			enc = "A128CBC-HS256"
		}
		first := a.tokens(t, b)
		for _, token := range []string{first.id, readTokens(t, a.refresh(t, first.refresh)).id} {
			claims := w.signedBy(t, r.open(t, token, alg, enc, "JWT"), latchkey.RS256)
			if claims["aud"] != id || claims["iss"] != w.issuer || claims["sub"] == "" {
				t.Errorf("%s %s: claims %v", alg, enc, claims)
			}
		}
		if n := strings.Count(first.access, "."); n != 2 {
			t.Errorf("%s: the access token has %d dots", alg, n)
		}
	}
	for i, alg := range latchkey.EncryptionAlgs() {
		try("alg-"+string(rune('a'+i)), alg, "")
	}
	for i, enc := range latchkey.ContentEncs() {
		try("enc-"+string(rune('a'+i)), "ECDH-ES", enc)
	}
}

// TestEncryptedIDTokensOfTheFrontChannel in every response type that brings one.
func TestEncryptedIDTokensOfTheFrontChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReader(t, "ECDH-ES+A128KW", "k")
	a := w.app(t, "wiki", every, idTokenTo(t, r, "ECDH-ES+A128KW", "A128GCM"))
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, types := range latchkey.ResponseTypes() {
		to := b.get(t, a.request("response_type", types)).toApp(t)
		if !strings.Contains(types, "id_token") {
			if to.params.Has("id_token") {
				t.Errorf("%s: an ID token", types)
			}
			continue
		}
		claims := w.signedBy(t, r.open(t, to.params.Get("id_token"), "ECDH-ES+A128KW", "A128GCM", "JWT"), latchkey.RS256)
		if claims["nonce"] != "n-1" || (claims["c_hash"] != nil) != strings.Contains(types, "code") {
			t.Errorf("%s: claims %v", types, claims)
		}
	}
}

// TestEncryptedUserinfo: alone, and signed before (OpenID Connect Core §5.3.2).
func TestEncryptedUserinfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	plain := w.userinfo(t, w.app(t, "plain").tokens(t, b).access).json(t)
	r := newReader(t, "RSA-OAEP-256", "k")
	to := func(c *latchkey.Client) {
		c.Protocol.JWKS, c.Protocol.UserinfoEncAlg, c.Protocol.UserinfoEnc = jwks(t, r.public()), "RSA-OAEP-256", "A256GCM"
	}
	ask := func(a *app) string {
		got := w.userinfo(t, a.tokens(t, b).access)
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/jwt" || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("answered %d %s %s", got.status, got.header, got.body)
		}
		return got.body
	}
	var alone map[string]any
	if err := json.Unmarshal([]byte(r.open(t, ask(w.app(t, "alone", to)), "RSA-OAEP-256", "A256GCM", "")), &alone); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain, alone); diff != "" {
		t.Errorf("only encrypted (-plain +got):\n%s", diff)
	}
	signed := w.app(t, "signed", to, func(c *latchkey.Client) { c.Protocol.UserinfoAlg = latchkey.ES256 })
	inside := w.signedBy(t, r.open(t, ask(signed), "RSA-OAEP-256", "A256GCM", "JWT"), latchkey.ES256)
	plain["iss"], plain["aud"] = w.issuer, "signed"
	if diff := cmp.Diff(plain, inside); diff != "" {
		t.Errorf("signed and encrypted (-want +got):\n%s", diff)
	}
}

// TestEncryptedResponses of JARM (§2.2), refusals among them.
func TestEncryptedResponses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReader(t, "ECDH-ES+A256KW", "k")
	a := w.app(t, "wiki", func(c *latchkey.Client) {
		c.Protocol.JWKS, c.Protocol.AuthorizationEncAlg = jwks(t, r.public()), "ECDH-ES+A256KW"
	})
	b := w.browser().signIn(t, w.user(t, "alice"))
	inside := func(pairs ...string) map[string]any {
		to := b.get(t, a.request(append(pairs, "response_mode", "jwt")...)).toApp(t)
		if len(to.params) != 1 {
			t.Fatalf("answered %v", to.params)
		}
		return w.signedBy(t, r.open(t, to.params.Get("response"), "ECDH-ES+A256KW", "A128CBC-HS256", "JWT"), latchkey.RS256)
	}
	code, _ := inside()["code"].(string)
	readTokens(t, a.exchange(t, code))
	if got := inside("max_age", "-1"); got["error"] != "invalid_request" {
		t.Errorf("a refusal says %v", got)
	}
}

// TestNoKeyToEncryptTo: nothing is answered in clear and nothing is spent; with a
// key, the same code works. A new key is found when the old ones have grown old.
func TestNoKeyToEncryptTo(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t, outboundtest.Home)
	b := w.browser().signIn(t, w.user(t, "alice"))
	a := w.app(t, "wiki", every, func(c *latchkey.Client) {
		c.Protocol.JWKSURI = w.keyHost.url + "/jwks"
		c.Protocol.IDTokenEncAlg, c.Protocol.AuthorizationAlg = "ECDH-ES", latchkey.RS256
	})
	w.publish(jwks(t, newSigner(t, latchkey.RS256, 0).public())) // of the other kind
	code := a.code(t, b)
	wantFault(t, a.exchange(t, code), http.StatusBadRequest, "invalid_request")
	if n := w.events(t, latchkey.TokenRefused, "no_encryption_key"); n != 1 || w.asked.Load() != 1 {
		t.Errorf("%d events after %d fetches, want one of each", n, w.asked.Load())
	}
	front := b.get(t, a.request("response_type", "id_token")).toApp(t)
	if front.params.Get("error") != "invalid_request" || front.params.Has("id_token") || w.asked.Load() != 1 {
		t.Errorf("the front channel answered %v after %d fetches", front.params, w.asked.Load())
	}
	first := newReader(t, "ECDH-ES", "first")
	w.publish(jwks(t, first.public()))
	wantFault(t, a.exchange(t, code), http.StatusBadRequest, "invalid_request") // not twice in 30 s
	w.later(31 * time.Second)
	got := readTokens(t, a.exchange(t, code))
	first.open(t, got.id, "ECDH-ES", "A128CBC-HS256", "JWT")
	second := newReader(t, "ECDH-ES", "second")
	w.publish(jwks(t, second.public()))
	w.later(11 * time.Minute)
	second.open(t, readTokens(t, a.refresh(t, got.refresh)).id, "ECDH-ES", "A128CBC-HS256", "JWT")

	// Userinfo and signed answers have no other key either.
	w.publish(jwks(t, newSigner(t, latchkey.RS256, 0).public()))
	info := w.app(t, "info", func(c *latchkey.Client) {
		c.Protocol.JWKSURI, c.Protocol.UserinfoEncAlg = w.keyHost.url+"/jwks", "ECDH-ES"
	})
	wantFault(t, w.userinfo(t, info.tokens(t, b).access), http.StatusBadRequest, "invalid_request")
	jarm := w.app(t, "jarm", func(c *latchkey.Client) {
		c.Protocol.JWKSURI, c.Protocol.AuthorizationEncAlg = w.keyHost.url+"/jwks", "ECDH-ES"
	})
	if page := b.get(t, jarm.request("response_mode", "jwt")); page.status != http.StatusBadRequest || page.body != "page invalid_request" {
		t.Errorf("answered %d %s %s", page.status, page.header, page.body)
	}
	if n := w.events(t, latchkey.AuthorizationRefused, "no_encryption_key"); n != 2 {
		t.Errorf("%d refusals of the front channel, want 2", n)
	}
}

// TestAnApplicationRegistersEncryption by itself, and sees what it asked for.
func TestAnApplicationRegistersEncryption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	set := jwks(t, newReader(t, "ECDH-ES", "k").public())
	asked := asTheSuite().with("jwks", set, "id_token_encrypted_response_alg", "ECDH-ES", "id_token_encrypted_response_enc", "A256GCM", "userinfo_encrypted_response_alg", "ECDH-ES")
	got := w.send(t, "POST", "/oauth2/register", "", asked)
	w.registered(t, got, http.StatusCreated)
	m := got.json(t)
	for name, want := range map[string]any{"id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A256GCM", "userinfo_encrypted_response_alg": "ECDH-ES"} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
	for name, value := range map[string]string{"id_token_encrypted_response_alg": "RSA1_5", "userinfo_encrypted_response_alg": "RSA-OAEP", "userinfo_encrypted_response_enc": "A128GCM"} {
		wantRegistrationFault(t, w.send(t, "POST", "/oauth2/register", "", asTheSuite().with("jwks", set, name, value)), http.StatusBadRequest, "invalid_client_metadata")
	}
}
