package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/passkey/passkeytest"
	"latchkey/storage/storagetest"
)

// house is a running installation with its commands beside it, and alice, who
// set it up.
type house struct {
	t         *testing.T
	url       string // of the database
	issuer    string
	arguments []string
	alice     *passkeytest.Browser
}

func newHouse(t *testing.T, more ...string) *house {
	t.Helper()
	address := strings.Replace(freeAddress(t), "127.0.0.1", "localhost", 1)
	h := &house{t: t, issuer: "http://" + address, url: storagetest.URL(t)}
	h.arguments = []string{"--listen", address, "--issuer", h.issuer, "--database-url", h.url, "--data-dir", t.TempDir()}
	h.arguments = append(h.arguments, more...)
	lines, _ := start(t, h.arguments...)
	_, token, _ := strings.Cut(lines[0], "#token=")
	h.alice = h.join("setup", token, passkeytest.Fields{"username": "alice", "display_name": "Alice", "email": "alice@example.com"})
	return h
}

// join registers somebody in a browser of their own.
func (h *house) join(purpose, token string, who passkeytest.Fields) *passkeytest.Browser {
	h.t.Helper()
	b := passkeytest.NewBrowser(h.t, h.issuer)
	if a := b.Register(purpose, token, who); a.Status != 201 {
		h.t.Fatalf("%s answered %d %s", purpose, a.Status, a.Raw)
	}
	return b
}

// says runs a command as people do and returns what it prints.
func (h *house) says(arguments ...string) string {
	h.t.Helper()
	code, stdout, stderr := command(h.t, append(arguments, h.arguments...)...)
	if code != exitDone {
		h.t.Fatalf("%v: exit %d: %s", arguments, code, stderr)
	}
	return stdout
}

// object is a JSON document.
type object = map[string]any

// json runs a command with --json, which must print one document and be done.
func (h *house) json(arguments ...string) object {
	h.t.Helper()
	var out object
	if err := json.Unmarshal([]byte(h.says(append(arguments, "--json")...)), &out); err != nil {
		h.t.Fatalf("%v: %v", arguments, err)
	}
	return out
}

// refused runs a command that must end with an exit code and an error code and
// change nothing that anybody would see.
func (h *house) refused(exit int, code string, arguments ...string) (message string) {
	h.t.Helper()
	before := h.everything()
	got, stdout, stderr := command(h.t, append(append(arguments, "--json"), h.arguments...)...)
	var out struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || got != exit || out.Error.Code != code || out.Error.Message == "" {
		h.t.Errorf("%v: exit %d and %q (%v), want %d and %s: %s", arguments, got, stdout, err, exit, code, stderr)
	}
	if diff := cmp.Diff(before, h.everything()); diff != "" {
		h.t.Errorf("%v was refused and changed something:\n%s", arguments, diff)
	}
	return out.Error.Message
}

func (h *house) everything() string {
	h.t.Helper()
	return storagetest.Value[string](h.t, h.url, `
		SELECT concat((SELECT jsonb_agg(to_jsonb(u) ORDER BY id) FROM users u), (SELECT jsonb_agg(to_jsonb(g) ORDER BY id) FROM groups g),
		              (SELECT jsonb_agg(to_jsonb(m) ORDER BY user_id, group_id) FROM memberships m),
		              (SELECT jsonb_agg(to_jsonb(l) - 'first_browser' ORDER BY id) FROM one_time_links l),
		              (SELECT jsonb_agg(to_jsonb(c) ORDER BY id) FROM clients c), (SELECT jsonb_agg(to_jsonb(c) - 'last_used_at' ORDER BY id) FROM client_secrets c),
		              (SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM initial_tokens t),
		              (SELECT jsonb_agg(to_jsonb(a) ORDER BY id) FROM apis a), (SELECT jsonb_agg(to_jsonb(p) ORDER BY scope) FROM api_permissions p),
		              (SELECT jsonb_agg(to_jsonb(o) ORDER BY api_id, client_id) FROM api_clients o),
		              (SELECT jsonb_agg(to_jsonb(x) ORDER BY client_id, scope) FROM api_client_permissions x),
		              (SELECT jsonb_agg(to_jsonb(k) - 'private_key' ORDER BY kid) FROM signing_keys k),
		              (SELECT jsonb_agg(to_jsonb(s) - 'last_activity' - 'idle_expires_at' ORDER BY id) FROM sessions s))`)
}

func (h *house) events(kind string) int64 {
	h.t.Helper()
	return storagetest.Value[int64](h.t, h.url, "SELECT count(*) FROM audit_log WHERE event_type = $1", kind)
}

// token is what stands behind #token= in a link to a page.
func (h *house) token(link any, page string) string {
	h.t.Helper()
	text, _ := link.(string)
	token, found := strings.CutPrefix(text, h.issuer+"/"+page+"#token=")
	if !found {
		h.t.Fatalf("%v is no link to %s", link, page)
	}
	return token
}

// keys are the members of an object, sorted.
func keys(o object) string {
	var names []string
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestAPersonsLifeByCommand: invited, in, in a group, administrator and not,
// off and on, recovered, signed out.
func TestAPersonsLifeByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	group := h.json("group", "create", "Sales team")
	if got := keys(group); got != "created_at id members name" || group["members"] != 0.0 {
		t.Errorf("group create prints %v", group)
	}
	invited := h.json("user", "invite", "--email", "bob@example.com", "--username", "bob", "--display-name", "Bob", "--group", "sales TEAM", "--role", "admin", "--ttl", "2d")
	wantUntil(t, invited["expires_at"], 48*time.Hour)
	if diff := cmp.Diff([]any{"Sales team"}, invited["groups"]); diff != "" || invited["email"] != "bob@example.com" {
		t.Errorf("user invite prints %v", invited)
	}
	if open := items(h.json("user", "invitations")); len(open) != 1 || open[0]["id"] != invited["id"] || open[0]["url"] != nil {
		t.Errorf("open invitations: %v", open)
	}
	bob := h.join("invite", h.token(invited["url"], "invite"), passkeytest.Fields{})
	if open := items(h.json("user", "invitations")); len(open) != 0 {
		t.Errorf("a used invitation is still open: %v", open)
	}

	shown := h.json("user", "show", "BOB@example.com")
	if got := keys(shown); got != "claims created_at disabled_at display_name email email_verified groups id passkeys recovery_codes_left role status subject username" {
		t.Errorf("user show has the members %s", got)
	}
	id := shown["id"].(string)
	want := object{
		"id": id, "subject": shown["subject"], "username": "bob", "display_name": "Bob", "email": "bob@example.com", "email_verified": true, "status": "active",
		"role": "admin", "groups": []any{"Sales team"}, "passkeys": 1.0, "recovery_codes_left": 8.0, "created_at": shown["created_at"], "disabled_at": nil,
		"claims": object{},
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("user show (-want +got):\n%s", diff)
	}
	people := h.json("user", "list")
	if got := items(people); len(got) != 2 || cmp.Diff(shown, got[1]) != "" || people["next_cursor"] != nil {
		t.Errorf("user list prints %v", people)
	}

	if got := h.json("user", "role", "bob", "user"); got["role"] != "user" {
		t.Errorf("after taking the role: %v", got)
	}
	off := h.json("user", "disable", id)
	if off["status"] != "disabled" || off["disabled_at"] == nil {
		t.Errorf("after disabling: %v", off)
	}
	if a := bob.SignIn(""); a.Status != 403 || a.Code != "account_disabled" {
		t.Errorf("a person who is off signs in: %d %s", a.Status, a.Code)
	}
	if on := h.json("user", "enable", "bob"); on["status"] != "active" || on["disabled_at"] != nil {
		t.Errorf("after enabling: %v", on)
	}
	if a := bob.SignIn(""); a.Status != 200 {
		t.Errorf("a person who is on again does not get in: %d %s", a.Status, a.Raw)
	}

	link := h.json("user", "recover", "bob")
	if link["user_id"] != id || keys(link) != "expires_at url user_id" {
		t.Errorf("user recover prints %v", link)
	}
	wantUntil(t, link["expires_at"], time.Hour)
	again := passkeytest.NewBrowser(t, h.issuer)
	if a := again.Post("/api/v1/recovery/redeem", passkeytest.Fields{"token": h.token(link["url"], "recover")}); a.Status != 200 {
		t.Fatalf("the recovery link answered %d %s", a.Status, a.Raw)
	}
	if a := again.Register("recover", "", nil); a.Status != 201 {
		t.Fatalf("recovery answered %d %s", a.Status, a.Raw)
	}
	if held := items(h.json("user", "passkeys", "bob")); len(held) != 2 || keys(held[0]) != "aaguid backup_state created_at device_name id last_used_at provider synced transports" {
		t.Errorf("passkeys after recovery: %v", held)
	}
	for kind, want := range map[string]int64{
		"user.invited": 1, "user.disabled": 1, "user.enabled": 1, "role.revoked": 1, "role.granted": 0, "group.created": 1, "member.added": 1, "recovery.started": 1,
	} {
		if got := h.events(kind); got != want {
			t.Errorf("%d events %s, want %d", got, kind, want)
		}
	}
	if n := storagetest.Value[int64](t, h.url, "SELECT count(*) FROM (SELECT kind, actor_kind, personal FROM audit_pending UNION ALL SELECT kind, actor_kind, personal FROM audit_leaf) e WHERE kind = 'user.disabled' AND actor_kind = 'operator' AND personal IS NOT NULL"); n != 1 {
		t.Error("the event does not say which operator it was")
	}
}

func wantUntil(t *testing.T, printed any, want time.Duration) {
	t.Helper()
	text, _ := printed.(string)
	until, err := time.Parse(time.RFC3339, text)
	if left := time.Until(until); err != nil || !strings.HasSuffix(text, "Z") || left > want || left < want-time.Minute {
		t.Errorf("it lives until %v, want %v from now in UTC", printed, want)
	}
}

func items(list object) []object {
	raw, _ := list["items"].([]any)
	var out []object
	for _, item := range raw {
		out = append(out, item.(object))
	}
	return out
}

// TestRefusalsOfPeopleCommands: each alone, by its exit code and word; nothing
// changes.
func TestRefusalsOfPeopleCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.join("invite", h.token(h.json("user", "invite", "--username", "carol")["url"], "invite"), passkeytest.Fields{})
	h.json("user", "disable", "carol")
	h.json("group", "create", "staff")
	const nobody = "0192d3c4-0000-7000-8000-000000000000"
	for _, r := range []struct {
		exit int
		code string
		line string // words separated by |
	}{
		{exitNotFound, "not_found", "user|show|bob"},
		{exitNotFound, "not_found", "user|show|" + nobody},
		{exitNotFound, "not_found", "user|show|bob@example.com"},
		{exitNotFound, "not_found", "user|disable|bob"},
		{exitNotFound, "not_found", "user|enable|bob"},
		{exitNotFound, "not_found", "user|recover|bob"},
		{exitNotFound, "not_found", "user|passkeys|bob"},
		{exitNotFound, "not_found", "user|sign-out|bob"},
		{exitNotFound, "not_found", "user|role|bob|admin"},
		{exitNotFound, "not_found", "user|withdraw|" + nobody},
		{exitNotFound, "not_found", "group|delete|choir"},
		{exitNotFound, "not_found", "group|add|choir|alice"},
		{exitNotFound, "not_found", "group|add|staff|bob"},
		{exitNotFound, "not_member", "group|remove|staff|alice"},
		{exitNotFound, "not_found", "session|end|" + nobody},
		{exitNotFound, "not_found", "session|end|--user|bob"},
		{exitNotFound, "not_found", "session|list|--user|bob"},
		{exitRefused, "last_admin", "user|disable|alice"},
		{exitRefused, "last_admin", "user|role|alice|user"},
		{exitRefused, "account_disabled", "user|recover|carol"},
		{exitRefused, "username_taken", "user|invite|--username|ALICE"},
		{exitRefused, "email_taken", "user|invite|--email|alice@EXAMPLE.com"},
		{exitRefused, "group_exists", "group|create|Staff"},
		{exitUsage, "usage", "user|role|alice|root"},
		{exitUsage, "usage", "user|invite|--role|root"},
		{exitUsage, "usage", "user|invite|--ttl|soon"},
		{exitUsage, "validation_failed", "user|invite|--ttl|30d1s"},
		{exitUsage, "usage", "user|show"},
		{exitUsage, "usage", "session|end"},
		{exitUsage, "usage", "session|end|" + nobody + "|--user|alice"},
		{exitUsage, "usage", "user|list|--limit|201"},
		{exitUsage, "invalid_cursor", "user|list|--cursor|%%"},
		{exitUsage, "validation_failed", "user|invite|--ttl|23h59m"},
		{exitUsage, "validation_failed", "user|invite|--ttl|31d"},
		{exitUsage, "validation_failed", "user|invite|--ttl|0"},
		{exitUsage, "usage", "user|invite|--ttl=-1d"},
		{exitUsage, "validation_failed", "user|invite|--email|alice"},
		{exitUsage, "validation_failed", "user|invite|--username|a b"},
		{exitUsage, "validation_failed", "user|invite|--display-name|a\u202eb"},
		{exitUsage, "validation_failed", "user|invite|--group|choir"},
		{exitUsage, "validation_failed", "user|recover|alice|--ttl|14m"},
		{exitUsage, "validation_failed", "user|recover|alice|--ttl|25h"},
		{exitUsage, "validation_failed", "group|create|a\u200bb"},
	} {
		message := h.refused(r.exit, r.code, strings.Split(r.line, "|")...)
		if r.code == "validation_failed" && !strings.Contains(message, "--") {
			t.Errorf("%s: the message does not name the flag: %s", r.line, message)
		}
	}
}

// TestSessionsByCommand: listed whole and in parts, ended one by one and for a
// person.
func TestSessionsByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if a := passkeytest.NewBrowserWith(t, h.issuer, h.alice.Device.Clone()).SignIn(""); a.Status != 200 {
		t.Fatalf("sign-in answered %d %s", a.Status, a.Raw)
	}
	h.join("invite", h.token(h.json("user", "invite", "--username", "bob")["url"], "invite"), passkeytest.Fields{})

	all := items(h.json("session", "list"))
	if len(all) != 3 || all[0]["username"] != "bob" || all[2]["username"] != "alice" {
		t.Fatalf("session list: %v", all)
	}
	const members = "acr amr auth_time created_at expires_at id idle_expires_at ip_address kind last_activity user_agent user_id username"
	if got := keys(all[0]); got != members || all[0]["kind"] != "full" {
		t.Errorf("a session is %v", all[0])
	}
	if of := items(h.json("session", "list", "--user", "alice@example.com")); len(of) != 2 || of[0]["user_id"] != all[2]["user_id"] {
		t.Errorf("sessions of alice: %v", of)
	}
	first := h.json("session", "list", "--limit", "2")
	next, _ := first["next_cursor"].(string)
	rest := h.json("session", "list", "--limit", "2", "--cursor", next)
	if diff := cmp.Diff(all, append(items(first), items(rest)...)); diff != "" || rest["next_cursor"] != nil {
		t.Errorf("two pages (-want +got):\n%s", diff)
	}

	one := all[1]["id"].(string)
	if got := h.json("session", "end", one); got["deleted"] != one || got["sessions"] != 1.0 {
		t.Errorf("session end prints %v", got)
	}
	h.refused(exitNotFound, "not_found", "session", "end", one)
	if got := h.json("session", "end", "--user", "alice"); got["user_id"] != all[2]["user_id"] || got["sessions"] != 1.0 {
		t.Errorf("session end --user prints %v", got)
	}
	if got := h.json("user", "sign-out", "alice"); got["sessions"] != 0.0 {
		t.Errorf("signing out twice prints %v", got)
	}
	if left := items(h.json("session", "list")); len(left) != 1 || left[0]["username"] != "bob" {
		t.Errorf("left are %v", left)
	}
	storagetest.SQL(t, h.url, "UPDATE sessions SET idle_expires_at = now() - interval '1 second'")
	if left := items(h.json("session", "list")); len(left) != 0 {
		t.Errorf("an expired session is listed: %v", left)
	}
}

// TestGroupsByCommand: made, filled, emptied, deleted.
func TestGroupsByCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := h.json("group", "create", "staff")
	h.json("group", "create", "choir")
	alice := h.json("user", "show", "alice")["id"]
	for range 2 {
		if diff := cmp.Diff(object{"group": "staff", "user_id": alice}, h.json("group", "add", "STAFF", "alice")); diff != "" {
			t.Errorf("group add (-want +got):\n%s", diff)
		}
	}
	list := items(h.json("group", "list"))
	if len(list) != 2 || list[0]["name"] != "choir" || list[1]["id"] != made["id"] || list[1]["members"] != 1.0 {
		t.Errorf("group list: %v", list)
	}
	if diff := cmp.Diff(object{"group": "staff", "user_id": alice}, h.json("group", "remove", made["id"].(string), "alice")); diff != "" {
		t.Errorf("group remove (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(object{"deleted": made["id"]}, h.json("group", "delete", "staff")); diff != "" {
		t.Errorf("group delete (-want +got):\n%s", diff)
	}
	for kind, want := range map[string]int64{"member.added": 1, "member.removed": 1, "group.deleted": 1} {
		if got := h.events(kind); got != want {
			t.Errorf("%d events %s, want %d", got, kind, want)
		}
	}
}

// TestWithdrawnInvitation: nobody gets in with it.
func TestWithdrawnInvitation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invited := h.json("user", "invite")
	id := invited["id"].(string)
	if diff := cmp.Diff(object{"deleted": id}, h.json("user", "withdraw", id)); diff != "" {
		t.Errorf("withdraw (-want +got):\n%s", diff)
	}
	h.refused(exitNotFound, "not_found", "user", "withdraw", id)
	a := passkeytest.NewBrowser(t, h.issuer).Register("invite", h.token(invited["url"], "invite"), passkeytest.Fields{"username": "bob"})
	if a.Status != 410 || a.Code != "token_expired" {
		t.Errorf("the withdrawn invitation answered %d %s", a.Status, a.Code)
	}
	if got := h.events("link.revoked"); got != 1 {
		t.Errorf("%d withdrawals are recorded, want 1", got)
	}
}

// TestTextForPeople: the same facts in columns, which no name can break.
func TestTextForPeople(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if got := h.says("group", "list"); got != "No group.\n" {
		t.Errorf("no groups are %q", got)
	}
	h.says("group", "create", "staff")
	h.says("group", "add", "staff", "alice")
	storagetest.SQL(t, h.url, `UPDATE users SET display_name = E'Al\u202e\x1b[31mice'`) // as no way of ours would store it
	for _, c := range []struct {
		line string
		want []string
	}{
		{"user list", []string{"USERNAME  NAME", "alice     Al\uFFFD\uFFFD[31mice  alice@example.com  admin  active  1         staff"}},
		{"user show alice", []string{"username             alice", "e-mail               alice@example.com", "recovery codes left  8"}},
		{"user passkeys alice", []string{"NAME", "MADE"}},
		{"session list", []string{"USERNAME  KIND", "alice     full"}},
		{"group list", []string{"NAME   PEOPLE", "staff  1"}},
		{"user invite", []string{"Invitation (single use, until ", ": " + h.issuer + "/invite#token="}},
		{"user invitations", []string{"ID ", "user"}},
		{"user recover alice", []string{"Recovery link for alice (single use, until ", ": " + h.issuer + "/recover#token="}},
		{"user sign-out alice", []string{"alice is signed out everywhere. Sessions ended: 1."}},
	} {
		got := h.says(strings.Fields(c.line)...)
		for _, text := range c.want {
			if !strings.Contains(got, text) {
				t.Errorf("%s prints\n%s\nwithout %q", c.line, got, text)
			}
		}
	}
}
