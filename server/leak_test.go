package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/storage/storagetest"
)

// TestNothingLeaks walks through everything that handles a secret, the failures
// included, and then looks for each of them in the log at its most talkative
// and in every column of the database. Whoever steals either holds nothing that
// opens anything, and the record names nobody.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	logger, err := server.NewLogger(&log, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	app := servertest.Start(t, func(o *server.Options) { o.Log = logger })
	secrets := map[string]string{}

	secrets["set-up token"] = app.SetupToken(t)
	alice := passkeytest.NewBrowser(t, app.URL)
	answer := alice.Register("setup", secrets["set-up token"], passkeytest.Fields{
		"username": personalUsername, "display_name": personalName, "email": personalEmail,
	})
	if answer.Status != http.StatusCreated {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	for i, code := range answer.RecoveryCodes {
		secrets["recovery code "+string(rune('1'+i))] = code
		secrets["recovery code without dashes "+string(rune('1'+i))] = strings.ReplaceAll(code, "-", "")
	}
	if len(answer.RecoveryCodes) != 8 {
		t.Fatalf("%d recovery codes were given", len(answer.RecoveryCodes))
	}
	secrets["another set-up token"] = inviteAndRecover(t, app, secrets, answer.User.ID, answer.RecoveryCodes[0])
	signInTwice(t, alice, secrets)
	useTokens(t, app, alice, secrets)
	for _, cookie := range alice.Cookies() {
		secrets["cookie "+cookie.Name] = cookie.Value
	}

	dump := storagetest.Value[string](t, withHex(app.DatabaseURL), "SELECT database_to_xml(true, false, '')::text")
	if !strings.Contains(dump, personalUsername) || len(dump) < 10_000 {
		t.Fatalf("the dump of %d bytes does not hold the database", len(dump))
	}
	logged := log.String()
	if strings.Count(logged, "\n") < 10 {
		t.Fatalf("hardly anything was logged: %s", logged)
	}
	for name, secret := range secrets {
		if len(secret) < 16 {
			t.Fatalf("%s is %q: too short to look for", name, secret)
		}
		holds(t, "the database", dump, name, secret)
		holds(t, "the log", logged, name, secret)
	}
	record := storagetest.Value[string](t, withHex(app.DatabaseURL),
		"SELECT concat(query_to_xml('SELECT * FROM audit_pending', true, false, ''), query_to_xml('SELECT * FROM audit_leaf', true, false, ''))")
	if !strings.Contains(record, string(latchkey.UserRegistered)) {
		t.Fatalf("the record does not tell of the registration: %.2000s", record)
	}
	for name, personal := range map[string]string{"username": personalUsername, "display name": personalName, "e-mail address": personalEmail, "user agent": personalAgent} {
		holds(t, "the public part of the record", record, name, personal)
		holds(t, "the log", logged, name, personal)
	}
}

const (
	personalUsername = "canary-username-81f3"
	personalName     = "Canary Displayname Qzx"
	personalEmail    = "canary-mail-77c2@example.com"
	personalAgent    = "CanaryBrowser/4.17.99.1"
)

// inviteAndRecover spends links and codes, rightly and wrongly.
func inviteAndRecover(t *testing.T, app *servertest.App, secrets map[string]string, userID, code string) string {
	t.Helper()
	invite, spare := app.InviteToken(t, latchkey.Invite{Email: personalEmail}), app.InviteToken(t, latchkey.Invite{})
	secrets["invitation"], secrets["open invitation"] = invite, spare
	bob := passkeytest.NewBrowser(t, app.URL)
	if got := bob.Register("invite", invite, passkeytest.Fields{"username": "bob", "email": "bob@example.com"}); got.Status != http.StatusCreated {
		t.Fatalf("the invitation answered %d %s", got.Status, got.Raw)
	}
	bob.RegistrationOptions("invite", invite, passkeytest.Fields{"username": "eve"}) // spent
	secrets["recovery link"] = app.RecoveryToken(t, userID)
	lost := passkeytest.NewBrowser(t, app.URL)
	lost.Post("/api/v1/recovery/redeem", passkeytest.Fields{"username": "nobody-at-all", "code": code})
	lost.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": secrets["recovery link"] + "x"})
	if got := lost.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": secrets["recovery link"]}); got.Status != http.StatusOK {
		t.Fatalf("the recovery link answered %d %s", got.Status, got.Raw)
	}
	for _, cookie := range lost.Cookies() {
		secrets["recovery cookie "+cookie.Name] = cookie.Value
	}
	return spare
}

// signInTwice signs in once in vain and once for good, and keeps what only the
// two sides of the ceremony may know.
func signInTwice(t *testing.T, alice *passkeytest.Browser, secrets map[string]string) {
	t.Helper()
	alice.Header = http.Header{"User-Agent": {personalAgent}}
	options := alice.AuthenticationOptions("login", "")
	secrets["challenge id"] = options.ChallengeID
	alice.Device.UserVerified = false
	if got := alice.SignIn(""); got.OK() {
		t.Fatalf("a sign-in without a verified user answered %d", got.Status)
	}
	alice.Device.UserVerified = true
	if got := alice.SignIn(""); !got.OK() {
		t.Fatalf("sign-in answered %d %s", got.Status, got.Raw)
	}
}

// useTokens walks the code flow and hands every token to every address that
// takes one, also where it is refused.
func useTokens(t *testing.T, app *servertest.App, alice *passkeytest.Browser, secrets map[string]string) {
	t.Helper()
	const redirectURI = "http://127.0.0.1:9/callback"
	secret := registerClient(t, app, redirectURI)
	verifier := oauth2.GenerateVerifier()
	config := oauth2.Config{
		ClientID: "wiki", ClientSecret: secret, RedirectURL: redirectURI, Scopes: []string{"openid", "profile", "email", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: app.URL + "/oauth2/authorize", TokenURL: app.URL + "/oauth2/token"},
	}
	callback := follow(t, alice, config.AuthCodeURL("canary-state-5512-long", oauth2.S256ChallengeOption(verifier)), redirectURI)
	tokens, err := config.Exchange(t.Context(), callback.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("exchange: %v", err)
	}
	next, err := config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	idToken, _ := tokens.Extra("id_token").(string)
	for name, value := range map[string]string{
		"client secret": secret, "verifier": verifier, "state": "canary-state-5512-long", "code": callback.Get("code"),
		"access token": tokens.AccessToken, "refresh token": tokens.RefreshToken, "ID token": idToken,
		"next access token": next.AccessToken, "next refresh token": next.RefreshToken,
	} {
		secrets[name] = value
	}
	secrets["wrong secret"] = "canary-wrong-secret-90210"
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken, idToken, callback.Get("code")} {
		for _, address := range []string{"/oauth2/introspect", "/oauth2/revoke", "/oauth2/token", "/oauth2/userinfo", "/api/v1/session/logout", "/no/such/page"} {
			for _, password := range []string{secret, secrets["wrong secret"]} {
				form := url.Values{"token": {token}, "code": {token}, "refresh_token": {token}, "grant_type": {"authorization_code"}, "code_verifier": {verifier}}
				sendForm(t, app.URL+address+"?access_token="+token, form, "wiki", password)
			}
		}
	}
}

// sendForm posts a form with client credentials and checks that no answer gives
// the secret back.
func sendForm(t *testing.T, address string, form url.Values, user, password string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", personalAgent)
	req.SetBasicAuth(user, password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode >= 500 || strings.Contains(string(body), password) {
		t.Errorf("%s answered %d %s", req.URL.Path, res.StatusCode, body)
	}
}

// holds fails the test when text holds value: as it is, or the bytes that it is
// or stands for, in hex.
func holds(t *testing.T, where, text, name, value string) {
	t.Helper()
	lower := strings.ToLower(text)
	spellings := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value))}
	for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == '.' || r == '_' }) {
		if decoded, err := base64.RawURLEncoding.DecodeString(part); err == nil && len(decoded) >= 16 {
			spellings = append(spellings, hex.EncodeToString(decoded))
		}
	}
	for _, spelling := range spellings {
		if at := strings.Index(lower, strings.ToLower(spelling)); at >= 0 {
			t.Errorf("%s holds the %s: …%s…", where, name, text[max(0, at-80):min(len(text), at+len(spelling)+20)])
			return
		}
	}
}

// withHex makes the database write bytes as hex into XML.
func withHex(databaseURL string) string { return databaseURL + " xmlbinary=hex" }

// safeBuffer is a buffer that many goroutines write to.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
