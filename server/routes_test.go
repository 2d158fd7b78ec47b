package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// table is the whole route table with a server behind it and people in front.
type table struct {
	url         string
	databaseURL string
	db          *storage.DB
	server      *Server
	admin, user *passkeytest.Browser
}

// newTable sets an installation up with an administrator and a person.
func newTable(t *testing.T) *table {
	t.Helper()
	f := &table{databaseURL: storagetest.URL(t)}
	f.db = storagetest.Connect(t, f.databaseURL)
	var handler http.Handler
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(listener.Close)
	f.url = strings.Replace(listener.URL, "127.0.0.1", "localhost", 1)
	issuer, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	f.server, err = New(Options{Issuer: issuer, RPID: "localhost", DB: f.db, Log: slog.New(slog.DiscardHandler), Version: "test", NoRateLimits: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.server.close)
	if err := f.server.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler = f.server
	f.admin = f.register(t, "setup", "alice", &latchkey.Link{Purpose: latchkey.LinkSetup})
	f.user = f.register(t, "invite", "bob", &latchkey.Link{Purpose: latchkey.LinkInvite, Invite: latchkey.Invite{Role: latchkey.RoleUser}})
	return f
}

func (f *table) register(t *testing.T, purpose, username string, link *latchkey.Link) *passkeytest.Browser {
	t.Helper()
	b := passkeytest.NewBrowser(t, f.url)
	got := b.Register(purpose, f.link(t, link), passkeytest.Fields{"username": username, "display_name": username})
	if got.Status != 201 {
		t.Fatalf("%s answered %d %s", purpose, got.Status, got.Raw)
	}
	return b
}

func (f *table) link(t *testing.T, link *latchkey.Link) (token string) {
	t.Helper()
	err := f.db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		token, err = tx.CreateLink(t.Context(), link, 3600e9)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// recovering is a browser with a recovery session of the administrator.
func (f *table) recovering(t *testing.T) *passkeytest.Browser {
	t.Helper()
	id := storagetest.Value[string](t, f.databaseURL, "SELECT id::text FROM users WHERE username = 'alice'")
	b := passkeytest.NewBrowser(t, f.url)
	got := b.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": f.link(t, &latchkey.Link{Purpose: latchkey.LinkRecover, UserID: id})})
	if got.Status != 200 {
		t.Fatalf("recovery answered %d %s", got.Status, got.Raw)
	}
	return b
}

// route is one line of the table with an address that fits it.
type route struct{ method, pattern, path string }

// routes are the lines that pick chooses.
func (f *table) routes(t *testing.T, pick func(route) bool) []route {
	t.Helper()
	var picked []route
	for _, r := range f.server.routes().Routes() {
		parts := strings.Split(r.Path, "/")
		for i, part := range parts {
			if strings.HasPrefix(part, ":") || strings.HasPrefix(part, "*") {
				parts[i] = uuid.NewString()
			}
		}
		if line := (route{r.Method, r.Path, strings.Join(parts, "/")}); pick(line) {
			picked = append(picked, line)
		}
	}
	slices.SortFunc(picked, func(a, b route) int { return strings.Compare(a.pattern+a.method, b.pattern+b.method) })
	return picked
}

func changing(r route) bool {
	return !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, r.method)
}

// exempt are the protocol's addresses: applications post to them from anywhere,
// so they are without the origin guard, and change nothing by a cookie.
var exempt = []string{
	"/oauth2/authorize", "/oauth2/introspect", "/oauth2/logout", "/oauth2/par", "/oauth2/register", "/oauth2/register/:id", "/oauth2/revoke",
	"/oauth2/token", "/oauth2/userinfo",
}

// send asks as a browser with these headers, with a body of a type.
func (f *table) send(t *testing.T, b *passkeytest.Browser, r route, body, kind string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequest(r.method, f.url+r.path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.HTTP.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res, string(raw)}
}

// fitting is a body of the type that the route takes.
func (r route) fitting() (body, kind string) {
	if kindOf(r.path) == kindAPI {
		return "{}", typeJSON
	}
	return "decision=yes&confirm=alice&name=x", typeForm
}

// state is everything that nobody may change from outside. Challenges and
// waiting requests come and go; looking at a session moves its idle end.
func (f *table) state(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, columns := range map[string]string{
		"users": "to_jsonb(x)", "credentials": "to_jsonb(x)", "sessions": "to_jsonb(x) - 'last_activity' - 'idle_expires_at'",
		"recovery_codes": "to_jsonb(x)", "one_time_links": "to_jsonb(x) - 'first_browser'", "groups": "to_jsonb(x)", "memberships": "to_jsonb(x)",
		"clients": "to_jsonb(x)", "client_secrets": "to_jsonb(x)", "consents": "to_jsonb(x)", "grants": "to_jsonb(x)", "settings": "to_jsonb(x)",
		"initial_tokens": "to_jsonb(x)",
		"signing_keys":   "to_jsonb(x)", "encryption_keys": "to_jsonb(x)", "jobs": "to_jsonb(x)", "api_keys": "to_jsonb(x)",
	} {
		out[name] = storagetest.Value[string](t, f.databaseURL,
			"SELECT coalesce(jsonb_agg(j ORDER BY j)::text, '') FROM (SELECT "+columns+" AS j FROM "+name+" x) y")
	}
	return out
}

// TestNoOtherSiteChangesAnything sends to every state-changing line of the whole
// table what a page of another site can make an administrator's browser send
// (SECURITY case 78).
func TestNoOtherSiteChangesAnything(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	before := f.state(t)
	guarded := f.routes(t, func(r route) bool { return changing(r) && !slices.Contains(exempt, r.pattern) })
	if len(guarded) < 20 {
		t.Fatalf("only %d lines were found", len(guarded))
	}
	for _, r := range guarded {
		body, kind := r.fitting()
		for name, headers := range map[string][]string{
			"cross-site":               {"Sec-Fetch-Site", "cross-site"},
			"same-site":                {"Sec-Fetch-Site", "same-site"},
			"a word of the future":     {"Sec-Fetch-Site", "friendly"},
			"a foreign Origin":         {"Origin", "https://evil.example"},
			"an opaque Origin":         {"Origin", "null"},
			"the issuer's other port":  {"Origin", "http://localhost:1"},
			"a foreign Origin and all": {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
		} {
			for _, kind := range []string{kind, "text/plain"} {
				got := f.send(t, f.admin, r, body, kind, headers...)
				if got.StatusCode != http.StatusForbidden || !strings.Contains(got.body, "cross_origin_request") {
					t.Errorf("%s %s from %s as %s answers %d, want 403 cross_origin_request", r.method, r.pattern, name, kind, got.StatusCode)
				}
			}
		}
		// A browser that says nothing of where a request comes from can send
		// only the types of forms.
		for _, foreign := range []string{"text/plain", "multipart/form-data; boundary=x", typeForm, typeJSON} {
			if foreign == kind {
				continue
			}
			if got := f.send(t, f.admin, r, body, foreign); got.StatusCode != http.StatusUnsupportedMediaType {
				t.Errorf("%s %s as %s answers %d, want 415", r.method, r.pattern, foreign, got.StatusCode)
			}
		}
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

// TestProtocolPostsChangeNothingByCookie: the lines without the guard, and no
// others, take what another site sends, and leave the person signed in.
func TestProtocolPostsChangeNothingByCookie(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	before := f.state(t)
	for _, path := range exempt {
		lines := f.routes(t, func(r route) bool { return changing(r) && r.pattern == path })
		if len(lines) == 0 {
			t.Errorf("%s is exempt and has no line", path)
		}
		for _, line := range lines {
			got := f.send(t, f.admin, line, "decision=yes&client_id=x&token=x", typeForm, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site")
			if strings.Contains(got.body, "cross_origin_request") || got.StatusCode >= 500 {
				t.Errorf("%s %s answers %d %.200s", line.method, path, got.StatusCode, got.body)
			}
		}
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

// TestReadingChangesNothing: every GET of the table but authorize, which issues
// codes, is safe to follow.
func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	before := f.state(t)
	for _, b := range []*passkeytest.Browser{f.admin, f.user} {
		for _, r := range f.routes(t, func(r route) bool { return r.method == http.MethodGet && r.pattern != "/oauth2/authorize" }) {
			for _, query := range []string{"", "?decision=yes&confirm=alice&name=x&done=x&added=x&rename=x&request=x&return=/account"} {
				r := r
				r.path += query
				if got := f.send(t, b, r, "", ""); got.StatusCode >= 500 {
					t.Errorf("GET %s answers %d", r.path, got.StatusCode)
				}
			}
		}
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

func below(r route, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return under(r.pattern, root) })
}

// TestWhoMayComeIn asks every line of the account, the administration and their
// API as those who may not.
func TestWhoMayComeIn(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	nobody, recovering := passkeytest.NewBrowser(t, f.url), f.recovering(t)
	before := f.state(t)
	lines := f.routes(t, func(r route) bool { return below(r, "/account", "/api/v1/me", "/admin", "/api/v1/admin") })
	if len(lines) < 20 {
		t.Fatalf("only %d lines were found", len(lines))
	}
	for _, r := range lines {
		body, kind := r.fitting()
		if r.method == http.MethodGet {
			body, kind = "", ""
		}
		for name, b := range map[string]*passkeytest.Browser{"nobody": nobody, "a recovery session": recovering} {
			got := f.send(t, b, r, body, kind)
			if kindOf(r.path) == kindAPI {
				if got.StatusCode != http.StatusUnauthorized || got.problem(t)["code"] != "session_required" {
					t.Errorf("%s %s as %s answers %d, want 401 session_required", r.method, r.pattern, name, got.StatusCode)
				}
			} else if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/login?return=") {
				t.Errorf("%s %s as %s answers %d to %q, want 303 to the sign-in", r.method, r.pattern, name, got.StatusCode, got.Header.Get("Location"))
			}
		}
		if below(r, "/admin", "/api/v1/admin") {
			if got := f.send(t, f.user, r, body, kind); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s as somebody who is no administrator answers %d, want 403", r.method, r.pattern, got.StatusCode)
			}
		}
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

// TestSensitiveChangesWantThePasskeyAgain names the account's lines that need a
// use of the passkey in the last ten minutes, and asks all lines with an older
// one: those, and no others, refuse.
func TestSensitiveChangesWantThePasskeyAgain(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	sensitive := []string{
		"POST /account/passkeys/:id/remove", "POST /account/recovery-codes",
		"DELETE /api/v1/me/passkeys/:id", "POST /api/v1/me/recovery-codes",
	}
	for _, r := range f.routes(t, func(r route) bool { return below(r, "/account", "/api/v1/me") }) {
		storagetest.SQL(t, f.databaseURL, "UPDATE sessions SET auth_time = now() - interval '11 minutes'")
		body, kind := r.fitting()
		if r.method == http.MethodGet {
			body, kind = "", ""
		}
		got := f.send(t, f.user, r, body, kind)
		refused := got.StatusCode == http.StatusForbidden &&
			(strings.Contains(got.body, `"reauthentication_required"`) || strings.Contains(got.body, `data-page="stepup"`))
		if want := slices.Contains(sensitive, r.method+" "+r.pattern); refused != want || got.StatusCode >= 500 {
			t.Errorf("%s %s with an old sign-in answers %d, refused: %v, want %v", r.method, r.pattern, got.StatusCode, refused, want)
		}
		if got.StatusCode == http.StatusSeeOther && strings.HasPrefix(got.Header.Get("Location"), "/logout") || strings.Contains(r.pattern, "sessions") && r.method == http.MethodDelete {
			if answer := f.user.SignIn(""); answer.Status != 200 { // that line signed out
				t.Fatalf("sign-in answered %d %s", answer.Status, answer.Raw)
			}
		}
	}
}
