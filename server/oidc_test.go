package server_test

import (
	"net/http"
	"net/url"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
	"latchkey/storage"
)

// TestAnApplicationSignsIn walks the code flow as an application written by
// others sees it: discovery, sign-in with a passkey, code, tokens, userinfo,
// refresh; the ID token is verified by go-oidc.
func TestAnApplicationSignsIn(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	person := passkeytest.NewBrowser(t, app.URL)
	if answer := person.Register("setup", app.SetupToken(t), passkeytest.Fields{
		"username": "alice", "display_name": "Alice", "email": "alice@example.com",
	}); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	const redirectURI = "http://127.0.0.1:9/callback"
	secret := registerClient(t, app, redirectURI)

	provider, err := goidc.NewProvider(t.Context(), app.URL)
	if err != nil {
		t.Fatalf("discovery: %v", err)
	}
	config := oauth2.Config{
		ClientID: "wiki", ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: redirectURI,
		Scopes: []string{"openid", "profile", "email", "offline_access"},
	}
	verifier := oauth2.GenerateVerifier()
	callback := follow(t, person, config.AuthCodeURL("the-state", oauth2.S256ChallengeOption(verifier), goidc.Nonce("the-nonce")), redirectURI)
	if callback.Get("state") != "the-state" || callback.Get("iss") != app.URL {
		t.Errorf("the answer carries state %q and iss %q", callback.Get("state"), callback.Get("iss"))
	}
	tokens, err := config.Exchange(t.Context(), callback.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("exchange: %v", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&goidc.Config{ClientID: "wiki"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatalf("ID token: %v", err)
	}
	if id.Nonce != "the-nonce" {
		t.Errorf("nonce %q, want the-nonce", id.Nonce)
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tokens))
	if err != nil {
		t.Fatalf("userinfo: %v", err)
	}
	if info.Subject != id.Subject || info.Email != "alice@example.com" || !info.EmailVerified {
		t.Errorf("userinfo says %s %s verified=%v, want the subject %s and the verified address", info.Subject, info.Email, info.EmailVerified, id.Subject)
	}
	next, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	if next.RefreshToken == tokens.RefreshToken || next.AccessToken == tokens.AccessToken {
		t.Error("the refresh did not rotate")
	}
}

func registerClient(t *testing.T, app *servertest.App, redirectURI string, change ...func(*latchkey.Client)) (secret string) {
	t.Helper()
	c := &latchkey.Client{
		ID: "wiki", Name: "Wiki", Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true, FirstParty: true,
		RedirectURIs: []string{redirectURI}, GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken},
		ResponseTypes: []string{"code"}, Scopes: []string{"openid", "profile", "email", "offline_access"},
		AuthMethod: latchkey.AuthBasic, IDTokenAlg: "RS256", AccessTokenAlg: "ES256", AccessTokenFormat: "jwt",
	}
	for _, f := range change {
		f(c)
	}
	if c.HasSecret() {
		secret = app.DB.NewClientSecret()
	}
	err := app.DB.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), c, secret) })
	if err != nil {
		t.Fatalf("register the client: %v", err)
	}
	return secret
}

// follow walks redirects with the person's cookies until one leads to the
// redirect URI, and returns its parameters.
func follow(t *testing.T, person *passkeytest.Browser, address, redirectURI string) url.Values {
	t.Helper()
	client := *person.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range 5 {
		res, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		to, err := res.Location()
		if err != nil {
			t.Fatalf("%s answered %s, want a redirect", address, res.Status)
		}
		if to.Scheme+"://"+to.Host+to.Path == redirectURI {
			return to.Query()
		}
		address = to.String()
	}
	t.Fatal("no end of redirects")
	return nil
}
