package passkeytest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
)

// requestOptions is the part of PublicKeyCredentialRequestOptionsJSON
// (WebAuthn section 5.1.10) that a device acts on.
type requestOptions struct {
	Challenge        string       `json:"challenge"`
	RPID             string       `json:"rpId"`
	AllowCredentials []descriptor `json:"allowCredentials"`
}

// Get signs PublicKeyCredentialRequestOptionsJSON with a held credential and
// returns AuthenticationResponseJSON.
func (a *Authenticator) Get(optionsJSON []byte) ([]byte, error) {
	var o requestOptions
	if err := json.Unmarshal(optionsJSON, &o); err != nil {
		return nil, fmt.Errorf("read request options: %w", err)
	}
	if o.RPID != a.RPID {
		return nil, fmt.Errorf("%w: %q, not %q", ErrWrongSite, o.RPID, a.RPID)
	}
	c := a.choose(o.AllowCredentials)
	if c == nil {
		return nil, ErrNoCredential
	}
	c.SignCount += a.CounterStep
	clientDataJSON, err := a.clientData("webauthn.get", o.Challenge)
	if err != nil {
		return nil, err
	}
	authData, err := a.authData(c, false)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(clientDataJSON)
	signature, err := Sign(a.signer(c), c.Algorithm, slices.Concat(authData, hash[:]))
	if err != nil {
		return nil, fmt.Errorf("sign assertion: %w", err)
	}
	if a.Bend.Signature != nil {
		signature = a.Bend.Signature(signature)
	}
	return a.assertionJSON(Wire{ID: c.ID, RawID: c.ID, ClientDataJSON: clientDataJSON, AuthData: authData, Signature: signature, UserHandle: c.UserHandle})
}

// choose picks the credential that answers: the forced one, the newest allowed
// one, or with no list the newest of this relying party.
func (a *Authenticator) choose(allowed []descriptor) *Credential {
	if a.Use != nil {
		return a.Use
	}
	if len(allowed) > 0 && !a.IgnoreAllow {
		return a.find(allowed)
	}
	for _, c := range slices.Backward(a.credentials) {
		if c.RPID == a.RPID {
			return c
		}
	}
	return nil
}

func (a *Authenticator) assertionJSON(w Wire) ([]byte, error) {
	if a.Bend.Wire != nil {
		a.Bend.Wire(&w)
	}
	results := map[string]any{}
	for name, result := range a.ClientExtensions {
		results[name] = result
	}
	response := map[string]any{
		"clientDataJSON":    encode(w.ClientDataJSON),
		"authenticatorData": encode(w.AuthData),
		"signature":         encode(w.Signature),
	}
	if w.UserHandle != nil {
		response["userHandle"] = encode(w.UserHandle)
	}
	return a.finish(w, results, response)
}
