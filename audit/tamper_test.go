package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/audit"
	"latchkey/storage/storagetest"
)

// logTables hold the log; keep copies them, restore puts the copies back.
var logTables = []string{"audit_leaf", "audit_tile", "audit_head", "audit_checkpoint", "audit_key", "person_keys"}

func (w *world) keep(t testing.TB) {
	t.Helper()
	for _, table := range logTables {
		storagetest.SQL(t, w.url, "CREATE TABLE kept_"+table+" AS SELECT * FROM "+table)
	}
}

func (w *world) restore(t testing.TB) {
	t.Helper()
	var statements []string
	for _, table := range logTables {
		statements = append(statements, "DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM kept_"+table)
	}
	w.tamper(t, statements...)
}

// rehash makes the hash beside leaf n that of its bytes.
func rehash(n int) string {
	return fmt.Sprintf(`UPDATE audit_leaf SET leaf_hash = sha256('\x00'::bytea || leaf) WHERE index = %d`, n)
}

// set changes leaf 300.
func set(expression string) string {
	return "UPDATE audit_leaf SET " + expression + " WHERE index = 300"
}

// flip inverts a byte of a column of leaf 300.
func flip(column, at string) string {
	return set(fmt.Sprintf("%[1]s = set_byte(%[1]s, %[2]s, 255 - get_byte(%[1]s, %[2]s))", column, at))
}

// TestTampering: an insider with all rights on the database, but without a
// checkpoint's key, changes one thing. SECURITY case 134.
func TestTampering(t *testing.T) {
	t.Parallel()
	w := grown(t, 600)
	past := storagetest.Value[string](t, w.url, `SELECT format('size = %s, root = %L, edge = %L', size, root, edge) FROM audit_head`)
	if signed, err := w.Checkpoint(t.Context()); err != nil || w.Keep(t.Context(), signed) != nil {
		t.Fatal(err)
	}
	w.record(t, 100)
	w.sequence(t)
	// An hour later the next one is kept.
	storagetest.SQL(t, w.url, `UPDATE audit_checkpoint SET created_at = now() - interval '2 hours'`)
	if signed, err := w.Checkpoint(t.Context()); err != nil || w.Keep(t.Context(), signed) != nil {
		t.Fatal(err)
	}
	w.wantFine(t)
	w.keep(t)
	const last = 699
	for _, attack := range []struct {
		name       string
		statements []string
		index      int64
		words      string
	}{
		{"id", []string{set("id = gen_random_uuid()")}, 300, "column id "},
		{"created_at", []string{set("created_at = created_at + interval '1 microsecond'")}, 300, "column created_at"},
		{"created_at without end", []string{set("created_at = 'infinity'")}, 300, "column created_at"},
		{"sequenced_at", []string{set("sequenced_at = sequenced_at + interval '1 microsecond'")}, 300, "column sequenced_at"},
		{"kind", []string{set("kind = 'passkey.used'")}, 300, "column kind"},
		{"actor_kind", []string{set("actor_kind = 'system'")}, 300, "column actor_kind"},
		{"actor_id", []string{set("actor_id = '" + bob + "'")}, 300, "column actor_id"},
		{"subject", []string{set("subject = '" + bob + "'")}, 300, "column subject"},
		{"subject gone", []string{set("subject = NULL")}, 300, "column subject"},
		{"client_id", []string{set("client_id = ''")}, 300, "column client_id"},
		{"passkey_id", []string{set("passkey_id = NULL")}, 300, "column passkey_id"},
		{"session_id", []string{set("session_id = '" + bob + "'")}, 300, "column session_id"},
		{"success", []string{set("success = false")}, 300, "column success"},
		{"reason", []string{set("reason = 'Chosen'")}, 300, "column reason"},
		{"request_id", []string{set("request_id = ''")}, 300, "column request_id"},
		{"address_prefix", []string{set("address_prefix = '203.0.112.0/24'")}, 300, "column address_prefix"},
		{"agent", []string{set("agent = 'Safari on macOS'")}, 300, "column agent"},
		{"a number in detail", []string{set(`detail = detail || '{"n": 301}'`)}, 300, "column detail"},
		{"a member of detail gone", []string{set("detail = detail - 'object'")}, 300, "column detail"},
		{"detail no object", []string{set("detail = '[]'")}, 300, "column detail"},
		{"leaf_hash", []string{flip("leaf_hash", "0")}, 300, "hash that stands beside it"},
		{"index", []string{set("index = 9000")}, 300, "leaf 300 is missing"},

		{"the leaf's version", []string{flip("leaf", "0"), rehash(300)}, 300, "format 254"},
		{"the leaf's text", []string{set(`leaf = replace_once(leaf, 'chosen', 'Chosen')`), rehash(300)}, 300, "column reason"},
		{"the leaf's text and its column", []string{set(`leaf = replace_once(leaf, 'chosen', 'Chosen'), reason = 'Chosen'`), rehash(300)}, 300, "not the one in the tree"},
		{"the leaf's spelling", []string{set(`leaf = replace_once(leaf, '"event"', ' "event"')`), rehash(300)}, 300, "canonical"},
		{"the leaf's hash of the personal part", []string{flip("leaf", "length(leaf) - 1"), rehash(300)}, 300, "personal part"},
		{"a byte more of the leaf", []string{set(`leaf = leaf || '\x00'`), rehash(300)}, 300, "leaf 300"},
		{"a byte less of the leaf", []string{set(`leaf = substr(leaf, 1, length(leaf) - 1)`), rehash(300)}, 300, "leaf 300"},
		{"no leaf", []string{set(`leaf = ''`), rehash(300)}, 300, "leaf 300"},
		{"the leaf, its hash left", []string{flip("leaf", "40")}, 300, "hash that stands beside it"},

		{"the format of the personal part", []string{flip("personal", "0")}, 300, "personal part"},
		{"the key of the personal part", []string{flip("personal", "5")}, 300, "personal part"},
		{"the length of the personal part", []string{flip("personal", "20")}, 300, "personal part"},
		{"the text of the personal part", []string{flip("personal", "40")}, 300, "personal part"},
		{"the tag of the personal part", []string{flip("personal", "length(personal) - 1")}, 300, "personal part"},
		{"the personal part of another event", []string{set("personal = (SELECT personal FROM audit_leaf WHERE index = 301)")}, 300, "personal part"},
		{"no personal part", []string{set("personal = NULL")}, 300, "personal part is gone"},
		{"a person's key gone", []string{"DELETE FROM person_keys WHERE user_id = '" + alice + "'"}, 1, "does not open"},
		{"a person's key altered", []string{"UPDATE person_keys SET key = set_byte(key, 20, 255 - get_byte(key, 20)) WHERE user_id = '" + alice + "'"}, 1, "does not open"},

		{"first deleted", []string{"DELETE FROM audit_leaf WHERE index = 0"}, 0, "leaf 0 is missing"},
		{"one deleted", []string{"DELETE FROM audit_leaf WHERE index = 300"}, 300, "leaf 300 is missing"},
		{"last deleted", []string{fmt.Sprintf("DELETE FROM audit_leaf WHERE index = %d", last)}, last, "missing"},
		{"tail cut", []string{"DELETE FROM audit_leaf WHERE index >= 650"}, 650, "leaf 650 is missing, and all after it"},
		{"all deleted", []string{"DELETE FROM audit_leaf"}, 0, "leaf 0 is missing"},
		{"two exchanged", []string{"UPDATE audit_leaf SET index = -300 WHERE index = 300", "UPDATE audit_leaf SET index = 300 WHERE index = 500", "UPDATE audit_leaf SET index = 500 WHERE index = -300"}, 300, "not the one in the tree"},
		{"one inserted", []string{"UPDATE audit_leaf SET index = -index - 1 WHERE index >= 300", "UPDATE audit_leaf SET index = -index WHERE index < 0", copyLeaf(302, "300", 0)}, 300, "not the one in the tree"},
		{"a second one", []string{copyLeaf(300, "300", 1)}, 300, "second leaf 300"},
		{"one before the first", []string{copyLeaf(300, "-1", 1)}, 0, "second leaf -1"},
		{"one behind the last", []string{copyLeaf(300, "700", 1)}, 700, "beyond the head"},

		{"a tile's hash", []string{"UPDATE audit_tile SET data = set_byte(data, 44 * 32, 255 - get_byte(data, 44 * 32)) WHERE number = 1"}, 300, "not the one in the tree"},
		{"a tile gone", []string{"DELETE FROM audit_tile WHERE number = 1"}, 256, "tile 1 of level 0"},
		{"a tile cut", []string{"UPDATE audit_tile SET data = substr(data, 1, 8191) WHERE number = 1"}, 256, "tile 1 of level 0"},
		{"a tile longer", []string{`UPDATE audit_tile SET data = data || '\x00' WHERE number = 1`}, 256, "tile 1 of level 0"},
		{"a tile too many", []string{`INSERT INTO audit_tile SELECT 1, 0, data FROM audit_tile WHERE number = 1`}, 700, "tiles are stored"},
		{"leaf, hash and tile", append(wholeLeaf(), "UPDATE audit_tile SET data = overlay(data PLACING (SELECT leaf_hash FROM audit_leaf WHERE index = 300) FROM 44 * 32 + 1) WHERE number = 1"), 256, "tree above leaf 256"},
		{"the edge at the leaves", []string{"UPDATE audit_head SET edge = set_byte(edge, 32, 255 - get_byte(edge, 32))"}, 513, "not the one in the tree"},
		{"the edge above", []string{"UPDATE audit_head SET edge = set_byte(edge, length(edge) - 1, 255 - get_byte(edge, length(edge) - 1))"}, 256, "tree above leaf 256"},
		{"the edge cut", []string{"UPDATE audit_head SET edge = substr(edge, 1, length(edge) - 32)"}, 700, "edge"},
		{"the edge longer", []string{`UPDATE audit_head SET edge = edge || '\x00'`}, 700, "edge"},

		{"the head's root", []string{"UPDATE audit_head SET root = set_byte(root, 0, 255 - get_byte(root, 0))"}, 700, "root beside the head"},
		{"the head's size set back", []string{"UPDATE audit_head SET size = 600"}, 600, "edge"},
		{"the head set back", []string{"UPDATE audit_head SET " + past}, 600, "beyond the head"},
		{"the head set back and the tail cut", []string{"UPDATE audit_head SET " + past, "DELETE FROM audit_leaf WHERE index >= 600"}, 600, "log shrank"},
		{"the head set ahead", []string{"UPDATE audit_head SET size = size + 256"}, 956, "edge"},
		{"everything emptied", []string{"DELETE FROM audit_leaf", "DELETE FROM audit_tile", `UPDATE audit_head SET size = 0, edge = '', root = sha256('')`}, 0, "log shrank"},

		{"a kept checkpoint's root", []string{"UPDATE audit_checkpoint SET root = sha256('') WHERE size = 600"}, 600, "not as it was signed"},
		{"a kept checkpoint's size", []string{"UPDATE audit_checkpoint SET size = 599 WHERE size = 600"}, 599, "not as it was signed"},
		{"a kept checkpoint's text", []string{"UPDATE audit_checkpoint SET note = replace(note, E'\\n600\\n', E'\\n599\\n') WHERE size = 600"}, 600, "not signed by this installation"},
		{"a kept checkpoint's signature", []string{"UPDATE audit_checkpoint SET note = (SELECT note FROM audit_checkpoint WHERE size = 700) WHERE size = 600"}, 600, "not as it was signed"},
		{"no checkpoint", []string{"UPDATE audit_checkpoint SET note = '' WHERE size = 600"}, 600, "no checkpoint"},
	} {
		t.Run(attack.name, func(t *testing.T) {
			w.restore(t)
			w.tamper(t, append([]string{replaceOnce}, attack.statements...)...)
			v := w.verify(t, audit.VerifyOptions{})
			if v.OK {
				t.Fatal("nothing was found")
			}
			want := any(attack.index)
			if attack.index < 0 {
				want = "none"
			}
			if got := deref(v.FirstBadIndex); got != want || !strings.Contains(*v.Problem, attack.words) {
				t.Errorf("first bad index %v, want %v: %q, want %q", got, want, *v.Problem, attack.words)
			}
		})
	}
	w.restore(t)
	w.wantFine(t)
}

// replaceOnce edits bytes by text.
const replaceOnce = `
	CREATE OR REPLACE FUNCTION replace_once(b bytea, old text, new text) RETURNS bytea LANGUAGE sql AS $$
		SELECT overlay(b PLACING convert_to(new, 'UTF8') FROM position(convert_to(old, 'UTF8') IN b) FOR octet_length(old)) $$`

// wholeLeaf changes leaf 300 in column, bytes and hash.
func wholeLeaf() []string {
	return []string{set(`leaf = replace_once(leaf, 'chosen', 'Chosen'), reason = 'Chosen'`), rehash(300)}
}

// copyLeaf inserts a copy of leaf n at an index, so many microseconds later.
func copyLeaf(n int, index string, later int) string {
	return fmt.Sprintf(`
		INSERT INTO audit_leaf (index, sequenced_at, id, leaf, leaf_hash, personal, created_at, kind, actor_kind, actor_id, subject, client_id,
		                        passkey_id, session_id, success, reason, request_id, address_prefix, agent, detail)
		SELECT %s, sequenced_at + %d * interval '1 microsecond', id, leaf, leaf_hash, personal, created_at, kind, actor_kind, actor_id, subject, client_id,
		       passkey_id, session_id, success, reason, request_id, address_prefix, agent, detail
		FROM audit_leaf WHERE index = %d`, index, later, n)
}
