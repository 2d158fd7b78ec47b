package passkeytest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// The flags of authenticator data (WebAuthn section 6.1).
const (
	FlagUP byte = 1 << 0 // the user was present
	FlagUV byte = 1 << 2 // the user was verified
	FlagBE byte = 1 << 3 // the credential may be backed up
	FlagBS byte = 1 << 4 // the credential is backed up
	FlagAT byte = 1 << 6 // attested credential data follows
	FlagED byte = 1 << 7 // extension outputs follow
)

// AuthData is authenticator data in its parts. What is not empty is written,
// whatever the flags say, so that the two can be made to disagree.
type AuthData struct {
	RPIDHash  []byte
	Flags     byte
	SignCount uint32

	// Attested credential data; written when Key is not empty.
	AAGUID       []byte
	CredentialID []byte
	Key          []byte // COSE_Key, encoded

	Extensions []byte // CBOR map, encoded
	Trailing   []byte
}

func (d AuthData) encode() []byte {
	out := append([]byte(nil), d.RPIDHash...)
	out = append(out, d.Flags)
	out = binary.BigEndian.AppendUint32(out, d.SignCount)
	if len(d.Key) > 0 {
		out = append(out, d.AAGUID...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(d.CredentialID)))
		out = append(out, d.CredentialID...)
		out = append(out, d.Key...)
	}
	out = append(out, d.Extensions...)
	return append(out, d.Trailing...)
}

// authData makes the authenticator data of one ceremony. c is nil at sign-in
// when no attested credential data belongs in it.
func (a *Authenticator) authData(c *Credential, attested bool) ([]byte, error) {
	hash := sha256.Sum256([]byte(a.RPID))
	d := AuthData{RPIDHash: hash[:], Flags: a.flags(), SignCount: c.SignCount}
	if attested {
		key, err := a.publicKey(c)
		if err != nil {
			return nil, err
		}
		d.Flags |= FlagAT
		d.AAGUID, d.CredentialID, d.Key = a.AAGUID[:], c.ID, key
	}
	if len(a.Extensions) > 0 {
		outputs, err := encodeCBOR(a.Extensions)
		if err != nil {
			return nil, err
		}
		d.Flags |= FlagED
		d.Extensions = outputs
	}
	if a.Bend.AuthData != nil {
		a.Bend.AuthData(&d)
	}
	out := d.encode()
	if a.Bend.AuthDataBytes != nil {
		out = a.Bend.AuthDataBytes(out)
	}
	return out, nil
}

func (a *Authenticator) flags() byte {
	var out byte
	for _, f := range []struct {
		set bool
		bit byte
	}{{a.UserPresent, FlagUP}, {a.UserVerified, FlagUV}, {a.BackupEligible, FlagBE}, {a.BackupState, FlagBS}} {
		if f.set {
			out |= f.bit
		}
	}
	return out
}

// encodeCBOR writes the canonical form that CTAP2 asks of authenticators.
func encodeCBOR(v any) ([]byte, error) {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("cbor mode: %w", err)
	}
	out, err := mode.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode cbor: %w", err)
	}
	return out, nil
}
