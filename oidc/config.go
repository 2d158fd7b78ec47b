package oidc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"

	"latchkey"
)

// config answers fosite's questions, for the client of the request where rules
// are a client's own. Every field of the embedded Config that has a lazy default
// is set: fosite fills such fields without a lock.
type config struct {
	*fosite.Config
	p *Provider
}

// wire builds fosite's chains by hand. PKCE comes after the code exists.
func (p *Provider) wire() fosite.OAuth2Provider {
	c := &config{p: p, Config: &fosite.Config{
		AccessTokenLifespan:            p.AccessTokenTTL,
		IDTokenLifespan:                p.IDTokenTTL,
		AuthorizeCodeLifespan:          p.CodeTTL,
		RefreshTokenLifespan:           p.RefreshTokenTTL,
		IDTokenIssuer:                  p.Issuer,
		AccessTokenIssuer:              p.Issuer,
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       fosite.ExactAudienceMatchingStrategy,
		EnforcePKCEForPublicClients:    true,
		OmitRedirectScopeParam:         true,
		MinParameterEntropy:            fosite.MinParameterEntropy,
		RefreshTokenScopes:             []string{scopeOffline},
		HTTPClient:                     refusingClient(),
		ClientSecretsHasher:            refusingHasher{},
		TokenURL:                       p.Issuer + pathToken,
		PushedAuthorizeContextLifespan: time.Minute,
		ClientAuthenticationStrategy:   authenticated,
	}}
	s := &store{p: p}
	t := &strategy{p: p}
	helper := &oauth2.HandleHelper{AccessTokenStrategy: t, AccessTokenStorage: s, Config: c}
	idTokens := &openid.IDTokenHandleHelper{IDTokenStrategy: t}
	code := &oauth2.AuthorizeExplicitGrantHandler{AccessTokenStrategy: t, RefreshTokenStrategy: t, AuthorizeCodeStrategy: t,
		CoreStorage: s, TokenRevocationStorage: s, Config: c}
	openID := &openid.OpenIDConnectExplicitHandler{OpenIDConnectRequestStorage: s, IDTokenHandleHelper: idTokens, Config: c,
		OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, c)}
	proof := &pkce.Handler{AuthorizeCodeStrategy: t, Storage: s, Config: c}
	refresh := &oauth2.RefreshTokenGrantHandler{AccessTokenStrategy: t, RefreshTokenStrategy: t, TokenRevocationStorage: s, Config: c}
	implicit := &oauth2.AuthorizeImplicitGrantTypeHandler{AccessTokenStrategy: t, AccessTokenStorage: s, Config: c}
	validator := openid.NewOpenIDConnectRequestValidator(nil, c)
	hybrid := &openid.OpenIDConnectHybridHandler{AuthorizeImplicitGrantTypeHandler: implicit, AuthorizeExplicitGrantHandler: code,
		IDTokenHandleHelper: idTokens, OpenIDConnectRequestValidator: validator, OpenIDConnectRequestStorage: s, Config: c}
	idToken := &openid.OpenIDConnectImplicitHandler{IDTokenHandleHelper: idTokens, AuthorizeImplicitGrantTypeHandler: implicit,
		OpenIDConnectRequestValidator: validator, Config: c}
	c.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{code, openID, hybrid, idToken, proof}
	c.TokenEndpointHandlers = fosite.TokenEndpointHandlers{code, proof, openID, refresh,
		&openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: idTokens, Config: c},
		&oauth2.ClientCredentialsGrantHandler{HandleHelper: helper, Config: c}}
	return fosite.NewOAuth2Provider(s, c)
}

// GetEnforcePKCE is a rule of the client's profile.
func (c *config) GetEnforcePKCE(ctx context.Context) bool {
	u := unitOf(ctx)
	return u == nil || u.client.NeedsPKCE()
}

// GetRefreshTokenScopes is empty, which means every grant, for clients that may
// refresh without offline_access.
func (c *config) GetRefreshTokenScopes(ctx context.Context) []string {
	if u := unitOf(ctx); u != nil && u.client.RefreshWithoutOffline {
		return []string{}
	}
	return []string{scopeOffline}
}

// GetAccessTokenLifespan, GetIDTokenLifespan and GetRefreshTokenLifespan are the
// client's own where it has them.
func (c *config) GetAccessTokenLifespan(ctx context.Context) time.Duration {
	return c.p.accessTTL(unitOf(ctx))
}

// GetIDTokenLifespan is described at GetAccessTokenLifespan.
func (c *config) GetIDTokenLifespan(ctx context.Context) time.Duration {
	return c.p.idTTL(clientOf(ctx))
}

// GetRefreshTokenLifespan is described at GetAccessTokenLifespan.
func (c *config) GetRefreshTokenLifespan(ctx context.Context) time.Duration {
	return c.p.refreshTTL(clientOf(ctx))
}

func clientOf(ctx context.Context) *latchkey.Client {
	if u := unitOf(ctx); u != nil {
		return u.client
	}
	return nil
}

func (p *Provider) idTTL(c *latchkey.Client) time.Duration {
	if c != nil && c.IDTokenTTL > 0 {
		return c.IDTokenTTL
	}
	return p.IDTokenTTL
}

func (p *Provider) refreshTTL(c *latchkey.Client) time.Duration {
	if c != nil && c.RefreshTokenTTL > 0 {
		return c.RefreshTokenTTL
	}
	return p.RefreshTokenTTL
}

// errNotHere is the answer of every part of fosite that is replaced by ours: if
// one is ever reached, the request fails instead of being judged leniently.
var errNotHere = errors.New("this part of fosite is not used")

// refusingClient makes sure that nothing dials out through fosite.
func refusingClient() *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.Logger, client.RetryMax = nil, 0
	client.HTTPClient = &http.Client{Transport: refusingTransport{}, Timeout: time.Second}
	return client
}

type refusingTransport struct{}

func (refusingTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNotHere }

type refusingHasher struct{}

func (refusingHasher) Compare(context.Context, []byte, []byte) error         { return errNotHere }
func (refusingHasher) Hash(context.Context, []byte) (hash []byte, err error) { return nil, errNotHere }
