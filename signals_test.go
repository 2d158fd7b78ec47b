package latchkey_test

import (
	"encoding/json"
	"testing"

	"latchkey"
)

// TestSignals: an empty list would make the browser delete every passkey of the
// account, so none is ever sent; passkeys of another RP ID are not named.
func TestSignals(t *testing.T) {
	t.Parallel()
	u := &latchkey.User{WebAuthnHandle: []byte{0xfb, 0xff}, Username: "ines", DisplayName: "Ines"}
	user := `"currentUser":{"rpId":"id.example","userId":"-_8","name":"ines","displayName":"Ines"}`
	for name, c := range map[string]struct {
		held []*latchkey.Passkey
		want string
	}{
		"no passkey":         {nil, `{` + user + `}`},
		"of another address": {[]*latchkey.Passkey{{RPID: "old.example", CredentialID: []byte{1}}}, `{` + user + `}`},
		"one of each": {
			[]*latchkey.Passkey{{RPID: "old.example", CredentialID: []byte{1}}, {RPID: "id.example", CredentialID: []byte{2}}},
			`{"allAccepted":{"rpId":"id.example","userId":"-_8","allAcceptedCredentialIds":["Ag"]},` + user + `}`,
		},
	} {
		got, err := json.Marshal(latchkey.SignalsFor("id.example", u, latchkey.CredentialIDs("id.example", c.held)))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.want {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}
