package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"latchkey"
	"latchkey/oidc"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// SECURITY case 36: one answer for everything that is wrong.
func TestClientAuthenticationRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	basic := w.app(t, "basic")
	post := w.app(t, "post", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthPost })
	public := w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone })
	off := w.app(t, "off", func(c *latchkey.Client) { c.Enabled = false })
	type sent struct {
		basic []string // id and secret
		form  url.Values
	}
	body := ""
	for name, s := range map[string]sent{
		"unknown client":           {basic: []string{"nobody", "x"}},
		"unknown client by post":   {form: url.Values{"client_id": {"nobody"}, "client_secret": {"x"}}},
		"unknown public client":    {form: url.Values{"client_id": {"nobody"}}},
		"no client at all":         {form: url.Values{}},
		"disabled client":          {basic: []string{"off", off.secret}},
		"wrong secret":             {basic: []string{"basic", basic.secret + "x"}},
		"wrong secret by post":     {form: url.Values{"client_id": {"post"}, "client_secret": {post.secret + "x"}}},
		"secret of another":        {basic: []string{"basic", post.secret}},
		"empty secret":             {basic: []string{"basic", ""}},
		"no secret":                {form: url.Values{"client_id": {"basic"}}},
		"right secret by post":     {form: url.Values{"client_id": {"basic"}, "client_secret": {basic.secret}}},
		"right secret by basic":    {basic: []string{"post", post.secret}},
		"two methods":              {basic: []string{"basic", basic.secret}, form: url.Values{"client_secret": {basic.secret}}},
		"two clients":              {basic: []string{"basic", basic.secret}, form: url.Values{"client_id": {"post"}}},
		"public with a secret":     {form: url.Values{"client_id": {"public"}, "client_secret": {"x"}}},
		"public by basic":          {basic: []string{"public", ""}},
		"assertion":                {form: url.Values{"client_id": {"basic"}, "client_assertion": {"x.y.z"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}},
		"secret and assertion":     {basic: []string{"basic", basic.secret}, form: url.Values{"client_assertion": {"x.y.z"}}},
		"malformed id":             {basic: []string{"basic%00", basic.secret}},
		"malformed percent":        {basic: []string{"basic", "%zz"}},
		"id with a quote":          {basic: []string{"basic'--", basic.secret}},
		"case of id":               {basic: []string{"BASIC", basic.secret}},
		"secret with spaces":       {basic: []string{"basic", " " + basic.secret}},
		"empty secret by post":     {form: url.Values{"client_id": {"post"}, "client_secret": {""}}},
		"public id, no credential": {form: url.Values{"client_id": {public.ID + "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"grant_type": {"client_credentials"}}
			for k, v := range s.form {
				form[k] = v
			}
			r := w.form(t, "/oauth2/token", form)
			if s.basic != nil {
				r.SetBasicAuth(s.basic[0], s.basic[1])
			}
			before := w.events(t, latchkey.ClientAuthFailed, "")
			got := w.browser().do(t, r)
			wantFault(t, got, 401, "invalid_client")
			if body == "" {
				body = got.body
			}
			if got.body != body {
				t.Errorf("the answer differs: %s", got.body)
			}
			if tried := got.header.Get("WWW-Authenticate") != ""; tried != (s.basic != nil) {
				t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
			}
			if n := w.events(t, latchkey.ClientAuthFailed, ""); n != before+1 {
				t.Errorf("%d events", n-before)
			}
		})
	}
}

func TestClientAuthenticationByOtherSchemes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	for _, header := range [][]string{{"Bearer x"}, {"Negotiate x"}, {""}, {"Basic"}, {"Basic !!!"}, {"Basic d2lraTp4", "Basic d2lraTp4"}} {
		r := w.form(t, "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {a.ID}})
		r.Header["Authorization"] = header
		wantFault(t, w.browser().do(t, r), 401, "invalid_client")
	}
}

func TestRightWaysToAuthenticate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn(t, w.user(t, "alice"))
	for _, a := range []*app{
		w.app(t, "basic"),
		w.app(t, "post", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthPost }),
		w.app(t, "public", func(c *latchkey.Client) { c.AuthMethod = latchkey.AuthNone }),
	} {
		if tk := a.tokens(t, b); tk.access == "" || tk.refresh == "" {
			t.Errorf("%s: %+v", a.ID, tk)
		}
	}
}

// SECURITY case 43.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	old, next := a.secret, w.db.NewClientSecret()
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		_, err := tx.AddClientSecret(t.Context(), a.ID, next, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	try := func(secret string) int {
		a.secret = secret
		return a.call(t, "/oauth2/introspect", url.Values{"token": {"x"}}).status
	}
	if try(old) != 200 || try(next) != 200 {
		t.Error("not both secrets work")
	}
	if err := w.db.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, `SELECT count(*) FROM client_secrets WHERE last_used_at IS NOT NULL`); n != 2 {
		t.Errorf("the last use is shown for %d", n)
	}
	// Memory is believed, and still the end counts: the row's time is kept with it.
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sql(t, `UPDATE client_secrets SET expires_at = clock_timestamp() + interval '1 second' WHERE last_used_at = (SELECT min(last_used_at) FROM client_secrets) AND created_at = (SELECT min(created_at) FROM client_secrets)`)
	w.sql(t, `UPDATE cache_version SET version = version + 1 WHERE name = 'clients'`)
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	if try(old) != 200 {
		t.Error("the old secret ended early")
	}
	time.Sleep(1200 * time.Millisecond)
	if try(old) != 401 || try(next) != 200 {
		t.Error("the old secret works past its end, or the new one does not")
	}
}

// A revoked secret is refused; the other one of the application works on.
func TestARevokedSecretEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	revoked, next := a.secret, w.db.NewClientSecret()
	id := storagetest.Value[string](t, w.url, `SELECT id::text FROM client_secrets`)
	try := func(secret string) int {
		a.secret = secret
		return a.call(t, "/oauth2/introspect", url.Values{"token": {"x"}}).status
	}
	if got := try(revoked); got != http.StatusOK {
		t.Fatalf("it does not work to begin with: %d", got)
	}
	err := w.db.InTx(t.Context(), func(tx *storage.Tx) error {
		if _, err := tx.AddClientSecret(t.Context(), a.ID, next, 0); err != nil {
			return err
		}
		return tx.RevokeClientSecret(t.Context(), a.ID, id)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.PollCaches(t.Context()); err != nil { // what each node does every 2 s
		t.Fatal(err)
	}
	if got := try(revoked); got != http.StatusUnauthorized {
		t.Errorf("the revoked secret answered %d", got)
	}
	if got := try(next); got != http.StatusOK {
		t.Errorf("the other secret answered %d", got)
	}
}

func TestFailedAuthenticationIsCounted(t *testing.T) {
	t.Parallel()
	failures := map[string]int{}
	w := newWorld(t, func(o *oidc.Options) {
		o.Penalize = func(_ context.Context, limit, account string) { failures[limit+" "+account]++ }
		o.Allow = func(_ context.Context, limit, account string) error {
			if failures[limit+" "+account] >= 2 {
				return latchkey.Refuse(latchkey.ErrLimited, "rate_limited", "Too many tries.")
			}
			return nil
		}
	})
	a := w.app(t, "wiki")
	a.secret = "wrong"
	for _, want := range []int{401, 401, 400} { // the test's own writer makes 400 of the limit
		if got := a.call(t, "/oauth2/introspect", url.Values{"token": {"x"}}); got.status != want {
			t.Errorf("answered %d, want %d", got.status, want)
		}
	}
}

func TestDisabledClientIsForgottenByEveryNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	if err := w.db.PollCaches(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func() int { return a.call(t, "/oauth2/introspect", url.Values{"token": {"x"}}).status }
	if ask() != http.StatusOK {
		t.Fatal("it does not work to begin with")
	}
	w.sql(t, `UPDATE clients SET enabled = false`)
	w.sql(t, `UPDATE cache_version SET version = version + 1 WHERE name = 'clients'`)
	if err := w.db.PollCaches(t.Context()); err != nil { // what each node does every 2 s
		t.Fatal(err)
	}
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("answered %d", got)
	}
}
