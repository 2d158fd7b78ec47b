package passkey

import (
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"latchkey"
)

// passkeyOf turns the library's record into ours. Raw attestation is not kept,
// because none is asked for: it would only tell people's devices apart.
func passkeyOf(c *webauthn.Credential, rpID, origin, agent string) *latchkey.Passkey {
	// An AAGUID that is none names no provider; it decides nothing.
	aaguid, err := uuid.FromBytes(c.Authenticator.AAGUID)
	if err != nil {
		aaguid = uuid.Nil
	}
	transports := make([]string, 0, len(c.Transport))
	for _, t := range c.Transport {
		transports = append(transports, string(t))
	}
	return &latchkey.Passkey{
		CredentialID:    c.ID,
		PublicKey:       c.PublicKey,
		AttestationType: orElse(c.AttestationType, "none"),
		AAGUID:          aaguid.String(),
		SignCount:       c.Authenticator.SignCount,
		Transports:      transports,
		BackupEligible:  c.Flags.BackupEligible,
		BackupState:     c.Flags.BackupState,
		UserVerified:    c.Flags.UserVerified,
		DeviceName:      latchkey.PasskeyName(aaguid.String(), agent),
		RPID:            rpID,
		Metadata: latchkey.PasskeyMetadata{
			AttestationFormat: c.AttestationFormat,
			Attachment:        string(c.Authenticator.Attachment),
			Flags:             byte(c.Flags.ProtocolValue()),
			ResidentKey:       c.Extensions.RK,
			Origin:            origin,
			UserAgentFamily:   agent,
		},
	}
}
