package oidc_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/storage"
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// location is where the answer leads, by redirect or by the hand-over page.
func (a *answer) location(t testing.TB) *url.URL {
	t.Helper()
	address := a.header.Get("Location")
	if address == "" {
		_, rest, found := strings.Cut(a.body, `id="continue" href="`)
		if !found {
			t.Fatalf("the answer leads nowhere: %d %s", a.status, a.body)
		}
		address, _, _ = strings.Cut(rest, `"`)
		address = html.UnescapeString(address)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (a *answer) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("not JSON: %d %s", a.status, a.body)
	}
	return m
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	w       *world
	cookies map[string]string
	session *latchkey.Session
	user    *latchkey.User
}

func (w *world) browser() *browser { return &browser{w: w, cookies: map[string]string{}} }

func (b *browser) do(t testing.TB, r *http.Request) *answer {
	t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	client := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return &answer{response.StatusCode, response.Header, string(body)}
}

func (b *browser) get(t testing.TB, path string) *answer {
	t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.w.issuer + path
	}
	r, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, r)
}

func (b *browser) post(t testing.TB, path string, form url.Values) *answer {
	t.Helper()
	return b.do(t, b.w.form(t, path, form))
}

func (w *world) form(t testing.TB, path string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// signIn begins a session of the person in this browser, as a passkey would.
func (b *browser) signIn(t testing.TB, u *latchkey.User) *browser {
	t.Helper()
	s := &latchkey.Session{UserID: u.ID, Kind: latchkey.SessionFull, ACR: "phr", AMR: []string{"pop", "user", "mfa"}}
	err := b.w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		raw, err := tx.StartSession(t.Context(), s, b.w.sessions.Times())
		cookie := b.w.sessions.Cookie(raw)
		b.cookies[cookie.Name] = cookie.Value
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Subject = u.Subject
	b.session, b.user = s, u
	return b
}

func (w *world) user(t testing.TB, name string) *latchkey.User {
	t.Helper()
	u := &latchkey.User{Username: name, DisplayName: strings.ToUpper(name[:1]) + name[1:], Email: name + "@example.com",
		Claims: map[string]any{"given_name": "Given", "locale": 7.0}}
	if err := w.db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateUser(t.Context(), u) }); err != nil {
		t.Fatal(err)
	}
	return u
}

// waitingFor takes the id out of a redirect to a page of ours.
func waitingFor(t *testing.T, got *answer, page string) string {
	t.Helper()
	if got.status != http.StatusSeeOther || got.location(t).Path != page {
		t.Fatalf("answered %d %q %s, want %s", got.status, got.header.Get("Location"), got.body, page)
	}
	return got.location(t).Query().Get("request")
}

// confirm is a passkey used again in the same session.
func (b *browser) confirm(t *testing.T) {
	t.Helper()
	b.w.sql(t, `UPDATE sessions SET auth_time = clock_timestamp() WHERE id = $1`, b.session.ID)
}

// pre is the value that names the browser before sign-in.
func (b *browser) pre(t *testing.T) string {
	t.Helper()
	for name, value := range b.cookies {
		if strings.Contains(name, "-pre") {
			return value
		}
	}
	t.Fatal("the browser has no pre-session cookie")
	return ""
}
