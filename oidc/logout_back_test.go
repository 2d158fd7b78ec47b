package oidc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/keys"
	"latchkey/oidc"
	"latchkey/outbound/outboundtest"
	"latchkey/storage"
	"latchkey/storage/storagetest"
	"latchkey/templates"
)

// receiver is an application's address for logout tokens.
type receiver struct {
	address string
	mu      sync.Mutex
	status  int
	tokens  []string
	faults  []string // what was wrong with a request
}

// listen runs a receiver that answers with a status.
func listen(t *testing.T, status int) *receiver {
	t.Helper()
	r := &receiver{status: status}
	r.address = outboundtest.PlainHost(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		form, err2 := url.ParseQuery(string(body))
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil || err2 != nil || len(form) != 1 || len(form["logout_token"]) != 1 || req.Method != http.MethodPost ||
			req.URL.RawQuery != "of=wiki" || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || req.Header.Get("Cookie") != "" {
			r.faults = append(r.faults, req.Method+" "+req.URL.String()+" "+string(body))
		}
		r.tokens = append(r.tokens, form.Get("logout_token"))
		w.WriteHeader(r.status)
	}) + "/backchannel?of=wiki"
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// wait waits until n tokens have come and returns them.
func (r *receiver) wait(t *testing.T, n int) []string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		got, faults := r.tokens, r.faults
		r.mu.Unlock()
		if len(faults) > 0 {
			t.Fatalf("malformed requests: %q", faults)
		}
		if len(got) >= n {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("%d logout tokens came, want %d", len(got), n)
		}
	}
}

// abyss accepts connections and never answers.
func abyss(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String() + "/backchannel"
}

// toldWorld is a world that may tell applications on this machine, and does.
func toldWorld(t *testing.T, change ...func(*oidc.Options)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*oidc.Options){func(o *oidc.Options) { o.Outbound = outboundtest.Client(t, nil, outboundtest.Home) }}, change...)...)
	w.deliver(t)
	return w
}

// deliver runs the worker of a node until the test ends.
func (w *world) deliver(t *testing.T) {
	t.Helper()
	var running sync.WaitGroup
	ctx := t.Context()
	running.Go(func() { w.provider.DeliverLogouts(ctx, func(err error) { t.Errorf("the worker reports %v", err) }) })
	t.Cleanup(running.Wait)
}

// node is another node on the same database.
func (w *world) node(t *testing.T) *world {
	t.Helper()
	n := *w
	n.db = storagetest.Connect(t, w.url)
	n.keys = keys.New(keys.Options{DB: n.db})
	if err := n.keys.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	pages, err := templates.New(templates.Options{Issuer: w.issuer})
	if err != nil {
		t.Fatal(err)
	}
	n.provider, err = oidc.New(oidc.Options{DB: n.db, Keys: n.keys, Sessions: w.sessions, Templates: pages, Issuer: w.issuer,
		Outbound: outboundtest.Client(t, nil, outboundtest.Home)})
	if err != nil {
		t.Fatal(err)
	}
	return &n
}

func toldAt(uri string) func(*latchkey.Client) {
	return func(c *latchkey.Client) { c.Protocol.BackchannelLogoutURI = uri }
}

// notices waits until each notice of an application was tried, and returns them.
func (w *world) notices(t *testing.T, client string, n int) []latchkey.Notice {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		found, _, err := w.db.ClientNotices(t.Context(), client, 1000)
		if err != nil {
			t.Fatal(err)
		}
		tried := 0
		for i := range found {
			if found[i].Tried() {
				tried++
			}
		}
		if tried == n {
			return found
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d notices were tried, want %d", tried, len(found), n)
		}
	}
}

// again makes what waits for its next attempt due now.
func (w *world) again(t *testing.T) {
	t.Helper()
	w.sql(t, `UPDATE jobs SET next_at = now(), last_status = '' WHERE done_at IS NULL`)
}

// verified checks type, key and signature of a logout token and returns its
// claims.
func (w *world) verified(t *testing.T, token, alg string) map[string]any {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.browser().get(t, "/oauth2/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	header := jws.Signatures[0].Protected
	found := set.Key(header.KeyID)
	if len(found) != 1 || header.ExtraHeaders[jose.HeaderType] != "logout+jwt" {
		t.Fatalf("the header is %+v, the keys are %v", header, found)
	}
	payload, err := jws.Verify(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestBackchannelLogout is the conformance suite's module
// oidcc-backchannel-rp-initiated-logout: the token to the letter (Back-Channel
// Logout §2.4), the way back with state alone, and nobody signed in afterwards.
func TestBackchannelLogout(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{latchkey.RS256, latchkey.PS256, latchkey.ES256, latchkey.EdDSA} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			w := toldWorld(t)
			r := listen(t, http.StatusOK)
			a := w.app(t, "wiki", toldAt(r.address), func(c *latchkey.Client) {
				c.IDTokenAlg, c.Protocol.BackchannelLogoutSession = alg, true
			})
			b := w.browser().signIn(t, w.user(t, "alice"))
			hint := a.tokens(t, b).id
			got := b.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", bye, "state", "the-state"))
			if got.header.Get("Location") != bye+"?state=the-state" {
				t.Errorf("answered %d %s", got.status, got.header.Get("Location"))
			}
			claims, of := w.verified(t, r.wait(t, 1)[0], alg), claimsIn(t, hint)
			iat, _ := claims["iat"].(float64)
			jti, _ := claims["jti"].(string)
			want := map[string]any{
				"iss": w.issuer, "sub": of["sub"], "sid": of["sid"], "aud": "wiki", "iat": iat, "exp": iat + 120, "jti": jti,
				"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
			}
			if diff := cmp.Diff(want, claims); diff != "" || of["sid"] != b.session.ID || len(jti) < 20 || time.Since(time.Unix(int64(iat), 0)).Abs() > time.Minute {
				t.Errorf("logout token (-want +got):\n%s", diff)
			}
			if got := b.get(t, a.request("prompt", "none")); got.location(t).Query().Get("error") != "login_required" {
				t.Errorf("afterwards: %v", got.location(t))
			}
			if n := w.notices(t, "wiki", 1)[0]; n.State != latchkey.NoticeDelivered || n.Attempts != 1 {
				t.Errorf("%+v", n)
			}
			if n := w.events(t, latchkey.LogoutDelivered, ""); n != 1 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// An application gets no logout token for an ID token, and none passes for one.
func TestALogoutTokenIsNoHint(t *testing.T) {
	t.Parallel()
	w := toldWorld(t)
	r := listen(t, http.StatusOK)
	a := w.app(t, "wiki", toldAt(r.address))
	alice := w.user(t, "alice")
	b, other := w.browser().signIn(t, alice), w.browser().signIn(t, alice)
	b.get(t, logout("id_token_hint", a.tokens(t, b).id, "post_logout_redirect_uri", bye))
	wantAsked(t, "logout token as hint", other, other.get(t, logout("id_token_hint", r.wait(t, 1)[0], "post_logout_redirect_uri", bye)))
}

// What counts as an answer, and what each other one leaves behind (§2.8).
func TestAnswersToALogoutToken(t *testing.T) {
	t.Parallel()
	w := toldWorld(t)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	want := map[string]string{}
	add := func(id, uri, reason string) {
		w.app(t, id, toldAt(uri)).tokens(t, b)
		want[id] = reason
	}
	for status, reason := range map[int]string{
		200: "", 204: "", 201: "status_201", 202: "status_202", 400: "status_400", 404: "status_404", 429: "status_429",
		500: "status_500", 501: "status_501", 504: "status_504", 302: "redirect", 307: "redirect",
	} {
		add(fmt.Sprint("s", status), listen(t, status).address, reason)
	}
	add("nobody", "http://127.0.0.1:1/", "no_answer")
	add("blocked", "https://10.0.0.1/", "blocked")
	add("metadata", "https://169.254.169.254/", "blocked")
	w.end(t, storage.Ending{Cause: storage.SignedOut, UserID: alice.ID, SessionID: b.session.ID})
	for id, reason := range want {
		n := w.notices(t, id, 1)[0]
		state := latchkey.NoticePending
		if reason == "" {
			state = latchkey.NoticeDelivered
		}
		if n.Reason != reason || n.State != state || n.Attempts != 1 {
			t.Errorf("%s: %+v, want %q", id, n, reason)
		}
		if wait := time.Until(n.NextAt); reason != "" && (wait < 4*time.Second || wait > 13*time.Second) {
			t.Errorf("%s: tried again in %v", id, wait)
		}
	}
	for kind, n := range map[latchkey.EventKind]int{latchkey.LogoutDelivered: 2, latchkey.LogoutFailed: len(want) - 2, latchkey.OutboundBlocked: 4} {
		if got := w.events(t, kind, ""); got != n {
			t.Errorf("%d events %s, want %d", got, kind, n)
		}
	}
}

// An application that comes back hears of it, by a token of its own; so does one
// whose address was mended.
func TestLogoutIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := toldWorld(t)
	r := listen(t, http.StatusServiceUnavailable)
	a, moved := w.app(t, "wiki", toldAt(r.address)), w.app(t, "moved", toldAt("http://127.0.0.1:1/"))
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	a.tokens(t, b)
	moved.tokens(t, b)
	w.end(t, storage.Ending{Cause: storage.SignedOutAll, UserID: alice.ID})
	first := w.notices(t, "wiki", 1)[0]
	w.notices(t, "moved", 1)
	r.answer(http.StatusOK)
	w.sql(t, `UPDATE clients SET protocol = jsonb_build_object('backchannel_logout_uri', $1::text) WHERE id = 'moved'`, r.address)
	w.sql(t, `DELETE FROM users`) // who it is about was erased meanwhile
	w.again(t)
	tokens := r.wait(t, 3)
	for _, id := range []string{"wiki", "moved"} {
		if n := w.notices(t, id, 1)[0]; n.State != latchkey.NoticeDelivered || n.Attempts != 2 || n.Reason != "" || !n.CreatedAt.Equal(first.CreatedAt) {
			t.Errorf("%+v", n)
		}
	}
	jti := map[any]bool{}
	for _, token := range tokens {
		claims := w.verified(t, token, latchkey.RS256)
		jti[claims["jti"]] = true
		if claims["sub"] != alice.Subject || claims["sid"] != b.session.ID {
			t.Errorf("%v", claims)
		}
	}
	if len(jti) != 3 {
		t.Errorf("%d ids of 3 tokens", len(jti))
	}
}

// What no attempt can mend is given up at once.
func TestLogoutThatIsHopeless(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]string{
		latchkey.NoticeNoApp:      `DELETE FROM clients`,
		latchkey.NoticeNoAddress:  `UPDATE clients SET protocol = '{}'`,
		latchkey.NoticeUnreadable: `UPDATE jobs SET payload = '\x00'`,
	} {
		w := newWorld(t, func(o *oidc.Options) { o.Outbound = outboundtest.Client(t, nil, outboundtest.Home) })
		a := w.app(t, "wiki", toldAt(listen(t, http.StatusOK).address))
		alice := w.user(t, "alice")
		b := w.browser().signIn(t, alice)
		a.tokens(t, b)
		w.end(t, storage.Ending{Cause: storage.SignedOut, UserID: alice.ID, SessionID: b.session.ID})
		w.sql(t, change)
		w.deliver(t)
		if n := w.notices(t, "wiki", 1)[0]; n.State != latchkey.NoticeFailed || n.Reason != reason {
			t.Errorf("%s: %+v", reason, n)
		}
		if n := w.events(t, latchkey.LogoutFailed, reason); n != 1 {
			t.Errorf("%s: %d events", reason, n)
		}
	}
}

// An application that takes its time, with a backlog, holds nobody up: neither
// other applications nor the person.
func TestADeadApplicationHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := toldWorld(t)
	dead := abyss(t)
	r := listen(t, http.StatusOK)
	alice := w.user(t, "alice")
	var apps []*app
	for _, id := range []string{"dead-1", "dead-2", "dead-3"} {
		apps = append(apps, w.app(t, id, toldAt(dead)))
	}
	wiki := w.app(t, "wiki", toldAt(r.address))
	for range 20 {
		b := w.browser().signIn(t, alice)
		for _, a := range apps {
			a.code(t, b)
		}
	}
	w.end(t, storage.Ending{Cause: storage.SignedOutAll, UserID: alice.ID})
	b := w.browser().signIn(t, alice)
	hint := wiki.tokens(t, b).id
	apps[0].code(t, b)
	began := time.Now()
	got := b.get(t, logout("id_token_hint", hint, "post_logout_redirect_uri", bye))
	if got.header.Get("Location") != bye || time.Since(began) > 500*time.Millisecond {
		t.Errorf("answered %d after %v", got.status, time.Since(began))
	}
	r.wait(t, 1)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the other application heard of it after %v", took)
	}
}

// The page after a sign-out says who knows, who does not, and that we go on; it
// waits a second at most.
func TestThePageAfterASignOutSaysWhoAnswered(t *testing.T) {
	t.Parallel()
	w := toldWorld(t)
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	signedOut := func() (string, time.Duration) {
		began := time.Now()
		got := b.post(t, "/logout", url.Values{"decision": {"yes"}})
		took := time.Since(began)
		wantSignedOut(t, "yes", got)
		_, list, _ := strings.Cut(got.body, `id="told"`)
		return list, took
	}
	if list, _ := signedOut(); list != "" {
		t.Errorf("nobody has to be told, the page says %s", list)
	}
	b.signIn(t, alice)
	w.app(t, "good", toldAt(listen(t, http.StatusNoContent).address)).tokens(t, b)
	w.app(t, "bad", toldAt(listen(t, http.StatusBadRequest).address)).tokens(t, b)
	w.app(t, "other", func(*latchkey.Client) {}).tokens(t, b) // it did not register
	list, took := signedOut()
	for _, said := range []string{"App good</bdi></b></div><span class=\"badge ok\"", "Signed out", "App bad</bdi></b><p class=\"small muted\">It answered with status 400. We keep trying for a day.</p>"} {
		if !strings.Contains(list, said) {
			t.Errorf("the page does not say %q: %s", said, list)
		}
	}
	if strings.Contains(list, "App other") || took > 800*time.Millisecond {
		t.Errorf("after %v the page says %s", took, list)
	}
	b.signIn(t, alice)
	w.app(t, "dead", toldAt(abyss(t))).tokens(t, b)
	if list, took := signedOut(); !strings.Contains(list, "It has not answered yet. We keep trying for a day.") || took < 900*time.Millisecond || took > 3*time.Second {
		t.Errorf("after %v the page says %s", took, list)
	}
}

// Several nodes share the queue: each notice is delivered, and by one of them.
// A node that heard of no sign-out looks by itself.
func TestSeveralNodesDeliverEachNoticeOnce(t *testing.T) {
	t.Parallel()
	w := toldWorld(t)
	r := listen(t, http.StatusOK)
	a := w.app(t, "wiki", toldAt(r.address))
	alice := w.user(t, "alice")
	const sessions = 40
	for range sessions {
		a.code(t, w.browser().signIn(t, alice))
	}
	w.node(t).deliver(t)
	w.end(t, storage.Ending{Cause: storage.SignedOutAll, UserID: alice.ID})
	w.notices(t, "wiki", sessions)
	sids := map[any]bool{}
	for _, token := range r.wait(t, sessions) {
		sids[claimsIn(t, token)["sid"]] = true
	}
	if got := len(r.wait(t, sessions)); got != sessions || len(sids) != sessions {
		t.Errorf("%d tokens of %d sessions", got, len(sids))
	}
}

// A stop of the server lets attempts under way end, and what was told is kept.
func TestAStopDoesNotForgetWhatWasTold(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := outboundtest.PlainHost(t, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	})
	w := newWorld(t, func(o *oidc.Options) { o.Outbound = outboundtest.Client(t, nil, outboundtest.Home) })
	a := w.app(t, "wiki", toldAt(slow))
	alice := w.user(t, "alice")
	b := w.browser().signIn(t, alice)
	a.tokens(t, b)
	w.end(t, storage.Ending{Cause: storage.SignedOut, UserID: alice.ID, SessionID: b.session.ID})
	w.stoppedWhile(t, arrived, release)
	if n := w.notices(t, "wiki", 1)[0]; n.State != latchkey.NoticeDelivered {
		t.Errorf("%+v", n)
	}
}

// stoppedWhile runs the worker, stops it once an attempt has arrived, and lets
// that attempt end then.
func (w *world) stoppedWhile(t *testing.T, arrived, release chan struct{}) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.provider.DeliverLogouts(ctx, func(err error) { t.Errorf("the worker reports %v", err) })
	}()
	<-arrived
	stop()
	select {
	case <-ended:
		t.Error("the worker ended before its attempt")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	<-ended
}
