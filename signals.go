package latchkey

import "encoding/base64"

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

// SignalsFor names a person's passkeys at an RP ID. An empty list would make the
// browser delete them all: then the signal is left out.
func SignalsFor(rpID string, u *User, credentialIDs [][]byte) *Signals {
	handle := base64.RawURLEncoding.EncodeToString(u.WebAuthnHandle)
	signals := &Signals{CurrentUser: &CurrentUser{RPID: rpID, UserID: handle, Name: u.Username, DisplayName: u.DisplayName}}
	if len(credentialIDs) > 0 {
		ids := make([]string, len(credentialIDs))
		for i, id := range credentialIDs {
			ids[i] = base64.RawURLEncoding.EncodeToString(id)
		}
		signals.AllAccepted = &AllAccepted{RPID: rpID, UserID: handle, CredentialIDs: ids}
	}
	return signals
}

// CredentialIDs are those of the passkeys that belong to an RP ID.
func CredentialIDs(rpID string, passkeys []*Passkey) [][]byte {
	ids := make([][]byte, 0, len(passkeys))
	for _, p := range passkeys {
		if p.RPID == rpID {
			ids = append(ids, p.CredentialID)
		}
	}
	return ids
}
