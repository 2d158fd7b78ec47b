package storage_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey"
	"latchkey/storage"
)

// app stores a right application of an id.
func app(t *testing.T, db *testDB, id string, change ...func(*latchkey.Client)) *latchkey.Client {
	t.Helper()
	c := &latchkey.Client{ID: id, Name: id, Type: latchkey.TypeWeb, Enabled: true, RedirectURIs: []string{"https://" + id + ".example/cb"}}
	c.FillDefaults()
	for _, f := range change {
		f(c)
	}
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), c, "") }); err != nil {
		t.Fatalf("store %s: %v", id, err)
	}
	return c
}

// update reads an application, bends it and stores it.
func update(t *testing.T, db *testDB, id string, bend func(*latchkey.Client)) (changed []string, err error) {
	t.Helper()
	c, err := db.FindClient(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	bend(c)
	err = db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		changed, err = tx.UpdateClient(t.Context(), c)
		return err
	})
	return changed, err
}

// TestEveryMemberOfAClientIsKept: what was stored is what is read, after a
// creation and after an update; and an update that changes nothing is none.
func TestEveryMemberOfAClientIsKept(t *testing.T) {
	t.Parallel()
	db := open(t)
	db.Exec(t, `INSERT INTO groups (id, name, name_key) VALUES (gen_random_uuid(), 'staff', 'staff'), (gen_random_uuid(), 'ops', 'ops')`)
	age, grace := int64(60), 5*time.Second
	full := func(c *latchkey.Client) {
		c.Name, c.Profile, c.FirstParty, c.Introspects, c.RefreshWithoutOffline = "Wiki", latchkey.ProfileOAuth21, true, true, true
		c.PostLogoutRedirectURIs, c.AllowedCORSOrigins = []string{"https://a.example/"}, []string{"https://b.example"}
		c.Scopes, c.AuthMethod, c.IDTokenAlg, c.AccessTokenAlg = []string{"openid", "x:y"}, latchkey.AuthPost, latchkey.ES256, latchkey.RS256
		c.AccessTokenTTL, c.IDTokenTTL, c.RefreshTokenTTL, c.RefreshGrace = time.Minute, 2*time.Minute, 3*time.Minute, &grace
		c.AllowedGroups = []string{"ops", "staff"}
		c.Metadata = latchkey.ClientMetadata{
			ClientURI: "https://c.example/", LogoURI: "https://l.example/", PolicyURI: "https://p.example/", TOSURI: "https://t.example/",
			Contacts: []string{"ops@example.com"}, InitiateLogin: "https://i.example/", Notes: "of the house", Tags: []string{"a"},
			SoftwareID: "s", SoftwareVersion: "1", DefaultMaxAge: &age, RequireAuthTime: true, DefaultACR: []string{"phr"},
		}
	}
	stored := app(t, db, "full", full)
	read, err := db.FindClient(t.Context(), "full")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored.Document(), read.Document()); diff != "" {
		t.Errorf("after the creation (-stored +read):\n%s", diff)
	}
	app(t, db, "plain")
	plain, err := db.FindClient(t.Context(), "plain")
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := update(t, db, "plain", func(*latchkey.Client) {}); err != nil || len(changed) > 0 {
		t.Errorf("nothing was changed, but %v, %v", changed, err)
	}
	if changed, err := update(t, db, "plain", full); err != nil || len(changed) < 25 {
		t.Fatalf("%d members changed, %v", len(changed), err)
	}
	after, err := db.FindClient(t.Context(), "plain")
	if err != nil {
		t.Fatal(err)
	}
	want := *plain
	full(&want)
	if changed := latchkey.ChangedMembers(&want, after); len(changed) > 0 || after.Version != 2 || !after.UpdatedAt.After(after.CreatedAt) {
		t.Errorf("after the update %v differ, version %d", changed, after.Version)
	}
	if changed, err := update(t, db, "plain", func(c *latchkey.Client) { *c = *plain; c.Version = 2 }); err != nil || len(changed) < 25 {
		t.Errorf("back again: %d members, %v", len(changed), err)
	}
	if back, err := db.FindClient(t.Context(), "plain"); err != nil || len(latchkey.ChangedMembers(plain, back)) > 0 {
		t.Errorf("after the way back %v differ, %v", latchkey.ChangedMembers(plain, back), err)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'client.updated'"); n != 2 {
		t.Errorf("%d events of two changes", n)
	}
}

// TestRefusedChangesOfAClient: nothing is changed and nothing recorded.
func TestRefusedChangesOfAClient(t *testing.T) {
	t.Parallel()
	db := open(t)
	app(t, db, "wiki")
	app(t, db, "phone", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	in := func(f func(*storage.Tx) error) func() error {
		return func() error { return db.InTx(t.Context(), f) }
	}
	changing := func(bend func(*latchkey.Client)) func() error {
		return func() error { _, err := update(t, db, "wiki", bend); return err }
	}
	before := db.Count(t, "SELECT count(*) FROM audit_pending")
	for _, refused := range []struct {
		name string
		do   func() error
		kind error
		code string
	}{
		{"an old version", changing(func(c *latchkey.Client) { c.Name, c.Version = "x", 0 }), latchkey.ErrConflict, "conflict"},
		{"another id", changing(func(c *latchkey.Client) { c.ID = "blog" }), latchkey.ErrNotFound, "not_found"},
		{"an unknown group", changing(func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} }), latchkey.ErrInvalid, "validation_failed"},
		{"a taken id", in(func(tx *storage.Tx) error {
			c, err := tx.FindClient(t.Context(), "wiki")
			if err != nil {
				return err
			}
			return tx.CreateClient(t.Context(), c, "")
		}), latchkey.ErrConflict, "client_exists"},
		{"turning off nothing", in(func(tx *storage.Tx) error { return tx.SetClientEnabled(t.Context(), "blog", false) }), latchkey.ErrNotFound, "not_found"},
		{"deleting nothing", in(func(tx *storage.Tx) error { _, err := tx.DeleteClient(t.Context(), "blog"); return err }), latchkey.ErrNotFound, "not_found"},
		{"a secret for nothing", in(func(tx *storage.Tx) error { _, err := tx.AddClientSecret(t.Context(), "blog", "s", 0); return err }), latchkey.ErrNotFound, "not_found"},
		{"a secret without use", in(func(tx *storage.Tx) error { _, err := tx.AddClientSecret(t.Context(), "phone", "s", 0); return err }), latchkey.ErrConflict, "public_client"},
		{"revoking nothing", in(func(tx *storage.Tx) error { return tx.RevokeClientSecret(t.Context(), "wiki", storage.NewID()) }), latchkey.ErrNotFound, "not_found"},
		{"revoking no id", in(func(tx *storage.Tx) error { return tx.RevokeClientSecret(t.Context(), "wiki", "x") }), latchkey.ErrNotFound, "not_found"},
	} {
		if err := refused.do(); !errors.Is(err, refused.kind) || latchkey.CodeOf(err) != refused.code {
			t.Errorf("%s: got %v, want %s", refused.name, err, refused.code)
		}
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending"); n != before {
		t.Errorf("%d events of refused changes", n-before)
	}
	if n := db.Count(t, "SELECT count(*) FROM clients WHERE version = 1"); n != 2 {
		t.Error("a refused change was written")
	}
}

// TestTwoWhoChangeAnApplication: one of them wins, the other learns of it.
func TestTwoWhoChangeAnApplication(t *testing.T) {
	t.Parallel()
	db := open(t)
	app(t, db, "wiki")
	read, err := db.FindClient(t.Context(), "wiki")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() {
			mine := *read
			mine.Name = string(rune('a' + i))
			errs[i] = db.InTx(t.Context(), func(tx *storage.Tx) error {
				_, err := tx.UpdateClient(t.Context(), &mine)
				return err
			})
		})
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, latchkey.ErrConflict) {
			t.Errorf("the loser learns %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d won, want 1", won)
	}
}

// TestWhatEndsWithAnApplication: turned off, closed to somebody, deleted. The
// grants are those of TestWhatEndsWhat.
func TestWhatEndsWithAnApplication(t *testing.T) {
	t.Parallel()
	ofWiki := []string{"laptop wiki", "laptop wiki offline", "phone wiki", "bob wiki"}
	everybody := []string{"laptop", "phone", "bob"}
	onlyBob := func(f *endings) {
		f.db.Exec(t, `INSERT INTO groups (id, name, name_key) VALUES (gen_random_uuid(), 'staff', 'staff')`)
		f.db.Exec(t, `INSERT INTO memberships (group_id, user_id) SELECT id, $1 FROM groups`, f.bob.ID)
	}
	for _, c := range []struct {
		name   string
		before func(f *endings)
		bend   func(*latchkey.Client)
		want   ended
		reason string
	}{
		{"turned off", nil, func(c *latchkey.Client) { c.Enabled = false }, ended{Sessions: everybody, Refresh: ofWiki, Access: ofWiki}, "client_disabled"},
		{"closed to alice", onlyBob, func(c *latchkey.Client) { c.AllowedGroups = []string{"staff"} },
			ended{Sessions: everybody, Refresh: ofWiki[:3], Access: ofWiki[:3]}, "groups_narrowed"},
		{"renamed", nil, func(c *latchkey.Client) { c.Name = "Docs" }, ended{Sessions: everybody}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newEndings(t)
			if c.before != nil {
				c.before(f)
			}
			if _, err := update(t, f.db, "wiki", c.bend); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, f.look(t), sortStrings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := f.db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'token.revoked' AND client_id = 'wiki' AND reason = $1", c.reason); n != min(1, len(c.reason)) {
				t.Errorf("%d events with the reason %q", n, c.reason)
			}
		})
	}
}

// TestOpenedAgain: an application that is turned on has none of its old tokens,
// and one that lets everybody in ends nothing.
func TestOpenedAgain(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	set := func(enabled bool) {
		t.Helper()
		err := f.db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.SetClientEnabled(t.Context(), "wiki", enabled) })
		if err != nil {
			t.Fatal(err)
		}
	}
	set(false)
	set(false) // as it is already
	set(true)
	if n := len(f.look(t).Refresh); n != 4 {
		t.Errorf("%d grants have ended, want the 4 of the application", n)
	}
	c, err := f.db.FindClient(t.Context(), "wiki")
	if err != nil || !c.Enabled || c.Version != 3 || c.TokensNotBefore.IsZero() {
		t.Errorf("got %+v, %v", c, err)
	}
	if n := f.db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'client.updated'"); n != 2 {
		t.Errorf("%d events of two changes", n)
	}
}

func TestDeletedWithAllItHas(t *testing.T) {
	t.Parallel()
	f := newEndings(t)
	f.db.Exec(t, `INSERT INTO consents (user_id, client_id, scopes) VALUES ($1, 'wiki', '{openid}')`, f.alice.ID)
	var gone storage.DeletedClient
	err := f.db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
		gone, err = tx.DeleteClient(t.Context(), "wiki")
		return err
	})
	if want := (storage.DeletedClient{Grants: 4, Consents: 1}); err != nil || gone != want {
		t.Fatalf("got %+v, %v, want %+v", gone, err, want)
	}
	if n := f.db.Count(t, `SELECT (SELECT count(*) FROM grants WHERE client_id = 'wiki') + (SELECT count(*) FROM consents)
		+ (SELECT count(*) FROM clients WHERE id = 'wiki')`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if n := f.db.Count(t, `SELECT count(*) FROM audit_pending WHERE kind = 'client.deleted' AND client_id = 'wiki' AND detail->>'grants' = '4'`); n != 1 {
		t.Errorf("%d events, want 1 that counts", n)
	}
}

// TestSecretsOfAClient: several live side by side, each ends alone, and what is
// kept of them is a hash and a few letters.
func TestSecretsOfAClient(t *testing.T) {
	t.Parallel()
	db := open(t)
	app(t, db, "wiki")
	add := func(secret string, life time.Duration) *latchkey.ClientSecret {
		t.Helper()
		var s *latchkey.ClientSecret
		err := db.InTx(t.Context(), func(tx *storage.Tx) (err error) {
			s, err = tx.AddClientSecret(t.Context(), "wiki", secret, life)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	live := func() *latchkey.Client {
		t.Helper()
		c, err := db.FindClient(t.Context(), "wiki")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, own := db.NewClientSecret(), "chosen-by-somebody-0123456789"
	a, b := add(first, 0), add(own, time.Hour)
	if left := time.Until(b.ExpiresAt); !a.ExpiresAt.IsZero() || left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("they end at %v and %v", a.ExpiresAt, b.ExpiresAt)
	}
	if a.Prefix != first[:12] || b.Prefix != "" {
		t.Errorf("they are shown as %q and %q", a.Prefix, b.Prefix)
	}
	c := live()
	for secret, want := range map[string]string{first: a.ID, own: b.ID, first + "x": "", "": ""} {
		if got := db.MatchSecret(c, secret); got == nil && want != "" || got != nil && got.ID != want {
			t.Errorf("%q matches %+v, want %q", secret, got, want)
		}
	}
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.RevokeClientSecret(t.Context(), "wiki", a.ID) }); err != nil {
		t.Fatal(err)
	}
	if c = live(); db.MatchSecret(c, first) != nil || db.MatchSecret(c, own) == nil {
		t.Error("revoking the first ended the wrong one")
	}
	err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.RevokeClientSecret(t.Context(), "wiki", a.ID) })
	if !errors.Is(err, latchkey.ErrNotFound) {
		t.Errorf("revoking it again: %v", err)
	}
	db.Exec(t, "UPDATE client_secrets SET expires_at = now() - interval '1 second' WHERE id = $1", b.ID)
	if c = live(); db.MatchSecret(c, own) != nil || len(c.Secrets) != 0 {
		t.Error("a secret works after its end")
	}
	for range 10 {
		add(db.NewClientSecret(), 0)
	}
	err = db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.AddClientSecret(t.Context(), "wiki", db.NewClientSecret(), 0)
		return err
	})
	if latchkey.CodeOf(err) != "too_many_secrets" {
		t.Errorf("the 11th: %v", err)
	}
	if changed, err := update(t, db, "wiki", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone }); err != nil || len(changed) != 1 {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if n := db.Count(t, "SELECT count(*) FROM client_secrets WHERE revoked_at IS NULL AND expires_at IS NULL"); n != 0 {
		t.Errorf("%d secrets sleep in an application without any", n)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'client.secret_revoked'"); n != 11 {
		t.Errorf("%d events, want 11", n)
	}
}

// TestScriptsMayCallFromTheOriginsOfAnApplication: as browsers spell them.
func TestScriptsMayCallFromTheOriginsOfAnApplication(t *testing.T) {
	t.Parallel()
	db := open(t)
	app(t, db, "spa", func(c *latchkey.Client) {
		c.Type = latchkey.TypeSPA
		c.RedirectURIs = []string{"https://spa.example/cb", "https://port.example:443/cb", "http://localhost:3000?x"}
		c.AllowedCORSOrigins = []string{"https://more.example"}
	})
	app(t, db, "web", func(c *latchkey.Client) { c.AllowedCORSOrigins = []string{"https://listed.example"} })
	app(t, db, "off", func(c *latchkey.Client) { c.AllowedCORSOrigins, c.Enabled = []string{"https://off.example"}, false })
	for origin, want := range map[string]bool{
		"https://spa.example": true, "https://port.example": true, "http://localhost:3000": true, "https://more.example": true, "https://listed.example": true,
		"https://web.example": false, "https://off.example": false, "http://spa.example": false, "https://spa.example:8443": false,
		"https://spa.exampl": false, "https://pa.example": false, "http://localhost": false, "https://port.example:443": true,
	} {
		if got, err := db.SPAOrigin(t.Context(), origin); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", origin, got, err, want)
		}
	}
}

// TestSecretsFollowTheMethod: only client_secret_jwt keeps them sealed. Those of
// which no sealed copy is kept end when it is chosen; the copies go with it.
func TestSecretsFollowTheMethod(t *testing.T) {
	t.Parallel()
	db := open(t)
	secret := db.NewClientSecret()
	c := &latchkey.Client{ID: "wiki", Name: "wiki", Type: latchkey.TypeWeb, Enabled: true, RedirectURIs: []string{"https://wiki.example/cb"}}
	c.FillDefaults()
	if err := db.InTx(t.Context(), func(tx *storage.Tx) error { return tx.CreateClient(t.Context(), c, secret) }); err != nil {
		t.Fatal(err)
	}
	become := func(bend func(*latchkey.Client)) (given string) {
		t.Helper()
		c, err := db.FindClient(t.Context(), "wiki")
		if err != nil {
			t.Fatal(err)
		}
		bend(c)
		err = db.InTx(t.Context(), func(tx *storage.Tx) error {
			if _, err := tx.UpdateClient(t.Context(), c); err != nil {
				return err
			}
			is, err := tx.FindClient(t.Context(), "wiki")
			if err != nil {
				return err
			}
			given, err = tx.GiveClientKey(t.Context(), is)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return given
	}
	state := func(secret string, sealed bool, n int) {
		t.Helper()
		c, err := db.FindClient(t.Context(), "wiki")
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Secrets) != n || n > 0 && (len(c.Secrets[0].Sealed) > 0) != sealed || (db.MatchSecret(c, secret) != nil) != (n > 0) {
			t.Fatalf("%s has %d secrets: %+v", c.AuthMethod, len(c.Secrets), c.Secrets)
		}
		if !sealed {
			return
		}
		if opened, err := db.OpenSecret(&c.Secrets[0]); err != nil || string(opened) != secret {
			t.Fatalf("the sealed copy opens as %q, %v", opened, err)
		}
	}
	method := func(m string) func(*latchkey.Client) { return func(c *latchkey.Client) { c.SetAuthMethod(m) } }

	state(secret, false, 1)
	if given := become(method(latchkey.AuthPost)); given != "" {
		t.Errorf("a new secret was given: %s", given)
	}
	state(secret, false, 1)
	key := become(method(latchkey.AuthSecretJWT))
	if len(key) < 64 {
		t.Fatalf("%q is too short for HS512", key)
	}
	state(key, true, 1)
	if given := become(func(c *latchkey.Client) { c.Protocol.AuthAlg = "HS512" }); given != "" {
		t.Errorf("a new secret was given: %s", given)
	}
	state(key, true, 1)
	become(method(latchkey.AuthBasic))
	state(key, false, 1)
	if n := db.Count(t, "SELECT count(*) FROM client_secrets WHERE secret IS NOT NULL"); n != 0 {
		t.Errorf("%d sealed copies are left", n)
	}
	key = become(method(latchkey.AuthSecretJWT))
	state(key, true, 1)
	become(func(c *latchkey.Client) {
		c.AuthMethod, c.Protocol.JWKSURI = latchkey.AuthPrivateKeyJWT, "https://wiki.example/jwks"
	})
	state("", false, 0)
	err := db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.AddClientSecret(t.Context(), "wiki", db.NewClientSecret(), 0)
		return err
	})
	if latchkey.CodeOf(err) != "no_secret" {
		t.Errorf("a secret beside a key of its own: %v", err)
	}
	if n := db.Count(t, "SELECT count(*) FROM audit_pending WHERE kind = 'client.secret_added'"); n != 2 {
		t.Errorf("%d events of new secrets, want 2", n)
	}
}

// TestSecretsTooShortForTheirAlgorithm: neither when the secret comes nor when
// the algorithm does.
func TestSecretsTooShortForTheirAlgorithm(t *testing.T) {
	t.Parallel()
	db := open(t)
	app(t, db, "wiki", func(c *latchkey.Client) { c.AuthMethod, c.Protocol.AuthAlg = latchkey.AuthSecretJWT, "HS384" })
	add := func(secret string) error {
		return db.InTx(t.Context(), func(tx *storage.Tx) error {
			_, err := tx.AddClientSecret(t.Context(), "wiki", secret, 0)
			return err
		})
	}
	const short, right = "chosen-by-somebody-0123456789-abcdefghijklmnop-", "chosen-by-somebody-0123456789-abcdefghijklmnop-q"
	if err := add(short); latchkey.CodeOf(err) != "validation_failed" {
		t.Errorf("47 characters for HS384: %v", err)
	}
	if err := add(right); err != nil {
		t.Errorf("48 characters for HS384: %v", err)
	}
	for alg, works := range map[string]bool{"HS512": false, "HS256": true, "": true} {
		if _, err := update(t, db, "wiki", func(c *latchkey.Client) { c.Protocol.AuthAlg = alg }); (err == nil) != works {
			t.Errorf("%q with 48 characters: %v", alg, err)
		}
	}
}
