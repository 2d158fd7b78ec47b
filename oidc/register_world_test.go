package oidc_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/oidc"
	"latchkey/storage"
)

// document is client metadata as an application sends it.
type document map[string]any

// with is the document with further or other members; nil leaves one out.
func (d document) with(pairs ...any) document {
	changed := maps.Clone(d)
	for i := 0; i+1 < len(pairs); i += 2 {
		if changed[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(changed, pairs[i].(string))
		}
	}
	return changed
}

// asTheSuite is what OpenID Connect libraries register with: no scope, no name of
// a profile.
func asTheSuite() document {
	return document{
		"client_name": "Wiki", "redirect_uris": []string{callback}, "grant_types": []string{"authorization_code", "refresh_token"},
		"response_types": []string{"code"}, "token_endpoint_auth_method": "client_secret_basic", "contacts": []string{"ops@wiki.example.com"},
		"post_logout_redirect_uris": []string{"https://wiki.example.com/bye"},
	}
}

func openRegistration(o *oidc.Options) { o.Registration = latchkey.RegistrationOpen }

// send sends JSON to a protocol address, with a token unless it is "".
func (w *world) send(t testing.TB, method, address, token string, body any) *answer {
	t.Helper()
	raw, ok := body.(string)
	if !ok && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		raw = string(encoded)
	}
	if strings.HasPrefix(address, "/") {
		address = w.issuer + address
	}
	r, err := http.NewRequest(method, address, strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if raw != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.browser().do(t, r)
}

// self is an application that registered itself.
type self struct {
	w                      *world
	id, secret, uri, token string
}

// registered reads the answer that an application gets.
func (w *world) registered(t testing.TB, got *answer, status int) *self {
	t.Helper()
	if got.status != status {
		t.Fatalf("registration answered %d %s, want %d", got.status, got.body, status)
	}
	m := got.json(t)
	text := func(name string) string { s, _ := m[name].(string); return s }
	s := &self{w, text("client_id"), text("client_secret"), text("registration_client_uri"), text("registration_access_token")}
	if s.id == "" || s.uri != w.issuer+"/oauth2/register/"+s.id || s.token == "" || m["error"] != nil {
		t.Fatalf("registration answered %s", got.body)
	}
	return s
}

// registerOpen registers an application where everybody may.
func (w *world) registerOpen(t testing.TB, d document) *self {
	t.Helper()
	return w.registered(t, w.send(t, "POST", "/oauth2/register", "", d), http.StatusCreated)
}

// initialToken makes an initial access token for ten applications, unless
// changed.
func (w *world) initialToken(t testing.TB, change ...func(*latchkey.InitialToken)) (string, *latchkey.InitialToken) {
	t.Helper()
	made := &latchkey.InitialToken{Name: "CI", Profile: latchkey.ProfileOIDC, MaxUses: 10}
	for _, f := range change {
		f(made)
	}
	raw := ""
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		raw, err = tx.CreateInitialToken(t.Context(), made, time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw, made
}

// app is the application as the helpers of the flows know it.
func (s *self) app(t testing.TB) *app {
	t.Helper()
	c, err := s.w.db.FindClient(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	return &app{Client: c, w: s.w, secret: s.secret}
}

func (s *self) read(t testing.TB) *answer { return s.w.send(t, "GET", s.uri, s.token, nil) }

func (s *self) replace(t testing.TB, d document) *answer {
	return s.w.send(t, "PUT", s.uri, s.token, d.with("client_id", s.id))
}

// wantRegistrationFault checks a refusal of registration: JSON with the code and
// some words, and no-store.
func wantRegistrationFault(t *testing.T, got *answer, status int, code string) {
	t.Helper()
	wantFault(t, got, status, code)
	if got.header.Get("Content-Type") != "application/json" || got.json(t)["error_description"] == "" {
		t.Errorf("answered %v %s", got.header, got.body)
	}
	challenge := got.header.Get("WWW-Authenticate")
	if (status == http.StatusUnauthorized) != strings.HasPrefix(challenge, `Bearer realm="latchkey", error="invalid_token"`) {
		t.Errorf("with status %d, WWW-Authenticate is %q", status, challenge)
	}
}

// parallel does something n times at once and counts the answers.
func parallel(n int, do func() int) map[int]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for range n {
		wg.Go(func() {
			status := do()
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wg.Wait()
	return statuses
}
