package oidc_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey"
	"latchkey/oidc"
	"latchkey/outbound/outboundtest"
)

// TestAnApplicationRegistersItsKeys: with private_key_jwt it has no secret and
// proves itself by what it registered; beside a secret, its keys do no harm; with
// client_secret_jwt the secret that it got is the key.
func TestAnApplicationRegistersItsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	key := newSigner(t, latchkey.RS256, 0)
	set := jwks(t, key.public())
	got := w.send(t, "POST", "/oauth2/register", "", asTheSuite().with("token_endpoint_auth_method", "private_key_jwt", "jwks", set))
	s := w.registered(t, got, http.StatusCreated)
	if m := got.json(t); m["client_secret"] != nil || m["client_secret_expires_at"] != nil || m["jwks"] == nil {
		t.Errorf("answered %s", got.body)
	}
	if a := w.asserted(t, key.sign(t, w.claims(s.id))); a.status != http.StatusOK {
		t.Errorf("its assertion answered %d %s", a.status, a.body)
	}
	if both := w.registerOpen(t, asTheSuite().with("jwks", set)); both.secret == "" {
		t.Error("an application with keys and a secret got none")
	}
	shared := w.registerOpen(t, asTheSuite().with("token_endpoint_auth_method", "client_secret_jwt"))
	mac := &signer{alg: "HS512", key: []byte(shared.secret)}
	if a := w.asserted(t, mac.sign(t, w.claims(shared.id))); a.status != http.StatusOK {
		t.Errorf("its assertion answered %d %s", a.status, a.body)
	}

	// What was a hash cannot become a key, and a key of its own ends the secret.
	first := s.secret
	for _, step := range []struct {
		method string
		secret bool
	}{{"client_secret_basic", true}, {"client_secret_jwt", true}, {"client_secret_post", false}, {"private_key_jwt", false}} {
		d := asTheSuite().with("token_endpoint_auth_method", step.method, "jwks", set)
		s = w.registered(t, s.replace(t, d), http.StatusOK)
		if (s.secret != "") != step.secret || s.secret != "" && s.secret == first {
			t.Errorf("with %s it got the secret %q", step.method, s.secret)
		}
	}
	if n := w.count(t, `SELECT count(*) FROM client_secrets WHERE client_id = $1 AND revoked_at IS NULL`, s.id); n != 0 {
		t.Errorf("at last it has %d secrets", n)
	}
}

// TestAddressesOfStrangersThatLeadInside are refused when they are registered, on
// both ways, and recorded. What a name resolves to is not told (SECURITY case 64).
func TestAddressesOfStrangersThatLeadInside(t *testing.T) {
	t.Parallel()
	names := &outboundtest.Names{}
	names.Set("inside.example.com", "10.1.2.3")
	w := newWorld(t, openRegistration, func(o *oidc.Options) { o.Outbound = outboundtest.Client(t, names) })
	s := w.registerOpen(t, asTheSuite())
	for member, value := range map[string]any{
		"jwks_uri": "https://inside.example.com/jwks", "request_uris": []string{"https://wiki.example.com/ok", "https://inside.example.com/r"},
		"backchannel_logout_uri": "https://inside.example.com/bye", "logo_uri": "https://inside.example.com/logo.png",
	} {
		before := w.events(t, latchkey.OutboundBlocked, "private")
		for _, got := range []*answer{w.send(t, "POST", "/oauth2/register", "", asTheSuite().with(member, value)), s.replace(t, asTheSuite().with(member, value))} {
			wantRegistrationFault(t, got, http.StatusBadRequest, "invalid_client_metadata")
			if !strings.Contains(got.body, member) || strings.Contains(got.body, "10.1.2.3") {
				t.Errorf("%s: answered %s", member, got.body)
			}
		}
		if n := w.events(t, latchkey.OutboundBlocked, "private"); n != before+2 {
			t.Errorf("%s: %d events, want 2 more than %d", member, n, before)
		}
	}
	if n := w.count(t, `SELECT count(*) FROM clients`); n != 1 || s.read(t).status != http.StatusOK {
		t.Errorf("%d applications are registered", n)
	}
}
