package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/storage/storagetest"
)

// TestEveryRefusalOfAnAdminPageIsRecorded: each line of the administration,
// asked by somebody who is none, leaves one admin.denied that names the line.
func TestEveryRefusalOfAnAdminPageIsRecorded(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	lines := f.routes(t, func(r route) bool { return below(r, "/admin", "/api/v1/admin") })
	if len(lines) < 30 {
		t.Fatalf("only %d lines were found", len(lines))
	}
	denied := func(pattern string) int64 {
		return storagetest.Value[int64](t, f.databaseURL, `
			SELECT count(*) FROM audit_pending p JOIN users u ON u.id = p.subject
			WHERE kind = 'admin.denied' AND NOT success AND reason = 'not_admin' AND u.username = 'bob' AND detail->>'route' = $1`, pattern)
	}
	for _, r := range lines {
		body, kind := r.fitting()
		if r.method == http.MethodGet {
			body, kind = "", ""
		}
		before := denied(r.pattern)
		f.send(t, f.user, r, body, kind)
		if n := denied(r.pattern) - before; n != 1 {
			t.Errorf("%s %s left %d events admin.denied, want 1", r.method, r.pattern, n)
		}
	}
}

// TestAdministrationWantsThePasskeyAgain: with a sign-in older than ten minutes
// every line that changes something asks for the passkey, and keeps what the
// form held to send it again; those that only show do not ask.
func TestAdministrationWantsThePasskeyAgain(t *testing.T) {
	t.Parallel()
	f := newTable(t)
	storagetest.SQL(t, f.databaseURL, "UPDATE sessions SET auth_time = now() - interval '11 minutes'")
	before := f.state(t)
	for _, r := range f.routes(t, func(r route) bool { return below(r, "/admin") }) {
		body, kind := r.fitting()
		if r.method == http.MethodGet {
			body, kind = "", ""
		}
		got := f.send(t, f.admin, r, body, kind)
		asked := got.StatusCode == http.StatusForbidden && strings.Contains(got.body, `data-page="stepup"`)
		if asked != changing(r) {
			t.Errorf("%s %s with an old sign-in answers %d, asks for the passkey: %v", r.method, r.pattern, got.StatusCode, asked)
		}
		if changing(r) && (!strings.Contains(got.body, `<form id="resume" method="post" action="`+r.path+`"`) || !strings.Contains(got.body, `name="confirm" value="alice"`)) {
			t.Errorf("%s %s: the confirmation lost the form: %.500s", r.method, r.pattern, got.body)
		}
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}
