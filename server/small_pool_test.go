package server_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey/server"
	"latchkey/server/servertest"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// crowd is how many clients come at once.
const crowd = 64

// longestWait is how long a request may wait for the database, and what the
// machine may add to that while all tests run.
const longestWait = 2*time.Second + 1500*time.Millisecond

func startSmall(t *testing.T, conns int) (*servertest.App, *driver) {
	t.Helper()
	app := servertest.Start(t, func(o *server.Options) {
		o.NoRateLimits = true
		o.DB = storagetest.Connect(t, o.DB.URL(), func(s *storage.Options) { s.MaxConns = conns })
	})
	return app, newDriver(t, app)
}

// flows are what people and applications do, each whole, with the status of its
// last answer. They are tried by many clients at once.
var flows = []struct {
	name string
	do   func(d *driver, refresh, access string) *reply
}{
	{"sign-in", func(d *driver, _, _ string) *reply { return d.signIn() }},
	{"authorize", func(d *driver, _, _ string) *reply { return d.authorize() }},
	{"code", func(d *driver, _, _ string) *reply {
		r := d.authorize()
		_, code, _ := strings.Cut(r.location, "code=")
		code, _, _ = strings.Cut(code, "&")
		if r.status != 303 || code == "" {
			return r
		}
		return d.exchange(code)
	}},
	{"refresh", func(d *driver, refresh, _ string) *reply { return d.refresh(refresh) }},
	{"client_credentials", func(d *driver, _, _ string) *reply { return d.own() }},
	{"introspection", func(d *driver, _, access string) *reply { return d.introspect(access) }},
	{"userinfo", func(d *driver, _, access string) *reply { return d.userinfo(access) }},
	{"sign-in page", func(d *driver, _, _ string) *reply { return d.send("GET", "/login", d.cookie, "", "") }},
	{"revocation of nothing", func(d *driver, _, _ string) *reply { return d.post("/oauth2/revoke", "wiki", "token=unknown") }},
}

// SECURITY 117: with one connection or two for 64 clients, every flow goes
// through, or is refused for the moment; none waits for a connection while it
// holds one.
func TestSmallPools(t *testing.T) {
	t.Parallel()
	for _, conns := range []int{1, 2} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			t.Parallel()
			_, d := startSmall(t, conns)
			for _, flow := range flows {
				grant := d.tokens(d.exchange(d.code()))
				if r := flow.do(d, grant.Refresh, grant.Access); r.status >= 400 {
					t.Fatalf("%s alone answered %s", flow.name, r)
				}
				grant = d.tokens(d.exchange(d.code()))
				answers := d.crowd(func(one *driver) *reply { return flow.do(one, grant.Refresh, grant.Access) })
				refused := 0
				for _, a := range answers {
					if a.status == 503 {
						refused++
						d.unavailable(a.reply)
					} else if a.status >= 400 {
						t.Errorf("%s among many answered %s", flow.name, a.reply)
					}
				}
				// Several requests may be in one flow, each with its own wait.
				if slowest := slices.MaxFunc(answers, byTime).took; slowest > 3*longestWait {
					t.Errorf("%s took %s, which is a stall", flow.name, slowest)
				}
				if refused == crowd {
					t.Errorf("%s: nobody got through", flow.name)
				}
				grant = d.tokens(d.exchange(d.code()))
				if r := flow.do(d, grant.Refresh, grant.Access); r.status >= 400 {
					t.Fatalf("%s after the crowd answered %s", flow.name, r)
				}
			}
		})
	}
}

// While somebody holds what all wait for, requests are refused after two
// seconds, what needs no database is answered, and afterwards all is well.
func TestExhaustedPool(t *testing.T) {
	t.Parallel()
	app, d := startSmall(t, 2)
	grant := d.tokens(d.exchange(d.code()))
	conn, err := pgx.Connect(t.Context(), app.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE grants IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	alive := make(chan *timed, 1)
	go func() {
		time.Sleep(500 * time.Millisecond) // all wait by now
		one := d.clone(t)
		began := time.Now()
		one.wants(one.send("GET", "/oauth2/jwks", "", "", ""), 200, "JWKS meanwhile")
		alive <- &timed{one.send("GET", "/healthz", "", "", ""), time.Since(began)}
	}()
	late := 0
	for _, a := range d.crowd(func(one *driver) *reply { return one.userinfo(grant.Access) }) {
		d.unavailable(a.reply)
		if a.took > longestWait {
			late++
		}
	}
	// Two may take over the connections of the first two, and then wait for the
	// table as well.
	if late > 2 {
		t.Errorf("%d requests were refused later than after 2 s", late)
	}
	if a := <-alive; a.status != 200 || a.took > 500*time.Millisecond {
		t.Errorf("health answered %s after %s", a.reply, a.took)
	}
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d.wants(d.userinfo(grant.Access), 200, "userinfo afterwards")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the first request afterwards took %s", took)
	}
}

// timed is an answer and how long it took.
type timed struct {
	*reply
	took time.Duration
}

func byTime(a, b *timed) int { return int(a.took - b.took) }

// crowd lets many clients do the same at once.
func (d *driver) crowd(do func(*driver) *reply) []*timed {
	d.tb.Helper()
	answers := make([]*timed, crowd)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		one := d.clone(d.tb)
		all.Go(func() {
			<-start
			began := time.Now()
			r := do(one)
			answers[i] = &timed{r, time.Since(began)}
		})
	}
	close(start)
	all.Wait()
	return answers
}
