package server_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
)

// TestStepUpToALevel: an application that demands a level sends somebody who
// signed in otherwise to their passkey, and learns what that was.
func TestStepUpToALevel(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	alice := enroll(t, app)
	secret := registerClient(t, app, callback)
	app.Exec(t, `UPDATE sessions SET acr = 'silver', auth_time = auth_time - interval '1 minute'`)
	demand := authorizeRequest("claims", `{"id_token": {"acr": {"essential": true, "values": ["phr"]}}}`)
	id := waiting(t, alice.Get(demand), "/login")
	if page := string(alice.Get("/login?request=" + id).Raw); !strings.Contains(page, `data-page="stepup"`) {
		t.Fatalf("the page is %.600s", page)
	}
	confirmed := alice.Reauth(id)
	if !confirmed.OK() || confirmed.RedirectTo != "/oauth2/authorize?request="+id {
		t.Fatalf("the confirmation answered %d %s", confirmed.Status, confirmed.Raw)
	}
	back, err := url.Parse(alice.Get(confirmed.RedirectTo).Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("authorize answered %v %v", back, err)
	}
	v := &traveller{t: t, app: app, secret: secret}
	tokens := texts(t, v.post("/oauth2/token", "", url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}}))
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens["id_token"], ".")[1])
	if err != nil || !strings.Contains(string(payload), `"acr":"phr"`) {
		t.Errorf("the ID token says %s %v", payload, err)
	}
	stranger := passkeytest.NewBrowser(t, app.URL)
	refused, err := url.Parse(stranger.Get(authorizeRequest("claims", `{"id_token": {"acr": {"essential": true, "values": ["phrh"]}}}`)).Header.Get("Location"))
	if err != nil || refused.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("answered %v %v", refused, err)
	}
}
