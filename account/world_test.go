package account_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/net/html"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
)

// world is one installation with its own database.
type world struct {
	*servertest.App
	alice *passkeytest.Browser // the administrator, once there is one
}

func start(t testing.TB, change ...func(*server.Options)) *world {
	t.Helper()
	return &world{App: servertest.Start(t, append(change, func(o *server.Options) { o.NoRateLimits = true })...)}
}

// admin sets the installation up at first use and returns the administrator's
// browser, signed in.
func (w *world) admin(t testing.TB) *passkeytest.Browser {
	t.Helper()
	if w.alice == nil {
		w.alice = passkeytest.NewBrowser(t, w.URL)
		wantStatus(t, w.alice.Register("setup", w.SetupToken(t), person("alice")), 201)
	}
	return w.alice
}

// enroll invites a person, who registers and is signed in.
func (w *world) enroll(t testing.TB, username string) *passkeytest.Browser {
	t.Helper()
	w.admin(t)
	b := passkeytest.NewBrowser(t, w.URL)
	wantStatus(t, b.Register("invite", w.InviteToken(t, latchkey.Invite{Role: latchkey.RoleUser}), person(username)), 201)
	return b
}

// another signs the same person in with the same device in another browser.
func (w *world) another(t testing.TB, b *passkeytest.Browser) *passkeytest.Browser {
	t.Helper()
	other := passkeytest.NewBrowserWith(t, w.URL, b.Device)
	wantStatus(t, other.SignIn(""), 200)
	return other
}

// add gives the person of b one more passkey, on a new device, and returns a
// browser that signed in with it.
func (w *world) add(t testing.TB, b *passkeytest.Browser) *passkeytest.Browser {
	t.Helper()
	same := b.For(t)
	same.Device = passkeytest.New(b.Device.RPID, b.Device.Origin)
	wantStatus(t, same.Register("add", "", nil), 201)
	return w.another(t, same)
}

// stale makes every session old enough that sensitive actions ask again.
func (w *world) stale(t testing.TB) {
	t.Helper()
	w.Exec(t, "UPDATE sessions SET auth_time = auth_time - interval '11 minutes'")
}

// hold keeps the rows of a locking query until release.
func (w *world) hold(t testing.TB, query string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the database goes next
	for _, statement := range []string{"BEGIN", query} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
	}
}

// waiting returns when so many others wait for locks in this database.
func (w *world) waiting(t testing.TB, want int) {
	t.Helper()
	for range 300 { // less than the two seconds after which they give up
		n := w.Text(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		if n == strconv.Itoa(want) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("nobody waits for the lock")
}

func person(username string) passkeytest.Fields {
	return passkeytest.Fields{"username": username, "display_name": strings.ToUpper(username[:1]) + username[1:], "email": username + "@example.com"}
}

func wantStatus(t testing.TB, got *passkeytest.Answer, status int) {
	t.Helper()
	if got.Status != status {
		t.Fatalf("answered %d %s, want %d: %.600s", got.Status, got.Code, status, got.Raw)
	}
}

// wantRefused demands a refusal of the API.
func wantRefused(t testing.TB, got *passkeytest.Answer, status int, code string) {
	t.Helper()
	if got.Status != status || got.Code != code {
		t.Errorf("answered %d %s, want %d %s: %.400s", got.Status, got.Code, status, code, got.Raw)
	}
	if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/problem+json") {
		t.Errorf("the refusal has content type %q", kind)
	}
}

// wantTo demands a redirect after a form (303).
func wantTo(t testing.TB, got *passkeytest.Answer, location string) {
	t.Helper()
	if got.Status != http.StatusSeeOther || got.Header.Get("Location") != location {
		t.Fatalf("answered %d to %q, want 303 to %q: %.600s", got.Status, got.Header.Get("Location"), location, got.Raw)
	}
}

// wantPage demands a page by its status and data-page.
func wantPage(t testing.TB, got *passkeytest.Answer, status int, name string) {
	t.Helper()
	if got.Status != status || !strings.Contains(string(got.Raw), `data-page="`+name+`"`) {
		t.Fatalf("answered %d, want %d and the page %s: %.1500s", got.Status, status, name, got.Raw)
	}
	if got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page %s may be kept: Cache-Control %q", name, got.Header.Get("Cache-Control"))
	}
}

func wantText(t testing.TB, got *passkeytest.Answer, texts ...string) {
	t.Helper()
	words := wordsOf(t, got)
	for _, text := range texts {
		if !strings.Contains(words, text) {
			t.Errorf("the page does not say %q: %s", text, words)
		}
	}
}

func noText(t testing.TB, got *passkeytest.Answer, texts ...string) {
	t.Helper()
	words := wordsOf(t, got)
	for _, text := range texts {
		if strings.Contains(words, text) {
			t.Errorf("the page says %q: %s", text, words)
		}
	}
}

// node is the root of a page.
func node(t testing.TB, got *passkeytest.Answer) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(got.Raw)))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// wordsOf is what people read on a page, in one line.
func wordsOf(t testing.TB, got *passkeytest.Answer) string {
	t.Helper()
	var words []string
	for n := range node(t, got).Descendants() {
		hidden := false
		for p := n.Parent; p != nil; p = p.Parent {
			hidden = hidden || p.Data == "template" || attr(p, "id") == "notes" || p.Data == "dialog"
		}
		if n.Type == html.TextNode && !hidden {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// attrOf is an attribute of the element with an id; "" = no such thing.
func attrOf(t testing.TB, got *passkeytest.Answer, id, name string) string {
	t.Helper()
	for n := range node(t, got).Descendants() {
		if attr(n, "id") == id {
			return attr(n, name)
		}
	}
	return ""
}

// statusLine is what the status line of a page says.
func statusLine(t testing.TB, got *passkeytest.Answer) string {
	t.Helper()
	for n := range node(t, got).Descendants() {
		if attr(n, "role") == "status" && n.FirstChild != nil {
			return strings.TrimSpace(n.FirstChild.Data)
		}
	}
	return ""
}

// submit sends the form of a page with an action, as a browser without script
// does: with its fields as they stand, its button, and what is typed over them.
func submit(t testing.TB, b *passkeytest.Browser, page *passkeytest.Answer, action string, typed url.Values) *passkeytest.Answer {
	t.Helper()
	for n := range node(t, page).Descendants() {
		if n.Data != "form" || attr(n, "action") != action {
			continue
		}
		if attr(n, "method") != "post" {
			t.Fatalf("the form to %s has method %q", action, attr(n, "method"))
		}
		fields := url.Values{}
		for f := range n.Descendants() {
			if name := attr(f, "name"); name != "" && (f.Data == "input" || f.Data == "button" && attr(f, "formmethod") == "") {
				fields.Set(name, attr(f, "value"))
			}
			if f.Data == "textarea" {
				fields.Set(attr(f, "name"), "")
				if f.FirstChild != nil {
					fields.Set(attr(f, "name"), f.FirstChild.Data)
				}
			}
		}
		for name, values := range typed {
			fields[name] = values
		}
		return b.Form(action, fields)
	}
	t.Fatalf("the page has no form to %s: %.1500s", action, page.Raw)
	return nil
}

// passkeys are the person's own passkeys as the API tells.
func passkeys(t testing.TB, b *passkeytest.Browser) []passkey {
	t.Helper()
	got := b.Get("/api/v1/me/passkeys")
	wantStatus(t, got, 200)
	return decode[struct{ Items []passkey }](t, got).Items
}

type passkey struct {
	ID          string
	DeviceName  string `json:"device_name"`
	AAGUID      string
	Provider    string
	Synced      bool
	BackupState bool `json:"backup_state"`
	Transports  []string
	CreatedAt   string  `json:"created_at"`
	LastUsedAt  *string `json:"last_used_at"`
	Current     bool
}

func decode[T any](t testing.TB, got *passkeytest.Answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(got.Raw, &v); err != nil {
		t.Fatalf("%v: %.300s", err, got.Raw)
	}
	return v
}

// current is the passkey that b used for its session.
func current(t testing.TB, b *passkeytest.Browser) passkey {
	t.Helper()
	for _, p := range passkeys(t, b) {
		if p.Current {
			return p
		}
	}
	t.Fatal("no passkey is the current one")
	return passkey{}
}

// event is one line of the log, with the detail that is not in the view.
type event struct {
	Kind, Subject, Passkey, Client, Session, Reason, Detail string
}

// events of a kind, the oldest first.
func (w *world) events(t testing.TB, kind string) []event {
	t.Helper()
	raw := w.Text(t, `SELECT coalesce(jsonb_agg(jsonb_build_object('Kind', kind, 'Subject', coalesce(subject::text, ''),
		'Passkey', coalesce(passkey_id::text, ''), 'Client', client_id, 'Session', coalesce(session_id::text, ''), 'Reason', reason,
		'Detail', detail::text) ORDER BY created_at, id), '[]')
		FROM (SELECT id, created_at, kind, subject, passkey_id, client_id, session_id, reason, detail FROM audit_pending
		      UNION ALL SELECT id, created_at, kind, subject, passkey_id, client_id, session_id, reason, detail FROM audit_leaf) e
		WHERE kind = '`+kind+`'`)
	var out []event
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// user is the id of a person.
func (w *world) user(t testing.TB, username string) string {
	t.Helper()
	return w.Text(t, "SELECT id FROM users WHERE username = '"+username+"'")
}

// signedIn tells whether a browser still has a session.
func signedIn(t testing.TB, b *passkeytest.Browser) bool {
	t.Helper()
	switch got := b.Get("/api/v1/me/passkeys"); got.Status {
	case 200:
		return true
	case 401:
		return false
	default:
		t.Fatalf("answered %d %s", got.Status, got.Raw)
		return false
	}
}
