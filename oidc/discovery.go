package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/keys"
)

// metadata are the members of OpenID Connect Discovery §3, RFC 8414 §2,
// RP-Initiated Logout §2.1, Back-Channel and Front-Channel Logout and RFC 9207 §3: what works,
// nothing else.
type metadata struct {
	Issuer                string   `json:"issuer"`
	Authorization         string   `json:"authorization_endpoint"`
	Token                 string   `json:"token_endpoint"`
	Userinfo              string   `json:"userinfo_endpoint"`
	JWKS                  string   `json:"jwks_uri"`
	EndSession            string   `json:"end_session_endpoint"`
	Introspection         string   `json:"introspection_endpoint"`
	Revocation            string   `json:"revocation_endpoint"`
	PAR                   string   `json:"pushed_authorization_request_endpoint"`
	Registration          string   `json:"registration_endpoint,omitempty"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	AuthorizationAlgs     []string `json:"authorization_signing_alg_values_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ACR                   []string `json:"acr_values_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	UserinfoAlgs          []string `json:"userinfo_signing_alg_values_supported"`
	IntrospectionAlgs     []string `json:"introspection_signing_alg_values_supported"`
	IDTokenEncAlgs        []string `json:"id_token_encryption_alg_values_supported"`
	IDTokenEncs           []string `json:"id_token_encryption_enc_values_supported"`
	UserinfoEncAlgs       []string `json:"userinfo_encryption_alg_values_supported"`
	UserinfoEncs          []string `json:"userinfo_encryption_enc_values_supported"`
	AuthorizationEncAlgs  []string `json:"authorization_encryption_alg_values_supported"`
	AuthorizationEncs     []string `json:"authorization_encryption_enc_values_supported"`
	TokenAuth             []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuth        []string `json:"revocation_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	Claims                []string `json:"claims_supported"`
	ClaimTypes            []string `json:"claim_types_supported"`
	Prompts               []string `json:"prompt_values_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	BackchannelLogout     bool     `json:"backchannel_logout_supported"`
	BackchannelLogoutSID  bool     `json:"backchannel_logout_session_supported"`
	CheckSessionIframe    string   `json:"check_session_iframe"`
	FrontchannelLogout    bool     `json:"frontchannel_logout_supported"`
	FrontchannelLogoutSID bool     `json:"frontchannel_logout_session_supported"`
	IssuerInResponse      bool     `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	RequestObjectAlgs     []string `json:"request_object_signing_alg_values_supported"`
	RequestObjectEncAlgs  []string `json:"request_object_encryption_alg_values_supported"`
	RequestObjectEncs     []string `json:"request_object_encryption_enc_values_supported"`
	RequirePushed         bool     `json:"require_pushed_authorization_requests"`
	RequireRequestURIRegd bool     `json:"require_request_uri_registration"`
	Signed                string   `json:"signed_metadata,omitempty"`
}

// document is an answer that is the same for everybody, rendered once.
type document struct {
	body []byte
	etag string
}

// described is the discovery document with the permissions of APIs in it, and
// the key that signed it.
type described struct {
	document
	permissions []string
	kid         string // "" = not signed: the keys are not loaded
}

// metadataAlg signs the metadata: every library knows it.
const metadataAlg = latchkey.RS256

// describe renders the discovery document.
func (p *Provider) describe(permissions []string) (*described, error) {
	register := ""
	if p.Registration != latchkey.RegistrationOff {
		register = p.Issuer + pathRegister
	}
	confidential := []string{latchkey.AuthBasic, latchkey.AuthPost, latchkey.AuthSecretJWT, latchkey.AuthPrivateKeyJWT}
	any := append(slices.Clone(confidential), latchkey.AuthNone)
	all := metadata{
		Issuer: p.Issuer, Authorization: p.Issuer + pathAuthorize, Token: p.Issuer + pathToken, Userinfo: p.Issuer + pathUserinfo,
		JWKS: p.Issuer + pathJWKS, EndSession: p.Issuer + pathLogout, Introspection: p.Issuer + pathIntrospect, Revocation: p.Issuer + pathRevoke, PAR: p.Issuer + pathPAR,
		Registration: register,
		Scopes:       append(latchkey.Scopes(), permissions...), ResponseTypes: latchkey.ResponseTypes(), ResponseModes: latchkey.ResponseModes(), AuthorizationAlgs: latchkey.SigningAlgs(),
		GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantImplicit, latchkey.GrantRefreshToken, latchkey.GrantClientCredentials},
		ACR:        latchkey.ACRValues(), ClaimsParameter: true,
		SubjectTypes: []string{latchkey.SubjectPublic, latchkey.SubjectPairwise}, IDTokenAlgs: latchkey.SigningAlgs(), UserinfoAlgs: latchkey.SigningAlgs(), IntrospectionAlgs: latchkey.SigningAlgs(),
		IDTokenEncAlgs: latchkey.EncryptionAlgs(), UserinfoEncAlgs: latchkey.EncryptionAlgs(), AuthorizationEncAlgs: latchkey.EncryptionAlgs(),
		IDTokenEncs: latchkey.ContentEncs(), UserinfoEncs: latchkey.ContentEncs(), AuthorizationEncs: latchkey.ContentEncs(),
		TokenAuth: any, IntrospectionAuth: confidential, RevocationAuth: any,
		TokenAuthAlgs: authAlgs(), IntrospectionAuthAlgs: authAlgs(), RevocationAuthAlgs: authAlgs(),
		Claims: supportedClaims(), ClaimTypes: []string{"normal"},
		Prompts:          []string{promptNone, promptLogin, promptConsent, promptSelect},
		ChallengeMethods: []string{"S256"}, IssuerInResponse: true, RequestParameter: true, RequestURIParameter: true, RequireRequestURIRegd: true,
		BackchannelLogout: true, BackchannelLogoutSID: true, FrontchannelLogout: true, FrontchannelLogoutSID: true,
		RequestObjectAlgs:    latchkey.ClientAlgs(),
		RequestObjectEncAlgs: latchkey.DecryptionAlgs(), RequestObjectEncs: latchkey.ContentEncs(),
		CheckSessionIframe: p.Issuer + pathCheckSession,
	}
	kid := p.Keys.Signer(metadataAlg)
	if kid != "" {
		var err error
		if all.Signed, err = p.Keys.Sign(metadataAlg, keys.TypeJWT, signedMetadata{metadata: all, By: p.Issuer}); err != nil {
			return nil, fmt.Errorf("sign discovery: %w", err)
		}
	}
	body, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("render discovery: %w", err)
	}
	return &described{newDocument(body), permissions, kid}, nil
}

// signedMetadata are the claims of RFC 8414 §2.1. They have no time in them, so
// that every node makes the same document.
type signedMetadata struct {
	metadata
	By string `json:"iss"`
}

// described is the discovery document as it is now. It never waits for a database
// that is away: then it is the last one.
func (p *Provider) described(ctx context.Context) (document, error) {
	last := p.discovery.Load()
	permissions, err := p.DB.AdvertisedScopes(ctx)
	if err != nil {
		p.Log.WarnContext(ctx, "the permissions in discovery may be old", "cause", err.Error())
	}
	if slices.Equal(permissions, last.permissions) && last.kid == p.Keys.Signer(metadataAlg) {
		return last.document, nil
	}
	next, err := p.describe(permissions)
	if err != nil {
		return document{}, err
	}
	p.discovery.Store(next)
	return next.document, nil
}

// supportedClaims are those of ID tokens, and those about a person.
func supportedClaims() []string {
	names := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "c_hash"}
	for _, c := range latchkey.Claims() {
		names = append(names, c.Name)
	}
	return names
}

func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// Discovery serves GET /.well-known/openid-configuration and
// /.well-known/oauth-authorization-server.
func (p *Provider) Discovery(c *gin.Context) error {
	d, err := p.described(c.Request.Context())
	if err != nil {
		return err
	}
	return answerDocument(c, d, "application/json")
}

// JWKS serves GET /oauth2/jwks (RFC 7517 §5).
func (p *Provider) JWKS(c *gin.Context) error {
	body, etag := p.Keys.Fetch(c.Request.Context())
	if body == nil {
		return fmt.Errorf("%w: the signing keys are not loaded", latchkey.ErrUnavailable)
	}
	return answerDocument(c, document{body, etag}, "application/jwk-set+json")
}

func answerDocument(c *gin.Context, d document, mediaType string) error {
	c.Header("Cache-Control", "public, max-age=3600")
	c.Header("ETag", d.etag)
	if known(c.GetHeader("If-None-Match"), d.etag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	c.Data(http.StatusOK, mediaType, d.body)
	return nil
}

// known tells whether an If-None-Match names the tag (RFC 9110 §13.1.2).
func known(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
