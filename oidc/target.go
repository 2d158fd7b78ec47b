package oidc

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"latchkey"
)

// A token is for resources (RFC 8707): for latchkey itself, whose name is the
// issuer, and for registered APIs. What people and applications may ask of
// latchkey, and scopes of an application's own, count where the issuer is in
// `aud`; the permissions of an API where that API is. No scope belongs to two of
// them, so that a token for several says what is allowed where (RFC 9068 §5).

// paramResource is the one parameter that may be sent several times.
const paramResource = "resource"

// judgeResource refuses resources that the application may have no tokens for.
func judgeResource(rq *request, form url.Values) error {
	for _, resource := range form[paramResource] {
		if f := targetProblem(rq.client, rq.issuer, resource, false); f != nil {
			return f
		}
		if !slices.Contains(rq.resources, resource) {
			rq.resources = append(rq.resources, resource)
		}
	}
	return nil
}

// apis are the resources that people are asked about: not latchkey itself, where
// they are signed in.
func (rq *request) apis() []string {
	return slices.DeleteFunc(slices.Clone(rq.resources), func(resource string) bool { return resource == rq.issuer })
}

// targetProblem judges one resource that somebody asks for; nil is right.
func targetProblem(c *latchkey.Client, issuer, resource string, itself bool) *fault {
	switch {
	case latchkey.ResourceProblem(resource) != "":
		return refuse(codeInvalidTarget, "A resource is an absolute URI without a fragment.").because("malformed_resource")
	case resource != issuer && !slices.Contains(c.Resources(itself), resource):
		return refuse(codeInvalidTarget, "The application may not have tokens for this resource.").because("resource_not_allowed")
	}
	return nil
}

// wrongTarget is the refusal of a resource that was not granted, or of a grant
// whose resources are all gone.
func wrongTarget() *fault {
	return refuse(codeInvalidTarget, "The grant is not for this resource.").because("wrong_target")
}

// withoutResource is the refusal of a scope that counts at another resource than
// those that were asked for.
func withoutResource() *fault {
	return refuse(codeInvalidScope, "A scope belongs to a resource that was not asked for.").because("scope_without_resource")
}

// asked are the resources of a request to the token endpoint, each once.
func asked(form url.Values) (resources []string) {
	for _, resource := range form[paramResource] {
		if !slices.Contains(resources, resource) {
			resources = append(resources, resource)
		}
	}
	return resources
}

// targets are the resources that a grant may be used for now: those that tokens
// are for when nothing is said, and those that may be asked for. The issuer may
// be when openid was granted: userinfo is there.
func (p *Provider) targets(c *latchkey.Client, g *latchkey.Grant) (byDefault, possible []string) {
	if len(g.Audience) == 0 {
		return []string{p.Issuer}, []string{p.Issuer}
	}
	allowed := append(c.Resources(false), p.Issuer)
	byDefault = stillAllowed(g.Audience, allowed)
	possible = byDefault
	if slices.Contains(g.Scopes, scopeOpenID) {
		possible = append(slices.Clone(byDefault), p.Issuer)
	}
	return byDefault, possible
}

// aim makes the access token one for resources, and leaves of its scopes those
// that count there.
func (p *Provider) aim(u *unit, resources []string) {
	u.audience = resources
	u.scopes = slices.DeleteFunc(slices.Clone(u.scopes), func(scope string) bool { return !p.counts(u, scope) })
}

// counts tells whether a scope means something at the resources of the token.
func (p *Provider) counts(u *unit, scope string) bool {
	if api, _ := u.client.PermissionOf(scope); api != nil {
		return slices.Contains(u.audience, api.Resource)
	}
	return slices.Contains(u.audience, p.Issuer)
}

// accessTTL is how long the access token lives: the shortest that its APIs and
// the application name, or the server's.
func (p *Provider) accessTTL(u *unit) time.Duration {
	if u == nil {
		return p.AccessTokenTTL
	}
	named := []time.Duration{u.client.AccessTokenTTL}
	for _, resource := range u.audience {
		if api := u.client.APIOf(resource); api != nil {
			named = append(named, api.TTL)
		}
	}
	if named = slices.DeleteFunc(named, func(d time.Duration) bool { return d <= 0 }); len(named) > 0 {
		return slices.Min(named)
	}
	return p.AccessTokenTTL
}

// opaque tells whether the access token is sealed instead of signed: where each
// of its resources wants that. One that has to read it gets it signed.
func (u *unit) opaque() bool {
	for _, resource := range u.audience {
		format := u.client.AccessTokenFormat
		if api := u.client.APIOf(resource); api != nil && api.Format != "" {
			format = api.Format
		}
		if format != latchkey.FormatOpaque {
			return false
		}
	}
	return len(u.audience) > 0
}

// MarshalJSON writes one value as a text (RFC 7519 §4.1.3).
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}
