package passkey

import (
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"latchkey"
)

// newRelyingParty sets go-webauthn up. What is not set here keeps its zero
// value on purpose: no cross-origin frames, no opaque origins, and extension
// outputs that nobody asked for fail the ceremony.
func newRelyingParty(rpID, name, origin string) (*webauthn.WebAuthn, error) {
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	return webauthn.New(&webauthn.Config{
		RPID:                  rpID,
		RPDisplayName:         name,
		RPOrigins:             []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey:        protocol.ResidentKeyRequirementRequired,
			RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification:   protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
}

// account is a person as go-webauthn asks for one.
type account struct {
	handle            []byte
	name, displayName string
	credentials       []webauthn.Credential
}

func (a *account) WebAuthnID() []byte                         { return a.handle }
func (a *account) WebAuthnName() string                       { return a.name }
func (a *account) WebAuthnDisplayName() string                { return a.displayName }
func (a *account) WebAuthnCredentials() []webauthn.Credential { return a.credentials }

// credentialOf restores a credential record. The clone flag stays cleared: in
// the library it is sticky, and whether this use looks cloned is judged in the
// statement that writes it down.
func credentialOf(p *latchkey.Passkey) webauthn.Credential {
	flags := protocol.FlagUserPresent
	for flag, set := range map[protocol.AuthenticatorFlags]bool{
		protocol.FlagUserVerified: p.UserVerified, protocol.FlagBackupEligible: p.BackupEligible, protocol.FlagBackupState: p.BackupState,
	} {
		if set {
			flags |= flag
		}
	}
	return webauthn.Credential{
		ID:                p.CredentialID,
		PublicKey:         p.PublicKey,
		AttestationType:   p.AttestationType,
		AttestationFormat: p.Metadata.AttestationFormat,
		Transport:         transportsOf(p),
		Flags:             webauthn.NewCredentialFlags(flags),
		Authenticator:     webauthn.Authenticator{SignCount: p.SignCount},
	}
}

// transportsOf gives back what the device reported, words nobody knows yet
// included (WebAuthn §5.8.4).
func transportsOf(p *latchkey.Passkey) []protocol.AuthenticatorTransport {
	transports := make([]protocol.AuthenticatorTransport, 0, len(p.Transports))
	for _, t := range p.Transports {
		transports = append(transports, protocol.AuthenticatorTransport(t))
	}
	return transports
}

func descriptorsOf(passkeys []*latchkey.Passkey) []protocol.CredentialDescriptor {
	descriptors := make([]protocol.CredentialDescriptor, 0, len(passkeys))
	for _, p := range passkeys {
		descriptors = append(descriptors, protocol.CredentialDescriptor{
			Type: protocol.PublicKeyCredentialType, CredentialID: p.CredentialID, Transport: transportsOf(p),
		})
	}
	return descriptors
}

// hintsOf turns the kind of device a person chose into a hint; no choice is no
// hint, since a hint also narrows what the browser offers.
func hintsOf(hint string) ([]protocol.PublicKeyCredentialHints, bool) {
	switch h := protocol.PublicKeyCredentialHints(hint); h {
	case "":
		return nil, true
	case protocol.PublicKeyCredentialHintClientDevice, protocol.PublicKeyCredentialHintSecurityKey, protocol.PublicKeyCredentialHintHybrid:
		return []protocol.PublicKeyCredentialHints{h}, true
	}
	return nil, false
}
