package oidc_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestSignedMetadata: the document says the same of itself once more, signed by a
// published key (RFC 8414 §2.1); after a rotation by the key that signs then. It
// passes for nothing else.
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	read := func() (signed string, claims map[string]any) {
		t.Helper()
		document := w.browser().get(t, "/.well-known/oauth-authorization-server").json(t)
		signed, _ = document["signed_metadata"].(string)
		claims = w.signedBy(t, signed, latchkey.RS256)
		delete(document, "signed_metadata")
		document["iss"] = w.issuer
		if diff := cmp.Diff(document, claims); diff != "" {
			t.Errorf("signed metadata (-document +claims):\n%s", diff)
		}
		return signed, claims
	}
	first, _ := read()
	if again, _ := read(); again != first {
		t.Error("it is signed anew for each request")
	}
	got := b.get(t, a.request("prompt", "none", "id_token_hint", first))
	w.wantRedirect(t, "signed metadata as a hint", got, "invalid_request")
	if got := w.userinfo(t, first); got.status != http.StatusUnauthorized {
		t.Errorf("as an access token it answered %d", got.status)
	}
	if err := w.keys.Rotate(t.Context(), []string{latchkey.RS256}, true); err != nil {
		t.Fatal(err)
	}
	if next, _ := read(); headerOf(t, next)["kid"] == headerOf(t, first)["kid"] {
		t.Error("it is still signed by the key before")
	}
}
