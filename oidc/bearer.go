package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
)

// bearer is an access token of ours, signed or sealed, whose type, issuer and
// times are right. Whether it still counts, its row says.
type bearer struct {
	accessClaims
	storage.Access
}

// errBearer means that something is no access token of ours, or is over.
var errBearer = errors.New("no valid access token")

// payloadOf returns the claims of an access token: sealed by us, or signed by us
// (RFC 9068 §4). An ID token is none: the type of its header says so.
func (p *Provider) payloadOf(ctx context.Context, token string) ([]byte, error) {
	if strings.HasPrefix(token, storage.AccessPrefix) {
		payload, ok := p.DB.OpenAccess(token)
		if !ok {
			return nil, errBearer
		}
		return payload, nil
	}
	payload, err := p.Keys.Verify(ctx, token, keys.TypeAccessToken)
	if errors.Is(err, keys.ErrUntrusted) {
		return nil, errBearer
	}
	return payload, err
}

// readBearer reads an access token of either format, and judges what it says of
// itself.
func (p *Provider) readBearer(ctx context.Context, token string) (*bearer, error) {
	payload, err := p.payloadOf(ctx, token)
	if err != nil {
		return nil, err
	}
	var b bearer
	if err := json.Unmarshal(payload, &b.accessClaims); err != nil {
		return nil, errBearer
	}
	grant, issuedAt, ok := readJTI(b.accessClaims.JTI)
	// Only an application that speaks for itself has a token without a grant.
	if !ok || grant == "" && b.Subject != b.accessClaims.ClientID {
		return nil, errBearer
	}
	if b.Issuer != p.Issuer || !p.DB.Clock().Before(time.Unix(b.Expires, 0)) {
		return nil, errBearer
	}
	b.Access = storage.Access{GrantID: grant, ClientID: b.accessClaims.ClientID, JTI: b.accessClaims.JTI, IssuedAt: issuedAt}
	return &b, nil
}

// ownActive tells whether a token of client_credentials still counts: it has no
// row, so its application is asked, and the list of revoked ids.
func (p *Provider) ownActive(ctx context.Context, b *bearer) (active bool, err error) {
	c, err := p.enabledClient(ctx, b.Access.ClientID)
	if errors.Is(err, latchkey.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !c.TokensNotBefore.IsZero() && !b.Access.IssuedAt.After(c.TokensNotBefore) {
		return false, nil
	}
	p.cut(b, c.Scopes, c.Resources(true), c.PermissionsAt(b.For, true))
	spent, err := p.DB.Spent(ctx, b.Access.JTI)
	return !spent, err
}
