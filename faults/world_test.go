package faults_test

import (
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"latchkey"
	"latchkey/seal"
	"latchkey/storage"
)

// world is an installation with people who use it.
type world struct {
	*program
	t      *testing.T
	people []*person
	apps   apps
	random *rand.Rand // of the test's own goroutine
}

// number reads a number from the environment.
func number(t *testing.T, name string, byDefault int) int {
	t.Helper()
	text, set := os.LookupEnv(name)
	if !set {
		return byDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s is no number", name, text)
	}
	return n
}

// dice are seeded by LATCHKEY_FAULTS_SEED, or by chance. What they decide is
// when something is hit; what it hits depends on the machine as well.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := number(t, "LATCHKEY_FAULTS_SEED", int(rand.Uint32()))
	t.Logf("LATCHKEY_FAULTS_SEED=%d", seed)
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

// newWorld starts an installation with some people and three applications.
func newWorld(t *testing.T, p *program, people int) *world {
	t.Helper()
	w := &world{program: p, t: t, random: dice(t)}
	p.start(t)
	db := w.open(t)
	defer db.Close()
	w.apps = apps{
		wiki:  register(t, db, "wiki", func(c *latchkey.Client) { c.FirstParty = true }),
		forum: register(t, db, "forum", func(*latchkey.Client) {}),
		robot: register(t, db, "robot", func(c *latchkey.Client) {
			c.Type, c.GrantTypes, c.RedirectURIs = "machine", []string{latchkey.GrantClientCredentials}, nil
		}),
	}
	for i := range people {
		someone := newPerson(t, p, w.apps)
		if i == 0 {
			someone.enroll("setup", p.setup, "person-0")
		} else {
			someone.enroll("invite", invite(t, db), "person-"+strconv.Itoa(i))
		}
		w.people = append(w.people, someone)
	}
	return w
}

// open opens the database beside serve, with its keys.
func (p *program) open(t *testing.T) *storage.DB {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(p.dir, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.NewRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	db, err := storage.Open(t.Context(), storage.Options{URL: p.databaseURL(), Ring: ring, MaxConns: 1, MinIdleConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func register(t *testing.T, db *storage.DB, id string, change func(*latchkey.Client)) application {
	t.Helper()
	grace := 5 * time.Minute // longer than any outage here
	c := &latchkey.Client{
		ID: id, Name: id, Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true, RedirectURIs: []string{callback},
		GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken}, ResponseTypes: []string{"code"},
		Scopes: []string{"openid", "profile", "offline_access"}, AuthMethod: latchkey.AuthBasic, RefreshGrace: &grace,
		IDTokenAlg: latchkey.ES256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt",
	}
	change(c)
	app := application{id, db.NewClientSecret()}
	err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), c, app.secret) })
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func invite(t *testing.T, db *storage.DB) (token string) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		token, err = tx.CreateLink(t.Context(), &latchkey.Link{Purpose: latchkey.LinkInvite}, time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// load lets everybody work until the returned function is called, which waits
// for them.
func (w *world) load() (stop func()) {
	var over atomic.Bool
	var working sync.WaitGroup
	for _, someone := range w.people {
		random := rand.New(rand.NewPCG(w.random.Uint64(), 0))
		working.Go(func() {
			for !over.Load() {
				someone.step(random)
			}
		})
	}
	return func() {
		over.Store(true)
		working.Wait()
	}
}

// step does one thing of the mixed load.
func (w *person) step(random *rand.Rand) {
	newest := w.sessions[len(w.sessions)-1]
	switch n := random.IntN(100); {
	case n < 15:
		w.signIn()
	case n < 30:
		w.consent(newest)
	case n < 45:
		w.authorize(newest, w.apps.wiki, "")
	case n < 55:
		w.robot()
	default:
		w.useGrant(random)
	}
	if w.line.failed {
		time.Sleep(5 * time.Millisecond) // nobody is hammered who cannot answer
	}
}

// useGrant exchanges the codes that wait, then refreshes some tokens.
func (w *person) useGrant(random *rand.Rand) {
	for _, g := range w.grants {
		if g.waiting() {
			w.exchange(g)
		}
	}
	live := w.live()
	for range min(4, len(live)) {
		w.rotate(live[random.IntN(len(live))])
	}
}

// robot gets a token of the application itself, which no row remembers.
func (w *person) robot() {
	got := w.post(w.apps.robot, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	if w.unsure("client_credentials", got) {
		return
	}
	var told struct {
		Access string `json:"access_token"`
	}
	got.decode(&told)
	w.robots = append(w.robots, told.Access)
}

// check holds everything that people were told against what is there now.
func (w *world) check() {
	w.t.Helper()
	var working sync.WaitGroup
	for _, someone := range w.people {
		working.Go(someone.lookBack)
	}
	working.Wait()
	log := readEvents(w.t, w.databaseURL())
	for _, someone := range w.people {
		someone.settle(log)
	}
}

// lookBack first asks again where an answer was cut, then tries everything that
// was given out.
func (w *person) lookBack() {
	for _, g := range w.grants {
		switch {
		case g.waiting():
			w.exchange(g)
		case g.live() && len(g.unanswered) > 0:
			w.rotate(g)
		}
	}
	for _, g := range w.grants {
		if g.live() {
			w.look(g)
		}
	}
	for _, b := range w.sessions[max(0, len(w.sessions)-3):] {
		w.authorize(b, w.apps.wiki, "none")
	}
	if w.consented {
		w.authorize(w.sessions[len(w.sessions)-1], w.apps.forum, "none")
	}
	for _, token := range w.robots[max(0, len(w.robots)-2):] {
		if !w.active(w.apps.robot, token) {
			w.t.Error("an access token of an application does not work")
		}
	}
	live := w.live()
	for _, g := range live[:max(0, len(live)-5)] { // so that the rounds stay short
		w.end(g)
	}
}

func (w *person) live() []*grant {
	return slices.DeleteFunc(slices.Clone(w.grants), func(g *grant) bool { return !g.live() })
}

// tally is what everybody did, for the log of a test.
func (w *world) tally() map[string]int {
	n := map[string]int{}
	for _, someone := range w.people {
		n["sessions"] += len(someone.sessions)
		n["grants"] += len(someone.grants)
		n["claims"] += len(someone.claims)
		for _, g := range someone.grants {
			n["access tokens"] += len(g.access)
		}
	}
	return n
}
