package passkey_test

import (
	"fmt"
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestAnyByteOfASignInCounts changes every byte of a good assertion, one at a
// time, after it was signed. Nothing of it may be left unread.
func TestAnyByteOfASignInCounts(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	parts := map[string]func(*passkeytest.Wire) []byte{
		"authenticator data": func(v *passkeytest.Wire) []byte { return v.AuthData },
		"client data":        func(v *passkeytest.Wire) []byte { return v.ClientDataJSON },
		"the signature":      func(v *passkeytest.Wire) []byte { return v.Signature },
		"the user handle":    func(v *passkeytest.Wire) []byte { return v.UserHandle },
		"the credential id":  func(v *passkeytest.Wire) []byte { v.RawID = v.ID; return v.ID },
	}
	before := w.snapshot(t)
	for name, part := range parts {
		length := 1
		for i := 0; i < length; i++ {
			b.Device.Bend.Wire = func(v *passkeytest.Wire) {
				changed := clone(v)
				bytes := part(&changed)
				length = len(bytes)
				bytes[min(i, length-1)] ^= changeAt(i) // signatures vary in length
				*v = changed
			}
			got := b.SignIn("")
			if got.Status < 400 || got.Status > 499 {
				t.Errorf("%s with byte %d changed answered %d %s, want a refusal", name, i, got.Status, got.Code)
			}
		}
	}
	w.wantUnchanged(t, before)
	b.Device.Bend = passkeytest.Bend{}
	wantStatus(t, b.SignIn(""), 200)
}

// TestAnyByteOfARegistrationCounts does the same to a registration whose
// attestation covers all of it.
func TestAnyByteOfARegistrationCounts(t *testing.T) {
	t.Parallel()
	w := start(t)
	b, _ := w.registering(t, "add")
	b.Device.Algorithm, b.Device.Attestation = passkeytest.ES256, passkeytest.AttestSelf
	before := w.snapshot(t)
	for name, part := range map[string]func(*passkeytest.Wire) []byte{
		"the attestation object": func(v *passkeytest.Wire) []byte { return v.AttestationObject },
		"client data":            func(v *passkeytest.Wire) []byte { return v.ClientDataJSON },
	} {
		length := 1
		for i := 0; i < length; i++ {
			options := b.RegistrationOptions("add", "", nil)
			wantStatus(t, options, 200)
			b.Device.Bend.Wire = func(v *passkeytest.Wire) {
				bytes := part(v)
				length = len(bytes)
				bytes[min(i, length-1)] ^= changeAt(i) // signatures vary in length
			}
			b.Device.Forget()
			got := b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil)
			if got.Status < 400 || got.Status > 499 {
				t.Errorf("%s with byte %d changed answered %d %s, want a refusal", name, i, got.Status, got.Code)
			}
		}
	}
	w.wantUnchanged(t, before)
}

// changeAt is never zero, and not the same bit everywhere.
func changeAt(i int) byte { return 1 << (i % 8) }

// clone copies what a test is about to change, since the device keeps some of
// it for its next answer.
func clone(v *passkeytest.Wire) passkeytest.Wire {
	copied := *v
	for _, b := range []*[]byte{&copied.ID, &copied.RawID, &copied.ClientDataJSON, &copied.AuthData, &copied.Signature, &copied.UserHandle} {
		*b = append([]byte(nil), *b...)
	}
	return copied
}

// FuzzVerifyRegistration posts strangers' bytes as a registration: whatever
// they are, the answer is a refusal and never a fault.
func FuzzVerifyRegistration(f *testing.F) {
	w := start(f)
	b, options := w.registering(f, "add")
	for _, attestation := range []passkeytest.Attestation{passkeytest.AttestNone, passkeytest.AttestSelf, passkeytest.AttestFull} {
		b.Device.Attestation = attestation
		b.Device.Bend.Wire = func(v *passkeytest.Wire) {
			f.Add(v.AttestationObject, v.ClientDataJSON, encoded(v.ID), `"transports":["usb"]`)
		}
		create(f, b.Device, options)
	}
	f.Add([]byte{0xa0}, []byte("{}"), "", "")
	f.Fuzz(func(t *testing.T, attestation, clientData []byte, id, more string) {
		b := b.For(t)
		options := b.RegistrationOptions("add", "", nil)
		got := b.Post(passkeytest.RegistrationVerifyPath, fmt.Sprintf(
			`{"challenge_id":%q,"credential":{"type":"public-key","id":%q,"rawId":%q,"clientExtensionResults":{},"response":{"attestationObject":%q,"clientDataJSON":%q%s}}}`,
			options.ChallengeID, id, id, encoded(attestation), encoded(clientData), comma(more)))
		wantNoFault(t, got)
	})
}

// FuzzVerifyAuthentication posts strangers' bytes as a sign-in.
func FuzzVerifyAuthentication(f *testing.F) {
	w := start(f)
	b := w.browser(f, w.admin(f).Device)
	b.Device.Bend.Wire = func(v *passkeytest.Wire) {
		f.Add(v.AuthData, v.ClientDataJSON, v.Signature, v.UserHandle, encoded(v.ID), "")
	}
	wantStatus(f, b.SignIn(""), 200)
	b.Device.Bend.Wire = nil
	f.Add([]byte{0}, []byte("{}"), []byte{0}, []byte{0}, "", `"extra":{"a":[1,2,3]}`)
	f.Fuzz(func(t *testing.T, authData, clientData, signature, handle []byte, id, more string) {
		b := b.For(t)
		options := b.AuthenticationOptions("login", "")
		got := b.Post(passkeytest.AuthenticationVerifyPath, fmt.Sprintf(
			`{"challenge_id":%q,"credential":{"type":"public-key","id":%q,"rawId":%q,"clientExtensionResults":{},"response":{"authenticatorData":%q,"clientDataJSON":%q,"signature":%q,"userHandle":%q%s}}}`,
			options.ChallengeID, id, id, encoded(authData), encoded(clientData), encoded(signature), encoded(handle), comma(more)))
		wantNoFault(t, got)
	})
}

// FuzzVerifyBody posts bytes that need not be JSON at all.
func FuzzVerifyBody(f *testing.F) {
	w := start(f)
	b := w.admin(f)
	f.Add([]byte(`{"challenge_id":"x","credential":{}}`))
	f.Add([]byte(`{"challenge_id":"x","credential":{"response":{"clientDataJSON":{}}}}`))
	f.Add([]byte(`[[[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		wantNoFault(t, b.For(t).Post(passkeytest.RegistrationVerifyPath, body))
		wantNoFault(t, b.For(t).Post(passkeytest.AuthenticationVerifyPath, body))
	})
}

// FuzzOptionsBody posts bytes to the addresses that begin a ceremony, which are
// open to everyone: a sign-in begins as it has to, and all else is refused.
func FuzzOptionsBody(f *testing.F) {
	w := start(f)
	w.admin(f)
	b := w.browser(f, nil)
	for _, body := range []string{`{"purpose":"login"}`, `{"purpose":"login","mediation":"conditional","hint":"hybrid","request":"x"}`, `{"purpose":"reauth"}`,
		`{"purpose":"invite","token":"x","username":"eve"}`, `{"purpose":"setup","token":"` + challenge43 + `A","email":"a@b"}`, `{"purpose":"add"}`, `{"purpose":"recover"}`,
		`{"purpose":"login","purpose":"add"}`, `{"Purpose":"login"}`, `{"purpose":null}`, `{"purpose":1}`, `{"purpose":"login","request":"../x?a=b"}`, `{}`, `[]`, `null`, `{"purpose":"login"}{}`, "\xff"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := b.For(t)
		for _, path := range []string{passkeytest.RegistrationOptionsPath, "/api/v1/webauthn/registration/link"} {
			wantNoFault(t, b.Post(path, body))
		}
		if got := b.Post(passkeytest.AuthenticationOptionsPath, body); got.Status != 200 {
			wantNoFault(t, got)
		} else if o := optionsOf(t, got); len(o.AllowCredentials) != 0 || o.UserVerification != "required" || o.RPID != b.Device.RPID {
			t.Errorf("%q began %+v", body, o)
		}
	})
}

func comma(members string) string {
	if members == "" {
		return ""
	}
	return "," + members
}

func wantNoFault(t testing.TB, got *passkeytest.Answer) {
	t.Helper()
	if got.Status < 400 || got.Status > 499 {
		t.Errorf("strangers' bytes were answered %d: %.300s", got.Status, got.Raw)
	}
}
