package demo

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// clockSkew is how far two honest clocks may be apart.
const clockSkew = 60 * time.Second

// person is somebody who is signed in: verified claims and the tokens they
// came from.
type person struct {
	subject     string
	idToken     string
	idClaims    json.RawMessage
	token       *oauth2.Token
	access      json.RawMessage // claims of a JWT access token; nil when opaque
	userinfo    json.RawMessage // nil when the provider did not answer
	refreshedAt time.Time       // zero before the first refresh
}

// fingerprints stand for tokens on a page: they show that a token changed and
// are worth nothing.
type fingerprints struct{ id, access, refresh string }

func (p *person) fingerprints() *fingerprints {
	return &fingerprints{fingerprint(p.idToken), fingerprint(p.token.AccessToken), fingerprint(p.token.RefreshToken)}
}

func fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}

// exchange redeems a code and returns who it speaks of.
func (a *App) exchange(ctx context.Context, code string, p pending) (*person, error) {
	ctx = oidc.ClientContext(ctx, a.client)
	token, err := a.oauth2.Exchange(ctx, code, oauth2.VerifierOption(p.verifier))
	if err != nil {
		return nil, tokenFailure(err)
	}
	raw, claims, err := a.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(claims.Nonce), []byte(p.nonce)) != 1 {
		return nil, wrongNonce
	}
	if p.fresh && time.Unix(claims.AuthTime, 0).Before(p.startedAt.Add(-clockSkew)) {
		return nil, notFresh
	}
	return a.describe(ctx, raw, claims, token), nil
}

// idClaims are the claims the application itself looks at.
type idClaims struct {
	Subject  string `json:"sub"`
	Nonce    string `json:"nonce"`
	AuthTime int64  `json:"auth_time"`
	Party    string `json:"azp"`
	all      json.RawMessage
}

// verify checks the ID token of a token answer (OpenID Connect Core 3.1.3.7):
// signature, issuer, audience, expiry, and that it speaks of this access token.
func (a *App) verify(ctx context.Context, token *oauth2.Token) (string, idClaims, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return "", idClaims{}, noIDToken
	}
	verifier := a.provider.VerifierContext(ctx, &oidc.Config{ClientID: a.oauth2.ClientID, Now: a.now})
	verified, err := verifier.Verify(ctx, raw)
	if err != nil {
		return "", idClaims{}, refusedToken(err)
	}
	var claims idClaims
	if err := errors.Join(verified.Claims(&claims), verified.Claims(&claims.all)); err != nil {
		return "", idClaims{}, refusedToken(err)
	}
	// go-oidc accepts any token that names us among others; this application
	// trusts nobody else with its tokens.
	if len(verified.Audience) != 1 || (claims.Party != "" && claims.Party != a.oauth2.ClientID) {
		return "", idClaims{}, refusedToken(fmt.Errorf("the token is for %q, azp %q", verified.Audience, claims.Party))
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
			return "", idClaims{}, refusedToken(err)
		}
	}
	return raw, claims, nil
}

// describe adds what the page shows beside the ID token. Neither part decides
// who the person is, so that a failure there only leaves its part of the page
// empty.
func (a *App) describe(ctx context.Context, raw string, claims idClaims, token *oauth2.Token) *person {
	who := &person{subject: claims.Subject, idToken: raw, idClaims: claims.all, token: token}
	if payload, err := a.keys.VerifySignature(ctx, token.AccessToken); err == nil {
		who.access = payload
	}
	info, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		a.log.WarnContext(ctx, "demo: userinfo refused", "error", err)
		return who
	}
	// OpenID Connect Core 5.3.2: an answer about somebody else must not be used.
	if info.Subject != claims.Subject {
		a.log.WarnContext(ctx, "demo: userinfo speaks of another subject")
		return who
	}
	if err := info.Claims(&who.userinfo); err != nil {
		a.log.WarnContext(ctx, "demo: userinfo is not JSON", "error", err)
		who.userinfo = nil
	}
	return who
}

// tokenFailure turns a failed call of the token endpoint into words.
func tokenFailure(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" {
		return problem{
			status: http.StatusBadGateway, code: refused.ErrorCode, title: "latchkey refused the exchange",
			text: "The application asked for tokens and was refused. Start again; if it stays like this, compare the client id, the secret and the redirect URI with what is registered.", detail: refused.ErrorDescription,
		}
	}
	return problem{status: http.StatusBadGateway, code: "token_endpoint", title: "latchkey did not answer", text: "The application could not reach the token endpoint. Is latchkey running?", cause: err}
}
