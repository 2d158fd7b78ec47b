package latchkey

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// passedOver are members of answers that are no metadata.
func passedOver() []string {
	return []string{"client_id", "client_id_issued_at", "client_secret_expires_at", "secrets", "updated_at", "version",
		"registration", "registration_client_uri", "registration_access_token", "logout_notices"}
}

// unbuilt are members that RFC 7591, OpenID Connect and their neighbours define
// and that mean nothing here yet, by how their names begin, with what to do
// instead. The first that fits counts.
func unbuilt() [][2]string {
	const (
		leave   = "This is not built yet. Leave it out."
		secrets = "Certificates of applications are not built yet. Applications prove themselves by a key or a secret."
		sealed  = "Answers of introspection are signed, not encrypted. Leave this out."
		device  = "Sign-in on another device is not built yet. Leave this out."
	)
	return [][2]string{
		{"tls_client_auth_", secrets},
		{"authorization_details_types", leave},
		{"dpop_bound_access_tokens", leave}, {"tls_client_certificate_bound_access_tokens", leave},
		{"introspection_encrypted_", sealed},
		{"software_statement", "Software statements are not built yet. Write the metadata itself."},
		{"claims", "Claims of an application's own are not built yet. Leave this out."},
		{"backchannel_token_", device}, {"backchannel_client_", device}, {"backchannel_authentication_", device}, {"backchannel_user_", device},
	}
}

// notBuilt says of an unbuilt member what to do instead; "" of others.
func notBuilt(member string) string {
	for _, u := range unbuilt() {
		if strings.HasPrefix(member, u[0]) {
			return u[1]
		}
	}
	if strings.Contains(member, "#") { // RFC 7591 §2.2
		return "Names in several languages are not built yet. Leave this out."
	}
	return ""
}

// refuseMembers says what is wrong with the names of members, and takes those
// out of patch that are passed over. An unbuilt one that is null, false or empty
// asks for nothing.
func (c *Client) refuseMembers(patch map[string]json.RawMessage) problems {
	known := map[string]bool{}
	for _, field := range documentMembers() {
		known[memberName(field)] = true
	}
	p := problems{}
	for member, value := range patch {
		what := notBuilt(member)
		switch {
		case member == "client_secret":
			p.add(member, "A secret is no metadata: it is made for you, or given apart.")
		case member == "client_id":
			if c.ID != "" && !is(value, `"`+c.ID+`"`) {
				p.add(member, "The id of an application cannot be changed, and this document is of another one.")
			}
		case slices.Contains(passedOver(), member):
			delete(patch, member)
		case what != "" && !asksNothing(value):
			p.add(member, "%s", what)
		case known[member], what != "":
		default:
			p.add(member, "Nobody knows this member. The names are those of RFC 7591, and those in the documentation.")
		}
	}
	return p
}

// asksNothing tells whether a value is that of a member left out.
func asksNothing(value json.RawMessage) bool {
	return is(value, "null", "false", `""`, "[]", "{}")
}

func is(value json.RawMessage, one ...string) bool {
	return slices.Contains(one, string(bytes.TrimSpace(value)))
}
