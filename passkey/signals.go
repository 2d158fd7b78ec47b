package passkey

import "encoding/base64"

// UnknownCredential is the argument of signalUnknownCredential.
type UnknownCredential struct {
	RPID         string `json:"rpId"`
	CredentialID string `json:"credentialId"`
}

// encode is base64url without padding, as the JSON of WebAuthn has it.
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
