package latchkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// ClientDocument is an application as the world spells it: client metadata by
// the names of RFC 7591 §2 (and OpenID Connect Dynamic Registration §2), and our
// extensions. Times are seconds; null is the default.
type ClientDocument struct {
	ClientID              string `json:"client_id,omitempty"`
	ClientSecret          string `json:"client_secret,omitempty"` // only in the answer that makes it
	ClientIDIssuedAt      int64  `json:"client_id_issued_at,omitempty"`
	ClientSecretExpiresAt int64  `json:"client_secret_expires_at"` // 0 = never

	Name                   string   `json:"client_name"`
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris"`
	AuthMethod             string   `json:"token_endpoint_auth_method"`
	GrantTypes             []string `json:"grant_types"`
	ResponseTypes          []string `json:"response_types"`
	Scope                  string   `json:"scope"`
	ApplicationType        string   `json:"application_type"` // web or native
	IDTokenAlg             string   `json:"id_token_signed_response_alg"`
	ClientURI              string   `json:"client_uri,omitempty"`
	LogoURI                string   `json:"logo_uri,omitempty"`
	PolicyURI              string   `json:"policy_uri,omitempty"`
	TOSURI                 string   `json:"tos_uri,omitempty"`
	InitiateLoginURI       string   `json:"initiate_login_uri,omitempty"`
	Contacts               []string `json:"contacts,omitempty"`
	SoftwareID             string   `json:"software_id,omitempty"`
	SoftwareVersion        string   `json:"software_version,omitempty"`
	DefaultMaxAge          *int64   `json:"default_max_age,omitempty"`
	RequireAuthTime        bool     `json:"require_auth_time,omitempty"`
	DefaultACRValues       []string `json:"default_acr_values,omitempty"`

	ClientProtocol

	Type                  string         `json:"type"` // web, spa, native, machine
	Profile               Profile        `json:"profile"`
	FirstParty            bool           `json:"first_party"`
	AllowedGroups         []string       `json:"allowed_groups"`
	AllowedCORSOrigins    []string       `json:"allowed_cors_origins"`
	AccessTokenFormat     string         `json:"access_token_format"`
	AccessTokenAlg        string         `json:"access_token_signed_response_alg"`
	AccessTokenTTL        *int64         `json:"access_token_ttl"`
	IDTokenTTL            *int64         `json:"id_token_ttl"`
	RefreshTokenTTL       *int64         `json:"refresh_token_ttl"`
	RefreshGrace          *int64         `json:"refresh_grace"`
	RefreshWithoutOffline bool           `json:"refresh_without_offline_access"`
	Introspects           bool           `json:"introspects"`
	Notes                 string         `json:"notes"`
	Tags                  []string       `json:"tags"`
	Enabled               bool           `json:"enabled"`
	Secrets               []SecretRecord `json:"secrets,omitempty"`
	UpdatedAt             *time.Time     `json:"updated_at,omitempty"`
	Version               int64          `json:"version,omitempty"`

	Registration *SelfRegistration `json:"registration,omitempty"` // how it registered itself
}

// SecretRecord is what may be told about a secret.
type SecretRecord struct {
	ID         string     `json:"id"`
	Prefix     string     `json:"prefix"` // "" = somebody chose it
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// Document spells c out; the secrets are listed, never shown.
func (c *Client) Document() *ClientDocument {
	d := &ClientDocument{
		ClientID: c.ID, Name: c.Name, RedirectURIs: listed(c.RedirectURIs), PostLogoutRedirectURIs: listed(c.PostLogoutRedirectURIs),
		AuthMethod: c.AuthMethod, GrantTypes: listed(c.GrantTypes), ResponseTypes: listed(c.ResponseTypes), Scope: strings.Join(c.Scopes, " "),
		ApplicationType: applicationType(c.Type), IDTokenAlg: c.IDTokenAlg, ClientProtocol: c.Protocol,
		ClientURI: c.Metadata.ClientURI, LogoURI: c.Metadata.LogoURI, PolicyURI: c.Metadata.PolicyURI, TOSURI: c.Metadata.TOSURI,
		InitiateLoginURI: c.Metadata.InitiateLogin, Contacts: listed(c.Metadata.Contacts),
		SoftwareID: c.Metadata.SoftwareID, SoftwareVersion: c.Metadata.SoftwareVersion,
		DefaultMaxAge: c.Metadata.DefaultMaxAge, RequireAuthTime: c.Metadata.RequireAuthTime, DefaultACRValues: listed(c.Metadata.DefaultACR),
		Type: c.Type, Profile: c.Profile, FirstParty: c.FirstParty, AllowedGroups: listed(c.AllowedGroups), AllowedCORSOrigins: listed(c.AllowedCORSOrigins),
		AccessTokenFormat: c.AccessTokenFormat, AccessTokenAlg: c.AccessTokenAlg,
		AccessTokenTTL: inSeconds(c.AccessTokenTTL), IDTokenTTL: inSeconds(c.IDTokenTTL), RefreshTokenTTL: inSeconds(c.RefreshTokenTTL),
		RefreshWithoutOffline: c.RefreshWithoutOffline, Introspects: c.Introspects,
		Notes: c.Metadata.Notes, Tags: listed(c.Metadata.Tags), Enabled: c.Enabled, Version: c.Version,
		Registration: c.Registration,
	}
	if d.SubjectType == "" {
		d.SubjectType = SubjectPublic
	}
	if c.RefreshGrace != nil {
		grace := int64(*c.RefreshGrace / time.Second)
		d.RefreshGrace = &grace
	}
	if !c.CreatedAt.IsZero() {
		d.ClientIDIssuedAt, d.UpdatedAt = c.CreatedAt.Unix(), moment(c.UpdatedAt)
	}
	for _, s := range c.Secrets {
		d.Secrets = append(d.Secrets, SecretRecord{ID: s.ID, Prefix: s.Prefix, CreatedAt: s.CreatedAt.UTC(), ExpiresAt: moment(s.ExpiresAt), LastUsedAt: moment(s.LastUsedAt)})
	}
	return d
}

func applicationType(t string) string {
	if t == TypeNative {
		return "native"
	}
	return "web"
}

func listed(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func inSeconds(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	n := int64(d / time.Second)
	return &n
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// ApplyMetadata returns the application that c becomes by a document of
// metadata: members that it names are set, null ones go back to their default
// (RFC 7396), all others stay. c is not changed, and nothing but the spelling is
// judged: FillDefaults and Check come after. Problems name the member.
//
// What answers contain beside the metadata (times, version, secrets by their
// prefix) is passed over, so that the output of one command is input of the
// next. Members that nobody knows are refused, and so are those that latchkey
// does not do yet: an operator who wrote one expects it to act.
func (c *Client) ApplyMetadata(document []byte) (*Client, error) {
	var patch map[string]json.RawMessage
	if err := decodeAlone(document, &patch); err != nil || patch == nil {
		return nil, &Problem{Kind: ErrInvalid, Code: "malformed_metadata", Message: "The metadata is not one JSON object.", Cause: err}
	}
	if p := c.refuseMembers(patch); len(p) > 0 {
		return nil, InvalidFields(p)
	}
	members, err := c.members()
	if err != nil {
		return nil, err
	}
	if _, said := patch["application_type"]; !said {
		delete(members, "application_type") // it follows the type
	}
	maps.Copy(members, patch)
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" })
	whole, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("spell out a client: %w", err)
	}
	return c.read(whole)
}

// decodeAlone decodes one JSON value with nothing after it.
func decodeAlone(document []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows after the value")
	}
	return nil
}

// read makes a client of a whole document; what is no metadata stays c's.
func (c *Client) read(document []byte) (*Client, error) {
	d := ClientDocument{Enabled: true}
	if err := json.Unmarshal(document, &d); err != nil {
		wrong := (*json.UnmarshalTypeError)(nil)
		if errors.As(err, &wrong) && wrong.Field != "" {
			member, _, _ := strings.Cut(strings.TrimPrefix(wrong.Field, "ClientProtocol."), ".") // the part of the document is no member
			return nil, InvalidFields(map[string]string{member: "This is " + wrong.Value + ", not " + kindInWords(wrong.Type) + "."})
		}
		return nil, &Problem{Kind: ErrInvalid, Code: "malformed_metadata", Message: "The metadata could not be read.", Cause: err}
	}
	next := *c
	if d.ClientID != "" {
		next.ID = d.ClientID
	}
	next.Name, next.RedirectURIs, next.PostLogoutRedirectURIs = d.Name, d.RedirectURIs, d.PostLogoutRedirectURIs
	next.AuthMethod, next.GrantTypes, next.ResponseTypes, next.Scopes = d.AuthMethod, d.GrantTypes, d.ResponseTypes, strings.Fields(d.Scope)
	next.IDTokenAlg, next.AccessTokenAlg, next.AccessTokenFormat = d.IDTokenAlg, d.AccessTokenAlg, d.AccessTokenFormat
	next.Profile, next.FirstParty, next.Introspects, next.Enabled = d.Profile, d.FirstParty, d.Introspects, d.Enabled
	next.AllowedGroups, next.AllowedCORSOrigins = d.AllowedGroups, d.AllowedCORSOrigins
	next.RefreshWithoutOffline, next.Protocol = d.RefreshWithoutOffline, d.ClientProtocol
	next.Metadata = ClientMetadata{
		ClientURI: d.ClientURI, LogoURI: d.LogoURI, PolicyURI: d.PolicyURI, TOSURI: d.TOSURI, InitiateLogin: d.InitiateLoginURI,
		Contacts: d.Contacts, Notes: d.Notes, Tags: d.Tags, Claims: c.Metadata.Claims, SoftwareID: d.SoftwareID, SoftwareVersion: d.SoftwareVersion,
		DefaultMaxAge: d.DefaultMaxAge, RequireAuthTime: d.RequireAuthTime, DefaultACR: d.DefaultACRValues,
	}
	p := problems{}
	next.Type = typeOf(p, d.Type, d.ApplicationType)
	next.AccessTokenTTL, next.IDTokenTTL = duration(p, "access_token_ttl", d.AccessTokenTTL), duration(p, "id_token_ttl", d.IDTokenTTL)
	next.RefreshTokenTTL, next.RefreshGrace = duration(p, "refresh_token_ttl", d.RefreshTokenTTL), nil
	if d.RefreshGrace != nil {
		grace := duration(p, "refresh_grace", d.RefreshGrace)
		next.RefreshGrace = &grace
	}
	if len(p) > 0 {
		return nil, InvalidFields(p)
	}
	next.Protocol.tidy()
	return &next, nil
}

// typeOf brings our type and application_type of OpenID Connect Dynamic
// Registration together.
func typeOf(p problems, typ, application string) string {
	switch {
	case application != "" && application != "web" && application != "native":
		p.add("application_type", "This is web or native, not %q.", application)
	case typ == "" && application == "native":
		return TypeNative
	case typ != "" && application != "" && applicationType(typ) != application:
		p.add("application_type", "This does not go with type %s. Leave it out, or change the type.", typ)
	}
	return typ
}

// duration reads seconds. Those that no lifetime can have are refused here,
// before they overflow.
func duration(p problems, member string, seconds *int64) time.Duration {
	if seconds == nil {
		return 0
	}
	if *seconds < 0 || *seconds > int64(maxRefreshTTL/time.Second) {
		p.add(member, "This is no number of seconds that fits.")
		return 0
	}
	return time.Duration(*seconds) * time.Second
}

func kindInWords(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		return "a list of texts"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	}
	return "text"
}

// ChangedMembers names the members of metadata in which a and b differ.
func ChangedMembers(a, b *Client) []string {
	before, after := reflect.ValueOf(*a.Document()), reflect.ValueOf(*b.Document())
	var changed []string
	for _, field := range documentMembers() {
		name := memberName(field)
		if !slices.Contains(passedOver(), name) && !same(before.FieldByIndex(field.Index).Interface(), after.FieldByIndex(field.Index).Interface()) {
			changed = append(changed, name)
		}
	}
	return changed
}

// same compares members. JSON within them may be spelled in several ways.
func same(a, b any) bool {
	rawA, isRaw := a.(json.RawMessage)
	rawB, _ := b.(json.RawMessage)
	var valueA, valueB any
	if isRaw && json.Unmarshal(rawA, &valueA) == nil && json.Unmarshal(rawB, &valueB) == nil {
		a, b = valueA, valueB
	}
	return reflect.DeepEqual(a, b)
}

// documentMembers are the members of a document, those of its parts included.
func documentMembers() []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(reflect.TypeFor[ClientDocument]()), func(f reflect.StructField) bool { return f.Anonymous })
}

func memberName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}
