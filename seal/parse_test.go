package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/seal"
)

func TestParseReadsEveryMember(t *testing.T) {
	t.Parallel()
	keys := fixed(t)
	if keys.Version != 2 || len(keys.Previous) != 1 || keys.Previous[0].Version != 1 {
		t.Fatalf("version %d, %d previous", keys.Version, len(keys.Previous))
	}
	if want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); !keys.CreatedAt.Equal(want) {
		t.Errorf("created at %v, want %v", keys.CreatedAt, want)
	}
	if want := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC); !keys.Previous[0].RetiredAt.Equal(want) {
		t.Errorf("retired at %v, want %v", keys.Previous[0].RetiredAt, want)
	}
	content, err := keys.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document(t, nil), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("encoded keys differ from the file they were read from (-want +got):\n%s", diff)
	}
}

func TestGeneratedKeysAreReadBack(t *testing.T) {
	t.Parallel()
	keys := seal.Generate(time.Now())
	content, err := keys.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := seal.Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys.CredentialEncryptionKey, got.CredentialEncryptionKey); diff != "" {
		t.Error("another credential encryption key came back")
	}
	if diff := cmp.Diff(keys.SessionSigningKey, got.SessionSigningKey); diff != "" {
		t.Error("another session signing key came back")
	}
	if !got.CreatedAt.Equal(keys.CreatedAt) || got.Version != 1 {
		t.Errorf("version %d, created at %v", got.Version, got.CreatedAt)
	}
	if !bytes.Contains(content, []byte(`"previous": []`)) {
		t.Error("the file does not show where previous keys go")
	}
}

func TestGeneratedKeysDiffer(t *testing.T) {
	t.Parallel()
	a, b := seal.Generate(time.Now()), seal.Generate(time.Now())
	keys := []seal.Key{a.CredentialEncryptionKey, a.SessionSigningKey, b.CredentialEncryptionKey, b.SessionSigningKey}
	for i := range keys {
		for j := range i {
			if keys[i].Equal(keys[j]) {
				t.Errorf("keys %d and %d are the same", i, j)
			}
		}
	}
}

func TestParseAcceptsMissingPrevious(t *testing.T) {
	t.Parallel()
	keys, err := seal.Parse(document(t, func(file, _ map[string]any) { delete(file, "previous") }))
	if err != nil || len(keys.Previous) != 0 {
		t.Errorf("parse answered %v", err)
	}
}

func TestParseAcceptsEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []int{2, 254, 255} {
		keys, err := seal.Parse(document(t, func(file, _ map[string]any) { file["version"] = version }))
		if err != nil || keys.Version != uint32(version) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// wantRefused checks that the refusal says what is wrong and repeats no key.
func wantRefused(t *testing.T, content []byte, says string) {
	t.Helper()
	before := bytes.Clone(content)
	keys, err := seal.Parse(content)
	if !errors.Is(err, seal.ErrRefused) || keys != nil {
		t.Fatalf("parse answered %v, want ErrRefused", err)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("parse answered %q, which does not say %q", err, says)
	}
	for _, key := range []string{counted(0), counted(0x40), counted(0x80), counted(0xa0)} {
		if strings.Contains(err.Error(), key[:8]) {
			t.Errorf("the refusal repeats a key: %v", err)
		}
	}
	if !bytes.Equal(before, content) {
		t.Error("the content was changed")
	}
}

func TestParseRefusesMember(t *testing.T) {
	t.Parallel()
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	long := base64.StdEncoding.EncodeToString(make([]byte, 33))
	// The last of 32 bytes ends in two unused bits; strict decoding wants zeros.
	loose := counted(0x40)[:42] + "9="
	urlSafe := strings.Repeat("_", 42) + "8="
	for _, c := range []struct {
		name string
		bend func(file, previous map[string]any)
		says string
	}{
		{"version 0", func(f, _ map[string]any) { f["version"] = 0 }, "version must be a whole number"},
		{"version negative", func(f, _ map[string]any) { f["version"] = -1 }, "version must be a whole number"},
		{"version 256", func(f, _ map[string]any) { f["version"] = 256 }, "from 1 to 255"},
		{"version 2^32+2", func(f, _ map[string]any) { f["version"] = int64(1)<<32 + 2 }, "from 1 to 255"},
		{"version with fraction", func(f, _ map[string]any) { f["version"] = json.RawMessage("2.0") }, "version must be a whole number"},
		{"version with exponent", func(f, _ map[string]any) { f["version"] = json.RawMessage("2e0") }, "version must be a whole number"},
		{"version as string", func(f, _ map[string]any) { f["version"] = "2" }, "version must be a whole number"},
		{"version null", func(f, _ map[string]any) { f["version"] = nil }, "version must be a whole number"},
		{"version missing", func(f, _ map[string]any) { delete(f, "version") }, "version is missing"},

		{"created_at missing", func(f, _ map[string]any) { delete(f, "created_at") }, "created_at is missing"},
		{"created_at not a time", func(f, _ map[string]any) { f["created_at"] = "yesterday" }, "created_at is not a time"},
		{"created_at a number", func(f, _ map[string]any) { f["created_at"] = 1700000000 }, "created_at is not a string"},
		{"created_at with a comma", func(f, _ map[string]any) { f["created_at"] = "2026-01-01T00:00:00,5Z" }, "created_at is not a time"},
		{"created_at with a short hour", func(f, _ map[string]any) { f["created_at"] = "2026-01-01T1:00:00Z" }, "created_at is not a time"},
		{"created_at with an offset of a day", func(f, _ map[string]any) { f["created_at"] = "2026-01-01T00:00:00+24:00" }, "created_at is not a time"},
		{"created_at zero", func(f, _ map[string]any) { f["created_at"] = "0001-01-01T00:00:00Z" }, "created_at is missing"},

		{"sealing key missing", func(f, _ map[string]any) { delete(f, "credential_encryption_key") }, "credential_encryption_key is missing"},
		{"sealing key null", func(f, _ map[string]any) { f["credential_encryption_key"] = nil }, "credential_encryption_key is not a string"},
		{"sealing key empty", func(f, _ map[string]any) { f["credential_encryption_key"] = "" }, "credential_encryption_key is 0 bytes and must be 32"},
		{"sealing key of 31 bytes", func(f, _ map[string]any) { f["credential_encryption_key"] = short }, "credential_encryption_key is 31 bytes and must be 32"},
		{"sealing key of 33 bytes", func(f, _ map[string]any) { f["credential_encryption_key"] = long }, "credential_encryption_key is 33 bytes and must be 32"},
		{"sealing key of zeros", func(f, _ map[string]any) {
			f["credential_encryption_key"] = base64.StdEncoding.EncodeToString(make([]byte, 32))
		}, "credential_encryption_key is empty or all zeros"},
		{"hashing key missing", func(f, _ map[string]any) { delete(f, "session_signing_key") }, "session_signing_key is missing"},
		{"hashing key of 31 bytes", func(f, _ map[string]any) { f["session_signing_key"] = short }, "session_signing_key is 31 bytes and must be 32"},
		{"key without padding", func(f, _ map[string]any) { f["session_signing_key"] = counted(0x40)[:43] }, "not standard base64"},
		{"key with loose bits", func(f, _ map[string]any) { f["session_signing_key"] = loose }, "not standard base64"},
		{"key in base64url", func(f, _ map[string]any) { f["session_signing_key"] = urlSafe }, "not standard base64"},
		{"key with a line break", func(f, _ map[string]any) { f["session_signing_key"] = counted(0x40) + "\n" }, "not standard base64"},
		{"key in hexadecimal", func(f, _ map[string]any) { f["session_signing_key"] = strings.Repeat("0f", 32) }, "session_signing_key is 48 bytes and must be 32"},
		{"key as an array", func(f, _ map[string]any) { f["session_signing_key"] = []int{1} }, "session_signing_key is not a string"},
		{"one key for both", func(f, _ map[string]any) { f["session_signing_key"] = counted(0) }, "are the same key"},

		{"unknown member", func(f, _ map[string]any) { f["comment"] = "mine" }, "unknown member comment"},
		{"unknown member that could be a key", func(f, _ map[string]any) { f[counted(0)] = 1 }, "unknown member (not shown)"},
		{"member in capitals", func(f, _ map[string]any) { f["Version"] = 2; delete(f, "version") }, "unknown member Version"},

		{"previous null", func(f, _ map[string]any) { f["previous"] = nil }, "previous is not a list"},
		{"previous an object", func(f, p map[string]any) { f["previous"] = p }, "previous is not a list"},
		{"previous of null", func(f, _ map[string]any) { f["previous"] = []any{nil} }, "previous[0] is not a JSON object"},
		{"previous version missing", func(_, p map[string]any) { delete(p, "version") }, "previous[0].version is missing"},
		{"previous version 0", func(_, p map[string]any) { p["version"] = 0 }, "previous[0].version must be a whole number"},
		{"previous version equals the current", func(_, p map[string]any) { p["version"] = 2 }, "version 2 stands there twice"},
		{"previous version higher than the current", func(_, p map[string]any) { p["version"] = 3 }, "higher than the version in use"},
		{"previous version twice", func(f, p map[string]any) {
			q := maps.Clone(p)
			q["credential_encryption_key"], q["session_signing_key"] = counted(1), counted(2)
			f["version"], f["previous"] = 3, []any{p, q}
		}, "previous[1].version 1 stands there twice"},
		{"previous key missing", func(_, p map[string]any) { delete(p, "session_signing_key") }, "previous[0].session_signing_key is missing"},
		{"previous key of 31 bytes", func(_, p map[string]any) { p["credential_encryption_key"] = short }, "previous[0].credential_encryption_key is 31 bytes"},
		{"previous key kept in rotation", func(_, p map[string]any) { p["session_signing_key"] = counted(0x40) }, "are the same key"},
		{"previous retired_at missing", func(_, p map[string]any) { delete(p, "retired_at") }, "previous[0].retired_at is missing"},
		{"previous retired_at not a time", func(_, p map[string]any) { p["retired_at"] = "2026-02-01" }, "previous[0].retired_at is not a time"},
		{"previous unknown member", func(_, p map[string]any) { p["created_at"] = "2026-01-01T00:00:00Z" }, "unknown member previous[0].created_at"},
	} {
		t.Run(c.name, func(t *testing.T) { wantRefused(t, document(t, c.bend), c.says) })
	}
}

func TestParseNamesTheFirstFault(t *testing.T) {
	t.Parallel()
	wantRefused(t, document(t, func(file, _ map[string]any) {
		file["version"], file["created_at"], file["session_signing_key"] = 0, 1, ""
	}), "version must be a whole number")
}

func TestParseRefusesText(t *testing.T) {
	t.Parallel()
	good := string(document(t, nil))
	for _, c := range []struct{ name, content, says string }{
		{"empty", "", "it is empty"},
		{"white space", " \n", "it is empty"},
		{"not JSON", "keys: yes", "not a JSON object"},
		{"an array", "[" + good + "]", "not a JSON object"},
		{"a string", `"` + counted(0) + `"`, "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"a second document", good + good, "more text behind"},
		{"text behind", good + "x", "more text behind"},
		{"a bracket behind", good + "}", "more text behind"},
		{"a comment", "// keys\n" + good, "not a JSON object"},
		{"a byte order mark", "\ufeff" + good, "not a JSON object"},
		{"a comma too many", good[:len(good)-1] + ",}", "not valid JSON"},
		{"a bare key", `{"credential_encryption_key":` + counted(0) + `}`, "not valid JSON"},
		{"not UTF-8", good[:len(good)-1] + "\xff}", "not UTF-8"},
		{"UTF-16", "\xff\xfe{\x00", "not UTF-8"},
		{"too large", good + strings.Repeat(" ", 1<<20), "larger than"},
		{"deep nesting", `{"previous":` + strings.Repeat("[", 100_000), "not valid JSON"},
		{"a member twice", strings.Replace(good, "{", `{"version":2,`, 1), "member version stands there twice"},
		{"a member twice, once escaped", strings.Replace(good, "{", `{"\u0076ersion":2,`, 1), "member version stands there twice"},
		{"a previous member twice", strings.Replace(good, `[{`, `[{"version":1,`, 1), "member previous[0].version stands there twice"},
	} {
		t.Run(c.name, func(t *testing.T) { wantRefused(t, []byte(c.content), c.says) })
	}
}

func TestParseRefusesEveryTruncation(t *testing.T) {
	t.Parallel()
	content := document(t, nil)
	for n := range len(content) {
		if _, err := seal.Parse(content[:n]); !errors.Is(err, seal.ErrRefused) {
			t.Errorf("the first %d bytes answered %v, want ErrRefused", n, err)
		}
	}
}

func TestParseReadsWhatFitsInOneByteOfVersions(t *testing.T) {
	t.Parallel()
	content := document(t, func(file, _ map[string]any) {
		var previous []any
		for version := 1; version < 255; version++ {
			key := func(kind string) string {
				return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%032s", kind+fmt.Sprint(version)))
			}
			previous = append(previous, map[string]any{
				"version": version, "credential_encryption_key": key("c"), "session_signing_key": key("s"),
				"retired_at": "2026-02-01T00:00:00.25+01:00",
			})
		}
		file["version"], file["previous"] = 255, previous
	})
	keys, err := seal.Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ring(t, keys).Versions()); got != 255 {
		t.Errorf("%d versions, want 255", got)
	}
}
