package latchkey

import (
	"encoding/json"
	"slices"
	"strings"
)

// ClientProtocol are the members of registration that steer how the protocol is
// spoken with one application, by the names of RFC 7591 and its neighbours. What
// is left out has the default of its standard.
type ClientProtocol struct {
	// ResponseModes are those that the application may ask for; none = query,
	// fragment and form_post, and the signed ones when AuthorizationAlg or
	// AuthorizationEncAlg is set.
	ResponseModes []string `json:"response_modes,omitempty"`

	// Keys of the application (RFC 7591 §2): the set itself or where it is.
	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI string          `json:"jwks_uri,omitempty"`
	AuthAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"` // "" = any that fits the method

	// Request objects (RFC 9101, OpenID Connect Registration §2) and RFC 9126 §6.
	RequestURIs          []string `json:"request_uris,omitempty"`
	RequestObjectAlg     string   `json:"request_object_signing_alg,omitempty"` // "" = any but none
	RequestObjectEncAlg  string   `json:"request_object_encryption_alg,omitempty"`
	RequestObjectEnc     string   `json:"request_object_encryption_enc,omitempty"`
	RequireSignedRequest bool     `json:"require_signed_request_object,omitempty"`
	RequirePushed        bool     `json:"require_pushed_authorization_requests,omitempty"`

	// How answers are signed and encrypted; "" = not (ID tokens are always signed).
	IDTokenEncAlg       string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEnc          string `json:"id_token_encrypted_response_enc,omitempty"`
	UserinfoAlg         string `json:"userinfo_signed_response_alg,omitempty"`
	UserinfoEncAlg      string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserinfoEnc         string `json:"userinfo_encrypted_response_enc,omitempty"`
	AuthorizationAlg    string `json:"authorization_signed_response_alg,omitempty"` // JARM §3
	AuthorizationEncAlg string `json:"authorization_encrypted_response_alg,omitempty"`
	AuthorizationEnc    string `json:"authorization_encrypted_response_enc,omitempty"`
	IntrospectionAlg    string `json:"introspection_signed_response_alg,omitempty"` // RFC 9701 §6
	IntrospectionEncAlg string `json:"introspection_encrypted_response_alg,omitempty"`
	IntrospectionEnc    string `json:"introspection_encrypted_response_enc,omitempty"`

	// Subjects (OpenID Connect Core §8).
	SubjectType         string `json:"subject_type,omitempty"` // public or pairwise
	SectorIdentifierURI string `json:"sector_identifier_uri,omitempty"`

	// Who is told of a sign-out (OpenID Connect Back-Channel Logout §2.2 and
	// Front-Channel Logout §2).
	BackchannelLogoutURI      string `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSession  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI     string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSession bool   `json:"frontchannel_logout_session_required,omitempty"`

	SoftwareStatement string `json:"software_statement,omitempty"` // as it was sent (RFC 7591 §2.3)
}

// Subject types (OpenID Connect Core §8).
const (
	SubjectPublic   = "public"
	SubjectPairwise = "pairwise"
)

// Response modes (OAuth 2.0 Multiple Response Types §2.1, Form Post Response
// Mode, JARM §2.3).
const (
	ModeQuery       = "query"
	ModeFragment    = "fragment"
	ModeFormPost    = "form_post"
	ModeJWT         = "jwt"
	ModeQueryJWT    = "query.jwt"
	ModeFragmentJWT = "fragment.jwt"
	ModeFormPostJWT = "form_post.jwt"
)

// ResponseModes are all that exist here.
func ResponseModes() []string {
	return []string{ModeQuery, ModeFragment, ModeFormPost, ModeJWT, ModeQueryJWT, ModeFragmentJWT, ModeFormPostJWT}
}

// ResponseTypes are those that exist here, each in its one spelling (OAuth 2.0
// Multiple Response Types §3 and §5).
func ResponseTypes() []string {
	return []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
}

// ResponseType is the one spelling of a response type, whose words may come in
// any order; ok tells whether there is such a type here.
func ResponseType(s string) (canonical string, ok bool) {
	parts := strings.Split(s, " ")
	slices.Sort(parts)
	canonical = strings.Join(parts, " ")
	return canonical, slices.Contains(ResponseTypes(), canonical)
}

// MayUseMode tells whether the application may ask for a response mode.
func (c *Client) MayUseMode(mode string) bool {
	if len(c.Protocol.ResponseModes) > 0 {
		return slices.Contains(c.Protocol.ResponseModes, mode)
	}
	if strings.HasSuffix(mode, ModeJWT) {
		return c.Protocol.AuthorizationAlg != "" || c.Protocol.AuthorizationEncAlg != ""
	}
	return true
}

// tidy makes what says nothing what was left out.
func (c *ClientProtocol) tidy() {
	for _, list := range []*[]string{&c.ResponseModes, &c.RequestURIs} {
		if *list = once(*list); len(*list) == 0 {
			*list = nil
		}
	}
}

// checkAlg judges the name of an algorithm; left out is its default.
func checkAlg(p problems, member, alg string, algs []string) {
	if alg != "" && !slices.Contains(algs, alg) {
		p.add(member, "%q does not exist here. There are: %s.", alg, strings.Join(algs, ", "))
	}
}

// checkProtocol judges what steers the protocol.
func (c *Client) checkProtocol(p problems) {
	c.checkLogout(p)
	c.checkSubject(p)
	checkAlg(p, "userinfo_signed_response_alg", c.Protocol.UserinfoAlg, SigningAlgs())
	checkAlg(p, "request_object_signing_alg", c.Protocol.RequestObjectAlg, ClientAlgs())
	checkList(p, "request_uris", c.Protocol.RequestURIs, func(uri string) string {
		address, _, _ := strings.Cut(uri, "#") // of what it holds (OpenID Connect Core §6.2)
		return fetchedProblem(address)
	})
	if c.Protocol.RequireSignedRequest && len(c.Protocol.JWKS) == 0 && c.Protocol.JWKSURI == "" {
		p.add("require_signed_request_object", "Signed requests need the keys of the application: jwks or jwks_uri.")
	}
	checkAlg(p, "authorization_signed_response_alg", c.Protocol.AuthorizationAlg, SigningAlgs())
	c.checkEncryption(p)
	checkAlg(p, "introspection_signed_response_alg", c.Protocol.IntrospectionAlg, SigningAlgs())
	for _, mode := range c.Protocol.ResponseModes {
		if !slices.Contains(ResponseModes(), mode) {
			p.add("response_modes", "%q does not exist here. There are: %s.", mode, strings.Join(ResponseModes(), ", "))
		}
	}
}
