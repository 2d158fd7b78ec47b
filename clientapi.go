package latchkey

import "slices"

// Resources are those that the application may have tokens for: tokens for
// people, or by client_credentials for itself.
func (c *Client) Resources(itself bool) []string {
	resources := make([]string, 0, len(c.APIs))
	for i := range c.APIs {
		if a := &c.APIs[i]; itself && a.Itself || !itself && a.People {
			resources = append(resources, a.Resource)
		}
	}
	return resources
}

// APIOf returns the API of a resource, nil when the application may have nothing
// of it.
func (c *Client) APIOf(resource string) *ClientAPI {
	for i := range c.APIs {
		if c.APIs[i].Resource == resource {
			return &c.APIs[i]
		}
	}
	return nil
}

// PermissionOf returns the permission that a scope is, and the API that it
// belongs to, among the APIs that the application may use. The application need
// not have the permission itself.
func (c *Client) PermissionOf(scope string) (*ClientAPI, *ClientPermission) {
	for i := range c.APIs {
		for j := range c.APIs[i].Permissions {
			if p := &c.APIs[i].Permissions[j]; p.Scope == scope {
				return &c.APIs[i], p
			}
		}
	}
	return nil, nil
}

// PermissionsAt are the permissions that the application may have at resources:
// in tokens for people, or by client_credentials for itself.
func (c *Client) PermissionsAt(resources []string, itself bool) (scopes []string) {
	for i := range c.APIs {
		a := &c.APIs[i]
		if !slices.Contains(resources, a.Resource) {
			continue
		}
		for _, p := range a.Permissions {
			if itself && p.Itself || !itself && p.People {
				scopes = append(scopes, p.Scope)
			}
		}
	}
	return scopes
}

// PeopleScopes are all scopes that the application may have in tokens for
// people: its own, and the permissions of APIs.
func (c *Client) PeopleScopes() []string {
	return slices.Concat(c.Scopes, c.PermissionsAt(c.Resources(false), false))
}

// PermissionWords says in words what an application asks for at the APIs among
// resources, and returns the scopes that are no permissions of theirs.
func (c *Client) PermissionWords(scopes, resources []string) (words, others []string) {
	permissions := []string{}
	for i := range c.APIs {
		a := &c.APIs[i]
		if !slices.Contains(resources, a.Resource) {
			continue
		}
		asked := 0
		for _, p := range a.Permissions {
			if slices.Contains(scopes, p.Scope) {
				words = append(words, "At \u2068"+a.Name+"\u2069: "+p.Description)
				permissions, asked = append(permissions, p.Scope), asked+1
			}
		}
		if asked == 0 {
			words = append(words, "Use \u2068"+a.Name+"\u2069 for you")
		}
	}
	return words, slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(permissions, s) })
}
