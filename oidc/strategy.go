package oidc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/ory/fosite"

	"latchkey"
	"latchkey/keys"
)

// strategy makes the tokens that fosite's handlers ask for. The codes and
// refresh tokens are spelled in storage; what is signed is made here.
type strategy struct{ p *Provider }

// A jti is base64url of: grant id (16; zero for client_credentials), database
// time of issue in µs (8, big endian), random (8). So a token finds its grant by
// primary key, and can be compared with the moment at which tokens ended.
const jtiSize = 16 + 8 + 8

// accessClaims are those of RFC 9068 §2.2.
type accessClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	JTI      string   `json:"jti"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
}

// GenerateAccessToken makes an access token for the grant of the unit, or for the
// client itself: signed, or sealed where it is to be opaque.
func (s *strategy) GenerateAccessToken(ctx context.Context, _ fosite.Requester) (token, signature string, err error) {
	u := unitOf(ctx)
	if u == nil {
		return "", "", errNotHere
	}
	claims := accessClaims{
		Issuer: s.p.Issuer, Audience: u.audience, ClientID: u.client.ID, Subject: u.client.ID,
		IssuedAt: u.at.Unix(), Expires: u.at.Unix() + int64(s.p.accessTTL(u)/time.Second),
		Scope: strings.Join(u.scopes, " "),
	}
	grant := uuid.Nil
	if u.redeem != nil {
		g := &u.redeem.Grant
		if grant, err = uuid.Parse(g.ID); err != nil {
			return "", "", err
		}
		if claims.Subject, err = s.p.subjectFor(ctx, u.client, u.redeem.Subject); err != nil {
			return "", "", err
		}
		claims.ACR, claims.AMR, claims.AuthTime = g.ACR, g.AMR, g.AuthTime.Unix()
	}
	claims.JTI = newJTI(grant, u.at)
	token, err = s.spell(u, claims)
	u.access = token
	return token, "", err
}

// spell writes the claims in the format of the resources that they are for.
func (s *strategy) spell(u *unit, claims accessClaims) (string, error) {
	if !u.opaque() {
		return s.p.Keys.Sign(accessAlg(u.client), keys.TypeAccessToken, claims)
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return s.p.DB.SealAccess(encoded)
}

// accessAlg is the client's algorithm for access tokens.
func accessAlg(c *latchkey.Client) string {
	if c.AccessTokenAlg != "" {
		return c.AccessTokenAlg
	}
	return latchkey.ES256
}

func newJTI(grant uuid.UUID, at time.Time) string {
	raw := make([]byte, 0, jtiSize)
	raw = append(raw, grant[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(at.UnixMicro()))
	var tail [8]byte
	_, _ = rand.Read(tail[:]) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(append(raw, tail[:]...))
}

// readJTI returns the grant (empty for client_credentials) and the time of issue.
func readJTI(jti string) (grantID string, issuedAt time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(jti)
	if err != nil || len(raw) != jtiSize || len(jti) != base64.RawURLEncoding.EncodedLen(jtiSize) {
		return "", time.Time{}, false
	}
	if id := uuid.UUID(raw[:16]); id != uuid.Nil {
		grantID = id.String()
	}
	return grantID, time.UnixMicro(int64(binary.BigEndian.Uint64(raw[16:24]))).UTC(), true
}

// GenerateRefreshToken spells the first refresh token of the grant, or the
// successor of the one that was sent.
func (s *strategy) GenerateRefreshToken(ctx context.Context, _ fosite.Requester) (token, signature string, err error) {
	u := unitOf(ctx)
	if u == nil || u.redeem == nil {
		return "", "", errNotHere
	}
	generation := 1
	if u.refresh != nil {
		generation = u.refresh.Generation + 1
	} else if u.redeem.Grant.RefreshGeneration != 1 {
		return "", "", errors.New("the grant has no refresh token to give")
	}
	token, err = s.p.DB.MintRefresh(&u.redeem.Grant, generation)
	return token, "", err
}

// GenerateAuthorizeCode makes the code that Authorize will store.
func (s *strategy) GenerateAuthorizeCode(ctx context.Context, _ fosite.Requester) (token, signature string, err error) {
	u := unitOf(ctx)
	if u == nil {
		return "", "", errNotHere
	}
	u.code = s.p.DB.NewCode()
	return u.code, u.code, nil
}

// Signatures name rows in fosite's storages; ours has no such rows.
func (s *strategy) AccessTokenSignature(context.Context, string) string { return "" }

// RefreshTokenSignature is described at AccessTokenSignature.
func (s *strategy) RefreshTokenSignature(context.Context, string) string { return "" }

// AuthorizeCodeSignature is described at AccessTokenSignature.
func (s *strategy) AuthorizeCodeSignature(_ context.Context, code string) string { return code }

// ValidateAccessToken is replaced by ours.
func (s *strategy) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return errNotHere
}

// ValidateRefreshToken repeats the verdict of the statement that found the grant.
func (s *strategy) ValidateRefreshToken(ctx context.Context, _ fosite.Requester, _ string) error {
	return verdictStands(ctx)
}

// ValidateAuthorizeCode repeats the verdict of the statement that spent the code.
func (s *strategy) ValidateAuthorizeCode(ctx context.Context, _ fosite.Requester, _ string) error {
	return verdictStands(ctx)
}

func verdictStands(ctx context.Context) error {
	if u := unitOf(ctx); u == nil || u.redeem == nil || u.verdict != nil {
		return fosite.ErrInvalidGrant
	}
	return nil
}
