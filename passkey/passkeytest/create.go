package passkeytest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// descriptor is PublicKeyCredentialDescriptorJSON.
type descriptor struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// creationOptions is the part of PublicKeyCredentialCreationOptionsJSON
// (WebAuthn section 5.1.8) that a device acts on.
type creationOptions struct {
	RP struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Challenge        string `json:"challenge"`
	PubKeyCredParams []struct {
		Type string `json:"type"`
		Alg  int64  `json:"alg"`
	} `json:"pubKeyCredParams"`
	ExcludeCredentials []descriptor   `json:"excludeCredentials"`
	Extensions         map[string]any `json:"extensions"`
}

// Create makes a new discoverable credential from
// PublicKeyCredentialCreationOptionsJSON and returns RegistrationResponseJSON.
func (a *Authenticator) Create(optionsJSON []byte) ([]byte, error) {
	var o creationOptions
	if err := json.Unmarshal(optionsJSON, &o); err != nil {
		return nil, fmt.Errorf("read creation options: %w", err)
	}
	if o.RP.ID != a.RPID {
		return nil, fmt.Errorf("%w: %q, not %q", ErrWrongSite, o.RP.ID, a.RPID)
	}
	if !a.IgnoreExclude && a.find(o.ExcludeCredentials) != nil {
		return nil, ErrExcluded
	}
	c, err := a.newCredential(o)
	if err != nil {
		return nil, err
	}
	clientDataJSON, err := a.clientData("webauthn.create", o.Challenge)
	if err != nil {
		return nil, err
	}
	authData, err := a.authData(c, true)
	if err != nil {
		return nil, err
	}
	object, err := a.attestationObject(c, authData, clientDataJSON)
	if err != nil {
		return nil, err
	}
	a.credentials = append(a.credentials, c)
	_, asked := o.Extensions["credProps"]
	return a.registrationJSON(c, asked, Wire{ID: c.ID, RawID: c.ID, ClientDataJSON: clientDataJSON, AuthData: authData, AttestationObject: object})
}

func (a *Authenticator) newCredential(o creationOptions) (*Credential, error) {
	handle, err := decode(o.User.ID)
	if err != nil {
		return nil, fmt.Errorf("user id in creation options: %w", err)
	}
	alg := a.Algorithm
	for _, offered := range o.PubKeyCredParams {
		if alg == 0 && slices.Contains([]int64{ES256, EdDSA, RS256}, offered.Alg) {
			alg = offered.Alg
		}
	}
	if alg == 0 {
		return nil, ErrUnsupported
	}
	generate := a.NewKey
	if generate == nil {
		generate = GenerateKey
	}
	key, err := generate(alg)
	if err != nil {
		return nil, fmt.Errorf("make credential key: %w", err)
	}
	id := make([]byte, a.IDLength)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("make credential id: %w", err)
	}
	return &Credential{ID: id, RPID: a.RPID, UserHandle: handle, Algorithm: alg, Key: key}, nil
}

func (a *Authenticator) registrationJSON(c *Credential, askedCredProps bool, w Wire) ([]byte, error) {
	if a.Bend.Wire != nil {
		a.Bend.Wire(&w)
	}
	results := map[string]any{}
	for name, result := range a.ClientExtensions {
		results[name] = result
	}
	if askedCredProps && a.CredProps != nil {
		results["credProps"] = map[string]any{"rk": *a.CredProps}
	}
	response := map[string]any{
		"clientDataJSON":     encode(w.ClientDataJSON),
		"authenticatorData":  encode(w.AuthData),
		"attestationObject":  encode(w.AttestationObject),
		"transports":         a.Transports,
		"publicKeyAlgorithm": c.Algorithm,
	}
	if spki, err := x509.MarshalPKIXPublicKey(c.Key.Public()); err == nil {
		response["publicKey"] = encode(spki)
	}
	return a.finish(w, results, response)
}

// finish writes the members that both kinds of answer share.
func (a *Authenticator) finish(w Wire, results, response map[string]any) ([]byte, error) {
	answer := map[string]any{
		"id":                     encode(w.ID),
		"rawId":                  encode(w.RawID),
		"type":                   "public-key",
		"clientExtensionResults": results,
		"response":               response,
	}
	if a.Attachment != "" {
		answer["authenticatorAttachment"] = a.Attachment
	}
	if a.Bend.Response != nil {
		a.Bend.Response(answer)
	}
	out, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("write answer: %w", err)
	}
	if a.Bend.Body != nil {
		out = a.Bend.Body(out)
	}
	return out, nil
}

// find returns the newest held credential among the described ones, or nil.
func (a *Authenticator) find(list []descriptor) *Credential {
	for _, c := range slices.Backward(a.credentials) {
		for _, d := range list {
			if id, err := decode(d.ID); err == nil && bytes.Equal(id, c.ID) {
				return c
			}
		}
	}
	return nil
}

func (a *Authenticator) signer(c *Credential) crypto.Signer {
	if a.SignWith != nil {
		return a.SignWith
	}
	return c.Key
}

// encode and decode are base64url without padding, as WebAuthn's JSON has it.
func encode(b []byte) string          { return base64.RawURLEncoding.EncodeToString(b) }
func decode(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
