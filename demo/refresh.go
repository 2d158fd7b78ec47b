package demo

import (
	"context"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// refresh serves POST /refresh: it trades the refresh token for new tokens and
// shows that they changed. When the provider refuses, the line has ended there
// (sign-out, removed access, disabled person), so it ends here too.
func (a *App) refresh(w http.ResponseWriter, r *http.Request) {
	sess, token := a.current(r)
	if sess == nil {
		a.fail(w, r, signedOutHere)
		return
	}
	sess.refreshing.Lock()
	defer sess.refreshing.Unlock()
	var who *person
	a.sessions.edit(func() { who = sess.person })
	if who == nil {
		a.fail(w, r, signedOutHere)
		return
	}
	if who.token.RefreshToken == "" {
		a.fail(w, r, noRefreshToken)
		return
	}
	renewed, err := a.renew(r.Context(), who)
	if err != nil {
		p := asProblem(err)
		if p.code == "invalid_grant" {
			a.sessions.end(token)
			p = endedThere
		}
		a.fail(w, r, p)
		return
	}
	a.sessions.edit(func() { sess.person, sess.before = renewed, who.fingerprints() })
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// renew calls the token endpoint with the refresh token. A new ID token must
// speak of the same person (OpenID Connect Core 12.2); its nonce is not ours to
// expect.
func (a *App) renew(ctx context.Context, who *person) (*person, error) {
	ctx = oidc.ClientContext(ctx, a.client)
	token, err := a.oauth2.TokenSource(ctx, &oauth2.Token{RefreshToken: who.token.RefreshToken}).Token()
	if err != nil {
		return nil, tokenFailure(err)
	}
	raw, claims := who.idToken, idClaims{Subject: who.subject, all: who.idClaims}
	if token.Extra("id_token") != nil {
		if raw, claims, err = a.verify(ctx, token); err != nil {
			return nil, err
		}
	}
	if claims.Subject != who.subject {
		return nil, otherPerson
	}
	renewed := a.describe(ctx, raw, claims, token)
	renewed.refreshedAt = a.now()
	return renewed, nil
}
