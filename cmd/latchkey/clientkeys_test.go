package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey/outbound/outboundtest"
)

// asserted asks for a token with an assertion of a client.
func (h *house) asserted(id string, alg jose.SignatureAlgorithm, key any) (status int, answer string) {
	h.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	assertion, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: id, Subject: id, Audience: jwt.Audience{h.issuer}, Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute)), ID: rand.Text(),
	}).Serialize()
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := http.PostForm(h.issuer+"/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestApplicationsWithAKey: from the command to the token, with keys in a file
// and at an address, and a shared secret that signs.
func TestApplicationsWithAKey(t *testing.T) {
	t.Parallel()
	_, ca := authority(t)
	h := newHouse(t, "--outbound-allow", "127.0.0.1", "--outbound-ca", ca)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one"}}})
	if err != nil {
		t.Fatal(err)
	}
	create := func(id string, more ...string) object {
		return h.json(append([]string{"client", "create", "--type", "machine", "--name", id, "--id", id}, more...)...)
	}
	inFile := create("in-file", "--auth-method", "private_key_jwt", "--jwks", h.file("keys.json", string(set)))
	atURI := create("at-uri", "--auth-method", "private_key_jwt", "--jwks-uri",
		outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(set) })+"/jwks")
	for _, made := range []object{inFile, atURI} {
		if made["client_secret"] != nil || made["token_endpoint_auth_method"] != "private_key_jwt" {
			t.Errorf("made is %v", made)
		}
	}
	shared := create("shared", "--auth-method", "client_secret_jwt")
	secret, _ := shared["client_secret"].(string)
	for _, c := range []struct {
		id  string
		alg jose.SignatureAlgorithm
		key any
	}{{"in-file", jose.ES256, key}, {"at-uri", jose.ES256, key}, {"shared", jose.HS512, []byte(secret)}} {
		if status, answer := h.asserted(c.id, c.alg, c.key); status != http.StatusOK {
			t.Errorf("%s: answered %d %s", c.id, status, answer)
		}
	}
	for id, says := range map[string]string{"in-file": "in its registration", "at-uri": "/jwks", "shared": "client_secret_jwt"} {
		if text := h.says("client", "show", id); !strings.Contains(text, says) || strings.Contains(text, "No secret") {
			t.Errorf("client show %s: %s", id, text)
		}
	}

	// From one method to the next: a secret that was a hash signs nothing, so a
	// new one is made, and shown once.
	before := h.json("client", "create", "--type", "machine", "--name", "Robot", "--id", "robot")
	changed := h.json("client", "update", "robot", "--auth-method", "client_secret_jwt")
	fresh, _ := changed["client_secret"].(string)
	if fresh == "" || fresh == before["client_secret"] {
		t.Fatalf("the new secret is %q, the old one %q", fresh, before["client_secret"])
	}
	h.soon("the new secret", func() bool {
		status, _ := h.asserted("robot", jose.HS256, []byte(fresh))
		return status == http.StatusOK
	})
	if status, _ := h.asserted("robot", jose.HS256, []byte(before["client_secret"].(string))); status != http.StatusUnauthorized {
		t.Errorf("the old secret signs: %d", status)
	}
	if again := h.json("client", "update", "robot", "--name", "Robot 2"); again["client_secret"] != nil {
		t.Errorf("another change shows a secret: %v", again["client_secret"])
	}
	// What it had is put in the place of keys in a file by an address, and back.
	moved := h.json("client", "update", "in-file", "--jwks-uri", "https://9.9.9.9/jwks")
	back := h.json("client", "update", "in-file", "--jwks", h.file("again.json", string(set)))
	if moved["jwks"] != nil || moved["jwks_uri"] == nil || back["jwks"] == nil || back["jwks_uri"] != nil {
		t.Errorf("moved is %v, back is %v", moved, back)
	}
	if n := h.events("client.secret_added"); n != 1 {
		t.Errorf("%d events of new secrets, want 1", n)
	}
}

// TestTextsOfAKey: what people read when an application has no secret.
func TestTextsOfAKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.says("client", "create", "--type", "machine", "--name", "Robot", "--auth-method", "private_key_jwt", "--jwks-uri", "https://9.9.9.9/jwks")
	if !strings.Contains(text, "signs with a key of its own") || strings.Contains(text, "shown only now") || !strings.Contains(text, "RFC 7523") {
		t.Errorf("it says %s", text)
	}
	text = h.says("client", "create", "--type", "machine", "--name", "Robot", "--auth-method", "client_secret_jwt")
	if !strings.Contains(text, "keeps it sealed") || strings.Contains(text, "hash") {
		t.Errorf("it says %s", text)
	}
}
