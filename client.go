package latchkey

import (
	"slices"
	"time"
)

// Profile is the set of rules that a client lives by (CONTRACT: rules per
// client, not for all).
type Profile string

// The profiles.
const (
	ProfileOIDC    Profile = "oidc"    // OpenID Connect as certified
	ProfileOAuth21 Profile = "oauth21" // PKCE S256 required, code flow only
	ProfileFAPI2   Profile = "fapi2"   // reserved
)

// Ways a client authenticates (RFC 7591 §2 token_endpoint_auth_method).
const (
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	AuthSecretJWT     = "client_secret_jwt"
	AuthPrivateKeyJWT = "private_key_jwt"
	AuthNone          = "none"
)

// Grant types (RFC 7591 §2).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantImplicit          = "implicit"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
)

// Formats of access tokens.
const (
	FormatJWT    = "jwt"    // signed (RFC 9068): whoever has it can read it
	FormatOpaque = "opaque" // the same claims sealed: only we can read it
)

// Client is an application: RFC 7591 metadata and our extensions.
type Client struct {
	ID        string // [A-Za-z0-9_-]+
	Name      string
	Type      string // web, spa, native or machine: what made its defaults
	Profile   Profile
	Enabled   bool
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time

	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	AllowedCORSOrigins     []string
	GrantTypes             []string
	ResponseTypes          []string
	Scopes                 []string
	AuthMethod             string
	FirstParty             bool     // skips consent
	AllowedGroups          []string // names; empty = everyone
	Introspects            bool
	IDTokenAlg             string         // RS256 by default
	AccessTokenAlg         string         // ES256 by default
	AccessTokenFormat      string         // jwt by default, or opaque
	AccessTokenTTL         time.Duration  // 0 = the server's
	IDTokenTTL             time.Duration  // 0 = the server's
	RefreshTokenTTL        time.Duration  // idle; 0 = the server's
	RefreshGrace           *time.Duration // nil = the default of its kind
	RefreshWithoutOffline  bool
	TokensNotBefore        time.Time // client_credentials tokens issued at or before it have ended

	Metadata ClientMetadata
	Protocol ClientProtocol

	Registration *SelfRegistration // nil = an administrator connected it

	APIs   []ClientAPI // that it may get access tokens for, by resource; set by administrators at the API
	Serves []string    // resources whose API it is: it may introspect their tokens
	Logo   string      // hash of the copy of its logo, in hex; "" = none (yet)

	Secrets []ClientSecret // live ones; hashes only
}

// ClientSecret is one live secret of a client; only its keyed hash is kept, and
// the secret itself, sealed, where client_secret_jwt needs it.
type ClientSecret struct {
	ID         string
	ClientID   string
	Hash       []byte
	Sealed     []byte // empty but for client_secret_jwt
	Prefix     string // the first characters, to tell secrets apart
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero = never
	LastUsedAt time.Time // zero = never
	RevokedAt  time.Time // zero = live
}

// Public tells whether the client cannot keep a secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.AuthMethod == AuthNone }

// HasSecret tells whether the client proves itself by a secret that it shares
// with us.
func (c *Client) HasSecret() bool {
	return c.AuthMethod == AuthBasic || c.AuthMethod == AuthPost || c.AuthMethod == AuthSecretJWT
}

// SetAuthMethod changes how the client proves itself. An algorithm that the
// method does not have goes with the old one.
func (c *Client) SetAuthMethod(method string) {
	c.AuthMethod = method
	if !slices.Contains(AuthAlgs(method), c.Protocol.AuthAlg) {
		c.Protocol.AuthAlg = ""
	}
}

// NeedsPKCE tells whether every authorization request of the client must carry
// an S256 challenge: public clients and those of profile oauth21.
func (c *Client) NeedsPKCE() bool { return c.Public() || c.Profile != ProfileOIDC }

// Allows tells whether the client may use the grant type.
func (c *Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// SignsPeopleIn tells whether the application gets people's tokens by the
// browser, in contrast to a machine.
func (c *Client) SignsPeopleIn() bool {
	return c.Allows(GrantAuthorizationCode) || c.Allows(GrantImplicit)
}

// Grace is how long the previous refresh token still works: 30 s unless set,
// at most 10 s for public clients.
func (c *Client) Grace() time.Duration {
	grace := 30 * time.Second
	if c.RefreshGrace != nil {
		grace = *c.RefreshGrace
	}
	if c.Public() {
		grace = min(grace, 10*time.Second)
	}
	return grace
}

// AdmitsGroups is the rule of allowed_groups: a client without any is open to
// everyone, else one of the person's groups must be among them.
func (c *Client) AdmitsGroups(groups []string) bool {
	if len(c.AllowedGroups) == 0 {
		return true
	}
	return slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(c.AllowedGroups, g) })
}
