package oidc

import (
	"context"
	"crypto/rand"
	"time"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
)

// logoutTokenTTL is how long a logout token may be on its way (Back-Channel
// Logout §2.4 recommends two minutes at most). Each attempt makes a new one.
const logoutTokenTTL = 2 * time.Minute

// logoutEvent says that a token is a logout token. Its member is an empty
// object.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutClaims are those of Back-Channel Logout §2.4. There is no nonce: with
// one it could pass for an ID token.
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub,omitempty"`
	Audience string              `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	JTI      string              `json:"jti"`
	Events   map[string]struct{} `json:"events"`
	SID      string              `json:"sid,omitempty"`
}

// logoutToken signs what an application is told, by the key of its ID tokens.
func (p *Provider) logoutToken(ctx context.Context, c *latchkey.Client, d storage.DueLogout) (string, error) {
	subject, err := p.subjectFor(ctx, c, d.Subject)
	if err != nil {
		return "", err
	}
	return p.Keys.Sign(idAlg(c), keys.TypeLogout, logoutClaims{
		Issuer: p.Issuer, Subject: subject, Audience: c.ID, SID: d.SessionID,
		IssuedAt: d.At.Unix(), Expires: d.At.Add(logoutTokenTTL).Unix(),
		JTI: rand.Text(), Events: map[string]struct{}{logoutEvent: {}},
	})
}
