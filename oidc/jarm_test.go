package oidc_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// verified returns the claims of a JWT that a published key of ours signed with
// alg, as an application sees it.
func (w *world) signedBy(t testing.TB, token, alg string) map[string]any {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.browser().get(t, "/oauth2/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatalf("%v: %s", err, token)
	}
	keys := set.Key(signed.Signatures[0].Protected.KeyID)
	if len(keys) != 1 {
		t.Fatalf("%d keys %q", len(keys), signed.Signatures[0].Protected.KeyID)
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestSignedResponses: every mode of JARM §2.3, the default of `jwt` by response
// type, for answers and refusals, signed as the application asked.
func TestSignedResponses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	for _, alg := range latchkey.SigningAlgs() {
		a := w.app(t, "wiki-"+alg, every, func(c *latchkey.Client) { c.Protocol.AuthorizationAlg = alg })
		for _, c := range []struct{ types, asked, mode string }{
			{"code", "jwt", "query"}, {"code", "query.jwt", "query"}, {"code", "fragment.jwt", "fragment"}, {"code", "form_post.jwt", "form_post"},
			{"code id_token token", "jwt", "fragment"}, {"id_token", "form_post.jwt", "form_post"}, {"code token", "fragment.jwt", "fragment"},
		} {
			to := b.get(t, a.request("response_type", c.types, "response_mode", c.asked)).toApp(t)
			if to.mode != c.mode || len(to.params) != 1 || to.address != callback {
				t.Fatalf("%s %s by %s: went by %s with %v", alg, c.types, c.asked, to.mode, to.params)
			}
			claims := w.signedBy(t, to.params.Get("response"), alg)
			exp, _ := claims["exp"].(float64)
			if left := time.Until(time.Unix(int64(exp), 0)); left < time.Minute || left > 11*time.Minute || claims["iss"] != w.issuer || claims["aud"] != a.ID || claims["state"] != "s t&ate" {
				t.Errorf("%s %s by %s: claims %v", alg, c.types, c.asked, claims)
			}
			for part, name := range map[string]string{"code": "code", "token": "access_token", "id_token": "id_token"} {
				_, there := claims[name].(string)
				if want := strings.Contains(" "+c.types+" ", " "+part+" "); there != want {
					t.Errorf("%s %s by %s: %s is %v", alg, c.types, c.asked, name, claims[name])
				}
			}
			if code, ok := claims["code"].(string); ok {
				readTokens(t, a.exchange(t, code))
			}
		}
		refused := b.get(t, a.request("response_mode", "jwt", "max_age", "-1")).toApp(t)
		claims := w.signedBy(t, refused.params.Get("response"), alg)
		delete(claims, "exp")
		want := map[string]any{"iss": w.issuer, "aud": a.ID, "state": "s t&ate", "error": "invalid_request", "error_description": claims["error_description"]}
		if diff := cmp.Diff(want, claims); diff != "" || len(refused.params) != 1 {
			t.Errorf("%s: refusal %v (-want +got):\n%s", alg, refused.params, diff)
		}
	}
}

// TestSignedResponsesRefused: tokens in a query, signed or not, and modes that the
// application is not registered for. The refusal is not signed then.
func TestSignedResponsesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signing := w.app(t, "signing", every, func(c *latchkey.Client) { c.Protocol.AuthorizationAlg = latchkey.ES256 })
	plain := w.app(t, "plain", every)
	listed := w.app(t, "listed", every, func(c *latchkey.Client) { c.Protocol.ResponseModes = []string{"jwt"} })
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, c := range []struct {
		what, mode, reason string
		app                *app
		change             []string
	}{
		{"tokens in a query", "fragment", "response_mode", signing, []string{"response_type", "id_token", "response_mode", "query.jwt"}},
		{"a signed mode of another application", "query", "response_mode_not_allowed", plain, []string{"response_mode", "jwt"}},
		{"a signed mode that is not listed", "query", "response_mode_not_allowed", listed, []string{"response_mode", "query.jwt"}},
		{"a plain mode that is not listed", "query", "response_mode_not_allowed", listed, []string{"response_mode", "query"}},
		{"a mode that does not exist", "query", "response_mode", signing, []string{"response_mode", "web_message.jwt"}},
	} {
		before := w.events(t, latchkey.AuthorizationRefused, c.reason)
		to := b.get(t, c.app.request(c.change...)).toApp(t)
		want := url.Values{"error": {"invalid_request"}, "error_description": to.params["error_description"], "state": {"s t&ate"}, "iss": {w.issuer}}
		if diff := cmp.Diff(want, to.params); diff != "" || to.mode != c.mode {
			t.Errorf("%s: by %s (-want +got):\n%s", c.what, to.mode, diff)
		}
		if n := w.events(t, latchkey.AuthorizationRefused, c.reason); n != before+1 {
			t.Errorf("%s: %d events", c.what, n-before)
		}
	}
	w.noGrant(t)
	if to := b.get(t, listed.request("response_mode", "jwt")).toApp(t); to.params.Get("response") == "" {
		t.Errorf("the listed mode answered %v", to.params)
	}
}
