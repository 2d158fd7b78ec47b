package latchkey

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// API is a resource server that applications get access tokens for (RFC 8707).
// Its permissions are scopes, each of which belongs to it alone.
type API struct {
	ID                string
	Resource          string // absolute URI: what applications ask for, and `aud` of its tokens; never changes
	Name              string
	ClientID          string        // application that serves it and may introspect its tokens; empty = none
	AccessTokenFormat string        // of its tokens; empty = as the application has it
	AccessTokenTTL    time.Duration // of its tokens; 0 = as the application has it
	Permissions       []Permission  // by scope
	Clients           int           // applications that get tokens for it
	Version           int64
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// Permission is something that may be done at an API.
type Permission struct {
	Scope       string
	Description string // what people read when they are asked: begins with a verb
	Advertised  bool   // in scopes_supported of discovery, for everybody to see
}

// APIAccess is what one application may have of an API.
type APIAccess struct {
	APIID    string
	ClientID string
	People   bool     // tokens for people who sign in to it
	Itself   bool     // tokens by client_credentials
	ForUsers []string // permissions of tokens for people
	ForSelf  []string // permissions of tokens by client_credentials
}

// ClientAPI is an API as one application may use it.
type ClientAPI struct {
	ID          string
	Resource    string
	Name        string
	Format      string        // of its access tokens; empty = the application's
	TTL         time.Duration // of its access tokens; 0 = the application's
	People      bool          // tokens for people who sign in to the application
	Itself      bool          // tokens by client_credentials
	Permissions []ClientPermission
}

// ClientPermission is a permission of an API, and whether one application may
// have it.
type ClientPermission struct {
	Permission
	People bool // in tokens for people
	Itself bool // in tokens by client_credentials
}

// Bounds of an API.
const (
	maxAPIName     = 128 // characters
	maxPermissions = 100 // of one API
	maxDescription = 256 // characters
)

// FindPermission returns the permission of a scope.
func (a *API) FindPermission(scope string) (*Permission, bool) {
	for i := range a.Permissions {
		if a.Permissions[i].Scope == scope {
			return &a.Permissions[i], true
		}
	}
	return nil, false
}

// Scopes are those of its permissions.
func (a *API) Scopes() []string {
	names := make([]string, 0, len(a.Permissions))
	for _, p := range a.Permissions {
		names = append(names, p.Scope)
	}
	return names
}

// Check judges an API. What is wrong comes as InvalidFields with resource, name,
// permissions, access_token_format and access_token_ttl. It may tidy a.
func (a *API) Check() error {
	p := problems{}
	a.Name = strings.TrimSpace(a.Name)
	if what := ResourceProblem(a.Resource); what != "" {
		p.add("resource", "%s", what)
	}
	if a.Name == "" {
		p.add("name", "Enter a name. People see it when an application asks for its permissions.")
	}
	checkText(p, "name", a.Name, maxAPIName)
	if !slices.Contains([]string{"", FormatJWT, FormatOpaque}, a.AccessTokenFormat) {
		p.add("access_token_format", "The format of access tokens is jwt or opaque, not %q.", a.AccessTokenFormat)
	}
	checkSpan(p, "access_token_ttl", a.AccessTokenTTL, minTokenTTL, maxTokenTTL)
	a.checkPermissions(p)
	if len(p) > 0 {
		return InvalidFields(p)
	}
	return nil
}

func (a *API) checkPermissions(p problems) {
	if len(a.Permissions) > maxPermissions {
		p.add("permissions", "These are more than %d permissions.", maxPermissions)
	}
	seen := map[string]bool{}
	for i := range a.Permissions {
		one := &a.Permissions[i]
		one.Description = strings.TrimSpace(one.Description)
		switch {
		case !scopeToken(one.Scope):
			p.add("permissions", "%q cannot be a scope: up to %d visible ASCII characters, without quotation mark and backslash.", one.Scope, maxScope)
		case slices.Contains(Scopes(), one.Scope):
			p.add("permissions", "%s is about a person and belongs to latchkey itself.", one.Scope)
		case seen[one.Scope]:
			p.add("permissions", "%s is there twice.", one.Scope)
		case one.Description == "":
			p.add("permissions", "Describe %s: what an application can do with it, such as “Read your calendar”.", one.Scope)
		default:
			checkText(p, "permissions", one.Description, maxDescription)
		}
		seen[one.Scope] = true
	}
	slices.SortFunc(a.Permissions, func(a, b Permission) int { return strings.Compare(a.Scope, b.Scope) })
}

// ResourceProblem says what is wrong with a resource indicator; "" means
// nothing. It is an absolute URI without a fragment (RFC 8707 §2), in a spelling
// that can be compared letter by letter.
func ResourceProblem(uri string) string {
	switch {
	case uri == "":
		return "Enter the address of the API, such as https://api.example.com/calendar."
	case len(uri) > maxURI || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`", r) }):
		return "A resource is one URI in ASCII letters, of at most 2000."
	case strings.Contains(uri, "#"):
		return "A resource has no fragment (#)."
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" || u.User != nil {
		return "A resource is a full URI with its scheme, such as https://api.example.com/calendar."
	}
	return ""
}

// Check judges what an application is to be allowed of an API. What is wrong
// comes as InvalidFields with permissions and itself. Where nothing is named,
// it may tidy x: the application then gets tokens without permissions, in the
// ways that it has.
func (x *APIAccess) Check(a *API, c *Client) error {
	p := problems{}
	x.ForUsers, x.ForSelf = once(x.ForUsers), once(x.ForSelf)
	people, itself := c.SignsPeopleIn(), c.Allows(GrantClientCredentials)
	if x.People, x.Itself = len(x.ForUsers) > 0, len(x.ForSelf) > 0; !x.People && !x.Itself {
		x.People, x.Itself = people, itself
	}
	if x.People && !people {
		p.add("permissions", "Nobody signs in to %s: it can have permissions for itself only.", c.Name)
	}
	if x.Itself && !itself {
		p.add("itself", "%s has no grant type client_credentials, so it gets no tokens for itself.", c.Name)
	}
	for member, scopes := range map[string][]string{"permissions": x.ForUsers, "itself": x.ForSelf} {
		for _, scope := range scopes {
			if _, there := a.FindPermission(scope); !there {
				p.add(member, "%s has no permission %q.", a.Name, scope)
			}
		}
	}
	if len(p) > 0 {
		return InvalidFields(p)
	}
	return nil
}
