package oidc_test

import (
	"net/http/httptest"
	"testing"

	"latchkey/keys"
	"latchkey/oidc"
	"latchkey/seal"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/storage/storagetest"
	"latchkey/templates"
)

// served is another node of the same installation, with an address and memory of its
// own, on the same database and under the same issuer.
func (w *world) served(t testing.TB, change ...func(*storage.Options)) *world {
	t.Helper()
	n := &world{url: w.url, db: storagetest.Connect(t, w.url, change...)}
	n.keys = keys.New(keys.Options{DB: n.db})
	if err := n.keys.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if n.sessions, err = session.New(session.Options{DB: n.db, Issuer: w.issuer}); err != nil {
		t.Fatal(err)
	}
	pages, err := templates.New(templates.Options{Issuer: w.issuer})
	if err != nil {
		t.Fatal(err)
	}
	p, err := oidc.New(oidc.Options{DB: n.db, Keys: n.keys, Sessions: n.sessions, Templates: pages, Issuer: w.issuer})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(n.router(p))
	t.Cleanup(server.Close)
	n.issuer = server.URL // where its requests go
	return n
}

// on is the same application as it speaks to another node.
func (a *app) on(n *world) *app { return &app{Client: a.Client, w: n, secret: a.secret} }

// Key files of the same installation: the one that all tests have, the one after
// a rotation, and the one that forgot the first pair.
const (
	rotatedKeys = `{"version":2,"created_at":"2026-01-02T03:04:05Z",
"credential_encryption_key":"QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=",
"session_signing_key":"YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=","previous":[{"version":1,
"credential_encryption_key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
"session_signing_key":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=","retired_at":"2026-02-03T04:05:06Z"}]}`
	foreignKeys = `{"version":1,"created_at":"2026-01-02T03:04:05Z",
"credential_encryption_key":"gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=",
"session_signing_key":"oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8=","previous":[]}`
)

func ringOf(t testing.TB, file string) *seal.Ring {
	t.Helper()
	parsed, err := seal.Parse([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.NewRing(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
