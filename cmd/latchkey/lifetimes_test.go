package main

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"latchkey/passkey/passkeytest"
	"latchkey/seal"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// TestLifetime: how people write lengths of time, and how they are shown.
func TestLifetime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		is    time.Duration
		shown string
	}{
		"90s": {90 * time.Second, "1m30s"}, "10m": {10 * time.Minute, "10m"}, "1h": {time.Hour, "1h"}, "60m": {time.Hour, "1h"},
		"1h30m": {90 * time.Minute, "1h30m"}, "14d": {14 * day, "14d"}, "24h": {day, "1d"}, "1d12h": {36 * time.Hour, "36h"}, "5s": {5 * time.Second, "5s"},
	} {
		var got lifetime
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want.is || got.String() != want.shown {
			t.Errorf("%s is read as %v (%v), shown as %s; want %v, %s", text, time.Duration(got), err, got, want.is, want.shown)
		}
	}
	for _, text := range []string{"", "d", "1", "-1h", "-1d", "1d-1h", "1.5d", "99999d", "1d1d", "d1h", "soon"} {
		var got lifetime
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, time.Duration(got))
		}
	}
}

// TestLifetimesTakeEffect runs the product with a length of its own for each
// thing that ends, and measures all of them on one sign-in.
func TestLifetimesTakeEffect(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	issuer := "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
	database, dir := storagetest.Empty(t), t.TempDir()
	lines, _ := start(t, "--listen", listen, "--issuer", issuer, "--database-url", database, "--data-dir", dir,
		"--session-ttl", "17m", "--session-max-age", "3h", "--code-ttl", "45s", "--access-token-ttl", "7m", "--id-token-ttl", "11m",
		"--refresh-token-ttl", "5d", "--refresh-token-max-age", "9d")
	_, token, _ := strings.Cut(lines[0], "/setup#token=")
	alice := passkeytest.NewBrowser(t, issuer)
	if answer := alice.Register("setup", token, passkeytest.Fields{"username": "alice"}); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	lasts := func(what string, got, want time.Duration) {
		t.Helper()
		if math.Abs(float64(got-want)) > float64(5*time.Second) {
			t.Errorf("%s lasts %v, want %v", what, got, want)
		}
	}
	stored := func(what, length, table string, want time.Duration) {
		t.Helper()
		seconds := storagetest.Value[float64](t, database, "SELECT extract(epoch FROM "+length+")::float8 FROM "+table)
		lasts(what, time.Duration(seconds*float64(time.Second)), want)
	}
	stored("a session without use", "idle_expires_at - last_activity", "sessions", 17*time.Minute)
	stored("a session in all", "expires_at - created_at", "sessions", 3*time.Hour)

	const callback = "http://127.0.0.1:9/callback"
	registerSample(t, database, dir, strings.TrimSuffix(callback, "/callback"))
	verifier := oauth2.GenerateVerifier()
	code := codeFor(t, alice, issuer, verifier, callback)
	stored("a code", "code_expires_at - created_at", "grants", 45*time.Second)
	stored("a line of refresh tokens", "expires_at - created_at", "grants", 9*day)
	answer := exchange(t, issuer, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback}})
	lasts("an access token", time.Duration(answer.ExpiresIn)*time.Second, 7*time.Minute)
	lasts("an ID token", lifeOf(t, answer.IDToken), 11*time.Minute)
	stored("a refresh token", "rt_expires_at - now()", "grants", 5*day)
}

// registerSample stores the sample application without running it.
func registerSample(t *testing.T, database, dir, base string) {
	t.Helper()
	keys, err := seal.ReadFile(filepath.Join(dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.NewRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	db := storagetest.Connect(t, database, func(o *storage.Options) { o.Ring = ring })
	if err := registerDemo(t.Context(), db, base); err != nil {
		t.Fatal(err)
	}
}

// codeFor signs in to the sample application with a live session and returns
// the code that its callback gets.
func codeFor(t *testing.T, b *passkeytest.Browser, issuer, verifier, callback string) string {
	t.Helper()
	request := url.Values{
		"client_id": {demoClientID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid offline_access"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}, "state": {"the-state-of-the-test"}, "nonce": {"the-nonce-of-the-test"},
	}
	consent := follow(t, b, newRequest(t, "GET", issuer+"/oauth2/authorize?"+request.Encode(), nil))
	consent.wants(t, "consent")
	res, err := b.HTTP.Do(consent.allow(t))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	handOver := visitOf(t, res)
	onward := handOver.element(t, "a", "continue")
	if onward == nil {
		t.Fatalf("no hand-over page: %d %s", handOver.status, handOver.body)
	}
	back, err := url.Parse(attribute(onward, "href"))
	if err != nil || !strings.HasPrefix(back.String(), callback+"?") {
		t.Fatalf("the answer leads to %s, %v", back, err)
	}
	return back.Query().Get("code")
}

// tokens is an answer of the token endpoint.
type tokens struct {
	ExpiresIn int64  `json:"expires_in"`
	IDToken   string `json:"id_token"`
}

func exchange(t *testing.T, issuer string, form url.Values) (answer tokens) {
	t.Helper()
	form.Set("client_id", demoClientID)
	res, err := http.PostForm(issuer+"/oauth2/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := visitOf(t, res)
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d %s", got.status, got.body)
	}
	return answer
}

// lifeOf reads how long a JWT is good, from its own times.
func lifeOf(t *testing.T, token string) time.Duration {
	t.Helper()
	var claims struct{ Iat, Exp int64 }
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(claims.Exp-claims.Iat) * time.Second
}
