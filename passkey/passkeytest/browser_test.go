package passkeytest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
)

// loopback starts a handler under a localhost name, since passkeys need one.
func loopback(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + u.Port()
}

func TestTheBrowserRegistersAndKeepsItsCookies(t *testing.T) {
	t.Parallel()
	type sent struct {
		Purpose, Token, Username string
		ChallengeID              string `json:"challenge_id"`
		Credential               struct{ ID, Type string }
	}
	var first, second sent
	var cookie string
	base := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case passkeytest.RegistrationOptionsPath:
			if err := json.NewDecoder(r.Body).Decode(&first); err != nil {
				t.Error(err)
			}
			http.SetCookie(w, &http.Cookie{Name: "latchkey-pre-1", Value: "here", Path: "/", HttpOnly: true})
			fmt.Fprint(w, `{"challenge_id":"c1","publicKey":{"rp":{"id":"localhost"},"user":{"id":"AA"},"challenge":"AA","pubKeyCredParams":[{"type":"public-key","alg":-7}]}}`)
		case passkeytest.RegistrationVerifyPath:
			if err := json.NewDecoder(r.Body).Decode(&second); err != nil {
				t.Error(err)
			}
			if c, err := r.Cookie("latchkey-pre-1"); err == nil {
				cookie = c.Value
			}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"user":{"username":"alice"},"recovery_codes":["A"],"redirect_to":"/account"}`)
		default:
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusSeeOther)
		}
	})
	b := passkeytest.NewBrowser(t, base)
	got := b.Register("setup", "the-token", passkeytest.Fields{"username": "alice"})
	if got.Status != 201 || got.User.Username != "alice" || len(got.RecoveryCodes) != 1 {
		t.Errorf("registration answered %d %+v", got.Status, got)
	}
	if first.Purpose != "setup" || first.Token != "the-token" || first.Username != "alice" {
		t.Errorf("options were asked with %+v", first)
	}
	if second.ChallengeID != "c1" || second.Credential.Type != "public-key" || second.Credential.ID == "" || cookie != "here" {
		t.Errorf("verify got %+v and the cookie %q", second, cookie)
	}
	if got := b.Get("/login"); got.Status != 303 || !strings.HasPrefix(got.Header.Get("Location"), "https://elsewhere") {
		t.Errorf("the browser followed a redirect: %d", got.Status)
	}
}

func TestTheBrowserShowsProblems(t *testing.T) {
	t.Parallel()
	base := loopback(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusGone)
		fmt.Fprint(w, `{"status":410,"code":"challenge_expired","title":"Gone"}`)
	})
	if got := passkeytest.NewBrowser(t, base).SignIn(""); got.Status != 410 || got.Code != "challenge_expired" {
		t.Errorf("sign-in answered %d %s, want 410 challenge_expired", got.Status, got.Code)
	}
}

func TestADeviceThatDoesNotAnswerIsTold(t *testing.T) {
	t.Parallel()
	base := loopback(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"challenge_id":"c","publicKey":{"rpId":"localhost","challenge":"AA"}}`)
	})
	if got := passkeytest.NewBrowser(t, base).SignIn(""); got.Status != 0 || !strings.HasPrefix(got.Code, "NotAllowedError") {
		t.Errorf("sign-in without a passkey answered %d %q", got.Status, got.Code)
	}
}

func TestABrowserBehindAnHTTPSIssuer(t *testing.T) {
	t.Parallel()
	var host string
	base := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		host = r.Host
		http.SetCookie(w, &http.Cookie{Name: "__Host-latchkey-pre", Value: "here", Path: "/", Secure: true, HttpOnly: true})
	})
	b := passkeytest.NewBrowser(t, "https://idp.example").Via(base)
	if b.Get("/login"); host != "idp.example" {
		t.Errorf("the server saw host %q, want that of the issuer", host)
	}
	if cookies := b.Cookies(); len(cookies) != 1 || cookies[0].Value != "here" {
		t.Errorf("the browser holds %v, want the Secure cookie", cookies)
	}
	if b.Device.RPID != "idp.example" || b.Device.Origin != "https://idp.example" {
		t.Errorf("the device is at %s and %s", b.Device.RPID, b.Device.Origin)
	}
}
