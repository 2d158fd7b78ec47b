package latchkey

import "slices"

// Claim is one thing that applications may learn of a person (OpenID Connect
// Core §5.1; groups is ours).
type Claim struct {
	Name  string
	Scope string // that gives it (§5.4)
	Words string // what it is to the person, such as "Your birthday"

	of   func(*User) (value any, set bool) // nil = it is kept in User.Claims
	fits func(any) bool                    // whether a kept value has the standard's JSON type
}

// Names of claims that rules speak of.
const (
	ClaimName          = "name"
	ClaimUsername      = "preferred_username"
	ClaimEmail         = "email"
	ClaimPhoneNumber   = "phone_number"
	ClaimPhoneVerified = "phone_number_verified"
	ClaimAddress       = "address"
	claimUpdatedAt     = "updated_at"
	claimEmailVerified = "email_verified"
	claimGroups        = "groups"
	scopeProfile       = "profile"
	scopeEmail         = "email"
	scopeAddress       = "address"
	scopePhone         = "phone"
	scopeGroups        = "groups"
)

// claims are in the order in which they are shown.
var claims = []Claim{
	{Name: ClaimName, Scope: scopeProfile, Words: "Your name", of: func(u *User) (any, bool) { return u.DisplayName, u.DisplayName != "" }},
	{Name: "given_name", Scope: scopeProfile, Words: "Your given name", fits: isText},
	{Name: "middle_name", Scope: scopeProfile, Words: "Your middle name", fits: isText},
	{Name: "family_name", Scope: scopeProfile, Words: "Your family name", fits: isText},
	{Name: "nickname", Scope: scopeProfile, Words: "Your nickname", fits: isText},
	{Name: ClaimUsername, Scope: scopeProfile, Words: "Your username", of: func(u *User) (any, bool) { return u.Username, u.Username != "" }},
	{Name: "profile", Scope: scopeProfile, Words: "The address of your profile page", fits: isText},
	{Name: "picture", Scope: scopeProfile, Words: "Your picture", fits: isText},
	{Name: "website", Scope: scopeProfile, Words: "Your website", fits: isText},
	{Name: "gender", Scope: scopeProfile, Words: "Your gender", fits: isText},
	{Name: "birthdate", Scope: scopeProfile, Words: "Your birthday", fits: isText},
	{Name: "zoneinfo", Scope: scopeProfile, Words: "Your time zone", fits: isText},
	{Name: "locale", Scope: scopeProfile, Words: "Your language", fits: isText},
	{Name: claimUpdatedAt, Scope: scopeProfile, Words: "When your profile last changed", of: func(u *User) (any, bool) { return u.UpdatedAt.Unix(), !u.UpdatedAt.IsZero() }},
	{Name: ClaimEmail, Scope: scopeEmail, Words: "Your e-mail address", of: func(u *User) (any, bool) { return u.Email, u.emailProven() }},
	{Name: claimEmailVerified, Scope: scopeEmail, Words: "That your e-mail address is yours", of: func(u *User) (any, bool) { return true, u.emailProven() }},
	{Name: ClaimAddress, Scope: scopeAddress, Words: "Your postal address", fits: isAddress},
	{Name: ClaimPhoneNumber, Scope: scopePhone, Words: "Your phone number", fits: isText},
	{Name: ClaimPhoneVerified, Scope: scopePhone, Words: "Whether your phone number was checked", of: phoneVerified},
	{Name: claimGroups, Scope: scopeGroups, Words: "The groups you are in", of: func(u *User) (any, bool) { return append([]string{}, u.Groups...), true }},
}

// Claims are those that latchkey knows, in the order in which they are shown.
func Claims() []Claim { return slices.Clone(claims) }

// FindClaim is the claim of a name; ok is false for one that nobody here knows.
func FindClaim(name string) (c Claim, ok bool) {
	i := slices.IndexFunc(claims, func(c Claim) bool { return c.Name == name })
	if i < 0 {
		return Claim{}, false
	}
	return claims[i], true
}

// Claim is what an application with the right to it learns: the value in the
// JSON type of the standard. ok is false for what is not set, and for what is not
// told: an e-mail address that nobody proved (CONTRACT: e-mail).
func (u *User) Claim(name string) (value any, ok bool) {
	c, known := FindClaim(name)
	switch {
	case !known:
		return nil, false
	case c.of != nil:
		return c.of(u)
	}
	value, ok = u.Claims[name]
	return value, ok && c.fits(value)
}

// KeptClaims are those that are set and kept as claims of their own: all but the
// name, the username, the e-mail address and what follows from the account.
func (u *User) KeptClaims() map[string]any {
	kept := map[string]any{}
	for _, c := range claims {
		value, set := u.Claim(c.Name)
		if set && (c.of == nil || c.Name == ClaimPhoneVerified) {
			kept[c.Name] = value
		}
	}
	return kept
}

func (u *User) emailProven() bool { return u.Email != "" && !u.EmailVerifiedAt.IsZero() }

// phoneVerified is said of every number: false means that nobody checked it.
func phoneVerified(u *User) (any, bool) {
	verified, _ := u.Claims[ClaimPhoneVerified].(bool)
	number, ok := u.Claims[ClaimPhoneNumber].(string)
	return verified, ok && number != ""
}

func isText(v any) bool { s, ok := v.(string); return ok && s != "" }

// isAddress tells whether a value is that of §5.1.1: an object of texts.
func isAddress(v any) bool {
	parts, ok := v.(map[string]any)
	for name, part := range parts {
		ok = ok && slices.Contains(AddressParts(), name) && isText(part)
	}
	return ok && len(parts) > 0
}

// AddressParts are the members of the claim address (§5.1.1).
func AddressParts() []string {
	return []string{"formatted", "street_address", "locality", "region", "postal_code", "country"}
}
