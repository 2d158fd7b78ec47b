package seal_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"latchkey/seal"
)

// leaks are the ways in which the fixed keys, and what a ring derives from
// them, could show: base64, hexadecimal, and lists of numbers as fmt prints
// bytes.
func leaks(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, first := range []byte{0x00, 0x40, 0x80, 0xa0} {
		key, err := base64.StdEncoding.DecodeString(counted(first))
		if err != nil {
			t.Fatal(err)
		}
		root, err := hkdf.Extract(sha256.New, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range [][]byte{key, root} {
			part := secret[4:8]
			digits := hex.EncodeToString(part)
			found = append(found, base64.StdEncoding.EncodeToString(secret)[:8], string(part), digits, strings.ToUpper(digits),
				strings.Trim(fmt.Sprint(part), "[]"), fmt.Sprintf("0x%x, 0x%x", part[0], part[1]))
		}
	}
	return found
}

func wantNoKey(t *testing.T, by, printed string) {
	t.Helper()
	for _, leak := range leaks(t) {
		if strings.Contains(printed, leak) {
			t.Errorf("%s shows a key: %q", by, printed)
			return
		}
	}
}

// careless is somebody's struct that holds keys in fields fmt looks into
// without asking for their methods.
type careless struct {
	keys seal.Keys
	p    *seal.Keys
	key  seal.Key
	old  []seal.Previous
	ring seal.Ring
	m    map[string]seal.Key
}

func TestNothingPrintsKeys(t *testing.T) {
	t.Parallel()
	keys := fixed(t)
	r := ring(t, keys)
	secrets := map[string]any{
		"key": keys.CredentialEncryptionKey, "pointer to key": &keys.SessionSigningKey,
		"keys": *keys, "pointer to keys": keys,
		"previous": keys.Previous[0], "pointer to previous": &keys.Previous[0],
		"ring": *r, "pointer to ring": r,
	}
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%U", "%p", "%10s", "% x", "%#x"}
	for name, secret := range secrets {
		for _, verb := range verbs {
			if verb == "%p" { // the one verb for which fmt asks no method: addresses
				wantNoKey(t, verb+" of a "+name, fmt.Sprintf(verb, secret))
				continue
			}
			if got := fmt.Sprintf(verb, secret); got != "[redacted]" {
				t.Errorf("%s of a %s is %q", verb, name, got)
			}
		}
		if got := fmt.Sprint(secret) + fmt.Sprintln(secret); got != "[redacted][redacted]\n" {
			t.Errorf("print of a %s is %q", name, got)
		}
		if got, err := json.Marshal(secret); err != nil || string(got) != `"[redacted]"` {
			t.Errorf("JSON of a %s is %s, %v", name, got, err)
		}
		if got, err := json.Marshal(map[string]any{"x": []any{secret}}); err != nil || string(got) != `{"x":["[redacted]"]}` {
			t.Errorf("JSON around a %s is %s, %v", name, got, err)
		}
		if got := fmt.Errorf("with %v", secret).Error(); got != "with [redacted]" {
			t.Errorf("error with a %s is %q", name, got)
		}
		wantOthersBlind(t, name, secret)
		all, ok := secret.(interface {
			fmt.Formatter
			fmt.Stringer
			fmt.GoStringer
			json.Marshaler
			encoding.TextMarshaler
			slog.LogValuer
		})
		if !ok {
			t.Fatalf("a %s lacks a way to be hidden", name)
		}
		if got := all.String() + all.GoString() + all.LogValue().String(); got != strings.Repeat("[redacted]", 3) {
			t.Errorf("a %s says %q", name, got)
		}
	}
	holder := careless{*keys, keys, keys.SessionSigningKey, keys.Previous, *r, map[string]seal.Key{"k": keys.SessionSigningKey}}
	for _, verb := range verbs {
		wantNoKey(t, verb+" of a struct", fmt.Sprintf(verb, holder))
		wantNoKey(t, verb+" of a pointer to a struct", fmt.Sprintf(verb, &holder))
	}
}

// wantOthersBlind tries encoders whose output need not be "[redacted]" alone.
func wantOthersBlind(t *testing.T, name string, secret any) {
	t.Helper()
	var buffer bytes.Buffer
	if err := gob.NewEncoder(&buffer).Encode(secret); err != nil {
		t.Logf("gob refuses a %s: %v", name, err)
	}
	wantNoKey(t, "gob of a "+name, buffer.String())
	printed, err := xml.Marshal(secret)
	if err != nil {
		t.Logf("XML refuses a %s: %v", name, err)
	}
	wantNoKey(t, "XML of a "+name, string(printed))
}

func TestNothingLogsKeys(t *testing.T) {
	t.Parallel()
	keys := fixed(t)
	r := ring(t, keys)
	var buffer bytes.Buffer
	for name, handler := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&buffer, nil),
		"JSON": slog.NewJSONHandler(&buffer, nil),
	} {
		for _, secret := range []any{keys, *keys, keys.Previous, keys.Previous[0], keys.SessionSigningKey, r, *r} {
			buffer.Reset()
			slog.New(handler).With("w", secret).Info("m", "k", secret, slog.Group("g", "k", secret))
			got := buffer.String()
			wantNoKey(t, name, got)
			if strings.Count(got, "[redacted]") != 3 {
				t.Errorf("%s log is %s", name, got)
			}
		}
	}
}

// The check of the checks: a leak would be seen.
func TestLeaksAreRecognised(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = 0x40 + byte(i)
	}
	for _, verb := range []string{"%v", "%x", "%X", "%s", "%#v"} {
		printed := fmt.Sprintf(verb, raw)
		seen := false
		for _, leak := range leaks(t) {
			seen = seen || strings.Contains(printed, leak)
		}
		if !seen {
			t.Errorf("a key printed by %s would not be noticed", verb)
		}
	}
}
