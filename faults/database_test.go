package faults_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latchkey/storage/embedpg"
)

// database is a PostgreSQL that serve is not the master of.
type database struct {
	dir    string
	server *embedpg.Server
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	d := &database{dir: filepath.Join(shortDir(t), "pg")}
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
	return d
}

func (d *database) start(t *testing.T) {
	t.Helper()
	var err error
	if d.server, err = embedpg.Start(t.Context(), embedpg.Options{DataDir: d.dir}); err != nil {
		t.Fatal(err)
	}
}

func (d *database) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := d.server.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// signal sends a signal to the server and all its children.
func (d *database) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	master := d.server.Pid()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{master}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(master) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}

func newProgramOn(t *testing.T, d *database, arguments ...string) *program {
	t.Helper()
	p := newProgram(t, append([]string{"--database-url", d.server.URL()}, arguments...)...)
	p.database = d.server.URL()
	return p
}

// SECURITY 112.
func TestDatabaseStops(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	w := newWorld(t, newProgramOn(t, d), 1)
	calls := w.calls()
	d.stop(t)
	stopped := time.Now()
	w.waitReady(t, 503, 2*time.Second)
	w.stillThere()
	w.refusedWithin(calls, 5*time.Second)
	time.Sleep(time.Until(stopped.Add(6 * time.Second))) // by now memory is not believed any more
	w.stillThere()
	w.refusedWithin(append(calls, w.ownToken()), 5*time.Second)
	d.start(t)
	back := time.Now()
	w.waitReady(t, 200, 3*time.Second)
	w.waitForDatabase()
	w.recovered(calls)
	if took := time.Since(back); took > 3*time.Second {
		t.Errorf("healthy %s after the database's return, want 3 s at most", took)
	}
	w.check()
}

// A database that hangs, as behind a dead disk, does not say that it is away.
func TestDatabaseHangs(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	w := newWorld(t, newProgramOn(t, d), 1)
	calls := w.calls()
	d.signal(t, syscall.SIGSTOP)
	var once sync.Once
	wake := func() { once.Do(func() { d.signal(t, syscall.SIGCONT) }) }
	t.Cleanup(wake) // before the database is stopped
	w.waitReady(t, 503, 2*time.Second)
	w.stillThere()
	w.refusedWithin(calls, 5*time.Second)
	w.stillThere()
	wake()
	w.waitReady(t, 200, 3*time.Second)
	w.waitForDatabase()
	w.recovered(calls)
	w.check()
}

// call is a request that needs the database.
type call struct {
	name string
	do   func(*person) *answer
}

func (w *world) ownToken() call {
	return call{"client_credentials", func(someone *person) *answer {
		return someone.post(w.apps.robot, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	}}
}

// calls prepares one request for each thing that people and applications do.
func (w *world) calls() []call {
	w.t.Helper()
	someone := w.people[0]
	session := someone.sessions[0]
	g := someone.authorize(session, w.apps.wiki, "")
	someone.exchange(g)
	waiting := someone.authorize(session, w.apps.wiki, "")
	if w.t.Failed() {
		w.t.FailNow()
	}
	get := func(path string) func(*person) *answer {
		return func(p *person) *answer { return p.browse(session, path, nil) }
	}
	return []call{
		{"authorize", get("/oauth2/authorize?" + newGrant(w.apps.wiki).request("").Encode())},
		{"sign-in page of a request", get("/login?request=unknown")},
		{"exchange", func(p *person) *answer {
			p.exchange(waiting)
			return p.line.answer
		}},
		{"refresh", func(p *person) *answer {
			p.rotate(g)
			return p.line.answer
		}},
		{"introspect", func(p *person) *answer {
			return p.post(w.apps.wiki, "/oauth2/introspect", url.Values{"token": {g.access[0]}})
		}},
		{"userinfo", func(p *person) *answer {
			req, err := http.NewRequest(http.MethodGet, w.issuer+"/oauth2/userinfo", nil)
			if err != nil {
				w.t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+g.access[0])
			got, _ := p.line.send(req) // an error is an answer in doubt
			return got
		}},
		{"sign-in options", (*person).signInOptions},
	}
}

// stillThere asks for what needs no database.
func (w *world) stillThere() {
	w.t.Helper()
	for _, path := range []string{"/healthz", "/oauth2/jwks", "/.well-known/openid-configuration"} {
		if got := w.ask(w.t, path); got.status != http.StatusOK {
			w.t.Errorf("%s without a database answered %s", path, got)
		}
	}
}

// refusedWithin makes all calls: each is refused for now, and in time.
func (w *world) refusedWithin(calls []call, limit time.Duration) {
	w.t.Helper()
	someone := w.people[0]
	for _, c := range calls {
		began := time.Now()
		got := c.do(someone)
		took := time.Since(began)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			w.t.Errorf("%s without a database answered %s, Retry-After %q, want 503 with advice", c.name, got, got.header.Get("Retry-After"))
		}
		if took > limit {
			w.t.Errorf("%s without a database took %s, want %s at most", c.name, took, limit)
		}
	}
}

// recovered makes the calls again, now with the right answer.
func (w *world) recovered(calls []call) {
	w.t.Helper()
	for _, c := range calls {
		got := c.do(w.people[0])
		if got.status >= 500 || got.status == 0 {
			w.t.Errorf("%s after the database's return answered %s", c.name, got)
		}
	}
}
