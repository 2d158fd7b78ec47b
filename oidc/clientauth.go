package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey"
)

// credentials are what a request shows to prove which client sent it.
type credentials struct {
	method string // of RFC 7591 §2
	id     string
	secret string
	basic  bool // Basic was tried, readable or not

	assertion *assertion // with client_secret_jwt and private_key_jwt
}

// authenticate tells which enabled client sent the request, and refuses the rest
// with one and the same answer. Exactly one method is used, and it is the one
// that the client is registered for.
func (p *Provider) authenticate(ctx context.Context, r *http.Request, form url.Values) (*latchkey.Client, error) {
	cr, why := readCredentials(r, form)
	if why != "" {
		return nil, p.authFailed(ctx, cr, why)
	}
	if err := p.Allow(ctx, limitClientAuth, cr.id); err != nil {
		return nil, err
	}
	c, err := p.enabledClient(ctx, cr.id)
	if errors.Is(err, latchkey.ErrNotFound) {
		// As much work as for a known one.
		p.DB.MatchSecret(&latchkey.Client{}, cr.secret)
		return nil, p.authFailed(ctx, cr, "unknown_client")
	}
	if err != nil {
		return nil, err
	}
	if cr.method != c.AuthMethod {
		return nil, p.authFailed(ctx, cr, "wrong_method")
	}
	if c.Public() {
		return c, nil
	}
	if cr.assertion != nil {
		if why, err = p.checkAssertion(ctx, c, cr.assertion); why != "" {
			return nil, p.authFailed(ctx, cr, why)
		}
		return c, err
	}
	secret := p.DB.MatchSecret(c, cr.secret)
	if secret == nil {
		return nil, p.authFailed(ctx, cr, "wrong_secret")
	}
	p.DB.CountSecret(secret.ID)
	return c, nil
}

// readCredentials finds the one method that was used. why is the reason of a
// refusal; empty means that there is something to check.
func readCredentials(r *http.Request, form url.Values) (cr credentials, why string) {
	id, secret, basic, why := readBasic(r)
	cr = credentials{id: form.Get("client_id"), basic: basic}
	if why != "" {
		return cr, why
	}
	switch {
	case countMethods(basic, form) > 1:
		return cr, "two_methods"
	case form.Has("client_assertion") || form.Has("client_assertion_type"):
		return readAsserted(cr, form)
	case basic && form.Has("client_id") && form.Get("client_id") != id:
		return cr, "two_clients"
	case basic:
		cr.method, cr.id, cr.secret = latchkey.AuthBasic, id, secret
	case form.Has("client_secret"):
		cr.method, cr.secret = latchkey.AuthPost, form.Get("client_secret")
	default:
		cr.method = latchkey.AuthNone
	}
	if cr.id == "" {
		return cr, "no_client"
	}
	return cr, ""
}

// countMethods tells how many ways of authentication were used at once (RFC 6749
// §2.3).
func countMethods(basic bool, form url.Values) (n int) {
	for _, used := range []bool{basic, form.Has("client_secret"), form.Has("client_assertion") || form.Has("client_assertion_type")} {
		if used {
			n++
		}
	}
	return n
}

// readAsserted reads a client assertion (RFC 7521 §4.2, RFC 7523 §2.2). Its
// algorithm tells by which method the client means to authenticate.
func readAsserted(cr credentials, form url.Values) (credentials, string) {
	if form.Get("client_assertion_type") != assertionType {
		return cr, "assertion_type"
	}
	a, why := readAssertion(form.Get("client_assertion"))
	if why != "" {
		return cr, why
	}
	claimed := a.claims.Subject
	if cr.id != "" && cr.id != claimed {
		return cr, "two_clients"
	}
	if !isText(claimed) || claimed == "" {
		return cr, "assertion_issuer"
	}
	cr.id, cr.method, cr.assertion = claimed, latchkey.AuthPrivateKeyJWT, a
	if slices.Contains(latchkey.AuthAlgs(latchkey.AuthSecretJWT), a.alg) {
		cr.method = latchkey.AuthSecretJWT
	}
	return cr, ""
}

// readBasic reads the Authorization header. Id and secret are form-encoded
// within it (RFC 6749 §2.3.1).
func readBasic(r *http.Request) (id, secret string, tried bool, why string) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", "", false, ""
	}
	scheme, _, _ := strings.Cut(headers[0], " ")
	tried = strings.EqualFold(scheme, "Basic")
	if len(headers) > 1 || !tried {
		return "", "", tried, "unsupported_method"
	}
	rawID, rawSecret, ok := r.BasicAuth()
	id, err := url.QueryUnescape(rawID)
	secret, err2 := url.QueryUnescape(rawSecret)
	if !ok || err != nil || err2 != nil || !isText(id) {
		return "", "", true, "malformed_basic"
	}
	return id, secret, true, ""
}

// authFailed records a failed client authentication and is its answer: the same
// for an unknown client, a wrong secret and a wrong method.
func (p *Provider) authFailed(ctx context.Context, cr credentials, why string) error {
	id := cr.id
	if !latchkey.ClientID(id) {
		id = ""
	}
	p.Penalize(ctx, limitClientAuth, cr.id)
	err := p.refused(ctx, latchkey.Event{Kind: latchkey.ClientAuthFailed, ClientID: id, Outcome: latchkey.Failure, Reason: why})
	if err != nil {
		return err
	}
	return &recorded{&fault{code: codeInvalidClient, text: "Client authentication failed.", reason: why, basic: cr.basic}}
}

// asClient returns a context in which the client acts, for the events.
func asClient(ctx context.Context, c *latchkey.Client) context.Context {
	actor := latchkey.ActorFrom(ctx)
	if !c.Public() {
		actor.Kind, actor.ClientID = latchkey.ActorClient, c.ID
	}
	return latchkey.WithActor(ctx, actor)
}

// refused records a refusal; those of strangers are counted when there are many.
func (p *Provider) refused(ctx context.Context, ev latchkey.Event) error {
	return p.DB.RecordRefusal(ctx, ev)
}
