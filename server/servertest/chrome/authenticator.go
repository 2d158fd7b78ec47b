package chrome

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"latchkey/passkey/passkeytest"
)

// Authenticator is a virtual authenticator of one tab. With presence on, which
// it is at first, it answers every request by itself and at once, that of the
// username field included.
type Authenticator struct {
	p  *Page
	id webauthn.AuthenticatorID
}

// Credential is a passkey that an authenticator holds.
type Credential struct {
	ID, UserHandle    []byte
	Name, DisplayName string
}

// Device adds what a phone or laptop has: built in, verifies its user, keeps
// synced passkeys.
func (p *Page) Device() *Authenticator {
	p.t.Helper()
	return p.authenticator(webauthn.AuthenticatorTransportInternal, true)
}

// SecurityKey adds a key on the USB port, whose passkeys stay on it.
func (p *Page) SecurityKey() *Authenticator {
	p.t.Helper()
	return p.authenticator(webauthn.AuthenticatorTransportUsb, false)
}

func (p *Page) authenticator(transport webauthn.AuthenticatorTransport, synced bool) *Authenticator {
	p.t.Helper()
	p.do("switch virtual authenticators on", call(webauthn.Enable, webauthn.EnableParams{}))
	made := ask(p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: transport,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: synced, DefaultBackupState: synced,
	}})
	return &Authenticator{p: p, id: made.AuthenticatorID}
}

// NoAutofill makes this a browser that offers no passkeys in fields, as older
// ones do: nothing asks an authenticator before somebody presses a button.
func (p *Page) NoAutofill() {
	p.t.Helper()
	p.Before(`PublicKeyCredential.isConditionalMediationAvailable = async () => false`)
}

// ask runs a command that has an answer.
func ask[P, R any](p *Page, cmd cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	answer, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		p.t.Fatalf("%s: %v", cmd.Method, err)
	}
	return answer
}

// Presence says whether somebody touches the authenticator when it asks. With
// false, requests stay open; switching it on wakes none that is open already.
func (a *Authenticator) Presence(on bool) {
	a.p.t.Helper()
	ask(a.p, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: on})
}

// Verifies says whether the finger or PIN is the right one.
func (a *Authenticator) Verifies(right bool) {
	a.p.t.Helper()
	ask(a.p, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: right})
}

// Credentials are the passkeys that it holds.
func (a *Authenticator) Credentials() (held []Credential) {
	a.p.t.Helper()
	for _, c := range ask(a.p, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials {
		held = append(held, Credential{ID: c.CredentialID, UserHandle: c.UserHandle, Name: c.UserName, DisplayName: c.UserDisplayName})
	}
	return held
}

// Await waits until it holds so many passkeys: signals take a moment.
func (a *Authenticator) Await(passkeys int) {
	a.p.t.Helper()
	deadline := time.Now().Add(a.p.Patience)
	for len(a.Credentials()) != passkeys {
		if time.Now().After(deadline) {
			a.p.t.Fatalf("the authenticator holds %d passkeys, want %d", len(a.Credentials()), passkeys)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Remove takes the authenticator out of the tab.
func (a *Authenticator) Remove() {
	a.p.t.Helper()
	ask(a.p, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}

// Hold gives it the passkeys of a software authenticator (ES256 ones), so that a
// journey can begin with a person who is there already.
func (a *Authenticator) Hold(device *passkeytest.Authenticator) {
	a.p.t.Helper()
	for _, c := range device.Credentials() {
		key, err := x509.MarshalPKCS8PrivateKey(c.Key)
		if err != nil {
			a.p.t.Fatalf("hand over a passkey: %v", err)
		}
		a.hold(credential{
			ID: c.ID, Resident: true, RPID: c.RPID, PrivateKey: key, UserHandle: c.UserHandle, SignCount: float64(c.SignCount),
			BackupEligible: device.BackupEligible, BackupState: device.BackupState,
		})
	}
}

// credential is webauthn.Credential with what every authenticator understands:
// the library writes members that ours refuses.
type credential struct {
	ID             []byte  `json:"credentialId"`
	Resident       bool    `json:"isResidentCredential"`
	RPID           string  `json:"rpId"`
	PrivateKey     []byte  `json:"privateKey"`
	UserHandle     []byte  `json:"userHandle"`
	SignCount      float64 `json:"signCount"`
	BackupEligible bool    `json:"backupEligibility"`
	BackupState    bool    `json:"backupState"`
	Name           string  `json:"userName"`
	DisplayName    string  `json:"userDisplayName"`
}

type addCredential struct {
	AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
	Credential      credential               `json:"credential"`
}

func (a *Authenticator) hold(c credential) {
	a.p.t.Helper()
	ask(a.p, cdp.Command[addCredential, cdp.Empty]{Method: webauthn.CommandAddCredential}, addCredential{a.id, c})
}

// Share gives another tab's authenticator the same passkeys, as one device
// serves all tabs.
func (a *Authenticator) Share(with *Authenticator) {
	a.p.t.Helper()
	for _, c := range ask(a.p, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials {
		with.hold(credential{
			ID: c.CredentialID, Resident: true, RPID: c.RpID, PrivateKey: c.PrivateKey, UserHandle: c.UserHandle, SignCount: c.SignCount,
			BackupEligible: c.BackupEligibility, BackupState: c.BackupState, Name: c.UserName, DisplayName: c.UserDisplayName,
		})
	}
}
