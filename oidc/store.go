package oidc

import (
	"context"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
)

// unit is what one request works on. fosite's many small calls to its storage
// stage here or answer from here; the database hears of them once.
type unit struct {
	client   *latchkey.Client
	redirect string            // of an authorization, matched by us
	code     string            // made for this authorization
	redeem   *storage.Redeemed // what the code or refresh token turned out to be
	refresh  *storage.RefreshToken
	audience []string        // of the access token
	scopes   []string        // of the access token: those of the grant that count there, or fewer
	at       time.Time       // when the tokens are issued, by the database's clock
	verdict  error           // our own refusal: fosite's words for it do not count
	access   string          // for at_hash
	further  map[string]any  // claims of the person that go into the ID token
	from     string          // address prefix and agent of the caller
	idTo     *keys.Recipient // to whom the ID token is encrypted; nil = it is not
}

type unitKey struct{}

func withUnit(ctx context.Context, u *unit) context.Context {
	return context.WithValue(ctx, unitKey{}, u)
}

func unitOf(ctx context.Context) *unit {
	u, _ := ctx.Value(unitKey{}).(*unit)
	return u
}

// store is fosite's storage over the unit of the request.
type store struct{ p *Provider }

// GetClient answers with the client of the unit: it was looked up before.
func (s *store) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	u := unitOf(ctx)
	if u == nil || u.client.ID != id {
		return nil, fosite.ErrNotFound
	}
	return &client{Client: u.client, redirect: u.redirect}, nil
}

// ClientAssertionJWTValid and SetClientAssertionJWT are replaced by ours.
func (s *store) ClientAssertionJWTValid(context.Context, string) error { return errNotHere }

// SetClientAssertionJWT is described at ClientAssertionJWTValid.
func (s *store) SetClientAssertionJWT(context.Context, string, time.Time) error { return errNotHere }

// Staged by the strategies, written by Authorize.
func (s *store) CreateAuthorizeCodeSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetAuthorizeCodeSession shows the grant that the exchange found. The judging
// statement has run already; a refused code does not get here.
func (s *store) GetAuthorizeCodeSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	return s.granted(ctx)
}

// InvalidateAuthorizeCodeSession has nothing to do: the code is spent.
func (s *store) InvalidateAuthorizeCodeSession(context.Context, string) error { return nil }

func (s *store) granted(ctx context.Context) (fosite.Requester, error) {
	u := unitOf(ctx)
	if u == nil || u.redeem == nil {
		return nil, fosite.ErrNotFound
	}
	g := &u.redeem.Grant
	r := fosite.NewRequest()
	r.ID, r.Client = g.ID, &client{Client: u.client}
	r.RequestedAt = g.CreatedAt
	r.RequestedScope, r.GrantedScope = g.Scopes, g.Scopes
	r.Form = url.Values{"redirect_uri": {g.RedirectURI}}
	if g.CodeChallenge != "" {
		r.Form.Set("code_challenge", g.CodeChallenge)
		r.Form.Set("code_challenge_method", "S256")
	}
	r.Session = newPerson(u.redeem.Subject, g.AuthTime)
	return r, nil
}

// PKCE rides on the grant.
func (s *store) CreatePKCERequestSession(context.Context, string, fosite.Requester) error { return nil }

// GetPKCERequestSession shows the challenge of the grant, if it has one.
func (s *store) GetPKCERequestSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	r, err := s.granted(ctx)
	if err == nil && r.GetRequestForm().Get("code_challenge") == "" {
		return nil, fosite.ErrNotFound
	}
	return r, err
}

// DeletePKCERequestSession has nothing to do: the code is spent.
func (s *store) DeletePKCERequestSession(context.Context, string) error { return nil }

// So does OpenID Connect.
func (s *store) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}

// GetOpenIDConnectSession shows the grant when openid was granted.
func (s *store) GetOpenIDConnectSession(ctx context.Context, _ string, _ fosite.Requester) (fosite.Requester, error) {
	r, err := s.granted(ctx)
	if err == nil && !r.GetGrantedScopes().Has(scopeOpenID) {
		return nil, openid.ErrNoSessionFound
	}
	return r, err
}

// DeleteOpenIDConnectSession has nothing to do: there is one row.
func (s *store) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

// Access tokens have no row.
func (s *store) CreateAccessTokenSession(context.Context, string, fosite.Requester) error { return nil }

// GetAccessTokenSession is replaced by ours.
func (s *store) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, errNotHere
}

// DeleteAccessTokenSession is replaced by ours.
func (s *store) DeleteAccessTokenSession(context.Context, string) error { return errNotHere }

// Refresh tokens have no row either: the grant has their generation.
func (s *store) CreateRefreshTokenSession(context.Context, string, string, fosite.Requester) error {
	return nil
}

// GetRefreshTokenSession shows the grant that was found.
func (s *store) GetRefreshTokenSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	return s.granted(ctx)
}

// DeleteRefreshTokenSession is replaced by ours.
func (s *store) DeleteRefreshTokenSession(context.Context, string) error { return errNotHere }

// RotateRefreshToken compares and sets the generation.
func (s *store) RotateRefreshToken(ctx context.Context, _, _ string) error {
	u := unitOf(ctx)
	if u == nil || u.refresh == nil {
		return errNotHere
	}
	return s.p.rotate(ctx, u)
}

// RevokeRefreshToken and RevokeAccessToken are replaced by ours: the statement
// that finds a second use also ends what came from the first.
func (s *store) RevokeRefreshToken(context.Context, string) error { return errNotHere }

// RevokeAccessToken is described at RevokeRefreshToken.
func (s *store) RevokeAccessToken(context.Context, string) error { return errNotHere }
