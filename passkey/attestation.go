package passkey

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
)

// minCredentialID is the shortest credential id taken, in bytes: WebAuthn §4
// asks authenticators for 100 bits of entropy in it.
const (
	minCredentialID = 16
	maxCredentialID = 1023
)

// methodsOf reads acr and amr (RFC 8176) from the flags of this very ceremony.
// The record would say what was true once. There is neither hwk nor swk for a key
// that is not synced: an AAGUID alone is a claim, self attestation proves no
// model, and so where the key is kept is unknown.
func methodsOf(flags protocol.AuthenticatorFlags) (acr string, amr []string) {
	if flags.HasBackupEligible() {
		return latchkey.ACRPhishingResistant, []string{"pop", "swk", "user", "mfa"}
	}
	return latchkey.ACRPhishingResistant, []string{"pop", "user", "mfa"}
}

// checkOrigin compares the origin byte for byte. The library also takes other
// cases, a final slash, a path and user-info, which no browser sends.
func (s *Service) checkOrigin(client *protocol.CollectedClientData) error {
	if client.Origin != s.origin {
		return refusal(errVerification(), "origin", fmt.Errorf("origin %.200q", client.Origin))
	}
	return nil
}

// checkUserVerified looks at the flag itself: in the library's answer a missing
// PIN cannot be told from a forgery, and the person should be told.
func checkUserVerified(flags protocol.AuthenticatorFlags) error {
	if flags.HasUserPresent() && !flags.HasUserVerified() {
		return refusal(errUserVerification(), "user_not_verified", nil)
	}
	return nil
}

// checkAssertion refuses what the library lets pass, or answers as if a signature
// had been wrong, although no authenticator makes it: an assertion without a
// signature, and one with attested credential data (WebAuthn §6.3.3).
func checkAssertion(parsed *protocol.ParsedCredentialAssertionData) error {
	if len(parsed.Response.Signature) == 0 {
		return refusal(errMalformed(), "no_signature", nil)
	}
	if parsed.Response.AuthenticatorData.Flags.HasAttestedCredentialData() {
		return refusal(errMalformed(), "attested_data", nil)
	}
	return nil
}

// checkObject wants the three members of an attestation object (WebAuthn §6.5.4)
// in exactly their spelling: the library also takes them in another case.
func checkObject(object []byte) error {
	var members map[string]cbor.RawMessage
	if err := cbor.Unmarshal(object, &members); err != nil {
		return refusal(errMalformed(), "attestation_object", err)
	}
	for _, name := range []string{"fmt", "attStmt", "authData"} {
		if _, ok := members[name]; !ok {
			return refusal(errMalformed(), "attestation_object", nil)
		}
	}
	return nil
}

// checkNewCredential refuses what the library lets pass although it could never
// sign in, or anybody could sign with it.
func checkNewCredential(parsed *protocol.ParsedCredentialCreationData, offered []protocol.CredentialParameter) error {
	if err := checkObject(parsed.Raw.AttestationResponse.AttestationObject); err != nil {
		return err
	}
	attested := parsed.Response.AttestationObject.AuthData.AttData
	if !slices.Equal(parsed.RawID, attested.CredentialID) || len(attested.CredentialID) > maxCredentialID {
		return refusal(errMalformed(), "credential_id", nil)
	}
	if len(attested.CredentialID) < minCredentialID {
		return refusal(errUnsupportedKey(), "short_credential_id", nil)
	}
	if err := checkKey(attested.CredentialPublicKey, offered); err != nil {
		return refusal(errUnsupportedKey(), "public_key", err)
	}
	props := parsed.ClientExtensionResults.CredProps
	if props != nil && props.RK != nil && !*props.RK {
		return refusal(errNotDiscoverable(), "not_discoverable", nil)
	}
	return nil
}

// checkKey parses a COSE key, which the library leaves undone for format none,
// and holds RSA to 2048..4096 bits with exponent 65537.
func checkKey(cose []byte, offered []protocol.CredentialParameter) error {
	parsed, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return err
	}
	var kind, alg int64 // the one algorithm of each kind of key, and the key's own
	switch key := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		kind, alg = int64(webauthncose.AlgES256), key.Algorithm
	case webauthncose.OKPPublicKeyData:
		kind, alg = int64(webauthncose.AlgEdDSA), key.Algorithm
	case webauthncose.RSAPublicKeyData:
		kind, alg = int64(webauthncose.AlgRS256), key.Algorithm
		if bits := bitLen(key.Modulus); bits < 2048 || bits > 4096 {
			return fmt.Errorf("RSA modulus of %d bits", bits)
		}
		if !slices.Equal(key.Exponent, []byte{1, 0, 1}) {
			return errors.New("RSA exponent is not 65537")
		}
	default:
		return errors.New("unknown kind of key")
	}
	if alg != kind || !slices.ContainsFunc(offered, func(p protocol.CredentialParameter) bool { return int64(p.Algorithm) == alg }) {
		return fmt.Errorf("algorithm %d was not offered or does not fit the key", alg)
	}
	return nil
}

func bitLen(n []byte) int {
	for len(n) > 0 && n[0] == 0 {
		n = n[1:]
	}
	if len(n) == 0 {
		return 0
	}
	bits := len(n) * 8
	for top := n[0]; top&0x80 == 0; top <<= 1 {
		bits--
	}
	return bits
}

// offered are the algorithms of new passkeys: EdDSA, ES256, RS256, in every
// build alike.
func offered() []protocol.CredentialParameter { return webauthn.CredentialParametersRecommendedL3() }
