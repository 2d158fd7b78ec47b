package oidc

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
)

// maxRequestObject bounds a request object, in bytes.
const maxRequestObject = 64 << 10

// hasObject tells whether a request comes as a request object, by value or by
// the address of one.
func hasObject(form url.Values) bool { return form.Has("request") || form.Has("request_uri") }

// openObject puts the parameters of a request object in the place of those that
// stand beside it (RFC 9101 §6, OpenID Connect Core §6). Nothing that it refuses
// has been believed.
func (p *Provider) openObject(ctx context.Context, c *latchkey.Client, form url.Values) (url.Values, error) {
	byURI := form.Has("request_uri")
	if len(form["request"])+len(form["request_uri"]) > 1 { // both, or one twice (RFC 9101 §5)
		return nil, refuse(codeInvalidRequest, "A request has one request object.").because("repeated_parameter")
	}
	raw := form.Get("request")
	if byURI {
		fetched, err := p.fetchObject(ctx, c, form.Get("request_uri"))
		if err != nil {
			return nil, err
		}
		raw = fetched
	}
	claims, err := p.readObject(ctx, c, raw, byURI)
	if err != nil {
		return nil, err
	}
	return p.joinObject(c, form, claims)
}

// fetchObject fetches a request object from an address that is registered, byte
// by byte; a fragment may follow where none is registered, since it changes with
// what it is the hash of (OpenID Connect Core §6.2). Nothing is kept, so there is
// nothing that the fragment could be the version of.
func (p *Provider) fetchObject(ctx context.Context, c *latchkey.Client, uri string) (string, error) {
	address, _, _ := strings.Cut(uri, "#")
	if !slices.Contains(c.Protocol.RequestURIs, uri) && !slices.Contains(c.Protocol.RequestURIs, address) {
		return "", refuse(codeInvalidRequestURI, "This request_uri is not registered for the application.").because("request_uri_not_registered")
	}
	answer, err := p.Outbound.Get(ctx, address, "application/oauth-authz-req+jwt, application/jwt")
	if err != nil {
		if lost := p.blocked(ctx, c.ID, "request_uris", err); lost != nil {
			return "", lost
		}
		return "", &fault{code: codeInvalidRequestURI, text: "The request object could not be fetched.", reason: "request_uri_fetch", cause: err}
	}
	return strings.TrimSpace(string(answer.Body)), nil
}

// readObject returns the claims of a request object whose signature is the
// application's. An object without one is answered as a way of asking that does
// not exist here, but where the application said that it signs.
func (p *Provider) readObject(ctx context.Context, c *latchkey.Client, raw string, byURI bool) (objectClaims, error) {
	if len(raw) > maxRequestObject {
		return nil, badObject("The request object is too long.", "object_too_long")
	}
	raw, err := p.openSealed(ctx, c, raw)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(raw, signatureAlgs())
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) && unexpected.Got != "" {
		return nil, unsignedObject(c, byURI)
	}
	if err != nil || len(signed.Signatures) != 1 {
		return nil, badObject("The request object is malformed.", "malformed_object")
	}
	header := signed.Signatures[0].Protected
	switch {
	case c.Protocol.RequestObjectAlg != "" && !latchkey.SameAlg(header.Algorithm, c.Protocol.RequestObjectAlg),
		c.Profile == latchkey.ProfileFAPI2 && header.Algorithm == latchkey.RS256:
		return nil, badObject("The request object is signed by another algorithm than the application registered.", "object_alg")
	case !objectType(header):
		return nil, badObject("This is a JWT of another type.", "object_type")
	}
	payload, err := p.verifySigned(ctx, c, signed)
	if errors.Is(err, errNoKey) || errors.Is(err, errKeysAway) {
		f := badObject("The request object is not signed by a key of the application.", "object_signature")
		f.cause = err
		return nil, f
	}
	if err != nil {
		return nil, err
	}
	claims, err := readObjectClaims(payload)
	if err != nil {
		return nil, badObject("The request object is malformed.", "malformed_object")
	}
	return claims, p.judgeObject(c, claims)
}

func badObject(text, reason string) *fault { return refuse(codeInvalidObject, text).because(reason) }

// unsignedObject is the refusal of an object that nobody signed, or by an
// algorithm that is none of a key pair.
func unsignedObject(c *latchkey.Client, byURI bool) *fault {
	const text = "Request objects are supported with a signature only."
	switch {
	case c.Protocol.RequireSignedRequest || c.Protocol.RequestObjectAlg != "" || c.Profile == latchkey.ProfileFAPI2:
		return badObject(text, "object_unsigned")
	case byURI:
		return refuse(codeURINotSupported, text).because("object_unsigned")
	}
	return refuse(codeRequestNotSupported, text).because("object_unsigned")
}

// objectType tells whether a JWT says to be a request object, or nothing else
// (RFC 9101 §10.8).
func objectType(h jose.Header) bool {
	typ, said := h.ExtraHeaders[jose.HeaderType]
	text, _ := typ.(string)
	text = strings.TrimPrefix(strings.ToLower(text), "application/")
	return !said || text == "jwt" || text == "oauth-authz-req+jwt"
}

// signatureAlgs are those of request objects.
func signatureAlgs() (algs []jose.SignatureAlgorithm) {
	for _, alg := range latchkey.ClientAlgs() {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	return algs
}
