package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"latchkey"
	"latchkey/keys"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// age lets time pass for the keys of an algorithm.
func (h *house) age(t *testing.T, alg string, by time.Duration) {
	t.Helper()
	storagetest.SQL(t, h.url, `
		UPDATE signing_keys SET created_at = created_at - $2::interval, activate_at = activate_at - $2::interval,
			retire_at = retire_at - $2::interval, delete_at = delete_at - $2::interval
		WHERE alg = $1`, alg, by.String())
	if err := h.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// states are the published keys of an algorithm by their state.
func (h *house) states(t *testing.T, alg string) map[latchkey.KeyState][]latchkey.SigningKey {
	t.Helper()
	rows, err := h.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := map[latchkey.KeyState][]latchkey.SigningKey{}
	for _, k := range rows {
		if k.Alg == alg {
			states[k.State] = append(states[k.State], k)
		}
		if len(k.PrivateKey) > 0 {
			t.Error("a list holds a private key")
		}
	}
	return states
}

// TestRotationByAge walks the life of a key: nothing happens while it is young;
// at 89 days one of several nodes announces its successor; a day later that
// signs; the old one verifies until what it signed is over, and then no more.
func TestRotationByAge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	nodes := []*house{h, h.another(t), h.another(t)}
	maintain := func() {
		t.Helper()
		var all sync.WaitGroup
		for _, n := range nodes {
			all.Go(func() {
				if err := n.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, n := range nodes {
			if err := n.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantStates := func(when string, announced, active, retired int) map[latchkey.KeyState][]latchkey.SigningKey {
		t.Helper()
		got := h.states(t, latchkey.ES256)
		if len(got[latchkey.StateAnnounced]) != announced || len(got[latchkey.StateActive]) != active || len(got[latchkey.StateRetired]) != retired {
			t.Fatalf("%s: %v", when, got)
		}
		return got
	}
	h.age(t, latchkey.ES256, keys.Age-time.Minute)
	maintain()
	wantStates("a minute before its age", 0, 1, 0)

	h.age(t, latchkey.ES256, 2*time.Minute)
	maintain()
	maintain()
	states := wantStates("at its age", 1, 1, 0)
	old, next := states[latchkey.StateActive][0], states[latchkey.StateAnnounced][0]
	if got := next.ActivateAt.Sub(next.CreatedAt); got != 24*time.Hour || !old.RetireAt.Equal(next.ActivateAt) || old.DeleteAt.Sub(old.RetireAt) != 48*time.Hour {
		t.Errorf("announced for %v; the old one retires at %v and goes at %v", got, old.RetireAt, old.DeleteAt)
	}
	for _, n := range nodes {
		if _, published := n.published(t)[next.KID]; !published {
			t.Error("a node does not publish the next key")
		}
		if got, _, err := verify(n.sign(t, latchkey.ES256, keys.TypeJWT), n.published(t)[old.KID]); err != nil || got["kid"] != old.KID {
			t.Errorf("signed by %v before its time: %v", got["kid"], err)
		}
	}
	if n := storagetest.Value[int](t, h.url, `
		SELECT count(*) FROM audit_pending WHERE kind = 'key.rotated' AND detail->>'alg' = 'ES256' AND NOT (detail->>'at_once')::bool AND actor_kind = 'system'`); n != 1 {
		t.Errorf("%d events of the announcement", n)
	}
	for _, alg := range []string{latchkey.RS256, latchkey.PS256, latchkey.EdDSA} {
		if got := h.states(t, alg); len(got[latchkey.StateActive]) != 1 || len(got) != 1 {
			t.Errorf("%s changed too: %v", alg, got)
		}
	}

	before := h.sign(t, latchkey.ES256, keys.TypeAccessToken)
	h.age(t, latchkey.ES256, 24*time.Hour+time.Second)
	maintain()
	wantStates("a day later", 0, 1, 1)
	for _, n := range nodes {
		if got, _, err := verify(n.sign(t, latchkey.ES256, keys.TypeJWT), n.published(t)[next.KID]); err != nil || got["kid"] != next.KID {
			t.Errorf("signed by %v: %v", got["kid"], err)
		}
	}
	h.age(t, latchkey.ES256, 48*time.Hour-time.Minute)
	if _, err := h.Verify(t.Context(), before, keys.TypeAccessToken); err != nil {
		t.Errorf("a minute before the end of the old key: %v", err)
	}
	h.age(t, latchkey.ES256, 2*time.Minute)
	if _, err := h.Verify(t.Context(), before, keys.TypeAccessToken); !errors.Is(err, keys.ErrUntrusted) {
		t.Errorf("after the end of the old key: %v", err)
	}
	wantStates("at the end", 0, 1, 0)
}

// TestKeysOutliveSessions: the ID tokens of a session come back as hints as long
// as it lives.
func TestKeysOutliveSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ maxAge, want time.Duration }{
		{0, 48 * time.Hour}, {12 * time.Hour, 48 * time.Hour}, {90 * 24 * time.Hour, 91 * 24 * time.Hour},
	} {
		ring := keys.New(keys.Options{DB: h.db, SessionMaxAge: c.maxAge})
		if err := ring.Rotate(t.Context(), []string{latchkey.EdDSA}, true); err != nil {
			t.Fatal(err)
		}
		got := storagetest.Value[string](t, h.url, `
			SELECT extract(epoch FROM delete_at - retire_at)::bigint::text FROM signing_keys WHERE alg = 'EdDSA' ORDER BY retire_at DESC NULLS LAST LIMIT 1`)
		if d, err := time.ParseDuration(got + "s"); err != nil || d != c.want {
			t.Errorf("sessions of %v: keys go %s s after they signed last, want %v", c.maxAge, got, c.want)
		}
	}
}

// TestRotationsAtOnce: of those who announce a successor at the same time one
// succeeds, and the others are told so; an announcement of several is all or none.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.another(t)
	answers := make(chan error, 6)
	for i := range cap(answers) {
		ring := []*house{h, other}[i%2]
		go func() { answers <- ring.Rotate(t.Context(), []string{latchkey.ES256}, false) }()
	}
	done := 0
	for range cap(answers) {
		switch err := <-answers; {
		case err == nil:
			done++
		case latchkey.CodeOf(err) != "rotation_pending":
			t.Error(err)
		}
	}
	if got := h.states(t, latchkey.ES256); done != 1 || len(got[latchkey.StateAnnounced]) != 1 {
		t.Errorf("%d announcements succeeded: %v", done, got)
	}
	if err := h.Rotate(t.Context(), []string{latchkey.EdDSA, latchkey.ES256}, false); latchkey.CodeOf(err) != "rotation_pending" {
		t.Errorf("both, where one is announced: %v", err)
	}
	if got := h.states(t, latchkey.EdDSA); len(got[latchkey.StateAnnounced]) != 0 {
		t.Errorf("half of a refused rotation was done: %v", got)
	}
	if err := h.Rotate(t.Context(), []string{latchkey.EdDSA, latchkey.ES256}, true); err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{latchkey.EdDSA, latchkey.ES256} {
		got := h.states(t, alg)
		if len(got[latchkey.StateActive]) != 1 || len(got[latchkey.StateAnnounced]) != 0 {
			t.Errorf("at once: %v", got)
		}
		if head, _, err := verify(h.sign(t, alg, keys.TypeJWT), h.published(t)[got[latchkey.StateActive][0].KID]); err != nil {
			t.Errorf("signed by %v: %v", head["kid"], err)
		}
	}
}

// TestTimeChangesTheRing: a key whose end comes leaves the JWKS of a node though
// nobody changed anything, and a token of the next key is known at once on a node
// that has not heard of it yet.
func TestTimeChangesTheRing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.another(t)
	if err := other.Rotate(t.Context(), []string{latchkey.EdDSA}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Verify(t.Context(), other.sign(t, latchkey.EdDSA, keys.TypeJWT), keys.TypeJWT); err != nil {
		t.Errorf("the first token of a new key: %v", err)
	}
	old := other.states(t, latchkey.EdDSA)[latchkey.StateRetired][0].KID
	storagetest.SQL(t, h.url, `UPDATE signing_keys SET delete_at = now() + interval '1 second' WHERE kid = $1`, old)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := h.db.PollCaches(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.Load(ctx); err != nil {
		t.Fatal(err)
	}
	var following sync.WaitGroup
	following.Go(func() { h.db.FollowCaches(ctx, func(err error) { t.Error(err) }) })
	following.Go(func() { h.Follow(ctx, func(err error) { t.Error(err) }) })
	// Without a change elsewhere, the version stays what it is.
	version := storagetest.Value[int64](t, h.url, `SELECT version FROM cache_version WHERE name = $1`, storage.CacheSigningKeys)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, published := h.published(t)[old]; !published {
			break
		}
		if time.Now().After(deadline) {
			t.Error("a key past its end is still published")
			break
		}
	}
	cancel()
	following.Wait()
	if got := storagetest.Value[int64](t, h.url, `SELECT version FROM cache_version WHERE name = $1`, storage.CacheSigningKeys); got != version {
		t.Errorf("the version went from %d to %d", version, got)
	}
}
