package oidc_test

import (
	"strings"
	"testing"

	"latchkey"
	"latchkey/keys"
)

// Several values of prompt are each done, in the order that makes sense.
func TestPromptCombinations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	b.allow(t, b.get(t, a.request())) // all is remembered
	for _, c := range []struct{ prompt, reason string }{
		{"login consent", "reauth"}, {"consent login", "reauth"}, {"consent  consent login", "reauth"},
		{"select_account consent", "login"}, {"select_account login consent", "login"},
	} {
		id := waitingFor(t, b.get(t, a.request("prompt", c.prompt)), "/login")
		in, err := w.db.FindInteraction(t.Context(), id, b.pre(t))
		if err != nil || in.Needs.Reason != c.reason {
			t.Errorf("%s: waits for %+v %v", c.prompt, in, err)
		}
		// The consent page is no way around the passkey.
		if got := waitingFor(t, b.get(t, "/consent?request="+id), "/oauth2/authorize"); got != id {
			t.Errorf("%s: another request waits", c.prompt)
		}
		b.confirm(t)
		if code := b.allow(t, b.get(t, "/oauth2/authorize?request="+id)); code == "" {
			t.Errorf("%s: no code", c.prompt)
		}
	}
	for _, mixed := range []string{"none login", "none consent", "none select_account", "login none"} {
		w.wantRedirect(t, mixed, b.get(t, a.request("prompt", mixed)), "invalid_request")
	}
}

// Once is enough: what prompt and max_age ask for is not asked again within the
// request, however long the person takes.
func TestPromptIsDoneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", third)
	b := w.browser().signIn(t, w.user(t, "alice"))
	id := waitingFor(t, b.get(t, a.request("prompt", "login", "max_age", "1")), "/login")
	b.confirm(t)
	form := b.ask(t, b.get(t, "/oauth2/authorize?request="+id))
	// Ten minutes pass on the consent page.
	w.sql(t, `UPDATE sessions SET auth_time = auth_time - interval '10 minutes'`)
	w.sql(t, `UPDATE interactions SET created_at = created_at - interval '10 minutes'`)
	if got := b.post(t, "/consent", changed(form, "decision", "allow")); got.location(t).Query().Get("code") == "" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestMaxAgeOfTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	minute := int64(60)
	a := w.app(t, "wiki", func(c *latchkey.Client) { c.Metadata.DefaultMaxAge = &minute })
	b := w.browser().signIn(t, w.user(t, "alice"))
	a.code(t, b)
	w.sql(t, `UPDATE sessions SET auth_time = now() - interval '2 minutes'`)
	waitingFor(t, b.get(t, a.request()), "/login")
	a.code(t, b, "max_age", "300") // the request's own goes before
	// The longest there is means years, not nothing and not for ever asked.
	a.code(t, b, "max_age", "9223372036854775807")
	a.code(t, b, "max_age", "0300")
}

// An ID token that is over still says who is expected; a forged one says nothing.
func TestIDTokenHintExpiredOrForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki")
	b := w.browser().signIn(t, w.user(t, "alice"))
	good := a.tokens(t, b).id
	sign := func(change func(map[string]any)) string {
		claims := claimsIn(t, good)
		change(claims)
		token, err := w.keys.Sign(latchkey.RS256, keys.TypeJWT, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	expired := sign(func(m map[string]any) { m["exp"], m["iat"] = 1000, 900 })
	shared := sign(func(m map[string]any) { m["aud"] = []string{"other", "wiki"} })
	for name, hint := range map[string]string{"expired": expired, "one of two audiences": shared} {
		if got := b.get(t, a.request("prompt", "none", "id_token_hint", hint)); got.location(t).Query().Get("code") == "" {
			t.Errorf("%s: %v", name, got.location(t))
		}
	}
	parts := strings.Split(good, ".")
	for name, hint := range map[string]string{
		"alg none":        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".",
		"signature cut":   parts[0] + "." + parts[1] + ".",
		"other signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"payload changed": parts[0] + "." + strings.Split(expired, ".")[1] + "." + parts[2],
		"another issuer":  sign(func(m map[string]any) { m["iss"] = "https://evil.example" }),
		"nobody":          sign(func(m map[string]any) { delete(m, "sub") }),
		"no audience":     sign(func(m map[string]any) { delete(m, "aud") }),
		"no end":          sign(func(m map[string]any) { delete(m, "exp") }),
		"two dots":        "..",
	} {
		w.wantRedirect(t, name, b.get(t, a.request("prompt", "none", "id_token_hint", hint)), "invalid_request")
	}
	unheard := sign(func(m map[string]any) { m["sub"] = "somebody else" })
	w.wantRedirect(t, "unheard of", b.get(t, a.request("prompt", "none", "id_token_hint", unheard)), "login_required")
	// The hint waits with the request; whoever signs in instead is refused.
	bobs := w.browser()
	id := waitingFor(t, bobs.get(t, a.request("id_token_hint", good)), "/login")
	bobs.signIn(t, w.user(t, "bob"))
	w.wantRedirect(t, "somebody else", bobs.get(t, "/oauth2/authorize?request="+id), "login_required")
}
