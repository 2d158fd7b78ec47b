package templates

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"latchkey"
)

// ProfileForm is what applications may learn of a person, as it was typed. Field
// names: those of the claims and of the parts of the address (OpenID Connect
// Core §5.1), version, and for administrators by (admin).
type ProfileForm struct {
	Values   map[string]string // by field
	Errors   map[string]string // field to what is wrong
	Checked  bool              // phone_number_verified
	Unproven bool              // there is an e-mail address, and it is not verified
	Admin    bool              // an administrator fills it in: with the e-mail address, and whether the phone number was checked
	Version  string            // of what was read; comes back with the form
}

// profileTexts are the fields whose text is the claim.
func profileTexts() []string {
	return []string{
		latchkey.ClaimName, "given_name", "middle_name", "family_name", "nickname", "profile", "picture", "website",
		"gender", "birthdate", "zoneinfo", "locale", latchkey.ClaimPhoneNumber,
	}
}

// ProfileFormOf is the form of a person as they are.
func ProfileFormOf(u *latchkey.User, admin bool) ProfileForm {
	f := ProfileForm{
		Values: map[string]string{latchkey.ClaimEmail: u.Email}, Admin: admin, Version: strconv.FormatInt(u.Version, 10),
		Unproven: u.Email != "" && u.EmailVerifiedAt.IsZero(),
	}
	for _, name := range profileTexts() {
		value, _ := u.Claim(name)
		f.Values[name], _ = value.(string)
	}
	address, _ := u.Claim(latchkey.ClaimAddress)
	parts, _ := address.(map[string]any)
	for _, part := range latchkey.AddressParts() {
		f.Values[part], _ = parts[part].(string)
	}
	verified, _ := u.Claim(latchkey.ClaimPhoneVerified)
	f.Checked, _ = verified.(bool)
	return f
}

// ProfileTyped is a form that came back, with what is wrong with it by claim.
func ProfileTyped(form url.Values, wrong map[string]string, admin bool) ProfileForm {
	f := ProfileForm{Values: map[string]string{}, Errors: map[string]string{}, Admin: admin, Version: form.Get("version")}
	for name := range form {
		f.Values[name] = form.Get(name)
	}
	f.Checked = form.Get(latchkey.ClaimPhoneVerified) == "yes"
	for name, what := range wrong {
		f.Errors[strings.TrimPrefix(name, latchkey.ClaimAddress+".")] = what
	}
	return f
}

// ProfileClaims is what a form asks for, as claims by name. A field that the
// form does not have says nothing.
func ProfileClaims(form url.Values, admin bool) map[string]any {
	claims := map[string]any{}
	texts := profileTexts()
	if admin {
		texts = append(texts, latchkey.ClaimEmail)
		// A number that is taken away leaves nothing that could be checked.
		number := strings.TrimSpace(form.Get(latchkey.ClaimPhoneNumber))
		claims[latchkey.ClaimPhoneVerified] = form.Get(latchkey.ClaimPhoneVerified) == "yes" && number != ""
	}
	for _, name := range texts {
		if form.Has(name) {
			claims[name] = form.Get(name)
		}
	}
	address := map[string]any{}
	for _, part := range latchkey.AddressParts() {
		if form.Has(part) {
			address[part] = form.Get(part)
		}
	}
	if len(address) == len(latchkey.AddressParts()) { // whole or not at all
		claims[latchkey.ClaimAddress] = address
	}
	return claims
}

// ProfileFacts are the claims of a person that are set, in words, without those
// that stand elsewhere on the page.
func ProfileFacts(u *latchkey.User, except ...string) (facts []Fact) {
	for _, c := range latchkey.Claims() {
		value, set := u.Claim(c.Name)
		if !set || slices.Contains(except, c.Name) {
			continue
		}
		words := strings.TrimPrefix(c.Words, "Your ")
		fact := Fact{Name: strings.ToUpper(words[:1]) + words[1:]}
		switch v := value.(type) {
		case string:
			fact.Value = v
		case map[string]any:
			fact.Value = addressInWords(v)
		default:
			continue
		}
		if verified, _ := u.Claim(latchkey.ClaimPhoneVerified); c.Name == latchkey.ClaimPhoneNumber {
			fact.Value += map[any]string{true: ", checked", false: ", not checked"}[verified]
		}
		facts = append(facts, fact)
	}
	return facts
}

// addressInWords is an address on one line.
func addressInWords(parts map[string]any) string {
	var said []string
	for _, part := range latchkey.AddressParts() {
		text, ok := parts[part].(string)
		if ok && (part != "formatted" || len(parts) == 1) {
			said = append(said, strings.ReplaceAll(text, "\n", ", "))
		}
	}
	return strings.Join(said, ", ")
}
