package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

// TestManagementRefuses: each way of having no right to a registration, alone,
// by reading, replacing and deleting (RFC 7592 §2).
func TestManagementRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	other, initial := w.registerOpen(t, asTheSuite()), ""
	initial, _ = w.initialToken(t)
	connected := w.app(t, "wiki")
	for _, c := range []struct {
		name   string
		bend   func(s *self)
		status int
		code   string
		reason string
	}{
		{"no token", func(s *self) { s.token = "" }, 401, "invalid_token", "no_token"},
		{"a token that is none", func(s *self) { s.token = "x" }, 401, "invalid_token", "bad_token"},
		{"the token of another client", func(s *self) { s.token = other.token }, 401, "invalid_token", "bad_token"},
		{"an initial access token", func(s *self) { s.token = initial }, 401, "invalid_token", "bad_token"},
		{"its client secret", func(s *self) { s.token = s.secret }, 401, "invalid_token", "bad_token"},
		{"without its prefix", func(s *self) { s.token = strings.TrimPrefix(s.token, storage.RegistrationTokenPrefix) }, 401, "invalid_token", "bad_token"},
		{"another spelling", func(s *self) { s.token += "=" }, 401, "invalid_token", "bad_token"},
		{"of a client that an administrator connected", func(s *self) { s.uri = w.issuer + "/oauth2/register/" + connected.ID }, 401, "invalid_token", "bad_token"},
		{"of no client", func(s *self) { s.uri += "x" }, 401, "invalid_token", "bad_token"},
		{"of what can be no client", func(s *self) { s.uri += "%00" }, 401, "invalid_token", "bad_token"},
		{"in the address", func(s *self) { s.uri, s.token = s.uri+"?access_token="+s.token, "" }, 400, "invalid_request", "parameters_in_query"},
		{"turned off", func(s *self) {
			w.sql(t, `UPDATE clients SET enabled = false, version = version + 1 WHERE id = $1`, s.id)
		}, 403, "access_denied", "client_disabled"},
		{"rotated", func(s *self) { w.registered(t, s.replace(t, asTheSuite()), 200) }, 401, "invalid_token", "bad_token"},
		{"deleted", func(s *self) { w.send(t, "DELETE", s.uri, s.token, nil) }, 401, "invalid_token", "bad_token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.registerOpen(t, asTheSuite())
			c.bend(s)
			before := w.count(t, `SELECT coalesce(sum(version), 0)::bigint FROM clients`)
			refused := w.events(t, latchkey.RegistrationRefused, c.reason)
			wantRegistrationFault(t, s.read(t), c.status, c.code)
			wantRegistrationFault(t, s.replace(t, asTheSuite().with("client_name", "Stolen", "enabled", true)), c.status, c.code)
			wantRegistrationFault(t, w.send(t, "DELETE", s.uri, s.token, nil), c.status, c.code)
			if w.count(t, `SELECT coalesce(sum(version), 0)::bigint FROM clients`) != before || w.count(t, `SELECT count(*) FROM clients WHERE name = 'Stolen'`) != 0 {
				t.Error("something changed")
			}
			if n := w.events(t, latchkey.RegistrationRefused, c.reason); n != refused+3 {
				t.Errorf("%d events with reason %s, want 3 more than %d", n, c.reason, refused)
			}
		})
	}
}

// TestReplacementsThatAreRefused: each alone, and the old registration and its
// token go on.
func TestReplacementsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	s, other := w.registerOpen(t, asTheSuite()), w.registerOpen(t, asTheSuite())
	good := asTheSuite().with("client_id", s.id, "client_name", "Docs")
	for _, c := range []struct {
		name string
		body any
		code string
	}{
		{"no client_id", good.with("client_id", nil), "invalid_client_metadata"},
		{"another client_id", good.with("client_id", other.id), "invalid_client_metadata"},
		{"a number for client_id", good.with("client_id", 7), "invalid_client_metadata"},
		{"another secret", good.with("client_secret", other.secret), "invalid_client_metadata"},
		{"a secret of its own choice", good.with("client_secret", "lk_cs_chosen-by-the-application-itself-0000"), "invalid_client_metadata"},
		{"no text for a secret", good.with("client_secret", 7), "invalid_client_metadata"},
		{"its registration access token", good.with("registration_access_token", s.token), "invalid_client_metadata"},
		{"its registration address", good.with("registration_client_uri", s.uri), "invalid_client_metadata"},
		{"when it was issued", good.with("client_id_issued_at", 1), "invalid_client_metadata"},
		{"when its secret expires", good.with("client_secret_expires_at", 0), "invalid_client_metadata"},
		{"no JSON", `{`, "invalid_client_metadata"},
		{"null", `null`, "invalid_client_metadata"},
		{"a wrong redirect URI", good.with("redirect_uris", []string{"https://wiki.example.com/#"}), "invalid_redirect_uri"},
		{"no redirect URI", good.with("redirect_uris", nil), "invalid_redirect_uri"},
		{"a wrong member", good.with("id_token_signed_response_alg", "none"), "invalid_client_metadata"},
	} {
		got := w.send(t, "PUT", s.uri, s.token, c.body)
		if got.status != 400 {
			t.Fatalf("%s: answered %d %s", c.name, got.status, got.body)
		}
		wantRegistrationFault(t, got, http.StatusBadRequest, c.code)
		if read := s.read(t); read.status != 200 || read.json(t)["client_name"] != "Wiki" {
			t.Fatalf("%s: afterwards it reads %d %s", c.name, read.status, read.body)
		}
	}
	w.registered(t, w.send(t, "PUT", s.uri, s.token, good.with("client_secret", s.secret)), http.StatusOK)
}

// TestAReplacementReplaces: what it leaves out is the default (RFC 7592 §2.2).
func TestAReplacementReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	s := w.registerOpen(t, asTheSuite().with("scope", "openid", "policy_uri", "https://wiki.example.com/policy", "default_max_age", 60, "application_type", "native",
		"require_auth_time", true, "software_id", "x", "id_token_signed_response_alg", "ES256"))
	got := s.replace(t, document{"redirect_uris": []string{"https://docs.example.com/cb"}})
	s = w.registered(t, got, http.StatusOK)
	fresh := w.send(t, "POST", "/oauth2/register", "", document{"redirect_uris": []string{"https://docs.example.com/cb"}}).json(t)
	m := got.json(t)
	for _, own := range []string{"client_id", "client_id_issued_at", "registration_client_uri", "registration_access_token", "client_secret"} {
		delete(m, own)
		delete(fresh, own)
	}
	if diff := cmp.Diff(fresh, m); diff != "" {
		t.Errorf("differs from a new one (-new +replaced):\n%s", diff)
	}
	same := s.replace(t, document{"redirect_uris": []string{"https://docs.example.com/cb"}})
	if after := w.registered(t, same, http.StatusOK); after.token == s.token {
		t.Error("the token was not rotated by a replacement that changes nothing")
	}
	if n := w.events(t, latchkey.ClientUpdated, ""); n != 2 {
		t.Errorf("%d events of 2 replacements", n)
	}
}

// TestTheSecretFollowsTheMethod: a method without a secret ends it, one with a
// secret brings a new one, another method with a secret keeps it.
func TestTheSecretFollowsTheMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	s := w.registerOpen(t, asTheSuite())
	first := s.secret
	replace := func(method string) map[string]any {
		got := s.replace(t, asTheSuite().with("token_endpoint_auth_method", method))
		token := w.registered(t, got, http.StatusOK).token
		s.token = token
		return got.json(t)
	}
	works := func(secret string) bool {
		a := s.app(t)
		a.secret = secret
		return a.call(t, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}).json(t)["error"] != "invalid_client"
	}
	if m := replace("client_secret_post"); m["client_secret"] != nil || m["client_secret_expires_at"] != 0.0 || !works(first) {
		t.Errorf("with another method of the same secret: %v", m)
	}
	if m := replace("none"); m["client_secret"] != nil || m["client_secret_expires_at"] != nil {
		t.Errorf("without a secret: %v", m)
	}
	m := replace("client_secret_basic")
	second, _ := m["client_secret"].(string)
	if second == "" || second == first || works(first) || !works(second) {
		t.Errorf("with a secret again: %v", m)
	}
}

// TestReplacementsAtOnce: one wins; the others find their token used.
func TestReplacementsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	s := w.registerOpen(t, asTheSuite())
	statuses := parallel(20, func() int { return s.replace(t, asTheSuite().with("client_name", "Docs")).status })
	if statuses[200] != 1 || statuses[401] != 19 {
		t.Errorf("answered %v", statuses)
	}
	if n := w.events(t, latchkey.ClientUpdated, ""); n != 1 {
		t.Errorf("%d events of one change", n)
	}
}

// TestDeletionsAtOnce: one wins, and nothing is left.
func TestDeletionsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openRegistration)
	s := w.registerOpen(t, asTheSuite())
	statuses := parallel(20, func() int { return w.send(t, "DELETE", s.uri, s.token, nil).status })
	if statuses[204] != 1 || statuses[401] != 19 || w.count(t, `SELECT count(*) FROM clients`) != 0 || w.events(t, latchkey.ClientDeleted, "") != 1 {
		t.Errorf("answered %v", statuses)
	}
}
