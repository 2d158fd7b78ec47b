package oidc_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestSignedUserinfo is OpenID Connect Core §5.3.2: as the registration asks, by
// a published key, with iss and aud; and it is no ID token.
func TestSignedUserinfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	w.fill(t, alice)
	b := w.browser().signIn(t, alice)
	plain := w.userinfo(t, w.app(t, "plain").tokens(t, b).access).json(t)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.browser().get(t, "/oauth2/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	for _, alg := range latchkey.SigningAlgs() {
		a := w.app(t, "signed-"+alg, func(c *latchkey.Client) { c.Protocol.UserinfoAlg = alg })
		got := w.userinfo(t, a.tokens(t, b).access)
		if got.status != 200 || got.header.Get("Content-Type") != "application/jwt" || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: answered %d %s", alg, got.status, got.header)
		}
		signed, err := jose.ParseSignedCompact(got.body, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		payload, err := signed.Verify(set.Key(signed.Signatures[0].Header.KeyID)[0].Key)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		var told map[string]any
		if err := json.Unmarshal(payload, &told); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"iss": w.issuer, "aud": a.ID}
		for name, value := range plain {
			want[name] = value
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("%s (-want +told):\n%s", alg, diff)
		}
		back := b.get(t, a.request("prompt", "none", "id_token_hint", got.body)).location(t).Query()
		if back.Get("error") != "invalid_request" {
			t.Errorf("%s: as id_token_hint, userinfo is answered with %v", alg, back)
		}
		if again := w.userinfo(t, got.body); again.status != 401 {
			t.Errorf("%s: as access token, userinfo is answered with %d", alg, again.status)
		}
		wantFault(t, w.browser().post(t, "/oauth2/userinfo", url.Values{"access_token": {"x"}}), 401, "invalid_token") // refusals stay JSON
	}
}
