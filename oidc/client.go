package oidc

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/ory/fosite"

	"latchkey"
)

// client shows an application to fosite. It is not an OpenIDConnectClient on
// purpose: client authentication and request objects are judged by us.
type client struct {
	*latchkey.Client
	redirect string // the one redirect URI of this request, matched by us
}

func (c *client) GetID() string           { return c.ID }
func (c *client) GetHashedSecret() []byte { return nil }

// GetRedirectURIs names the matched one only: fosite's own matching is too
// lenient about loopback addresses.
func (c *client) GetRedirectURIs() []string {
	if c.redirect == "" {
		return nil
	}
	return []string{c.redirect}
}
func (c *client) GetGrantTypes() fosite.Arguments    { return c.GrantTypes }
func (c *client) GetResponseTypes() fosite.Arguments { return c.ResponseTypes }

// GetScopes are all that the application may have in one way or another. Which in
// this way, was judged by us.
func (c *client) GetScopes() fosite.Arguments {
	scopes := slices.Clone(c.Scopes)
	for _, api := range c.APIs {
		for _, p := range api.Permissions {
			if p.People || p.Itself {
				scopes = append(scopes, p.Scope)
			}
		}
	}
	return scopes
}
func (c *client) IsPublic() bool                { return c.Public() }
func (c *client) GetAudience() fosite.Arguments { return nil }

// authenticated is fosite's client authentication: ours has happened before.
func authenticated(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
	u := unitOf(ctx)
	if u == nil || u.client == nil {
		return nil, fosite.ErrInvalidClient
	}
	return &client{Client: u.client}, nil
}

// enabledClient returns an application that may be used, or ErrNotFound.
func (p *Provider) enabledClient(ctx context.Context, id string) (*latchkey.Client, error) {
	if !latchkey.ClientID(id) {
		return nil, latchkey.ErrNotFound
	}
	c, err := p.DB.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.Enabled {
		return nil, latchkey.ErrNotFound
	}
	return c, nil
}

// AllowedOrigin tells whether scripts of an origin may call token, userinfo and
// revocation (CONTRACT: CORS).
func (p *Provider) AllowedOrigin(ctx context.Context, origin string) (bool, error) {
	u, err := url.Parse(origin)
	// What is no origin is not asked about: strangers name it.
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || origin != u.Scheme+"://"+u.Host {
		return false, nil
	}
	return p.DB.SPAOrigin(ctx, origin)
}
