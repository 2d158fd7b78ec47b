package oidc

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"latchkey"
)

// request is an authorization request that passed the gate: everything that can
// be judged without knowing who the person is.
type request struct {
	client    *latchkey.Client // nil when it is not known
	name      string           // client_id as sent
	form      url.Values       // what is kept while the person is waited for
	redirect  string           // where the answer goes
	pushed    string           // id of the pushed request that it is; empty = none
	sent      string           // redirect_uri as sent; empty when none was
	types     string           // response_type in its one spelling
	mode      string           // how the answer travels, refusals included: query, fragment or form_post
	signed    bool             // the answer is a signed JWT (JARM)
	state     string
	issuer    string
	resources []string // that tokens are asked for (RFC 8707); none = the issuer
	scopes    []string
	nonce     string
	challenge string
	prompt    []string
	maxAge    int64 // seconds; -1 = none
	hinted    string
	loginHint string
	asked     latchkey.AskedClaims
	level     level
	subjects  []string // who may be told of, by the parameter claims; nil = anybody
}

// kept are the parameters that a waiting request needs. Nothing else that was
// sent is stored.
func kept() []string {
	return []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
		"code_challenge_method", "prompt", "max_age", "login_hint", "acr_values", "claims", paramResource}
}

// hintedSubject is how a verified id_token_hint is kept: as its subject. The
// name cannot come from outside, because only kept parameters are stored.
const hintedSubject = "hinted_subject"

// doubled finds the parameters that stand in form more than once.
func doubled(form url.Values) (names []string) {
	for name, values := range form {
		if len(values) > 1 {
			names = append(names, name)
		}
	}
	return names
}

// gate judges an authorization request. A *fault goes back to the application,
// and the returned request says where, or it is for a page.
func (p *Provider) gate(ctx context.Context, form url.Values) (*request, error) {
	form = valued(form)
	rq, err := p.recipient(ctx, form)
	if err != nil {
		return rq, err
	}
	if err := judgeAll(rq, form); err != nil {
		return rq, err
	}
	if err := p.judgeHint(ctx, rq, form); err != nil {
		return rq, err
	}
	rq.form = url.Values{}
	for _, name := range kept() {
		if form.Has(name) {
			rq.form[name] = form[name]
		}
	}
	if rq.hinted != "" {
		rq.form.Set(hintedSubject, rq.hinted)
	}
	return rq, nil
}

// judgeAll judges what can be judged without asking anybody.
func judgeAll(rq *request, form url.Values) error {
	for _, judge := range []func(*request, url.Values) error{
		judgeForm, judgeUnsupported, judgeResponse, judgeMode, judgeResource, judgeScope, judgeNonce, judgePKCE, judgePrompt, judgeClaims, judgeLevel,
	} {
		if err := judge(rq, form); err != nil {
			return err
		}
	}
	return nil
}

// recipient finds out who asks and where the answer goes; what it refuses is for
// a page.
func (p *Provider) recipient(ctx context.Context, form url.Values) (*request, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if v := form[name]; len(v) > 1 || len(v) == 1 && !isText(v[0]) {
			return &request{name: form.Get("client_id")}, refuse(codeInvalidRequest,
				"The application sent the parameter "+name+" more than once, or malformed. This is a fault of the application.").because("repeated_parameter").onPage(codeInvalidRequest)
		}
	}
	c, err := p.enabledClient(ctx, form.Get("client_id"))
	if errors.Is(err, latchkey.ErrNotFound) {
		return &request{name: form.Get("client_id")}, unknownClient("unknown_client")
	}
	if err != nil {
		return nil, err
	}
	rq := &request{client: c, name: c.ID, issuer: p.Issuer, sent: form.Get("redirect_uri"), maxAge: -1}
	rq.mode, rq.signed = answerMode(c, form)
	if v := form["state"]; len(v) == 1 && isText(v[0]) {
		rq.state = v[0]
	}
	redirect, ok := matchRedirect(c, rq.sent, form.Has("redirect_uri"))
	if !ok {
		return rq, refuse(codeInvalidRequest, "The application asked to be answered at an address that is not registered for it. Nothing was sent there. Tell its owner.").
			because("bad_redirect_uri").onPage("bad_redirect_uri")
	}
	rq.redirect = redirect
	return rq, nil
}

func unknownClient(reason string) *fault {
	return refuse(codeInvalidClient, "The application that sent you here is not known, or has been switched off. Tell its owner.").
		because(reason).onPage("unknown_client")
}

func judgeForm(_ *request, form url.Values) error {
	if names := doubled(form); len(names) > 0 && !slices.Equal(names, []string{paramResource}) {
		return refuse(codeInvalidRequest, "A parameter was sent more than once.").because("repeated_parameter")
	}
	for name, values := range form {
		if !isText(name) || slices.ContainsFunc(values, isNoText) {
			return refuse(codeInvalidRequest, "A parameter holds bytes that are no text.").because("malformed_parameter")
		}
	}
	return nil
}

// judgeUnsupported answers what is not built: never by ignoring it.
func judgeUnsupported(_ *request, form url.Values) error {
	switch {
	case hasObject(form): // it was opened before, and holds no other
		return refuse(codeInvalidRequest, "A request has one request object.").because("repeated_parameter")
	case form.Has("registration"):
		return refuse(codeRegistrationRefused, "The parameter registration is not supported.")
	}
	return nil
}

// judgeScope refuses known scopes that the application may not ask for. Those
// that nobody knows are ignored (OpenID Connect Core §3.1.2.1).
func judgeScope(rq *request, form url.Values) error {
	for _, s := range words(form.Get("scope")) {
		switch {
		case slices.Contains(rq.scopes, s):
		case slices.Contains(rq.client.Scopes, s):
			rq.scopes = append(rq.scopes, s)
		case slices.Contains(latchkey.Scopes(), s):
			return refuse(codeInvalidScope, "The application may not ask for one of these scopes.").because("scope_not_allowed")
		default:
			if err := judgePermission(rq, s); err != nil {
				return err
			}
		}
	}
	if len(rq.scopes) == 0 {
		return refuse(codeInvalidScope, "No scope was asked for that exists here.").because("no_scope")
	}
	if !rq.client.Allows(latchkey.GrantRefreshToken) || !rq.gets("code") {
		// Without the grant type or a code there is nothing that offline_access could give.
		rq.scopes = slices.DeleteFunc(rq.scopes, func(s string) bool { return s == scopeOffline })
	}
	return nil
}

// judgePermission takes a scope that is a permission of an API: the API has to be
// among the resources, and the application has to have it. A scope of an API
// that the application has nothing of is one that nobody knows.
func judgePermission(rq *request, scope string) error {
	api, permission := rq.client.PermissionOf(scope)
	switch {
	case api == nil:
	case !slices.Contains(rq.resources, api.Resource):
		return withoutResource()
	case !permission.People:
		return refuse(codeInvalidScope, "The application may not ask for one of these scopes.").because("scope_not_allowed")
	default:
		rq.scopes = append(rq.scopes, scope)
	}
	return nil
}

// judgePKCE checks the challenge by form (RFC 7636 §4.2): S256 gives 43
// characters. A client whose rules ask for one must send it.
func judgePKCE(rq *request, form url.Values) error {
	if !form.Has("code_challenge") && !form.Has("code_challenge_method") {
		if rq.client.NeedsPKCE() && rq.gets("code") {
			return refuse(codeInvalidRequest, "A code_challenge is required (PKCE with S256).").because("no_challenge")
		}
		return nil
	}
	rq.challenge = form.Get("code_challenge")
	if form.Get("code_challenge_method") != "S256" {
		return refuse(codeInvalidRequest, "The only code_challenge_method is S256.").because("challenge_method")
	}
	if len(rq.challenge) != 43 || strings.ContainsFunc(rq.challenge, func(r rune) bool { return notUnreserved(r) || r == '.' || r == '~' }) {
		return refuse(codeInvalidRequest, "The code_challenge is malformed.").because("malformed_challenge")
	}
	return nil
}
