package passkey

import (
	"encoding/base64"

	"latchkey"
)

// Signals tell the browser which passkeys exist and what their owner is called
// (WebAuthn §5.1.10), so that it hides what no longer works. They go to the
// signed-in owner only.
type Signals struct {
	AllAccepted *AllAccepted `json:"allAccepted,omitempty"`
	CurrentUser *CurrentUser `json:"currentUser,omitempty"`
}

// AllAccepted is the argument of signalAllAcceptedCredentials.
type AllAccepted struct {
	RPID          string   `json:"rpId"`
	UserID        string   `json:"userId"`
	CredentialIDs []string `json:"allAcceptedCredentialIds"`
}

// CurrentUser is the argument of signalCurrentUserDetails.
type CurrentUser struct {
	RPID        string `json:"rpId"`
	UserID      string `json:"userId"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// UnknownCredential is the argument of signalUnknownCredential.
type UnknownCredential struct {
	RPID         string `json:"rpId"`
	CredentialID string `json:"credentialId"`
}

// signalsFor names a person's passkeys. An empty list would make the browser
// delete them all: then the signal is left out.
func (s *Service) signalsFor(u *latchkey.User, credentialIDs [][]byte) *Signals {
	handle := encode(u.WebAuthnHandle)
	signals := &Signals{CurrentUser: &CurrentUser{RPID: s.rpID, UserID: handle, Name: u.Username, DisplayName: u.DisplayName}}
	if len(credentialIDs) > 0 {
		ids := make([]string, len(credentialIDs))
		for i, id := range credentialIDs {
			ids[i] = encode(id)
		}
		signals.AllAccepted = &AllAccepted{RPID: s.rpID, UserID: handle, CredentialIDs: ids}
	}
	return signals
}

// encode is base64url without padding, as the JSON of WebAuthn has it.
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
