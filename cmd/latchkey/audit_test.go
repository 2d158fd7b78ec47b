package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"latchkey/storage/storagetest"
)

// proof is what an outsider reads of the JSON, with nothing of ours.
type proof struct {
	Index, Size, From, To int64
	Leaf                  []byte
	LeafHash              tlog.Hash   `json:"leaf_hash"`
	Root                  tlog.Hash   `json:"root"`
	Proof                 []tlog.Hash `json:"proof"`
	Checkpoint            string      `json:"checkpoint"`
}

func read[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// openNote checks a checkpoint as anybody would who has its key.
func openNote(t *testing.T, signed, key string) (size int64, root tlog.Hash) {
	t.Helper()
	verifier, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		t.Fatalf("%q: %v", signed, err)
	}
	lines := strings.Split(opened.Text, "\n")
	size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || copy(root[:], hash) != tlog.HashSize || lines[0] != verifier.Name() {
		t.Fatalf("checkpoint %q: %v", opened.Text, err)
	}
	return size, root
}

// TestAuditProofsHoldElsewhere: the JSON of the commands is enough for tlog and
// note, which know nothing of latchkey.
func TestAuditProofsHoldElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.json("audit", "checkpoint")
	key := first["key"].(string)
	size, root := openNote(t, first["note"].(string), key)
	if float64(size) != first["size"] || root.String() != first["root"] || first["origin"] != strings.TrimPrefix(h.issuer, "http://")+"/audit" {
		t.Errorf("checkpoint %v", first)
	}
	h.json("group", "create", "staff")
	id := h.json("audit", "list", "--event", "group.created")["items"].([]any)[0].(object)["id"].(string)
	p := read[proof](t, h.says("audit", "prove", id, "--json"))
	nowSize, nowRoot := openNote(t, p.Checkpoint, key)
	if nowSize != p.Size || nowRoot != p.Root || nowSize <= size {
		t.Errorf("the checkpoint of size %d is not that of the proof: %+v", nowSize, p)
	}
	if !strings.Contains(string(p.Leaf), `"event":"group.created"`) || tlog.RecordHash(p.Leaf) != p.LeafHash {
		t.Errorf("leaf %q", p.Leaf)
	}
	if err := tlog.CheckRecord(p.Proof, nowSize, nowRoot, p.Index, tlog.RecordHash(p.Leaf)); err != nil {
		t.Errorf("inclusion: %v", err)
	}
	grew := read[proof](t, h.says("audit", "prove", "--from", strconv.FormatInt(size, 10), "--to", strconv.FormatInt(nowSize, 10), "--json"))
	if err := tlog.CheckTree(grew.Proof, nowSize, nowRoot, size, root); err != nil || grew.From != size || grew.To != nowSize {
		t.Errorf("consistency: %v: %+v", err, grew)
	}
}

// TestAuditCheckpointEndpoint is public, plain text, and the same log.
func TestAuditCheckpointEndpoint(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.json("audit", "checkpoint")["key"].(string)
	res, err := http.Get(h.issuer + "/audit/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("answered %d %s, %v", res.StatusCode, body, err)
	}
	if size, _ := openNote(t, string(body), key); size == 0 {
		t.Error("nothing was sequenced by serve")
	}
}

// TestAuditVerifyCommand with and without a checkpoint kept elsewhere.
func TestAuditVerifyCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	folder := t.TempDir()
	keep := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	note, asJSON := keep("note", h.says("audit", "checkpoint")+""), keep("json", h.says("audit", "checkpoint", "--json"))
	for _, file := range []string{note, asJSON} {
		v := h.json("audit", "verify", "--checkpoint", file)
		if v["ok"] != true || v["first_bad_index"] != nil || v["problem"] != nil || v["size"].(float64) < 5 || len(v["root"].(string)) != 44 {
			t.Errorf("verify: %v", v)
		}
		if _, err := time.Parse(time.RFC3339, v["verified_until"].(string)); err != nil {
			t.Error(err)
		}
	}
	if text := h.says("audit", "verify"); !strings.Contains(text, "Nothing was changed") {
		t.Errorf("verify says %q", text)
	}
	if n := len(h.json("audit", "list", "--event", "audit.verified")["items"].([]any)); n != 3 {
		t.Errorf("%d verifications are in the log, want 3", n)
	}
	other := keep("other", newHouse(t).says("audit", "checkpoint"))
	h.finds(-1, "not signed by this installation", "audit", "verify", "--checkpoint", other)
	h.refused(exitUsage, "usage", "audit", "verify", "--checkpoint", keep("garbage", "hello"))
	h.refused(exitUsage, "usage", "audit", "verify", "--checkpoint", filepath.Join(folder, "missing"))

	storagetest.SQL(t, h.url, `SET session_replication_role = replica; UPDATE audit_leaf SET reason = 'other' WHERE index = 2`)
	h.finds(2, "column reason", "audit", "verify")
	code, stdout, _ := command(t, append([]string{"audit", "verify"}, h.arguments...)...)
	if code != exitFailed || !strings.Contains(stdout, "First bad index: 2 of") {
		t.Errorf("exit %d: %s", code, stdout)
	}
}

// finds runs a verification that must exit with 1 and name an index (-1 = none).
func (h *house) finds(index int64, words string, arguments ...string) {
	h.t.Helper()
	code, stdout, stderr := command(h.t, append(append(arguments, "--json"), h.arguments...)...)
	v := read[struct {
		OK            bool
		FirstBadIndex *int64 `json:"first_bad_index"`
		Problem       string
	}](h.t, stdout)
	got := int64(-1)
	if v.FirstBadIndex != nil {
		got = *v.FirstBadIndex
	}
	if code != exitFailed || v.OK || got != index || !strings.Contains(v.Problem, words) {
		h.t.Errorf("%v: exit %d, %+v (index %d), want %d with %q: %s", arguments, code, v, got, index, words, stderr)
	}
}

// TestAuditWithoutAServer: the commands sequence by themselves.
func TestAuditWithoutAServer(t *testing.T) {
	t.Parallel()
	h := &house{t: t, url: storagetest.Empty(t)}
	h.arguments = []string{"--database-url", h.url, "--data-dir", t.TempDir()}
	if c := h.json("audit", "checkpoint"); c["size"] != 1.0 { // the key of checkpoints was made
		t.Errorf("checkpoint %v", c)
	}
	h.json("setup-link")
	if e := h.json("audit", "list")["items"].([]any)[0].(object); e["index"] != nil || e["event"] != "link.created" || e["actor_kind"] != "operator" {
		t.Errorf("pending: %v", e)
	}
	if v := h.json("audit", "verify"); v["ok"] != true || v["size"] != 2.0 {
		t.Errorf("verify: %v", v)
	}
	storagetest.SQL(t, h.url, `UPDATE audit_head SET halted = 'a reason'`)
	code, stdout, _ := command(t, append([]string{"audit", "checkpoint", "--json"}, h.arguments...)...)
	if code != exitFailed || !strings.Contains(stdout, "a reason") {
		t.Errorf("halted: exit %d: %s", code, stdout)
	}
	h.finds(-1, "a reason", "audit", "verify")
	if v := h.json("audit", "verify", "--resume"); v["ok"] != true {
		t.Errorf("resume: %v", v)
	}
	h.json("audit", "checkpoint")
}

// TestAuditListCommand: filters, pages and what they refuse.
func TestAuditListCommand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.json("group", "create", "staff")
	h.json("group", "add", "staff", "alice")
	h.json("audit", "verify")
	list := func(arguments ...string) (names []string, next string) {
		t.Helper()
		page := h.json(append([]string{"audit", "list"}, arguments...)...)
		for _, item := range page["items"].([]any) {
			e := item.(object)
			names = append(names, e["event"].(string))
			for _, member := range []string{"index", "id", "time", "event", "actor", "subject", "client_id", "passkey_id", "outcome", "reason", "request_id"} {
				if _, ok := e[member]; !ok {
					t.Errorf("no member %s in %v", member, e)
				}
			}
		}
		next, _ = page["next_cursor"].(string)
		return names, next
	}
	all, _ := list()
	var paged []string
	for cursor, pages := "", 0; ; pages++ {
		if pages > len(all) {
			t.Fatal("the pages never end")
		}
		names, next := list("--limit", "3", "--cursor", cursor)
		paged = append(paged, names...)
		if cursor = next; next == "" {
			break
		}
	}
	if strings.Join(all, " ") != strings.Join(paged, " ") || len(all) < 8 {
		t.Errorf("in pages %v, at once %v", paged, all)
	}
	of, _ := list("--user", "alice")
	if strings.Join(of, " ") == "" || !strings.Contains(strings.Join(of, " "), "member.added") || strings.Contains(strings.Join(of, " "), "group.created") {
		t.Errorf("of alice: %v", of)
	}
	for _, since := range []string{"1h", "1d", "2026-01-01", "2026-01-01T00:00:00Z"} {
		if names, _ := list("--since", since, "--event", "group.created"); len(names) != 1 {
			t.Errorf("since %s: %v", since, names)
		}
	}
	storagetest.SQL(t, h.url, `SET session_replication_role = replica; UPDATE audit_leaf SET created_at = created_at - interval '2 hours' WHERE kind = 'group.created'`)
	if names, _ := list("--since", "1h", "--event", "group.created"); len(names) != 0 {
		t.Errorf("two hours old, and listed since one: %v", names)
	}
	for _, wrong := range [][]string{{"--limit", "0"}, {"--limit", "1001"}, {"--since", "yesterday"}} {
		h.refused(exitUsage, "usage", append([]string{"audit", "list"}, wrong...)...)
	}
	h.refused(exitUsage, "invalid_cursor", "audit", "list", "--cursor", "x")
	h.refused(exitNotFound, "not_found", "audit", "list", "--user", "nobody")
	if text := h.says("audit", "list", "--event", "group.created"); !strings.Contains(text, "INDEX") || !strings.Contains(text, "group.created") {
		t.Errorf("list says %q", text)
	}
}

// TestAuditProveRefusals.
func TestAuditProveRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.json("audit", "verify")
	for _, wrong := range [][]string{{}, {"--to", "3"}, {"01890a5d-ac96-774b-bcce-b302099a8057", "--from", "1"}, {"01890a5d-ac96-774b-bcce-b302099a8057", "--to", "1"}, {"7"}} {
		h.refused(exitUsage, "usage", append([]string{"audit", "prove"}, wrong...)...)
	}
	h.refused(exitUsage, "invalid_range", "audit", "prove", "--from", "3", "--to", "2")
	h.refused(exitUsage, "invalid_range", "audit", "prove", "--from", "3", "--to", "100000")
	h.refused(exitNotFound, "not_found", "audit", "prove", "01890a5d-ac96-774b-bcce-b302099a8057")
}

// TestAuditOfALostKey: that the key of checkpoints is gone or altered is what
// verify finds, whatever else was taken with it. The log can still be read, and
// nothing is signed.
func TestAuditOfALostKey(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]struct{ statement, words string }{
		"gone":                   {`DELETE FROM audit_key`, "key that signs checkpoints is gone"},
		"gone, with checkpoints": {`DELETE FROM audit_key; DELETE FROM audit_checkpoint`, "key that signs checkpoints is gone"},
		"altered":                {`UPDATE audit_key SET seed = set_byte(seed, 30, 255 - get_byte(seed, 30))`, "key that signs checkpoints does not open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &house{t: t, url: storagetest.Empty(t)}
			h.arguments = []string{"--database-url", h.url, "--data-dir", t.TempDir()}
			h.json("setup-link")
			h.json("audit", "checkpoint")
			storagetest.SQL(t, h.url, gone.statement)
			h.finds(-1, gone.words, "audit", "verify")
			if page := h.json("audit", "list", "--event", "audit.verified"); len(page["items"].([]any)) != 1 {
				t.Errorf("the verification is not in the log: %v", page)
			}
			for _, signing := range [][]string{{"audit", "checkpoint"}, {"audit", "prove", "--from", "0"}} {
				code, stdout, _ := command(t, append(append(signing, "--json"), h.arguments...)...)
				if want := map[bool]int{true: exitKeys, false: exitRefused}[name == "altered"]; code != want {
					t.Errorf("%v: exit %d, want %d: %s", signing, code, want, stdout)
				}
			}
		})
	}
}
