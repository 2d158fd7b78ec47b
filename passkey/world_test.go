package passkey_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
)

// world is one installation with its own database, and the people in it.
type world struct {
	app    *servertest.App
	issuer string
	alice  *passkeytest.Browser // the administrator, once there is one
}

func start(t testing.TB) *world {
	t.Helper()
	app := servertest.Start(t, unlimited)
	return &world{app: app, issuer: app.URL}
}

// startAt is start for an issuer that is not the server's own address.
func startAt(t testing.TB, issuer string) *world {
	t.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	app := servertest.Start(t, unlimited, func(o *server.Options) { o.Issuer, o.RPID = u, u.Hostname() })
	return &world{app: app, issuer: issuer}
}

// unlimited switches rate limits off: an attacker who is stopped by them has
// not been refused for what he did.
func unlimited(o *server.Options) { o.NoRateLimits = true }

// browser opens a fresh browser with no cookies, for a device or for a new one.
// A device that exists is copied, so that bending it stays with this browser.
func (w *world) browser(t testing.TB, device *passkeytest.Authenticator) *passkeytest.Browser {
	t.Helper()
	b := passkeytest.NewBrowser(t, w.issuer).Via(w.app.URL)
	b.Device.Algorithm = passkeytest.ES256 // what most devices make; EdDSA and RS256 have cases of their own
	if device != nil {
		b.Device = device.Clone()
	}
	return b
}

// admin sets the installation up at first use and returns the administrator's
// browser, signed in.
func (w *world) admin(t testing.TB) *passkeytest.Browser {
	t.Helper()
	if w.alice == nil {
		b := w.browser(t, nil)
		wantStatus(t, b.Register("setup", w.setupToken(t), person("alice")), 201)
		w.alice = b
	}
	return w.alice
}

// enroll invites a person, who registers and is signed in.
func (w *world) enroll(t testing.TB, username string) *passkeytest.Browser {
	t.Helper()
	return w.enrollWith(t, username, func(*passkeytest.Authenticator) {})
}

func (w *world) enrollWith(t testing.TB, username string, bend func(*passkeytest.Authenticator)) *passkeytest.Browser {
	t.Helper()
	b := w.browser(t, nil)
	bend(b.Device)
	wantStatus(t, b.Register("invite", w.invite(t), person(username)), 201)
	return b
}

// registering brings a browser with an empty device up to the options of a
// registration.
func (w *world) registering(t testing.TB, purpose string) (*passkeytest.Browser, *passkeytest.Answer) {
	t.Helper()
	var b *passkeytest.Browser
	var options *passkeytest.Answer
	switch purpose {
	case "add":
		b = w.admin(t)
		w.alice = w.sameBrowser(t, b) // whoever asks for the administrator gets the first device
		b.Device = passkeytest.New(b.Device.RPID, b.Device.Origin)
		options = b.RegistrationOptions("add", "", nil)
	case "invite":
		b = w.browser(t, nil)
		options = b.RegistrationOptions("invite", w.invite(t), person("bob"))
	default:
		t.Fatalf("no such registration: %s", purpose)
	}
	wantStatus(t, options, 200)
	return b, options
}

// sameBrowser returns another handle on the same cookies with the same device.
func (w *world) sameBrowser(t testing.TB, b *passkeytest.Browser) *passkeytest.Browser {
	t.Helper()
	return b.For(t)
}

// copyCookies gives a thief what the victim's browser holds.
func (w *world) copyCookies(t testing.TB, from, to *passkeytest.Browser) {
	t.Helper()
	u, err := url.Parse(w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	to.HTTP.Jar.SetCookies(u, from.Cookies())
}

func (w *world) setupToken(t testing.TB) string {
	t.Helper()
	return w.app.SetupToken(t)
}

// invite makes an invitation that knows nothing of the person.
func (w *world) invite(t testing.TB) string {
	t.Helper()
	return w.app.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser})
}

func (w *world) exec(t testing.TB, sql string) {
	t.Helper()
	w.app.Exec(t, sql)
}

// text runs a query of one value; none is "".
func (w *world) text(t testing.TB, sql string) string {
	t.Helper()
	return w.app.Text(t, sql)
}

func (w *world) count(t testing.TB, sql string) int {
	t.Helper()
	var n int
	if err := json.Unmarshal([]byte(w.text(t, sql)), &n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// snapshot is everything that an attack must leave as it is, and the refusals
// that stand in the log. Challenges come and go, and a look at a session
// moves its idle end; those are left out.
type snapshot struct {
	tables   map[string]string
	refusals []event
}

func (w *world) snapshot(t testing.TB) snapshot {
	t.Helper()
	out := snapshot{tables: map[string]string{}, refusals: w.events(t, "passkey.refused")}
	for table, columns := range map[string]string{
		"users":          "to_jsonb(x)",
		"credentials":    "to_jsonb(x)",
		"sessions":       "to_jsonb(x) - 'last_activity' - 'idle_expires_at'",
		"recovery_codes": "to_jsonb(x)",
		"one_time_links": "to_jsonb(x) - 'first_browser'",
		"memberships":    "to_jsonb(x)",
		"grants":         "to_jsonb(x)",
		"consents":       "to_jsonb(x)",
	} {
		out.tables[table] = w.text(t, "SELECT coalesce(jsonb_agg(j ORDER BY j)::text, '') FROM (SELECT "+columns+" AS j FROM "+table+" x) y")
	}
	return out
}

func (w *world) wantUnchanged(t testing.TB, before snapshot) {
	t.Helper()
	if diff := cmp.Diff(before.tables, w.snapshot(t).tables); diff != "" {
		t.Errorf("the attack changed the database (-before +after):\n%s", diff)
	}
}

// event is one line of the log; an event that counts several is as many.
type event struct {
	Reason  string
	Success bool
}

func (w *world) events(t testing.TB, kind string) []event {
	t.Helper()
	if err := w.app.DB.FlushAllCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := w.text(t, `SELECT coalesce(jsonb_agg(jsonb_build_object('Reason', reason, 'Success', success))::text, '[]')
		FROM audit_pending, generate_series(1, coalesce((detail->>'count')::int, 1)) WHERE kind = '`+kind+`'`)
	var out []event
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("events: %v", err)
	}
	return out
}

// wantRefusal demands that one more refusal stands in the log than before, and
// that each says why.
func (w *world) wantRefusal(t testing.TB, before snapshot) {
	t.Helper()
	refusals := w.events(t, "passkey.refused")
	if len(refusals) != len(before.refusals)+1 {
		t.Errorf("the log holds %d refusals, want %d: %+v", len(refusals), len(before.refusals)+1, refusals)
	}
	for _, refusal := range refusals {
		if refusal.Success || refusal.Reason == "" {
			t.Errorf("a refusal is %+v, want a failure with a reason", refusal)
		}
	}
}

// wantReasons demands that exactly the refusals of these reasons joined the log.
func (w *world) wantReasons(t testing.TB, before snapshot, reasons ...string) {
	t.Helper()
	want := before.refusals
	for _, reason := range reasons {
		want = append(want[:len(want):len(want)], event{Reason: reason})
	}
	anyOrder := cmpopts.SortSlices(func(a, b event) bool { return a.Reason < b.Reason })
	if diff := cmp.Diff(want, w.events(t, "passkey.refused"), anyOrder, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the refusals in the log are others (-want +got):\n%s", diff)
	}
}

// wantRefused compares an answer with the refusal that is due. A refusal opens
// no session, and tells no values that only the log may know.
func (w *world) wantRefused(t testing.TB, got *passkeytest.Answer, status int, code string) {
	t.Helper()
	if got.Status != status || got.Code != code {
		t.Errorf("answered %d %s, want %d %s: %.400s", got.Status, got.Code, status, code, got.Raw)
	}
	if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") {
		t.Errorf("the refusal has content type %q", kind)
	}
	for _, word := range []string{"Expected", "Received", "webauthn.", "go-webauthn", "SQL"} {
		if strings.Contains(string(got.Raw), word) {
			t.Errorf("the refusal tells internals (%q): %.400s", word, got.Raw)
		}
	}
}

func wantStatus(t testing.TB, got *passkeytest.Answer, status int) {
	t.Helper()
	if got.Status != status {
		t.Fatalf("answered %d %s, want %d: %.400s", got.Status, got.Code, status, got.Raw)
	}
}

func create(t testing.TB, device *passkeytest.Authenticator, options *passkeytest.Answer) []byte {
	t.Helper()
	out, err := device.Create(options.PublicKey)
	if err != nil {
		t.Fatalf("the device refused to register: %v", err)
	}
	return out
}

func get(t testing.TB, device *passkeytest.Authenticator, options *passkeytest.Answer) []byte {
	t.Helper()
	wantStatus(t, options, 200)
	out, err := device.Get(options.PublicKey)
	if err != nil {
		t.Fatalf("the device refused to sign: %v", err)
	}
	return out
}

// options are the members of options that tests look at.
type options struct {
	Challenge        string
	RPID             string `json:"rpId"`
	UserVerification string `json:"userVerification"`
	AllowCredentials []struct{ ID string }
}

func optionsOf(t testing.TB, a *passkeytest.Answer) options {
	t.Helper()
	var out options
	if err := json.Unmarshal(a.PublicKey, &out); err != nil {
		t.Fatalf("options: %v", err)
	}
	return out
}

func challengeOf(t testing.TB, a *passkeytest.Answer) string {
	t.Helper()
	return optionsOf(t, a).Challenge
}

// person is what somebody types about themselves.
func person(username string) passkeytest.Fields {
	return passkeytest.Fields{"username": username, "display_name": strings.ToUpper(username[:1]) + username[1:], "email": username + "@example.com"}
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
