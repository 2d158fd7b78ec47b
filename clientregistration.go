package latchkey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// RegistrationMode says who may register applications by the protocol.
type RegistrationMode string

// The modes of dynamic client registration (RFC 7591 §3).
const (
	RegistrationOff   RegistrationMode = "off"
	RegistrationToken RegistrationMode = "token" // whoever has an initial access token
	RegistrationOpen  RegistrationMode = "open"  // everybody
)

// SelfRegistration tells how an application registered itself. What stands in it
// is an administrator's word, which the application cannot change.
type SelfRegistration struct {
	TokenID   string   `json:"token_id,omitempty"`   // of the initial access token; "" = registration was open
	TokenName string   `json:"token_name,omitempty"` // as it was called then
	Publisher string   `json:"publisher,omitempty"`  // who vouches for it by a software statement: its iss
	Scopes    []string `json:"scopes,omitempty"`     // that it may have at most; none = those about a person
}

// administered are the members of a document that only an administrator sets:
// at registration they are passed over.
func administered() []string {
	return []string{
		"type", "profile", "first_party", "allowed_groups", "allowed_cors_origins", "access_token_format", "access_token_signed_response_alg",
		"access_token_ttl", "id_token_ttl", "refresh_token_ttl", "refresh_grace", "refresh_without_offline_access",
		"introspects", "notes", "tags", "enabled", "claims",
	}
}

// registrable tells whether an application may set a member for itself.
func registrable(member string) bool {
	return !slices.Contains(administered(), member) && !slices.Contains(passedOver(), member) &&
		slices.ContainsFunc(documentMembers(), func(f reflect.StructField) bool { return memberName(f) == member }) &&
		member != "client_id" && member != "client_secret"
}

// Register returns the application that c becomes by a document that it wrote
// itself (RFC 7591 §2, RFC 7592 §2.2): what the document leaves out is the
// default, and what only an administrator decides stays as it is in c. The
// result is checked. c is not changed.
//
// Members that nobody knows, and those that are an administrator's, are passed
// over: the application sees in the answer what it is. Scopes beyond its bounds
// are taken from it. Members that ask for something that is not done here are
// refused, because whoever wrote them relies on it. Problems name the member.
func (c *Client) Register(document []byte) (*Client, error) {
	patch, err := registrationObject(document)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(patch, func(member string, value json.RawMessage) bool {
		return is(value, "null") || !registrable(member) && !misleads(member)
	})
	if p := c.refuseMembers(patch); len(p) > 0 {
		return nil, InvalidFields(p)
	}
	members, err := c.members()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(members, func(member string, value json.RawMessage) bool {
		return registrable(member) || member == "type" || is(value, "null")
	})
	maps.Copy(members, patch)
	whole, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("spell out a client: %w", err)
	}
	next, err := c.read(whole)
	if err != nil {
		return nil, err
	}
	next.fillRegistration(patch)
	if err := next.boundScopes(patch); err != nil {
		return nil, err
	}
	return next, next.Check()
}

// RegistrationDocument is what may be told to an application about itself: its
// metadata (RFC 7591 §3.2.1), without what is an administrator's.
func (c *Client) RegistrationDocument() (map[string]json.RawMessage, error) {
	members, err := c.members()
	maps.DeleteFunc(members, func(member string, _ json.RawMessage) bool { return !registrable(member) })
	return members, err
}

// members are those of c's document.
func (c *Client) members() (map[string]json.RawMessage, error) {
	whole, err := json.Marshal(c.Document())
	if err != nil {
		return nil, fmt.Errorf("spell out a client: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(whole, &members); err != nil {
		return nil, fmt.Errorf("spell out a client: %w", err)
	}
	return members, nil
}

// registrationObject reads a document in the one spelling that everything after
// it sees: halves of surrogates are replaced, and what no column takes is refused.
func registrationObject(document []byte) (map[string]json.RawMessage, error) {
	malformed := &Problem{Kind: ErrInvalid, Code: "malformed_metadata", Message: "The metadata is not one JSON object of text."}
	var whole map[string]any
	if err := decodeAlone(document, &whole); err != nil || whole == nil {
		malformed.Cause = err
		return nil, malformed
	}
	spelled, err := json.Marshal(whole)
	if err != nil || bytes.Contains(spelled, []byte(`\u0000`)) {
		return nil, malformed
	}
	var patch map[string]json.RawMessage
	if err := json.Unmarshal(spelled, &patch); err != nil {
		return nil, fmt.Errorf("read metadata again: %w", err)
	}
	return patch, nil
}

// misleads tells of a member that means something to others and nothing here,
// whether the one who wrote it would rely on it.
func misleads(member string) bool {
	return notBuilt(member) != "" && member != "claims" && !strings.Contains(member, "#")
}

// fillRegistration gives a new registration what nobody said in it.
func (c *Client) fillRegistration(said map[string]json.RawMessage) {
	if _, ok := said["grant_types"]; !ok {
		c.GrantTypes = grantsFor(c.ResponseTypes)
	}
	orElse(&c.AuthMethod, AuthBasic) // of every type (RFC 7591 §2)
	if c.Type == "" {
		c.Type = c.guessType()
		if c.Type == TypeNative && is(said["application_type"], `"web"`) {
			c.Type = TypeSPA
		}
	}
	if c.Type == TypeMachine {
		c.RedirectURIs = nil // nobody comes back to it
	}
	orElse(&c.Profile, ProfileOIDC)
	if strings.TrimSpace(c.Name) == "" {
		c.Name = c.otherName()
	}
	if len(c.Scopes) == 0 && c.Type != TypeMachine {
		c.Scopes = Scopes()
	}
	c.FillDefaults()
}

// grantsFor are the grant types that response types need (RFC 7591 §2.1); none
// when nobody said which.
func grantsFor(responseTypes []string) (grants []string) {
	for _, r := range responseTypes {
		words := strings.Fields(r)
		if slices.Contains(words, "code") {
			grants = append(grants, GrantAuthorizationCode, GrantRefreshToken)
		}
		if slices.Contains(words, "token") || slices.Contains(words, "id_token") {
			grants = append(grants, GrantImplicit)
		}
	}
	return once(grants)
}

// otherName is what people may know an application by that gave no name: where
// they return to.
func (c *Client) otherName() string {
	for _, uri := range append(slices.Clone(c.RedirectURIs), c.Metadata.ClientURI) {
		if u, err := url.Parse(uri); err == nil && u.Host != "" && len(u.Host) <= maxClientName {
			return u.Host
		}
	}
	return "Unnamed application"
}

// boundScopes takes from an application what it may not have. Those that it
// asked for by name and that are all beyond its bounds are a mistake of its own.
func (c *Client) boundScopes(said map[string]json.RawMessage) error {
	bounds := Scopes()
	if c.Registration != nil && len(c.Registration.Scopes) > 0 {
		bounds = c.Registration.Scopes
	}
	asked := len(c.Scopes)
	c.Scopes = slices.DeleteFunc(slices.Clone(c.Scopes), func(s string) bool { return !slices.Contains(bounds, s) })
	if _, ok := said["scope"]; ok && asked > 0 && len(c.Scopes) == 0 {
		return InvalidFields(map[string]string{"scope": "None of these scopes is open to applications that register themselves here."})
	}
	return nil
}
