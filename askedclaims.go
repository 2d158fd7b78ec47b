package latchkey

import (
	"encoding/json"
	"reflect"
	"slices"
)

// AskedClaims are those about a person that a request asks for by name, beside
// its scopes (OpenID Connect Core §5.5), by where they go.
type AskedClaims struct {
	Userinfo AskedValues `json:"userinfo,omitempty"`
	IDToken  AskedValues `json:"id_token,omitempty"`
}

// AskedValues are claims by name, each with the values that would do, as JSON
// decodes them (§5.5.1); none = every value does.
type AskedValues map[string][]any

// Beyond are the claims that are asked for and that scopes do not give, in the
// order in which they are shown.
func (a AskedClaims) Beyond(scopes []string) []Claim {
	return slices.DeleteFunc(Claims(), func(c Claim) bool {
		_, userinfo := a.Userinfo[c.Name]
		_, idToken := a.IDToken[c.Name]
		return !userinfo && !idToken || slices.Contains(scopes, c.Scope)
	})
}

// Names are the names of claims.
func Names(claims []Claim) (names []string) {
	for _, c := range claims {
		names = append(names, c.Name)
	}
	return names
}

// Tell puts into told what asked asks for: claims that are set, of a value that
// would do, and that the application may have at all, which its scopes say.
func (u *User) Tell(told map[string]any, asked AskedValues, scopes []string) {
	for name, values := range asked {
		c, known := FindClaim(name)
		value, set := u.Claim(name)
		if known && set && slices.Contains(scopes, c.Scope) && wouldDo(value, values) {
			told[name] = value
		}
	}
}

// wouldDo compares as JSON does: a number is a number, however it is kept.
func wouldDo(value any, values []any) bool {
	if len(values) == 0 {
		return true
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return false
	}
	var decoded any
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		return false
	}
	return slices.ContainsFunc(values, func(v any) bool { return reflect.DeepEqual(v, decoded) })
}
