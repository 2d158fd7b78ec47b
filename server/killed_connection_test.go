package server_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// assassin ends a connection right before its next statement is sent: the one
// that is marked, counted from the moment at which it was armed.
type assassin struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	left   int
	killed string // the statement that did not get through
}

func (a *assassin) TraceQueryStart(ctx context.Context, conn *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	a.strike(conn, d.SQL)
	return ctx
}

func (a *assassin) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (a *assassin) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	a.strike(conn, "a batch")
	return ctx
}

func (a *assassin) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (a *assassin) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// arm marks the n-th statement from now on; disarm says which one it was.
func (a *assassin) arm(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left, a.killed = n, ""
}

func (a *assassin) disarm() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left = 0
	return a.killed
}

func (a *assassin) strike(conn *pgx.Conn, sql string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left--; a.left != 0 {
		return
	}
	// It waits until the backend is gone.
	if !storagetest.Value[bool](a.t, a.url, "SELECT pg_terminate_backend($1, 5000)", conn.PgConn().PID()) {
		a.t.Error("a connection survived")
	}
	a.killed = strings.Join(strings.Fields(sql), " ")
}

// startHunted starts an installation with an assassin on its connections.
func startHunted(t *testing.T) (*servertest.App, *assassin) {
	t.Helper()
	a := &assassin{t: t}
	app := servertest.Start(t, func(o *server.Options) {
		o.NoRateLimits = true
		a.url = o.DB.URL()
		o.DB = storagetest.Connect(t, a.url, func(s *storage.Options) { s.Tracer = a })
	})
	return app, a
}

// eachStatement calls attempt for the first statement, the second, and so on,
// until nothing was killed because there are no more.
func eachStatement(t *testing.T, least int, attempt func(n int) (killed string)) {
	t.Helper()
	for n := 1; ; n++ {
		killed := attempt(n)
		if killed == "" {
			if n <= least {
				t.Errorf("only %d statements were hit, want %d at least", n-1, least)
			}
			return
		}
		t.Logf("%d: %.90s", n, killed)
		if n > 50 {
			t.Fatal("no end of statements")
		}
	}
}

// SECURITY 113: a connection that dies before a statement of an exchange gives
// full success, or 503 with nothing kept; the same code then works.
func TestKilledConnectionOfAnExchange(t *testing.T) {
	t.Parallel()
	app, a := startHunted(t)
	d := newDriver(t, app)
	eachStatement(t, 2, func(n int) string {
		code := d.code()
		before := app.Text(t, `SELECT count(*) FROM audit_pending`)
		a.arm(n)
		got := d.exchange(code)
		killed := a.disarm()
		if killed == "" {
			d.wants(got, 200, "unharmed exchange")
			return ""
		}
		if got.status != 200 {
			d.unavailable(got)
			if after := app.Text(t, `SELECT count(*) FROM audit_pending`); after != before {
				t.Errorf("%s events before a killed exchange, %s after", before, after)
			}
			if n := app.Text(t, `SELECT count(*) FROM grants WHERE code_uses > 1`); n != "0" {
				t.Errorf("%s codes were spent twice", n)
			}
			got = d.exchange(code)
		}
		if tokens := d.tokens(got); !strings.Contains(string(d.introspect(tokens.Access).body), `"active":true`) {
			t.Error("the tokens of the repeated exchange are not active")
		}
		return killed
	})
	if n := app.Text(t, `SELECT count(*) FROM grants g WHERE code_uses <> 1 OR revoked_at IS NOT NULL OR 1 <> (
		SELECT count(*) FROM audit_pending e WHERE e.kind = 'token.issued' AND e.detail->>'grant_id' = g.id::text)`); n != "0" {
		t.Errorf("%s grants without one use and one event", n)
	}
}

func TestKilledConnectionOfARefresh(t *testing.T) {
	t.Parallel()
	app, a := startHunted(t)
	d := newDriver(t, app)
	token := d.tokens(d.exchange(d.code())).Refresh
	rotations := 0
	eachStatement(t, 3, func(n int) string {
		before := app.Text(t, `SELECT rt_gen FROM grants`)
		a.arm(n)
		got := d.refresh(token)
		killed := a.disarm()
		if got.status != 200 {
			d.unavailable(got)
			if after := app.Text(t, `SELECT rt_gen FROM grants`); after != before {
				t.Errorf("generation %s before a killed refresh, %s after", before, after)
			}
			got = d.refresh(token)
		}
		token = d.tokens(got).Refresh
		rotations++
		return killed
	})
	for sql, want := range map[string]int{
		`SELECT count(*) FROM audit_pending WHERE kind = 'token.refreshed' AND reason = 'rotated'`: rotations,
		`SELECT rt_gen - 1 FROM grants`: rotations,
	} {
		if got := app.Text(t, sql); got != strconv.Itoa(want) {
			t.Errorf("%s: %s, want %d", sql, got, want)
		}
	}
}

// The challenge of a ceremony is spent before anything is checked, so a verify
// that failed half-way is begun again; the link and the name are still free.
func TestKilledConnectionOfARegistration(t *testing.T) {
	t.Parallel()
	app, a := startHunted(t)
	newDriver(t, app)
	people := 0
	eachStatement(t, 4, func(n int) string {
		people = n
		name := "newcomer-" + strconv.Itoa(n)
		token := app.InviteToken(t, latchkey.Invite{})
		person := passkeytest.NewBrowser(t, app.URL)
		fields := passkeytest.Fields{"username": name, "display_name": name}
		options := person.RegistrationOptions("invite", token, fields)
		credential, err := person.Device.Create(options.PublicKey)
		if err != nil {
			t.Fatalf("options answered %d %s; %v", options.Status, options.Raw, err)
		}
		a.arm(n)
		got := person.VerifyRegistration(options.ChallengeID, credential, nil)
		killed := a.disarm()
		if got.Status == 503 {
			if kept := app.Text(t, `SELECT count(*) FROM users WHERE username = '`+name+`'`); kept != "0" {
				t.Errorf("a person was kept of a registration that was killed at %s", killed)
			}
			got = person.VerifyRegistration(options.ChallengeID, credential, nil)
			if got.Status != 201 && got.Code == "challenge_expired" {
				got = person.Register("invite", token, fields)
			}
		}
		if got.Status != 201 {
			t.Fatalf("registration killed at %q ended with %d %s", killed, got.Status, got.Raw)
		}
		return killed
	})
	want := strconv.Itoa(people + 1) // and the administrator
	for _, sql := range []string{
		`SELECT count(*) FROM users`, `SELECT count(*) FROM credentials`,
		`SELECT count(*) FROM audit_pending WHERE kind = 'user.registered'`,
		`SELECT count(*) FROM audit_pending WHERE kind = 'passkey.registered'`,
		`SELECT count(*) FROM audit_pending WHERE kind = 'link.used'`,
	} {
		if got := app.Text(t, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

func TestKilledConnectionOfASignIn(t *testing.T) {
	t.Parallel()
	app, a := startHunted(t)
	d := newDriver(t, app)
	eachStatement(t, 4, func(n int) string {
		before := app.Text(t, `SELECT count(*) FROM sessions`)
		a.arm(n)
		got := d.signIn()
		killed := a.disarm()
		if got.status != 200 {
			d.unavailable(got)
			if after := app.Text(t, `SELECT count(*) FROM sessions`); after != before {
				t.Errorf("%s sessions before a killed sign-in, %s after", before, after)
			}
			d.wants(d.signIn(), 200, "sign-in once more")
		}
		return killed
	})
	if n := app.Text(t, `SELECT count(*) FROM sessions s WHERE 1 <> (
		SELECT count(*) FROM audit_pending e WHERE e.kind = 'session.started' AND e.session_id = s.id)`); n != "0" {
		t.Errorf("%s sessions without their one event", n)
	}
}

// unavailable checks a refusal for the moment.
func (d *driver) unavailable(r *reply) {
	d.tb.Helper()
	if r.status != 503 || r.retryAfter == "" {
		d.tb.Errorf("answered %s, Retry-After %q, want 503 with advice", r, r.retryAfter)
	}
}
