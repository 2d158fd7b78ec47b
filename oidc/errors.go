package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/ory/fosite"

	"latchkey"
)

// Error codes of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6,
// RFC 8707 §2, RFC 9101 §7, RFC 6750 §3.1 and RFC 7591 §3.2.2.
const (
	codeInvalidRequest      = "invalid_request"
	codeInvalidClient       = "invalid_client"
	codeInvalidGrant        = "invalid_grant"
	codeInvalidScope        = "invalid_scope"
	codeInvalidTarget       = "invalid_target"
	codeInvalidToken        = "invalid_token"
	codeInsufficientScope   = "insufficient_scope"
	codeUnauthorizedClient  = "unauthorized_client"
	codeUnsupportedGrant    = "unsupported_grant_type"
	codeUnsupportedResponse = "unsupported_response_type"
	codeAccessDenied        = "access_denied"
	codeServerError         = "server_error"
	codeLoginRequired       = "login_required"
	codeConsentRequired     = "consent_required"
	codeUnmet               = "unmet_authentication_requirements" // OpenID Connect Core Error Code, of that name
	codeRequestNotSupported = "request_not_supported"
	codeURINotSupported     = "request_uri_not_supported"
	codeInvalidRequestURI   = "invalid_request_uri"
	codeInvalidObject       = "invalid_request_object"
	codeRegistrationRefused = "registration_not_supported"
	codeInvalidRedirectURI  = "invalid_redirect_uri"
	codeInvalidMetadata     = "invalid_client_metadata"
	codeUnapprovedStatement = "unapproved_software_statement"
)

// fault is a refusal in the words of the protocol. Its text is a constant of
// ours: nothing that a client or a database said gets into an answer, but for
// metadata, which is quoted to the application that sent it.
type fault struct {
	code   string
	text   string
	reason string // for the event; the code when empty
	page   string // for a page: code of a refusal that no application hears of
	status int    // 0 = 400
	basic  bool   // Basic was tried
	cause  error  // for the log
}

func refuse(code, text string) *fault { return &fault{code: code, text: text} }

// because adds the reason that the event names.
func (f *fault) because(reason string) *fault {
	f.reason = reason
	return f
}

// onPage makes a refusal one that only the person sees, under a code of pages:
// the client or the address of the answer cannot be trusted.
func (f *fault) onPage(code string) *fault {
	f.page = code
	return f
}

// Error is for the log.
func (f *fault) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("%s (%s): %v", f.code, f.why(), f.cause)
	}
	return f.code + " (" + f.why() + ")"
}

func (f *fault) Unwrap() error { return f.cause }

func (f *fault) why() string {
	if f.reason != "" {
		return f.reason
	}
	return f.code
}

// description is the text in the characters of RFC 6749 §5.2.
func (f *fault) description() string {
	return strings.Map(func(r rune) rune {
		if r == 0x20 || r == 0x21 || r >= 0x23 && r <= 0x5b || r >= 0x5d && r <= 0x7e {
			return r
		}
		return -1
	}, f.text)
}

// faultOf is what an error of fosite becomes. Our own verdict goes before it;
// what is neither is a fault of ours and stays an error.
func faultOf(err error) error {
	if f := (*fault)(nil); errors.As(err, &f) {
		return f
	}
	if errors.Is(err, latchkey.ErrUnavailable) {
		return err
	}
	rfc := (*fosite.RFC6749Error)(nil)
	if !errors.As(err, &rfc) {
		return err
	}
	code, text := rfc.ErrorField, "The request was refused."
	switch code {
	case codeInvalidRequest, codeInvalidGrant, codeInvalidScope, codeUnauthorizedClient, codeInvalidClient:
	case "scope_not_granted":
		code = codeInvalidScope
	case "token_inactive", "token_expired", "token_signature_mismatch":
		code = codeInvalidGrant
	default: // misconfiguration, error, not_found, server_error and what nobody thought of
		return fmt.Errorf("fosite: %w: %s", err, rfc.DebugField)
	}
	return &fault{code: code, text: text, reason: "protocol", cause: err}
}

// errorBody is the answer of RFC 6749 §5.2, with the number by which an
// operator finds the request in the log.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
	RequestID   string `json:"request_id,omitempty"`
}

// answerFault writes a refusal of the back channel, and its event unless that is
// written already. Other errors go on to the server, which logs them and shows a
// number.
func (p *Provider) answerFault(c *gin.Context, err error) error {
	err = p.tokenRefused(c.Request.Context(), &unit{}, err)
	f := (*fault)(nil)
	if !errors.As(err, &f) {
		return err
	}
	if f.cause != nil {
		p.Log.InfoContext(c.Request.Context(), "protocol refusal", "code", f.code, "reason", f.why(), "cause", f.cause.Error())
	}
	status := f.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if f.code == codeInvalidClient {
		status = http.StatusUnauthorized
		if f.basic {
			c.Header("WWW-Authenticate", `Basic realm="latchkey", charset="UTF-8"`)
		}
	}
	id := latchkey.ActorFrom(c.Request.Context()).RequestID
	return p.answerJSON(c, status, errorBody{Error: f.code, Description: f.description(), RequestID: id})
}

// answerJSON writes an answer that nobody may keep.
func (p *Provider) answerJSON(c *gin.Context, status int, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Pragma", "no-cache")
	c.Data(status, "application/json", encoded)
	return nil
}
