package passkey_test

import (
	"encoding/json"
	"testing"

	"latchkey/passkey/passkeytest"
)

// envelopeAttacks are the lies around the binary parts.
func envelopeAttacks() []attack {
	malformed := func(name string, bend func(*passkeytest.Authenticator)) attack {
		return attack{name, bend, 400, "malformed_credential"}
	}
	return []attack{
		malformed("raw id of another credential", wire(func(w *passkeytest.Wire) { w.RawID = bent(w.RawID) })),           // 36, 65
		malformed("id of another credential", wire(func(w *passkeytest.Wire) { w.ID = bent(w.ID) })),                     // 36, 65
		malformed("no id", wire(func(w *passkeytest.Wire) { w.ID, w.RawID = nil, nil })),                                 // 38
		malformed("not a public key", response(func(m map[string]any) { m["type"] = "password" })),                       // 42
		malformed("no type of credential", response(func(m map[string]any) { delete(m, "type") })),                       // 42
		malformed("no response", response(func(m map[string]any) { delete(m, "response") })),                             // 72
		malformed("a response of null", response(func(m map[string]any) { m["response"] = nil })),                        // 72
		malformed("a number for an id", response(func(m map[string]any) { m["id"], m["rawId"] = 7, 7 })),                 // 72
		malformed("an id that is no base64url", response(func(m map[string]any) { m["id"], m["rawId"] = "é+/", "é+/" })), // 72
	}
}

// memberAttacks are answers in which one member is missing, null or of another
// kind (72); all else of them is good. The binary members are those of one
// ceremony.
func memberAttacks(binary ...string) []attack {
	var out []attack
	add := func(name string, change func(map[string]any)) {
		out = append(out, attack{name, response(change), 400, "malformed_credential"})
	}
	for _, name := range []string{"id", "rawId"} {
		add("no "+name, func(m map[string]any) { delete(m, name) })
		add(name+" of null", func(m map[string]any) { m[name] = nil })
		add("a number for "+name, func(m map[string]any) { m[name] = 7 })
	}
	add("a number for the type", func(m map[string]any) { m["type"] = 7 })
	add("type of null", func(m map[string]any) { m["type"] = nil })
	add("a list for the response", func(m map[string]any) { m["response"] = []any{m["response"]} })
	add("a string for the extension results", func(m map[string]any) { m["clientExtensionResults"] = "none" })
	for _, name := range binary {
		inside := func(m map[string]any) map[string]any { return m["response"].(map[string]any) }
		add("no "+name, func(m map[string]any) { delete(inside(m), name) })
		add(name+" of null", func(m map[string]any) { inside(m)[name] = nil })
		add("a number for "+name, func(m map[string]any) { inside(m)[name] = 7 })
		add("an object for "+name, func(m map[string]any) { inside(m)[name] = map[string]any{} })
		add(name+" that is no base64url", func(m map[string]any) { inside(m)[name] = "é+/" })
	}
	return out
}

// TestARegistrationWithABadMemberIsRefused is attack 72 inside the answer.
func TestARegistrationWithABadMemberIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, attack := range memberAttacks("clientDataJSON", "attestationObject") {
		t.Run(attack.name, func(t *testing.T) {
			b, options := w.registering(t, "add")
			before := w.snapshot(t)
			attack.bend(b.Device)
			got := b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil)
			w.wantRefused(t, got, attack.status, attack.code)
			w.wantUnchanged(t, before)
			w.wantRefusal(t, before)
		})
	}
}

// TestASignInWithABadMemberIsRefused is attack 72 inside the answer.
func TestASignInWithABadMemberIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, attack := range memberAttacks("clientDataJSON", "authenticatorData", "signature") {
		t.Run(attack.name, func(t *testing.T) {
			w.answering(t, w.browser(t, w.admin(t).Device), "login", attack)
		})
	}
}

// TestAnAnswerNestedTooDeeplyIsRefused is attack 72: a good answer with one
// member more, which would be ignored if it were flat. Nothing of it is read, so
// the challenge is good afterwards.
func TestAnAnswerNestedTooDeeplyIsRefused(t *testing.T) {
	t.Parallel()
	nested := func(m map[string]any) {
		var v any = 1
		for range 40 {
			v = []any{v}
		}
		m["more"] = v
	}
	w := start(t)
	b, options := w.registering(t, "add")
	before := w.snapshot(t)
	b.Device.Bend.Response = nested
	w.wantRefused(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 400, "malformed_request")
	w.wantUnchanged(t, before)
	b.Device.Bend.Response = func(m map[string]any) { m["more"] = []any{1} }
	wantStatus(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 201)
	login := b.AuthenticationOptions("login", "")
	before = w.snapshot(t)
	b.Device.Bend.Response = nested
	w.wantRefused(t, b.VerifyAuthentication(login.ChallengeID, get(t, b.Device, login)), 400, "malformed_request")
	w.wantUnchanged(t, before)
	b.Device.Bend.Response = nil
	wantStatus(t, b.VerifyAuthentication(login.ChallengeID, get(t, b.Device, login)), 200)
}

// TestASignInThatNamesADevice: only a new passkey has a name to give. The
// challenge is good afterwards.
func TestASignInThatNamesADevice(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	login := b.AuthenticationOptions("login", "")
	credential := json.RawMessage(get(t, b.Device, login))
	before := w.snapshot(t)
	got := b.Post(passkeytest.AuthenticationVerifyPath, passkeytest.Fields{
		"challenge_id": login.ChallengeID, "credential": credential, "device_name": "Laptop",
	})
	w.wantRefused(t, got, 400, "malformed_request")
	w.wantUnchanged(t, before)
	w.wantReasons(t, before, "malformed_request")
	wantStatus(t, b.VerifyAuthentication(login.ChallengeID, credential), 200)
}
