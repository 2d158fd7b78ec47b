package oidc_test

import (
	"strings"
	"testing"
	"time"

	"latchkey"
)

// SECURITY case 8.
func TestPromptNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.FirstParty = false })
	alice := w.user(t, "alice")
	state := strings.Repeat("x", 128)
	got := w.browser().get(t, a.request("prompt", "none", "state", state))
	if q := got.location(t).Query(); q.Get("error") != "login_required" || q.Get("state") != state {
		t.Errorf("without session: %v", q)
	}
	b := w.browser().signIn(t, alice)
	w.wantRedirect(t, "without consent", b.get(t, a.request("prompt", "none")), "consent_required")
	b.allow(t, b.get(t, a.request()))
	if got := b.get(t, a.request("prompt", "none")); got.location(t).Query().Get("code") == "" {
		t.Errorf("with remembered consent: %v", got.location(t))
	}
	w.sql(t, `UPDATE sessions SET auth_time = now() - interval '1 hour'`)
	w.wantRedirect(t, "max_age passed", b.get(t, a.request("prompt", "none", "max_age", "60")), "login_required")
	w.sql(t, `UPDATE sessions SET idle_expires_at = now()`)
	w.wantRedirect(t, "session over", b.get(t, a.request("prompt", "none")), "login_required")
	w.wantRedirect(t, "mixed with login", b.get(t, a.request("prompt", "none login")), "invalid_request")
	for reason, want := range map[string]int{"login_required": 3, "consent_required": 1, "prompt_none_mixed": 1} {
		if n := w.events(t, latchkey.AuthorizationRefused, reason); n != want {
			t.Errorf("%d events of reason %s, want %d", n, reason, want)
		}
	}
}

// SECURITY case 9.
func TestMaxAgeZeroAndPromptLoginAskAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	for _, pair := range [][2]string{{"prompt", "login"}, {"max_age", "0"}, {"prompt", "select_account"}, {"max_age", "30"}} {
		b := w.browser().signIn(t, w.user(t, "alice"+pair[0]+pair[1]))
		w.sql(t, `UPDATE sessions SET auth_time = now() - interval '1 minute' WHERE id = $1`, b.session.ID)
		id := waitingFor(t, b.get(t, a.request(pair[0], pair[1])), "/login")
		// Coming back without having used the passkey is no way around.
		if again := waitingFor(t, b.get(t, "/oauth2/authorize?request="+id), "/login"); again != id {
			t.Errorf("%v: another request waits", pair)
		}
		asked := time.Now().Add(-time.Second)
		b.confirm(t)
		got := b.get(t, "/oauth2/authorize?request="+id)
		tk := readTokens(t, a.exchange(t, got.location(t).Query().Get("code")))
		if at := claimsIn(t, tk.id)["auth_time"].(float64); time.Unix(int64(at), 0).Before(asked.Truncate(time.Second)) {
			t.Errorf("%v: auth_time %v is before the request", pair, at)
		}
		wantPage(t, b.get(t, "/oauth2/authorize?request="+id), 400, "request_expired")
	}
}

func TestMaxAgeThatHasNotPassedAsksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	first := claimsIn(t, a.tokens(t, b, "max_age", "15000").id)["auth_time"]
	second := claimsIn(t, a.tokens(t, b, "max_age", "10000").id)["auth_time"]
	if first == nil || first != second {
		t.Errorf("auth_time %v, then %v", first, second)
	}
}

func TestIDTokenHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.app(t, "wiki"), w.app(t, "other")
	alice, bob := w.user(t, "alice"), w.user(t, "bob")
	b := w.browser().signIn(t, alice)
	hint := a.tokens(t, b).id
	if got := b.get(t, a.request("prompt", "none", "id_token_hint", hint)); got.location(t).Query().Get("code") == "" {
		t.Errorf("own hint: %v", got.location(t))
	}
	w.wantRedirect(t, "hint of another application", b.get(t, other.request("prompt", "none", "id_token_hint", hint)), "invalid_request")
	w.wantRedirect(t, "access token as hint", b.get(t, a.request("prompt", "none", "id_token_hint", a.tokens(t, b).access)), "invalid_request")
	bobs := w.browser().signIn(t, bob)
	w.wantRedirect(t, "hint of somebody else", bobs.get(t, a.request("prompt", "none", "id_token_hint", hint)), "login_required")
	id := waitingFor(t, bobs.get(t, a.request("id_token_hint", hint)), "/login")
	bobs.confirm(t) // bob insists
	w.wantRedirect(t, "somebody else signed in", bobs.get(t, "/oauth2/authorize?request="+id), "login_required")
	// The name under which a proven hint is kept proves nothing from outside.
	if got := bobs.get(t, a.request("prompt", "none", "hinted_subject", alice.Subject)); got.location(t).Query().Get("code") == "" {
		t.Errorf("kept name from outside: %v", got.location(t))
	}
}
