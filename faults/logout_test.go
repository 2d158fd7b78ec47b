package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"latchkey"
)

// ear is an application that hears of sign-outs. It answers once it is awake;
// before, it only listens.
type ear struct {
	*httptest.Server
	heard chan string // sid of each token
	awake chan struct{}
}

func newEar(t *testing.T) *ear {
	e := &ear{heard: make(chan string, 10_000), awake: make(chan struct{})}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.FormValue("logout_token"), ".")
		var claims struct{ SID string }
		if len(parts) == 3 {
			payload, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil || json.Unmarshal(payload, &claims) != nil {
				t.Errorf("no logout token: %q", parts)
			}
		}
		e.heard <- claims.SID
		select {
		case <-e.awake:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// SIGKILL of serve while people sign out: whoever's session is over, the
// application hears of it, from the process that is started afterwards.
func TestKilledWhileTelling(t *testing.T) {
	t.Parallel()
	const people = 4
	w := newWorld(t, newProgram(t, "--outbound-allow", "127.0.0.1"), people)
	for round := range kills(t) {
		e := newEar(t)
		told := w.registerEar(t, e, round)
		before := w.sessionIDs(t)
		var leaving sync.WaitGroup
		for _, someone := range w.people {
			for range 3 {
				someone.signIn()
				someone.authorize(someone.sessions[len(someone.sessions)-1], told, "")
			}
		}
		mine := w.sessionIDs(t)
		for id := range before {
			delete(mine, id)
		}
		for _, someone := range w.people {
			browsers := someone.sessions[len(someone.sessions)-3:]
			leaving.Go(func() {
				for _, b := range browsers {
					someone.browse(b, "/logout", url.Values{"decision": {"yes"}})
				}
			})
		}
		first := <-e.heard // so one at least is under way
		time.Sleep(w.moment() / 2)
		w.kill(t)
		leaving.Wait()
		close(e.awake)
		w.start(t)
		w.passLeases(t)
		live := w.sessionIDs(t)
		ended := map[string]bool{}
		for id := range mine {
			if !live[id] {
				ended[id] = true
			}
		}
		if !ended[first] {
			t.Errorf("the application heard of %s, whose session lives", first)
		}
		n := len(ended)
		for late := time.After(20 * time.Second); len(ended) > 0; {
			select {
			case sid := <-e.heard:
				delete(ended, sid)
			case <-late:
				t.Fatalf("after kill %d: the application did not hear of %v", round+1, ended)
			}
		}
		w.settled(t, told.id, n)
		t.Logf("kill %d: %d of %d sessions had ended, all were told", round+1, n, len(mine))
		for _, someone := range w.people {
			someone.sessions, someone.grants = someone.sessions[:1], nil
		}
	}
}

func (w *world) registerEar(t *testing.T, e *ear, round int) application {
	t.Helper()
	db := w.open(t)
	defer db.Close()
	return register(t, db, "ear-"+string(rune('a'+round)), func(c *latchkey.Client) {
		c.FirstParty, c.Protocol.BackchannelLogoutURI = true, e.URL
	})
}

func (w *world) sessionIDs(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, id := range ask(t, w.databaseURL(), `SELECT id::text FROM sessions`, pgx.RowTo[string]) {
		ids[id] = true
	}
	return ids
}

// passLeases ages what the process that was killed had taken.
func (w *world) passLeases(t *testing.T) {
	t.Helper()
	ask(t, w.databaseURL(), `UPDATE jobs SET next_at = now() WHERE done_at IS NULL RETURNING id::text`, pgx.RowTo[string])
}

// settled waits until nothing waits any more, and demands as many notices as
// sessions ended, each delivered, with one event.
func (w *world) settled(t *testing.T, client string, want int) {
	t.Helper()
	type count struct{ Waiting, Delivered, Events int }
	var got count
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got = ask(t, w.databaseURL(), `
			SELECT count(*) FILTER (WHERE done_at IS NULL) AS waiting, count(*) FILTER (WHERE done_at IS NOT NULL AND last_status = '') AS delivered,
			       (SELECT count(*) FROM (SELECT kind, client_id FROM audit_pending UNION ALL SELECT kind, client_id FROM audit_leaf) e
			        WHERE kind = 'logout.delivered' AND client_id = $1) AS events
			FROM jobs WHERE key = $1`, pgx.RowToStructByName[count], client)[0]
		if got.Waiting == 0 {
			break
		}
	}
	if got != (count{Delivered: want, Events: want}) {
		t.Errorf("%+v, want %d delivered", got, want)
	}
}
