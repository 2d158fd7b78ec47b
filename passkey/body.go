package passkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"latchkey"
)

// strict decodes raw, one JSON object with each of the named members at most
// once and in exactly that spelling, into into. What the member "credential"
// holds is left as it is: browsers may add to it.
func strict(raw []byte, into any, names ...string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("the body is no object")
	}
	var seen []string
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if !slices.Contains(names, name) {
			return errors.New("unknown member")
		}
		if slices.Contains(seen, name) {
			return fmt.Errorf("member %s appears twice", name)
		}
		seen = append(seen, name)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if string(value) == "null" {
			return fmt.Errorf("member %s is null", name)
		}
	}
	return json.Unmarshal(raw, into)
}

func malformed(cause error) error {
	return &latchkey.Problem{
		Kind: latchkey.ErrInvalid, Code: "malformed_request", Message: "The request could not be understood.", Cause: cause,
	}
}

// Verification is what a browser sends back after a ceremony.
//
// It decodes itself strictly and keeps what is wrong, so that a body that does
// not fit is malformed_request and not a list of fields: no person typed it.
// Routes leave the validation of this body to it.
type Verification struct {
	ChallengeID string          `json:"challenge_id" doc:"As options gave it"`
	Credential  json.RawMessage `json:"credential" doc:"RegistrationResponseJSON or AuthenticationResponseJSON (WebAuthn Level 3)"`
	DeviceName  string          `json:"device_name,omitempty" doc:"Of a new passkey; 1 to 64 characters"`
	wrong       error
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Verification) UnmarshalJSON(raw []byte) error {
	type plain Verification
	v.wrong = strict(raw, (*plain)(v), "challenge_id", "credential", "device_name")
	return nil
}

func (v *Verification) check() error {
	switch {
	case v.wrong != nil:
		return malformed(v.wrong)
	case v.ChallengeID == "" || len(v.Credential) == 0:
		return malformed(errors.New("a member is missing"))
	case v.Credential[0] != '{':
		return malformed(errors.New("the credential is no object"))
	}
	return nil
}

// RegistrationRequest asks for the options of a new passkey.
type RegistrationRequest struct {
	Purpose     string `json:"purpose" enum:"setup,invite,signup,add,recover"`
	Token       string `json:"token,omitempty" doc:"Of the link, for setup and invite"`
	Username    string `json:"username,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Email       string `json:"email,omitempty"`
	Hint        string `json:"hint,omitempty" enum:"client-device,security-key,hybrid"`
	wrong       error
}

// UnmarshalJSON implements json.Unmarshaler; see Verification.
func (r *RegistrationRequest) UnmarshalJSON(raw []byte) error {
	type plain RegistrationRequest
	r.wrong = strict(raw, (*plain)(r), "purpose", "token", "username", "display_name", "email", "hint")
	return nil
}

// AuthenticationRequest asks for the options of a sign-in or a confirmation.
type AuthenticationRequest struct {
	Purpose   string `json:"purpose" enum:"login,reauth"`
	Mediation string `json:"mediation,omitempty" enum:"conditional"`
	Hint      string `json:"hint,omitempty" enum:"client-device,security-key,hybrid"`
	Request   string `json:"request,omitempty" doc:"Id of the authorization request that waits"`
	wrong     error
}

// UnmarshalJSON implements json.Unmarshaler; see Verification.
func (r *AuthenticationRequest) UnmarshalJSON(raw []byte) error {
	type plain AuthenticationRequest
	r.wrong = strict(raw, (*plain)(r), "purpose", "mediation", "hint", "request")
	return nil
}
