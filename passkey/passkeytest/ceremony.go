package passkeytest

import (
	"encoding/json"
	"maps"
)

// Addresses of the ceremonies.
const (
	RegistrationOptionsPath   = "/api/v1/webauthn/registration/options"
	RegistrationVerifyPath    = "/api/v1/webauthn/registration/verify"
	AuthenticationOptionsPath = "/api/v1/webauthn/authentication/options"
	AuthenticationVerifyPath  = "/api/v1/webauthn/authentication/verify"
)

// RegistrationOptions asks for the options of a new passkey. purpose is setup,
// invite, signup, add or recover; token is empty where a session vouches; more
// holds username, display_name, email and hint.
func (b *Browser) RegistrationOptions(purpose, token string, more Fields) *Answer {
	b.t.Helper()
	body := Fields{"purpose": purpose}
	if token != "" {
		body["token"] = token
	}
	maps.Copy(body, more)
	return b.Post(RegistrationOptionsPath, body)
}

// VerifyRegistration sends what a device made.
func (b *Browser) VerifyRegistration(challengeID string, credential []byte, more Fields) *Answer {
	b.t.Helper()
	body := Fields{"challenge_id": challengeID, "credential": json.RawMessage(credential)}
	maps.Copy(body, more)
	return b.Post(RegistrationVerifyPath, body)
}

// AuthenticationOptions asks for the options of a sign-in. purpose is login or
// reauth; request names a pending authorization request, or is empty.
func (b *Browser) AuthenticationOptions(purpose, request string) *Answer {
	b.t.Helper()
	body := Fields{"purpose": purpose}
	if request != "" {
		body["request"] = request
	}
	return b.Post(AuthenticationOptionsPath, body)
}

// VerifyAuthentication sends what a device signed.
func (b *Browser) VerifyAuthentication(challengeID string, credential []byte) *Answer {
	b.t.Helper()
	return b.Post(AuthenticationVerifyPath, Fields{"challenge_id": challengeID, "credential": json.RawMessage(credential)})
}

// Register makes a passkey from options to verify and returns the last answer:
// that of verify, or that of options when these were refused. A device that
// does not answer gives status 0 with the device's word as the code.
func (b *Browser) Register(purpose, token string, more Fields) *Answer {
	b.t.Helper()
	options := b.RegistrationOptions(purpose, token, more)
	if !options.OK() {
		return options
	}
	credential, err := b.Device.Create(options.PublicKey)
	if err != nil {
		return &Answer{Code: err.Error()}
	}
	return b.VerifyRegistration(options.ChallengeID, credential, nil)
}

// SignIn signs in without a username. request names a pending authorization
// request, or is empty.
func (b *Browser) SignIn(request string) *Answer {
	b.t.Helper()
	return b.authenticate("login", request)
}

// Reauth confirms the signed-in person once more.
func (b *Browser) Reauth(request string) *Answer {
	b.t.Helper()
	return b.authenticate("reauth", request)
}

func (b *Browser) authenticate(purpose, request string) *Answer {
	b.t.Helper()
	options := b.AuthenticationOptions(purpose, request)
	if !options.OK() {
		return options
	}
	credential, err := b.Device.Get(options.PublicKey)
	if err != nil {
		return &Answer{Code: err.Error()}
	}
	return b.VerifyAuthentication(options.ChallengeID, credential)
}
