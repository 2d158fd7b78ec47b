package latchkey

import (
	"slices"
	"strings"
)

// FillDefaults gives c what nobody said: first its type, by what was said, then
// what that type has. Nothing that was said is changed.
func (c *Client) FillDefaults() {
	if c.Type == "" {
		c.Type = c.guessType()
	}
	profile, auth := ProfileOIDC, AuthBasic
	grants, scopes := []string{GrantAuthorizationCode, GrantRefreshToken}, defaultScopes()
	switch c.Type {
	case TypeSPA, TypeNative:
		profile, auth = ProfileOAuth21, AuthNone
	case TypeMachine:
		grants, scopes = []string{GrantClientCredentials}, []string{}
	}
	orElse(&c.Profile, profile)
	orElse(&c.AuthMethod, auth)
	orElse(&c.IDTokenAlg, RS256)
	orElse(&c.AccessTokenAlg, ES256)
	orElse(&c.AccessTokenFormat, FormatJWT)
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = grants
	}
	if len(c.Scopes) == 0 {
		c.Scopes = scopes
	}
	c.fillResponseTypes()
}

// fillResponseTypes spells the response types in their one way. Where nobody
// asked for more than code, they follow the grant types, which leave no choice
// (RFC 7591 §2.1). What is no response type of ours stays, for Check to refuse.
func (c *Client) fillResponseTypes() {
	types := []string{}
	for _, asked := range c.ResponseTypes {
		if canonical, ok := ResponseType(asked); ok {
			asked = canonical
		}
		types = append(types, asked)
	}
	if !slices.ContainsFunc(types, func(r string) bool { return r != "code" }) {
		types = []string{}
		if c.Allows(GrantAuthorizationCode) {
			types = []string{"code"}
		}
	}
	c.ResponseTypes = types
}

func (c *Client) guessType() string {
	own := func(uri string) bool { return !strings.HasPrefix(uri, "https:") && !strings.HasPrefix(uri, "http:") }
	switch {
	case len(c.GrantTypes) > 0 && !c.SignsPeopleIn():
		return TypeMachine
	case c.AuthMethod == AuthNone && slices.ContainsFunc(c.RedirectURIs, own):
		return TypeNative
	case c.AuthMethod == AuthNone:
		return TypeSPA
	}
	return TypeWeb
}

func orElse[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}
