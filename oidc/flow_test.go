package oidc_test

import (
	"net/http"
	"net/url"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"latchkey"
)

func TestAnIndependentClientVerifiesEverything(t *testing.T) {
	t.Parallel()
	for _, alg := range latchkey.SigningAlgs() {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.app(t, "wiki", func(c *latchkey.Client) { c.IDTokenAlg, c.AccessTokenAlg = alg, alg })
			alice := w.user(t, "alice")
			w.sql(t, `UPDATE users SET email_verified_at = now()`)
			b := w.browser().signIn(t, alice)
			provider, err := goidc.NewProvider(t.Context(), w.issuer)
			if err != nil {
				t.Fatal(err)
			}
			config := oauth2.Config{ClientID: a.ID, ClientSecret: a.secret, Endpoint: provider.Endpoint(), RedirectURL: callback,
				Scopes: []string{"openid", "profile", "email", "groups", "offline_access"}}
			answered := b.get(t, config.AuthCodeURL("the state", goidc.Nonce("the nonce"), oauth2.S256ChallengeOption(verifier)))
			back := answered.location(t).Query()
			if diff := cmp.Diff(url.Values{"keep": {"1"}, "state": {"the state"}, "iss": {w.issuer}, "code": back["code"], "session_state": back["session_state"]}, back); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			token, err := config.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := token.Extra("id_token").(string)
			idToken, err := provider.Verifier(&goidc.Config{ClientID: a.ID, SupportedSigningAlgs: []string{alg}}).Verify(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
				t.Error(err)
			}
			if got := headerOf(t, token.AccessToken); got["alg"] != alg || got["typ"] != "at+jwt" {
				t.Errorf("header of the access token: %v", got)
			}
			if !a.active(t, token.AccessToken) {
				t.Error("the access token is not active")
			}
			if hinted := b.get(t, a.request("prompt", "none", "id_token_hint", raw)).location(t); hinted.Query().Get("code") == "" {
				t.Errorf("the ID token as a hint: %v", hinted)
			}
			var claims map[string]any
			if err := idToken.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"iss": w.issuer, "sub": alice.Subject, "aud": "wiki", "nonce": "the nonce", "acr": "phr",
				"amr": []any{"pop", "user", "mfa"}, "sid": b.session.ID, "auth_time": float64(b.session.AuthTime.Unix()),
				"exp": claims["exp"], "iat": claims["iat"], "at_hash": claims["at_hash"]}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("ID token (-want +got):\n%s", diff)
			}
			info, err := provider.UserInfo(t.Context(), config.TokenSource(t.Context(), token))
			if err != nil {
				t.Fatal(err)
			}
			var told map[string]any
			if err := info.Claims(&told); err != nil {
				t.Fatal(err)
			}
			// locale is a number in the record and therefore left out.
			wantTold := map[string]any{"sub": alice.Subject, "name": "Alice", "preferred_username": "alice", "given_name": "Given",
				"updated_at": float64(alice.UpdatedAt.Unix()), "email": "alice@example.com", "email_verified": true, "groups": []any{}}
			if diff := cmp.Diff(wantTold, told); diff != "" {
				t.Errorf("userinfo (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	got := a.exchange(t, a.code(t, b))
	m := got.json(t)
	if got.status != http.StatusOK || m["token_type"] != "Bearer" || m["expires_in"] != 600.0 || m["scope"] != "openid profile email groups offline_access" {
		t.Errorf("answer is %d %s", got.status, got.body)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be stored")
	}
	refreshed := readTokens(t, a.refresh(t, m["refresh_token"].(string)))
	if refreshed.access == "" || refreshed.id == "" || refreshed.refresh == m["refresh_token"] {
		t.Errorf("refresh gave %+v", refreshed)
	}
	if n := w.events(t, latchkey.TokenIssued, "authorization_code"); n != 1 {
		t.Errorf("token.issued events: %d", n)
	}
	if n := w.events(t, latchkey.TokenRefreshed, "rotated"); n != 1 {
		t.Errorf("token.refreshed events: %d", n)
	}
}
