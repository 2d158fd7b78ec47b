package oidc

import (
	"net/url"
	"slices"
	"strings"

	"latchkey"
)

// gets tells whether the response type asks for code, token or id_token from the
// authorization endpoint.
func (rq *request) gets(part string) bool { return slices.Contains(strings.Fields(rq.types), part) }

// inFront tells whether tokens come by the browser.
func (rq *request) inFront() bool { return rq.gets("token") || rq.gets("id_token") }

// judgeResponse checks the response type: one that exists, in its exact case,
// and that the application is registered for.
func judgeResponse(rq *request, form url.Values) error {
	asked := form.Get("response_type")
	if asked == "" {
		return refuse(codeInvalidRequest, "The parameter response_type is missing.").because("no_response_type")
	}
	types, ok := latchkey.ResponseType(asked)
	if !ok {
		return refuse(codeUnsupportedResponse, "There is no such response type here.")
	}
	rq.types = types
	if !slices.Contains(rq.client.ResponseTypes, types) ||
		rq.gets("code") && !rq.client.Allows(latchkey.GrantAuthorizationCode) ||
		rq.inFront() && !rq.client.Allows(latchkey.GrantImplicit) {
		return refuse(codeUnauthorizedClient, "The application may not use this response type.").because("response_type_not_allowed")
	}
	return nil
}

// answerMode is how the answer goes back, also that of a request which is wrong
// in another way: as asked where that can be done, else by the rule of the
// response type (OAuth 2.0 Multiple Response Types §2.1 and §5).
func answerMode(c *latchkey.Client, form url.Values) (mode string, signed bool) {
	inFront := slices.ContainsFunc(strings.Fields(form.Get("response_type")), func(part string) bool { return part == "token" || part == "id_token" })
	if asked := form.Get("response_mode"); modeProblem(c, asked, inFront) == nil {
		return plainMode(asked, inFront)
	}
	return plainMode("", inFront)
}

// plainMode takes a response mode apart: how the answer travels, and whether it
// is signed (JARM §2.3). Where it says nothing of the way, the response type does.
func plainMode(asked string, inFront bool) (mode string, signed bool) {
	mode, signed = strings.CutSuffix(asked, latchkey.ModeJWT)
	if mode = strings.TrimSuffix(mode, "."); mode != "" {
		return mode, signed
	}
	if inFront {
		return latchkey.ModeFragment, signed
	}
	return latchkey.ModeQuery, signed
}

// judgeMode refuses a response mode that does not exist, that the application
// may not use, or that would put tokens where they leak.
func judgeMode(rq *request, form url.Values) error {
	if !form.Has("response_mode") {
		return nil
	}
	if f := modeProblem(rq.client, form.Get("response_mode"), rq.inFront()); f != nil {
		return f
	}
	if rq.mode == latchkey.ModeFormPost && !postable(rq.redirect) {
		rq.mode, _ = plainMode("", rq.inFront())
		return refuse(codeInvalidRequest, "A form can be posted to a web address only.").because("response_mode")
	}
	return nil
}

func modeProblem(c *latchkey.Client, mode string, inFront bool) *fault {
	switch {
	case !slices.Contains(latchkey.ResponseModes(), mode):
		return refuse(codeInvalidRequest, "There is no such response mode here.").because("response_mode")
	case !c.MayUseMode(mode):
		return refuse(codeInvalidRequest, "The application may not use this response mode.").because("response_mode_not_allowed")
	case inFront && (mode == latchkey.ModeQuery || mode == latchkey.ModeQueryJWT):
		return refuse(codeInvalidRequest, "Tokens are not sent in the query of an address.").because("response_mode")
	}
	return nil
}

// postable tells whether a browser can post to an address.
func postable(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
}

// judgeNonce demands a nonce, and the scope openid, where the browser brings an
// ID token (OpenID Connect Core §3.2.2.1 and §3.3.2.11).
func judgeNonce(rq *request, form url.Values) error {
	rq.nonce = form.Get("nonce")
	switch {
	case len(rq.nonce) > maxNonce:
		return refuse(codeInvalidRequest, "The nonce is too long.").because("nonce")
	case !rq.gets("id_token"):
		return nil
	case !slices.Contains(rq.scopes, scopeOpenID):
		return refuse(codeInvalidScope, "An ID token needs the scope openid.").because("no_openid")
	case rq.nonce == "":
		return refuse(codeInvalidRequest, "This response type needs a nonce.").because("no_nonce")
	}
	return nil
}

// maxNonce is as long as the column, in bytes.
const maxNonce = 4096
