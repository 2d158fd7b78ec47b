// Package passkeytest is a passkey in software: a WebAuthn authenticator and
// the browser around it, for tests.
//
// It owns the making of registrations and assertions from the options that a
// server sent, with every byte of them open to be bent: a test begins with a
// device that tells the truth and changes one thing. It refuses to judge: it
// never verifies what it makes and knows nothing of the library that does, so
// that an error in that library cannot hide in its tests.
//
// The threat it answers is a server that accepts what no honest device would
// send. Each attack is therefore one line:
//
//	{"another origin", func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" }}
package passkeytest

import (
	"crypto"
	"crypto/x509"
	"errors"
)

// What an honest client reports instead of answering. The words follow the
// DOMException names of WebAuthn section 5.
var (
	// ErrExcluded is InvalidStateError: the device holds one of the excluded
	// credentials already.
	ErrExcluded = errors.New("InvalidStateError: the device holds an excluded credential")
	// ErrNoCredential is NotAllowedError: no credential on the device fits.
	ErrNoCredential = errors.New("NotAllowedError: no credential on this device fits")
	// ErrWrongSite is SecurityError: the options name another relying party
	// than the one this client is at.
	ErrWrongSite = errors.New("SecurityError: the options name another relying party")
	// ErrUnsupported is NotSupportedError: no offered algorithm is known here.
	ErrUnsupported = errors.New("NotSupportedError: none of the offered algorithms is known here")
)

// Attestation is the kind of statement that a registration carries.
type Attestation int

// The statements that the device can make (WebAuthn section 8).
const (
	AttestNone Attestation = iota // format none
	AttestSelf                    // format packed, signed by the new credential itself
	AttestFull                    // format packed, signed under Root with a certificate chain
)

// Authenticator is one device and its client. The zero values of its fields
// after New describe a synced platform passkey that verified its user; a test
// sets a field, or a hook in Bend, to make it lie. It is not safe for use by
// several goroutines at once.
type Authenticator struct {
	// RPID is the relying party whose hash goes into authenticator data.
	RPID string
	// Origin is what the client writes into the client data.
	Origin string

	// Algorithm forces one COSE algorithm, offered or not. 0 takes the first
	// offered one that the device knows.
	Algorithm int64
	// Attestation is none by default.
	Attestation Attestation
	// AAGUID names the model. All zero by default.
	AAGUID [16]byte

	// The flags of the next answers (WebAuthn section 6.1).
	UserPresent, UserVerified, BackupEligible, BackupState bool
	// CounterStep is added to a credential's counter before each assertion.
	// 0 leaves the counter at zero for ever, as synced passkeys do.
	CounterStep uint32

	// Transports and Attachment are reported at registration; Attachment also
	// at sign-in.
	Transports []string
	Attachment string
	// IDLength is the length of new credential ids in bytes.
	IDLength int
	// CredProps is the answer to the credProps extension when it is asked
	// for. nil reports nothing.
	CredProps *bool
	// ClientExtensions are further client extension results, asked for or not.
	ClientExtensions map[string]any
	// Extensions are authenticator extension outputs. When it is not empty,
	// they are encoded and the ED flag is set.
	Extensions map[string]any

	// IgnoreExclude makes a new credential although an excluded one is held.
	IgnoreExclude bool
	// IgnoreAllow answers with the newest credential, whatever is allowed.
	IgnoreAllow bool
	// Use forces the credential that answers. nil lets the options choose.
	Use *Credential
	// SignWith replaces the credential's own key in signatures. nil is honest.
	SignWith crypto.Signer
	// NewKey makes the key pair of a new credential. nil generates one.
	NewKey func(alg int64) (crypto.Signer, error)

	// Bend holds the hooks that change one stage each.
	Bend Bend

	credentials []*Credential
	chain       *chain
}

// Bend changes what the device makes, stage by stage. A nil hook is honest.
// What is bent before signing is covered by the signature, so that only the
// check of that one thing can refuse it; Wire and Response come after.
type Bend struct {
	// ClientData changes the members before they are serialized.
	ClientData func(*ClientData)
	// ClientDataJSON changes the serialized client data before it is hashed.
	ClientDataJSON func([]byte) []byte
	// Key changes the COSE key before it goes into authenticator data.
	Key func(COSEKey)
	// AuthData changes the authenticator data before it is serialized.
	AuthData func(*AuthData)
	// AuthDataBytes changes the serialized authenticator data.
	AuthDataBytes func([]byte) []byte
	// Statement changes format and attestation statement, after its signature
	// was made.
	Statement func(*Statement)
	// AttestationObject changes the encoded attestation object.
	AttestationObject func([]byte) []byte
	// Signature changes the assertion's signature.
	Signature func([]byte) []byte
	// Wire changes the finished binary parts, after everything is signed.
	Wire func(*Wire)
	// Response changes the JSON object that is sent.
	Response func(map[string]any)
	// Body changes its bytes.
	Body func([]byte) []byte
}

// Wire is the finished answer in its binary parts, as they are about to be
// written into JSON.
type Wire struct {
	ID, RawID         []byte
	ClientDataJSON    []byte
	AuthData          []byte
	AttestationObject []byte // registration only
	Signature         []byte // sign-in only
	UserHandle        []byte // sign-in only; nil sends no member
}

// Credential is one discoverable credential that the device holds.
type Credential struct {
	ID         []byte
	RPID       string
	UserHandle []byte
	Algorithm  int64
	Key        crypto.Signer
	SignCount  uint32
}

// New makes a device at a relying party. rpID is the relying party's domain
// and origin the page's, as in "https://idp.example".
func New(rpID, origin string) *Authenticator {
	return &Authenticator{
		RPID:           rpID,
		Origin:         origin,
		UserPresent:    true,
		UserVerified:   true,
		BackupEligible: true,
		BackupState:    true,
		Transports:     []string{"internal", "hybrid"},
		Attachment:     "platform",
		IDLength:       32,
		CredProps:      new(true),
	}
}

// NewSecurityKey makes a device that behaves like a hardware key: nothing is
// synced, the counter climbs, and it is plugged in by USB.
func NewSecurityKey(rpID, origin string) *Authenticator {
	a := New(rpID, origin)
	a.BackupEligible, a.BackupState = false, false
	a.CounterStep = 1
	a.Transports, a.Attachment = []string{"usb"}, "cross-platform"
	a.AAGUID = [16]byte{0x6c, 0x61, 0x74, 0x63, 0x68, 0x6b, 0x65, 0x79, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x30, 0x31}
	return a
}

// Clone copies the device with all that it holds, as an attacker would who
// extracted its keys: the two then count on their own.
func (a *Authenticator) Clone() *Authenticator {
	twin := *a
	twin.credentials = make([]*Credential, len(a.credentials))
	for i, c := range a.credentials {
		held := *c
		twin.credentials[i] = &held
		if a.Use == c {
			twin.Use = &held
		}
	}
	return &twin
}

// Credentials returns what the device holds, the newest last.
func (a *Authenticator) Credentials() []*Credential { return a.credentials }

// Credential returns the newest credential, or nil when there is none.
func (a *Authenticator) Credential() *Credential {
	if len(a.credentials) == 0 {
		return nil
	}
	return a.credentials[len(a.credentials)-1]
}

// Hold puts a credential on the device, for example one from a test vector.
func (a *Authenticator) Hold(c *Credential) { a.credentials = append(a.credentials, c) }

// Forget removes all credentials from the device.
func (a *Authenticator) Forget() { a.credentials = nil }

// Root is the certificate above every AttestFull statement of this device.
func (a *Authenticator) Root() (*x509.Certificate, error) {
	c, err := a.attestationChain()
	if err != nil {
		return nil, err
	}
	return c.root, nil
}
