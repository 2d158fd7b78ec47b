package passkey_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
)

// TestVerifyRefusesWhatIsNoRequest is attack 72, on both verify addresses: none
// of these reaches the ceremony, so the challenge is still good afterwards.
func TestVerifyRefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	for _, c := range []struct {
		name   string
		body   string
		kind   string
		status int
		code   string
		// recorded tells that the body reached the ceremony: JSON that is no
		// request. What is cut off before is in the access log only.
		recorded bool
	}{
		{"more than 64 KiB", `{"challenge_id":"` + strings.Repeat("a", 65<<10) + `"}`, "application/json", 413, "body_too_large", false},
		{"JSON of great depth", `{"challenge_id":"x","credential":` + deep + `}`, "application/json", 400, "malformed_request", false},
		{"a form", "challenge_id=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type", false},
		{"plain text", `{"challenge_id":"x","credential":{}}`, "text/plain", 415, "unsupported_media_type", false},
		{"no content type", `{"challenge_id":"x","credential":{}}`, "", 415, "unsupported_media_type", false},
		{"nothing", "", "application/json", 400, "malformed_request", false},
		{"no JSON", "challenge_id", "application/json", 400, "malformed_request", false},
		{"null", "null", "application/json", 400, "malformed_request", true},
		{"a list", "[]", "application/json", 400, "malformed_request", true},
		{"no members", "{}", "application/json", 400, "malformed_request", true},
		{"no credential", `{"challenge_id":"x"}`, "application/json", 400, "malformed_request", true},
		{"no challenge", `{"credential":{}}`, "application/json", 400, "malformed_request", true},
		{"a credential of null", `{"challenge_id":"x","credential":null}`, "application/json", 400, "malformed_request", true},
		{"a challenge of null", `{"challenge_id":null,"credential":{}}`, "application/json", 400, "malformed_request", true},
		{"a number for the challenge", `{"challenge_id":1,"credential":{}}`, "application/json", 400, "malformed_request", true},
		{"a string for the credential", `{"challenge_id":"x","credential":"y"}`, "application/json", 400, "malformed_request", true},
		{"a list for the credential", `{"challenge_id":"x","credential":[]}`, "application/json", 400, "malformed_request", true},
		{"JSON after the JSON", `{"challenge_id":"x","credential":{}}{}`, "application/json", 400, "malformed_request", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			b, options := w.registering(t, "add")
			login := b.AuthenticationOptions("login", "")
			before := w.snapshot(t)
			b.Header = http.Header{"Content-Type": {c.kind}}
			if c.kind == "" {
				b.Header = http.Header{"Content-Type": nil}
			}
			for _, path := range []string{passkeytest.RegistrationVerifyPath, passkeytest.AuthenticationVerifyPath} {
				got := b.Post(path, c.body)
				if got.Status != c.status || got.Code != c.code {
					t.Errorf("POST %s answered %d %s, want %d %s: %.300s", path, got.Status, got.Code, c.status, c.code, got.Raw)
				}
			}
			w.wantUnchanged(t, before)
			if c.recorded {
				w.wantReasons(t, before, "malformed_request", "malformed_request")
			} else {
				w.wantReasons(t, before)
			}
			b.Header = nil
			wantStatus(t, b.VerifyRegistration(options.ChallengeID, create(t, b.Device, options), nil), 201)
			wantStatus(t, b.VerifyAuthentication(login.ChallengeID, get(t, b.Device, login)), 200)
		})
	}
}

// TestAnotherSiteCannotDriveTheCeremonies: a page elsewhere makes the victim's
// browser post here, with its cookies.
func TestAnotherSiteCannotDriveTheCeremonies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"from another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"from a sibling domain", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"from an old browser at another origin", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"from our own page", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			b := w.admin(t)
			b.Header = c.header
			got := b.AuthenticationOptions("reauth", "")
			if got.Status != c.status || (c.status == 403 && got.Code != "cross_origin_request") {
				t.Errorf("options answered %d %s, want %d", got.Status, got.Code, c.status)
			}
		})
	}
}

// TestCeremoniesAreNeverCached: challenges and people are in the answers.
func TestCeremoniesAreNeverCached(t *testing.T) {
	t.Parallel()
	w := start(t)
	b := w.browser(t, w.admin(t).Device)
	options := b.AuthenticationOptions("login", "")
	done := b.VerifyAuthentication(options.ChallengeID, get(t, b.Device, options))
	for _, a := range []*passkeytest.Answer{options, done, b.SignIn("nonsense")} {
		if got := a.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
			t.Errorf("an answer %d has Cache-Control %q, want no-store", a.Status, got)
		}
	}
}
