package account_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"latchkey/passkey/passkeytest"
)

// liveSession is a session as the API tells of it.
type liveSession struct {
	ID        string
	Kind      string
	Current   bool
	IPAddress string  `json:"ip_address"`
	UserAgent string  `json:"user_agent"`
	PasskeyID *string `json:"passkey_id"`
	ACR       string
	AMR       []string
}

func sessions(t testing.TB, b *passkeytest.Browser) []liveSession {
	t.Helper()
	got := b.Get("/api/v1/me/sessions")
	wantStatus(t, got, 200)
	return decode[struct{ Items []liveSession }](t, got).Items
}

func sessionOf(t testing.TB, b *passkeytest.Browser) liveSession {
	t.Helper()
	for _, s := range sessions(t, b) {
		if s.Current {
			return s
		}
	}
	t.Fatal("no session is the current one")
	return liveSession{}
}

// TestTheListOfSessions: browsers by family, the current one, and recoveries.
func TestTheListOfSessions(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := passkeytest.NewBrowserWith(t, w.URL, alice.Device)
	phone.Header = http.Header{"User-Agent": {"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36"}}
	wantStatus(t, phone.SignIn(""), 200)
	w.enroll(t, "bob")
	page := phone.Get("/account/sessions")
	wantPage(t, page, 200, "account-sessions")
	wantText(t, page, "Chrome on Android This browser", "127.0.0.1", "Passkey: "+current(t, alice).DeviceName,
		"A session ends 1 hour after you last did something, and never lasts longer than 12 hours.")
	if n := strings.Count(string(page.Raw), "<li data-id="); n != 2 {
		t.Errorf("%d sessions are listed, want Alice's 2", n)
	}
	got := sessionOf(t, phone)
	if got.UserAgent != "Chrome on Android" || got.IPAddress != "127.0.0.1" || got.Kind != "full" || got.ACR != "phr" || len(got.AMR) == 0 || *got.PasskeyID != current(t, alice).ID {
		t.Errorf("the session is %+v", got)
	}
	if len(sessions(t, phone)) != 2 {
		t.Errorf("sessions are %+v, want Alice's 2", sessions(t, phone))
	}
}

// TestARecoverySessionIsListedAndEnded by whoever is signed in, and reaches
// nothing of the account itself.
func TestARecoverySessionIsListedAndEnded(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	thief := passkeytest.NewBrowser(t, w.URL)
	wantStatus(t, thief.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": w.RecoveryToken(t, w.user(t, "alice"))}), 200)
	if signedIn(t, thief) {
		t.Fatal("a recovery session reads the account")
	}
	wantTo(t, thief.Get("/account/sessions"), "/login?return=%2Faccount%2Fsessions")
	wantStatus(t, alice.SignIn(""), 200) // the recovery had ended her session
	page := alice.Get("/account/sessions")
	wantText(t, page, "Recovery only")
	var id string
	for _, s := range sessions(t, alice) {
		if s.Kind == "recovery" {
			id = s.ID
		}
	}
	wantTo(t, submit(t, alice, page, "/account/sessions/"+id+"/end", nil), "/account/sessions?done=ended")
	wantRefused(t, thief.RegistrationOptions("recover", "", nil), 401, "session_required")
}

// TestEndingOneSession is signing out there: the tokens of the session end, but
// for refresh tokens with offline_access.
func TestEndingOneSession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, alice *passkeytest.Browser, id string){
		"page": func(t *testing.T, alice *passkeytest.Browser, id string) {
			page := alice.Get("/account/sessions")
			wantTo(t, submit(t, alice, page, "/account/sessions/"+id+"/end", nil), "/account/sessions?done=ended")
			if got := statusLine(t, alice.Get("/account/sessions?done=ended")); got != "The session ended." {
				t.Errorf("the status line says %q", got)
			}
		},
		"API": func(t *testing.T, alice *passkeytest.Browser, id string) {
			wantStatus(t, alice.Do("DELETE", "/api/v1/me/sessions/"+id, nil), 204)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			alice := w.admin(t)
			phone := w.another(t, alice)
			wiki := w.app(t, "wiki", firstParty)
			here, there, offline := wiki.signIn(t, alice, "openid"), wiki.signIn(t, phone, "openid"), wiki.signIn(t, phone, "openid offline_access")
			id := sessionOf(t, phone).ID
			end(t, alice, id)
			if signedIn(t, phone) || !signedIn(t, alice) {
				t.Error("the wrong session ended")
			}
			wantLife(t, "the other session's tokens", there, dead)
			wantLife(t, "its tokens with offline_access", offline, life{Refresh: true})
			wantLife(t, "this session's tokens", here, alive)
			events := w.events(t, "session.ended")
			if len(events) != 1 || events[0].Session != id || events[0].Reason != "signed_out" || events[0].Subject != w.user(t, "alice") {
				t.Errorf("events are %+v, want one of the ended session", events)
			}
		})
	}
}

// TestEndingOnesOwnSession signs out, and takes the cookie along.
func TestEndingOnesOwnSession(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.another(t, alice)
	wantTo(t, phone.Form("/account/sessions/"+sessionOf(t, phone).ID+"/end", nil), "/logout")
	wantPage(t, phone.Get("/logout"), 200, "signed-out")
	wantStatus(t, alice.Do("DELETE", "/api/v1/me/sessions/"+sessionOf(t, alice).ID, nil), 204)
	for _, b := range []*passkeytest.Browser{alice, phone} {
		if len(b.Cookies()) > 1 || signedIn(t, b) {
			t.Error("the browser keeps its session")
		}
	}
}

// TestEndingAllOthers leaves this session and its tokens; everything else ends,
// also what had offline_access (SECURITY case 75).
func TestEndingAllOthers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, alice *passkeytest.Browser){
		"page": func(t *testing.T, alice *passkeytest.Browser) {
			page := alice.Get("/account/sessions")
			wantTo(t, submit(t, alice, page, "/account/sessions/end-others", nil), "/account/sessions?done=others-ended")
			page = alice.Get("/account/sessions?done=others-ended")
			wantText(t, page, "All other sessions ended")
			if attrOf(t, page, "end-others", "class") != "" {
				t.Error("the page offers to end others although there are none")
			}
		},
		"API": func(t *testing.T, alice *passkeytest.Browser) {
			wantStatus(t, alice.Do("DELETE", "/api/v1/me/sessions?except=current", nil), 204)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			alice := w.admin(t)
			phone, bob := w.another(t, alice), w.enroll(t, "bob")
			wiki := w.app(t, "wiki", firstParty)
			here, there, offline := wiki.signIn(t, alice, "openid offline_access"), wiki.signIn(t, phone, "openid"), wiki.signIn(t, phone, "openid offline_access")
			bobs := wiki.signIn(t, bob, "openid")
			end(t, alice)
			if signedIn(t, phone) || !signedIn(t, alice) || !signedIn(t, bob) {
				t.Error("the wrong sessions ended")
			}
			wantLife(t, "the other session's tokens", there, dead)
			wantLife(t, "its tokens with offline_access", offline, dead)
			wantLife(t, "this session's tokens", here, alive)
			wantLife(t, "somebody else's tokens", bobs, alive)
			events := w.events(t, "session.ended")
			if len(events) != 1 || events[0].Reason != "signed_out_all" || !strings.Contains(events[0].Detail, `"sessions": 1`) || !strings.Contains(events[0].Detail, `"grants": 2`) {
				t.Errorf("events are %+v, want one that counts 1 session and 2 grants", events)
			}
		})
	}
}

// TestSigningOutEverywhere ends this session as well.
func TestSigningOutEverywhere(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, alice *passkeytest.Browser){
		"page": func(t *testing.T, alice *passkeytest.Browser) {
			wantTo(t, submit(t, alice, alice.Get("/account/sessions"), "/account/sessions/end-all", nil), "/logout?done=everywhere")
			page := alice.Get("/logout?done=everywhere")
			wantPage(t, page, 200, "signed-out")
			wantText(t, page, "You are signed out everywhere")
		},
		"API": func(t *testing.T, alice *passkeytest.Browser) {
			wantStatus(t, alice.Do("DELETE", "/api/v1/me/sessions", nil), 204)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			alice := w.admin(t)
			phone, bob := w.another(t, alice), w.enroll(t, "bob")
			wiki := w.app(t, "wiki", firstParty)
			here, offline := wiki.signIn(t, alice, "openid"), wiki.signIn(t, phone, "openid offline_access")
			end(t, alice)
			if len(alice.Cookies()) > 1 {
				t.Error("the browser keeps its cookie")
			}
			if signedIn(t, phone) || signedIn(t, alice) || !signedIn(t, bob) {
				t.Error("the wrong sessions ended")
			}
			wantLife(t, "this session's tokens", here, dead)
			wantLife(t, "tokens with offline_access", offline, dead)
		})
	}
}

// TestAnUnknownExceptionEndsNothing: what does not say "current" must not sign
// out everywhere by mistake.
func TestAnUnknownExceptionEndsNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	phone := w.another(t, alice)
	for _, query := range []string{"?except=others", "?except=" + sessionOf(t, phone).ID, "?except=current&except=x", "?Except=current", "?exept=current", "?except="} {
		got := alice.Do("DELETE", "/api/v1/me/sessions"+query, nil)
		if got.Status != 422 {
			t.Errorf("%s answered %d, want 422", query, got.Status)
		}
	}
	if !signedIn(t, alice) || !signedIn(t, phone) {
		t.Error("a session ended")
	}
}

// TestSomebodyElsesSessionIsNotThere.
func TestSomebodyElsesSessionIsNotThere(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	bob := w.enroll(t, "bob")
	for name, id := range map[string]string{"Alice's": sessionOf(t, alice).ID, "nobody's": uuid.NewString(), "no id": "x"} {
		wantRefused(t, bob.Do("DELETE", "/api/v1/me/sessions/"+id, nil), 404, "not_found")
		if got := bob.Form("/account/sessions/"+id+"/end", nil); got.Status != 404 {
			t.Errorf("%s: the form answered %d, want 404", name, got.Status)
		}
	}
	if !signedIn(t, alice) || !signedIn(t, bob) || len(w.events(t, "session.ended")) != 0 {
		t.Error("a session ended")
	}
}

// TestSigningOut by the button of every page, and by the page that asks.
func TestSigningOut(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	for _, path := range []string{"/account/passkeys", "/account/recovery-codes", "/account/sessions", "/logout"} {
		b := w.another(t, alice)
		page := b.Get(path)
		if path == "/logout" {
			wantPage(t, page, 200, "logout")
			if !signedIn(t, b) {
				t.Fatal("reading the question signed out")
			}
		}
		wantPage(t, submit(t, b, page, "/logout", nil), 200, "signed-out")
		if signedIn(t, b) || len(b.Cookies()) > 1 {
			t.Errorf("from %s: still signed in", path)
		}
	}
	if !signedIn(t, alice) {
		t.Error("the other session ended, too")
	}
}

// TestSigningOutOfARecovery ends it.
func TestSigningOutOfARecovery(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.admin(t)
	b := passkeytest.NewBrowser(t, w.URL)
	wantStatus(t, b.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": w.RecoveryToken(t, w.user(t, "alice"))}), 200)
	page := b.Get("/logout")
	wantPage(t, page, 200, "logout")
	wantPage(t, submit(t, b, page, "/logout", nil), 200, "signed-out")
	wantRefused(t, b.RegistrationOptions("recover", "", nil), 401, "session_required")
}

// TestWhatTheLastSignOutTold stands on the page of sessions: of this person, of
// the last one that anybody was told of.
func TestWhatTheLastSignOutTold(t *testing.T) {
	t.Parallel()
	w := start(t)
	alice := w.admin(t)
	page := alice.Get("/account/sessions")
	if strings.Contains(string(page.Raw), "The last sign-out") {
		t.Error("nobody was told of anything")
	}
	w.Exec(t, `
		INSERT INTO jobs (id, kind, key, user_id, payload, expires_at, done_at, last_status, created_at)
		SELECT gen_random_uuid(), 'logout', j.key, CASE WHEN j.mine THEN u.id ELSE gen_random_uuid() END, '\x00', now() + interval '1 day', CASE WHEN j.why = '' THEN now() END, j.why, now() - j.age * interval '1 hour'
		FROM users u, (VALUES ('wiki', true, '', 2), ('blog', true, 'no_answer', 2), ('earlier', true, '', 3), ('other', false, '', 1)) j (key, mine, why, age)`)
	page = alice.Get("/account/sessions")
	wantPage(t, page, 200, "account-sessions")
	wantText(t, page, "The last sign-out 2 hours ago , we told these apps", "blog It did not answer. We keep trying for a day. Waiting", "wiki Signed out")
	if strings.Contains(string(page.Raw), "earlier") || strings.Contains(string(page.Raw), "other</bdi>") {
		t.Errorf("the page tells of other sign-outs: %s", page.Raw)
	}
}
