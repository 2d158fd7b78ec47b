package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

func sessions(t testing.TB, db *storage.DB, issuer string) *session.Sessions {
	t.Helper()
	s, err := session.New(session.Options{DB: db, Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCookies: what a browser is told of each cookie, as it goes over the wire.
// Names and Secure follow the issuer; scripts, other sites' forms and other
// hosts get none of them.
func TestCookies(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	for issuer, want := range map[string][]string{
		"https://id.example.com":      {"__Host-latchkey=", "__Host-latchkey-pre=", "; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"https://id.example.com:8443": {"__Host-latchkey=", "__Host-latchkey-pre=", "; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"http://localhost:8080":       {"latchkey-8080=", "latchkey-pre-8080=", "; Path=/; HttpOnly; SameSite=Lax"},
		"http://localhost":            {"latchkey-80=", "latchkey-pre-80=", "; Path=/; HttpOnly; SameSite=Lax"},
	} {
		s := sessions(t, db, issuer)
		live, pre, end := s.Cookie("token"), s.NewPre(), s.EndCookie()
		if len(pre.Value) != 43 || pre.Value == s.NewPre().Value {
			t.Errorf("%s: a browser before sign-in is named %q, want 256 random bits", issuer, pre.Value)
		}
		got := []string{live.String(), strings.Replace(pre.String(), pre.Value, "", 1), end.String()}
		if diff := cmp.Diff([]string{
			want[0] + "token" + want[2], want[1] + want[2], want[0] + strings.Replace(want[2], "; HttpOnly", "; Max-Age=0; HttpOnly", 1),
		}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", issuer, diff)
		}
	}
}

// TestPlantedCookies: a second cookie of the same name was planted by another
// host or by plain http. Nobody can tell which is which, so neither counts.
func TestPlantedCookies(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	s := sessions(t, db, "https://id.example.com")
	victim, thief := signedIn(t, db, s, "alice"), signedIn(t, db, s, "mallory")
	for name, c := range map[string]struct {
		cookies []string
		want    string // who is signed in
	}{
		"the person's own":              {[]string{victim}, "alice"},
		"with others beside it":         {[]string{"theme=dark", victim, "__Host-latchkey-pre=x"}, "alice"},
		"a planted one behind it":       {[]string{victim, thief}, ""},
		"a planted one before it":       {[]string{thief, victim}, ""},
		"the same twice":                {[]string{victim, victim}, ""},
		"an empty one beside it":        {[]string{victim, "__Host-latchkey="}, ""},
		"under the name of plain http":  {[]string{strings.Replace(victim, "__Host-latchkey", "latchkey-80", 1)}, ""},
		"under the name without prefix": {[]string{strings.TrimPrefix(victim, "__Host-")}, ""},
		"in other letters":              {[]string{strings.Replace(victim, "__Host-", "__host-", 1)}, ""},
		"as that before sign-in":        {[]string{strings.Replace(victim, "=", "-pre=", 1)}, ""},
		"longer than any":               {[]string{victim + strings.Repeat("A", 100)}, ""},
		"one byte short":                {[]string{victim[:len(victim)-1]}, ""},
		"none":                          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "https://id.example.com/account", nil)
			if c.cookies != nil {
				r.Header.Set("Cookie", strings.Join(c.cookies, "; "))
			}
			ctx, err := s.Load(s.Read(t.Context(), r))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if found := session.FromContext(ctx); found != nil {
				got = found.Username
			}
			if got != c.want || (latchkey.ActorFrom(ctx).UserID != "") != (c.want != "") {
				t.Errorf("%q is signed in, want %q", got, c.want)
			}
		})
	}
}

// signedIn begins a session of a new person and returns its cookie.
func signedIn(t testing.TB, db *storage.DB, s *session.Sessions, name string) string {
	t.Helper()
	u := &latchkey.User{Username: name, DisplayName: name}
	var token string
	err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		if err = tx.CreateUser(t.Context(), u); err != nil {
			return err
		}
		token, err = tx.StartSession(t.Context(), &latchkey.Session{UserID: u.ID, Kind: latchkey.SessionFull, AMR: []string{}}, s.Times())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Cookie(token)
	return c.Name + "=" + c.Value
}

// TestRecoverySessionsReachNothing: whoever proved a code is not signed in.
func TestRecoverySessionsReachNothing(t *testing.T) {
	t.Parallel()
	recovering := &latchkey.Session{UserID: "u", Kind: latchkey.SessionRecovery, AuthTime: time.Now(), FoundAt: time.Now()}
	full := &latchkey.Session{UserID: "u", Kind: latchkey.SessionFull, AuthTime: time.Now(), FoundAt: time.Now()}
	stale := &latchkey.Session{UserID: "u", Kind: latchkey.SessionFull, AuthTime: time.Now().Add(-latchkey.StepUpAge - time.Second), FoundAt: time.Now()}
	for name, c := range map[string]struct {
		s                              *latchkey.Session
		signedIn, recovers, mayProceed bool
	}{
		"recovery": {recovering, false, true, false}, "full": {full, true, false, true}, "ten minutes ago": {stale, true, false, false},
		"of no kind": {&latchkey.Session{UserID: "u", AuthTime: time.Now(), FoundAt: time.Now()}, false, false, false},
	} {
		ctx := session.WithSession(t.Context(), c.s)
		_, required := session.Require(ctx)
		_, fresh := session.RequireFresh(ctx)
		got := []bool{session.FromContext(ctx) != nil, required == nil, session.RecoveryFrom(ctx) != nil, fresh == nil}
		if diff := cmp.Diff([]bool{c.signedIn, c.signedIn, c.recovers, c.mayProceed}, got); diff != "" {
			t.Errorf("%s: signed in, required, recovers, fresh (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzCookies: whatever a stranger's Cookie header holds, it signs nobody in;
// only the one value that was given does, and only alone.
func FuzzCookies(f *testing.F) {
	db := storagetest.Open(f)
	s := sessions(f, db, "https://id.example.com")
	own := signedIn(f, db, s, "alice")
	name, token, _ := strings.Cut(own, "=")
	for _, header := range []string{"", "A", "A=", token[:42], token + "A", strings.ToUpper(token), " " + token, `"` + token + `"`, token + "; " + own, token + ";" + name + "=",
		token + "; a=b", token + ", " + own, token + "%00", token + "\t", "\x00", strings.Repeat("A", 43), strings.Repeat("é", 60), token + "; __Host-latchkey-pre=" + token} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "https://id.example.com/", nil)
		r.Header.Set("Cookie", name+"="+value)
		ctx, err := s.Load(s.Read(t.Context(), r))
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		of, seen := session.BrowserFrom(ctx), r.CookiesNamed(name)
		if len(of.Session) > 128 || len(of.Pre) > 128 {
			t.Fatalf("%q is kept as %q and %q", value, of.Session, of.Pre)
		}
		right := len(seen) == 1 && seen[0].Value == token
		if found := session.FromContext(ctx); (found != nil) != right {
			t.Fatalf("%q signs in: %v", value, found != nil)
		}
		if pre, made := s.EnsurePre(ctx); len(pre) != 43 || (len(made) == 0) != (pre == of.Pre) {
			t.Fatalf("%q names the browser %q", value, pre)
		}
	})
}
