package demo

import (
	"errors"
	"net/http"

	"latchkey/templates"
)

// problem is a failure that a person reads as a page.
type problem struct {
	status int
	code   string // stable, in data-code
	title  string
	text   string
	detail string // from the provider, shown folded
	cause  error  // for the log only
}

// Error returns the code and, for the log, the cause.
func (p problem) Error() string {
	if p.cause != nil {
		return p.code + ": " + p.cause.Error()
	}
	return p.code
}

var (
	unknownState = problem{status: http.StatusBadRequest, code: "unknown_state", title: "This answer is not for this browser",
		text: "No sign-in that was started here waits for it. It may have been used already, taken longer than 15 minutes, or been started elsewhere. Nothing was accepted."}
	wrongIssuer = problem{status: http.StatusBadRequest, code: "wrong_issuer", title: "Another provider answered",
		text: "The answer does not come from the provider that this application trusts. Nothing was accepted."}
	wrongNonce = problem{status: http.StatusBadRequest, code: "wrong_nonce", title: "This token belongs to another sign-in",
		text: "The ID token was not made for the sign-in that was started here. Nothing was accepted."}
	notFresh = problem{status: http.StatusBadGateway, code: "not_fresh", title: "The passkey was not used again",
		text: "The application asked for a new use of the passkey, and the token tells of an older one."}
	noIDToken = problem{status: http.StatusBadGateway, code: "no_id_token", title: "The ID token is missing",
		text: "latchkey answered without an ID token, so nobody is signed in."}
	otherPerson = problem{status: http.StatusBadGateway, code: "other_person", title: "These tokens speak of somebody else",
		text: "The renewed tokens are for another person. They were thrown away."}
	signedOutHere = problem{status: http.StatusUnauthorized, code: "signed_out", title: "You are signed out here",
		text: "Your session in this application has ended. Sign in again."}
	endedThere = problem{status: http.StatusUnauthorized, code: "session_ended", title: "latchkey ended this access",
		text: "The refresh token is no longer accepted: you signed out, access was removed, or it was used twice. This application has forgotten you. Sign in again."}
	noRefreshToken = problem{status: http.StatusConflict, code: "no_refresh_token", title: "There is nothing to refresh",
		text: "latchkey gave no refresh token. It gives one when the scope offline_access was allowed."}
)

// refusedToken is an ID token that did not stand up to the checks.
func refusedToken(cause error) problem {
	return problem{status: http.StatusBadGateway, code: "id_token_refused", title: "The ID token was refused",
		text: "Its signature, issuer, audience, lifetime or access token hash is not what it must be. Nobody is signed in.", cause: cause}
}

// refusal puts the error of an authorization answer in words. The description
// is the provider's and shown as such.
func refusal(code, description string) problem {
	p := problem{status: http.StatusBadRequest, code: code, title: "latchkey could not sign you in", text: "It answered with an error. Try again.", detail: description}
	switch code {
	case "access_denied":
		p.status, p.title, p.text = http.StatusForbidden, "You are not signed in", "You cancelled, or this application is not open to you. Nothing was shared."
	case "login_required", "interaction_required", "account_selection_required":
		p.title, p.text = "You need to sign in", "The application asked without a page, and latchkey needs you to act. Press the button to sign in."
	case "consent_required":
		p.title, p.text = "Your permission is missing", "You have not allowed this application yet. Press the button to sign in and decide."
	case "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_response_type":
		p.title, p.text = "This application is not set up correctly", "latchkey does not accept what it asked for. Compare its registration."
	case "server_error", "temporarily_unavailable":
		p.status, p.title, p.text = http.StatusBadGateway, "latchkey has a problem", "Nothing was shared. Try again in a minute."
	default:
		p.code = "provider_error"
		p.detail = code + " " + description
	}
	return p
}

// asProblem makes a page of any error.
func asProblem(err error) problem {
	if p, ok := errors.AsType[problem](err); ok {
		return p
	}
	return problem{status: http.StatusInternalServerError, code: "internal", title: "Something went wrong", text: "The application has a fault. The log says more.", cause: err}
}

// fail logs a problem and shows it.
func (a *App) fail(w http.ResponseWriter, r *http.Request, p problem) {
	a.log.InfoContext(r.Context(), "demo: refused", "code", p.code, "cause", p.cause)
	body, err := a.pages.Error(templates.DemoError{Code: p.code, Title: p.title, Text: p.text, Detail: p.detail})
	a.show(w, r, p.status, body, err)
}
