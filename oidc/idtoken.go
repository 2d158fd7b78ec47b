package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"github.com/ory/fosite"

	"latchkey"
)

// idClaims are those of OpenID Connect Core §2, and `sid` of Front-Channel
// Logout §3. Those of the person are at userinfo, unless they were asked for here.
type idClaims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   string   `json:"aud"`
	Expires    int64    `json:"exp"`
	IssuedAt   int64    `json:"iat"`
	AuthTime   int64    `json:"auth_time"`
	Nonce      string   `json:"nonce,omitempty"`
	ACR        string   `json:"acr,omitempty"`
	AMR        []string `json:"amr,omitempty"`
	SID        string   `json:"sid,omitempty"`
	AccessHash string   `json:"at_hash,omitempty"`
	CodeHash   string   `json:"c_hash,omitempty"`

	further map[string]any // of the person, asked for here or by scopes without userinfo
}

// MarshalJSON puts the claims of the person beside the others. None of them can
// take the place of one that says what the token is.
func (c idClaims) MarshalJSON() ([]byte, error) {
	type plain idClaims
	encoded, err := json.Marshal(plain(c))
	if err != nil || len(c.further) == 0 {
		return encoded, err
	}
	all := maps.Clone(c.further)
	if err := json.Unmarshal(encoded, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// GenerateIDToken signs an ID token for the grant of the unit, and encrypts it
// where the application registered that (OpenID Connect Core §2). On refresh the
// nonce stays out (§12.2), and time, acr and amr are those of the sign-in.
func (s *strategy) GenerateIDToken(ctx context.Context, _ time.Duration, _ fosite.Requester) (string, error) {
	u := unitOf(ctx)
	if u == nil || u.redeem == nil {
		return "", errNotHere
	}
	g := &u.redeem.Grant
	subject, err := s.p.subjectFor(ctx, u.client, u.redeem.Subject)
	if err != nil {
		return "", err
	}
	claims := idClaims{
		Issuer: s.p.Issuer, Subject: subject, Audience: u.client.ID,
		IssuedAt: u.at.Unix(), Expires: u.at.Unix() + int64(s.p.idTTL(u.client)/time.Second),
		AuthTime: g.AuthTime.Unix(), ACR: g.ACR, AMR: g.AMR, SID: g.SessionID,
		AccessHash: halfHash(idAlg(u.client), u.access), CodeHash: halfHash(idAlg(u.client), u.code), further: u.further,
	}
	if u.refresh == nil {
		claims.Nonce = g.Nonce
	}
	return s.p.signFor(u.idTo, idAlg(u.client), claims)
}

// idAlg is the client's algorithm for ID tokens.
func idAlg(c *latchkey.Client) string {
	if c.IDTokenAlg != "" {
		return c.IDTokenAlg
	}
	return latchkey.RS256
}

// halfHash is at_hash or c_hash (§3.1.3.6, §3.3.2.11) in an ID token signed by
// alg: the left half of the hash that belongs to alg. That of Ed25519 is SHA-512
// (RFC 8032 §5.1).
func halfHash(alg, token string) string {
	if token == "" {
		return ""
	}
	h := sha256.New()
	if alg == latchkey.EdDSA {
		h = sha512.New()
	}
	h.Write([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:h.Size()/2])
}
