package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"latchkey/audit"
	"latchkey/storage/storagetest"
)

// vector is a leaf of version 1 with everything that a leaf can have. It never
// changes: leaves like it are in databases.
const vector = "\x01" + `{"actor_id":"01890a5d-ac96-774b-bcce-b302099a8057","actor_kind":"user","address_prefix":"203.0.113.0/24","agent":"Firefox on Linux",` +
	`"client_id":"wiki","detail":{"a":[1,2.5,true,null],"object":"\u0001<ä` + "\u2028" + `\"\\","scopes":["openid","profile"]},"event":"consent.granted",` +
	`"id":"01890a5d-ac96-774b-bcce-b302099a8059","outcome":"success","passkey_id":"01890a5d-ac96-774b-bcce-b302099a805a","reason":"asked","request_id":"r-1",` +
	`"sequenced_at":"2026-03-15T12:00:00.200000Z","session_id":"01890a5d-ac96-774b-bcce-b302099a805b","subject":"01890a5d-ac96-774b-bcce-b302099a8057",` +
	`"time":"2026-03-15T12:00:00.000001Z"}` +
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"

// smallest is a leaf with nothing that can be left out.
var smallest = "\x01" + `{"actor_kind":"system","event":"key.rotated","id":"01890a5d-ac96-774b-bcce-b302099a8059","outcome":"failure",` +
	`"sequenced_at":"2026-03-15T12:00:00.000000Z","time":"2026-03-15T12:00:00.000000Z"}` + nothing

// nothing is the hash of no personal part.
var nothing = func() string { h := sha256.Sum256(nil); return string(h[:]) }()

// TestTheLeafFormatIsFinal: these bytes are read for ever, and written as they
// are.
func TestTheLeafFormatIsFinal(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct{ leaf, hash string }{
		"everything": {vector, "c127531132e8dea70d70b4389cc8d2fd15800ff9ead5b8c723ec8801aa8d64fe"},
		"smallest":   {smallest, "078f48da7d9ced3d27d4380a93bda764f0b8f3a5383e390f18808ae92d3b453e"},
	} {
		l, err := audit.ParseLeaf([]byte(v.leaf)) // which writes it again and compares
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h := tlog.RecordHash([]byte(v.leaf)); hex.EncodeToString(h[:]) != v.hash {
			t.Errorf("%s: hash %x, want %s", name, h, v.hash)
		}
		if name == "everything" && (l.Event.Reason != "asked" || l.Event.Time.Nanosecond() != 1000 || l.PersonalHash[31] != 31 || l.Event.Prefix != "203.0.113.0/24") {
			t.Errorf("read %+v", l)
		}
	}
}

// TestLeavesAreCanonical: what is written is what RFC 8785 makes of it.
func TestLeavesAreCanonical(t *testing.T) {
	t.Parallel()
	w := grown(t, 4)
	leaves := append(w.storedLeaves(t), []byte(vector), []byte(smallest))
	for i, leaf := range leaves {
		public := jsontext.Value(slices.Clone(leaf[1 : len(leaf)-sha256.Size]))
		if err := public.Canonicalize(); err != nil || !bytes.Equal(public, leaf[1:len(leaf)-sha256.Size]) {
			t.Errorf("leaf %d: %s, canonical is %s (%v)", i, leaf[1:len(leaf)-sha256.Size], public, err)
		}
	}
	personal := storagetest.Value[[]byte](t, w.url, `SELECT personal FROM audit_leaf WHERE index = 2`)
	if h := sha256.Sum256(personal); !bytes.HasSuffix(leaves[2], h[:]) {
		t.Error("the leaf does not end in the hash of the personal part")
	}
}

// TestLeavesThatWereNeverWritten are refused: a leaf has one spelling.
func TestLeavesThatWereNeverWritten(t *testing.T) {
	t.Parallel()
	for name, leaf := range map[string]string{
		"empty":             "",
		"only a hash":       nothing,
		"no text":           "\x01" + nothing,
		"version 0":         "\x00" + vector[1:],
		"version 2":         "\x02" + vector[1:],
		"a space":           strings.Replace(vector, `"event":`, `"event": `, 1),
		"another order":     strings.Replace(strings.Replace(vector, `"actor_kind":"user",`, "", 1), `"agent"`, `"actor_kind":"user","agent"`, 1),
		"a member twice":    strings.Replace(vector, `"agent":`, `"agent":"x","agent":`, 1),
		"an unknown member": strings.Replace(vector, `"time"`, `"tim":"x","time"`, 1),
		"another case":      strings.Replace(vector, `"agent"`, `"Agent"`, 1),
		"an empty member":   strings.Replace(vector, `"reason":"asked"`, `"reason":""`, 1),
		"an empty detail":   strings.Replace(smallest, `"event"`, `"detail":{},"event"`, 1),
		"detail a list":     strings.Replace(smallest, `"event"`, `"detail":[1],"event"`, 1),
		"detail null":       strings.Replace(smallest, `"event"`, `"detail":null,"event"`, 1),
		"another escape":    strings.Replace(vector, `ä`, `\u00e4`, 1),
		"another number":    strings.Replace(vector, `2.5`, `2.50`, 1),
		"no microseconds":   strings.Replace(smallest, `12:00:00.000000Z","time`, `12:00:00Z","time`, 1),
		"another zone":      strings.Replace(smallest, `12:00:00.000000Z","time`, `12:00:00.000000+00:00","time`, 1),
		"no such day":       strings.Replace(smallest, `2026-03-15`, `2026-02-30`, 1),
		"bad UTF-8":         strings.Replace(vector, `ä`, "\xff", 1),
		"text after":        strings.Replace(smallest, `"}`, `"}{}`, 1),
		"a NUL after":       strings.Replace(smallest, `"}`, "\"}\x00", 1),
		"the hash cut":      smallest[:len(smallest)-1],
	} {
		if _, err := audit.ParseLeaf([]byte(leaf)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzParseLeaf: whatever is read is written the same, and nothing panics.
func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte(vector))
	f.Add([]byte(smallest))
	f.Add([]byte("\x01{}" + nothing))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := audit.ParseLeaf(b)
		if err != nil {
			return
		}
		if l.Event.Time.IsZero() && l.SequencedAt.IsZero() && l.Event.ID == "" && !bytes.Contains(b, []byte(`"id":""`)) {
			t.Errorf("read nothing out of %q", b)
		}
	})
}

// FuzzReadCheckpoint: a file that somebody kept is read or refused.
func FuzzReadCheckpoint(f *testing.F) {
	f.Add([]byte("id.example.com/audit\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— id.example.com/audit abcdefgh\n"))
	f.Add([]byte(`{"note":"a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a b\n"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := audit.ReadCheckpoint(b); err == nil && strings.Count(text, "\n") < 3 {
			t.Errorf("accepted %q", b)
		}
	})
}
