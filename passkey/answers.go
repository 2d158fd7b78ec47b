package passkey

import (
	"encoding/json"
	"net/http"
	"time"

	"latchkey"
)

// OptionsOut are the options of a ceremony and the id under which its answer is
// taken.
type OptionsOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      OptionsBody
}

// OptionsBody is the JSON of OptionsOut.
type OptionsBody struct {
	ChallengeID string          `json:"challenge_id"`
	ExpiresAt   time.Time       `json:"expires_at"`
	Mediation   string          `json:"mediation,omitempty" doc:"Belongs beside publicKey in the call"`
	PublicKey   json.RawMessage `json:"publicKey" doc:"PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON"`
}

// VerifyIn is what both verify addresses take.
type VerifyIn struct{ Body Verification }

// VerifyOut is the end of a ceremony that succeeded.
type VerifyOut struct {
	Status    int
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      VerifyBody
}

// VerifyBody is the JSON of VerifyOut.
type VerifyBody struct {
	User          UserOut           `json:"user"`
	Session       *SessionOut       `json:"session,omitempty"`
	Passkey       PasskeyOut        `json:"passkey"`
	RecoveryCodes []string          `json:"recovery_codes,omitempty" doc:"With the first passkey only; shown nowhere again"`
	RedirectTo    string            `json:"redirect_to"`
	Signals       *latchkey.Signals `json:"signals,omitempty"`
}

// UserOut is the person a ceremony was about.
type UserOut struct {
	ID          string `json:"id"`
	Username    string `json:"username"`
	DisplayName string `json:"display_name"`
}

// SessionOut is the session a ceremony left.
type SessionOut struct {
	Kind      latchkey.SessionKind `json:"kind"`
	AuthTime  *time.Time           `json:"auth_time,omitempty"`
	ACR       string               `json:"acr,omitempty"`
	AMR       []string             `json:"amr,omitempty"`
	ExpiresAt time.Time            `json:"expires_at"`
}

// PasskeyOut is the passkey that was made or used; its id is ours.
type PasskeyOut struct {
	ID         string `json:"id"`
	DeviceName string `json:"device_name"`
}

func userOut(u *latchkey.User) UserOut {
	return UserOut{ID: u.ID, Username: u.Username, DisplayName: u.DisplayName}
}

func sessionOut(s *latchkey.Session) *SessionOut {
	out := &SessionOut{Kind: s.Kind, ACR: s.ACR, AMR: s.AMR, ExpiresAt: s.ExpiresAt}
	if s.Kind == latchkey.SessionFull {
		out.AuthTime = &s.AuthTime
	}
	return out
}

func passkeyOut(p *latchkey.Passkey) PasskeyOut {
	return PasskeyOut{ID: p.ID, DeviceName: p.DeviceName}
}
