package passkey_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// codesOf are the recovery codes in an answer of the API.
func codesOf(t testing.TB, a *passkeytest.Answer) []string {
	t.Helper()
	var out struct{ Codes []string }
	if err := json.Unmarshal(a.Raw, &out); err != nil || len(out.Codes) != 8 {
		t.Fatalf("recovery codes: %v: %s", err, a.Raw)
	}
	return out.Codes
}

// TestARecoveryCodeThatIsRefused (SECURITY case 100): whatever is wrong, the
// answer is the same to the byte and so is the work at the database; only the
// record knows. Nothing of anybody ends.
func TestARecoveryCodeThatIsRefused(t *testing.T) {
	t.Parallel()
	databaseURL := storagetest.URL(t)
	wire := storagetest.NewWire(t, databaseURL)
	// One connection: what a statement costs the first time is then paid once.
	db := storagetest.Connect(t, wire.URL, func(o *storage.Options) { o.MaxConns = 1 })
	app := servertest.StartOn(t, databaseURL, db, unlimited)
	w := &world{app: app, issuer: app.URL}
	alice := w.browser(t, nil)
	made := alice.Register("setup", w.setupToken(t), person("alice"))
	wantStatus(t, made, 201)
	used, code := made.RecoveryCodes[0], made.RecoveryCodes[1]
	w.enroll(t, "bob")
	redeem := func(name, code string) *passkeytest.Answer {
		return w.browser(t, nil).Post("/api/v1/recovery/redeem", passkeytest.Fields{"username": name, "code": code})
	}
	wantStatus(t, redeem("alice", used), 200)
	wantStatus(t, alice.SignIn(""), 200)
	redeem("alice", "AAAA-AAAA-AAAA-AAAA") // prepares the statements
	request := regexp.MustCompile(`"request_id":"[^"]*"`)
	body, trips := "", 0
	for _, c := range []struct{ name, username, code string }{
		{"wrong code", "alice", "BBBB-BBBB-BBBB-BBBB"},
		{"used code", "alice", used},
		{"another person's", "bob", code},
		{"unknown person", "nobody", code},
		{"impossible name", "a\u202eb", code},
		{"no name", "", code},
		{"no code", "alice", ""},
		{"one letter short", "alice", code[:len(code)-1]},
		{"one letter more", "alice", code + "A"},
	} {
		before, refused := w.snapshot(t), len(w.events(t, "recovery.refused"))
		wire.Reset()
		got := redeem(c.username, c.code)
		spent := wire.Trips()
		w.wantRefused(t, got, 401, "verification_failed")
		said := request.ReplaceAllString(string(got.Raw), "")
		if body == "" {
			body, trips = said, spent
		}
		if said != body || spent != trips || spent == 0 {
			t.Errorf("%s: %d round trips, want %d; answered %s, want %s", c.name, spent, trips, said, body)
		}
		for _, line := range got.Header.Values("Set-Cookie") {
			if !strings.Contains(line, "-pre") {
				t.Errorf("%s: sets %q", c.name, line)
			}
		}
		w.wantUnchanged(t, before)
		events := w.events(t, "recovery.refused")
		if len(events) != refused+1 || events[len(events)-1].Reason != "wrong_code" || events[len(events)-1].Success {
			t.Errorf("%s: the record says %+v", c.name, events)
		}
	}
	wantStatus(t, redeem("alice", code), 200)
}

// TestOfManyTriesWithOneCodeOneWins (SECURITY case 100): twenty browsers at
// once, and then once more. The session that was there has ended.
func TestOfManyTriesWithOneCodeOneWins(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.browser(t, nil)
	made := alice.Register("setup", w.setupToken(t), person("alice"))
	wantStatus(t, made, 201)
	var calls []func() *passkeytest.Answer
	for range 20 {
		b := w.browser(t, nil)
		calls = append(calls, func() *passkeytest.Answer {
			return b.Post("/api/v1/recovery/redeem", passkeytest.Fields{"username": "alice", "code": made.RecoveryCodes[0]})
		})
	}
	got := race(calls...)
	if got[0].Status != 200 {
		t.Fatalf("nobody won: %d %s", got[0].Status, got[0].Raw)
	}
	for _, a := range append(got[1:], calls[0]()) {
		w.wantRefused(t, a, 401, "verification_failed")
	}
	if n := len(w.events(t, "recovery.refused")); n != 20 {
		t.Errorf("%d refusals are recorded, want 20", n)
	}
	if n := len(w.events(t, "recovery.started")); n != 1 {
		t.Errorf("%d recoveries are recorded, want 1", n)
	}
	w.wantRefused(t, alice.AuthenticationOptions("reauth", ""), 401, "session_required")
	if n := w.count(t, "SELECT count(*) FROM sessions WHERE kind = 'recovery'"); n != 1 {
		t.Errorf("%d recovery sessions, want 1", n)
	}
}
