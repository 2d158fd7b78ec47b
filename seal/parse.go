package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxContent bounds a key file in bytes; 255 pairs of keys need a third of it.
const maxContent = 256 << 10

// Parse reads the content of a key file (CONTRACT.md section 8) and refuses
// whatever it does not know: another member, a member named twice or in other
// letters, text behind the document, a key that is not 32 bytes. Go's decoder
// would let each of these pass. Every error wraps ErrRefused and repeats
// nothing that could be a key.
func Parse(content []byte) (*Keys, error) {
	switch {
	case len(bytes.TrimSpace(content)) == 0:
		return nil, refuse("it is empty; put the original back from your backup")
	case len(content) > maxContent:
		return nil, refuse("it is larger than %d bytes and cannot be a key file", maxContent)
	case !utf8.Valid(content):
		return nil, refuse("it is not UTF-8 text; put the original back from your backup")
	}
	o, err := readObject("", content, []string{
		"version", "created_at", "credential_encryption_key", "session_signing_key", "previous"})
	if err != nil {
		return nil, err
	}
	keys := &Keys{
		Version:                 o.version("version"),
		CreatedAt:               o.time("created_at"),
		CredentialEncryptionKey: o.key("credential_encryption_key"),
		SessionSigningKey:       o.key("session_signing_key"),
	}
	for _, raw := range o.list("previous") {
		keys.Previous = append(keys.Previous, o.previous(len(keys.Previous), raw))
	}
	if o.err != nil {
		return nil, o.err
	}
	if err := keys.check(); err != nil {
		return nil, err
	}
	return keys, nil
}

// object is one JSON object under reading. Its methods return a zero value
// once something was refused; err keeps the first refusal.
type object struct {
	path    string // "" or "previous[0]."
	members map[string]json.RawMessage
	err     error
}

// harmless spells the member names that a refusal may repeat: no key of 32
// bytes is as short, in base64 or in hexadecimal digits.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// timestamp is the shape of a time in RFC 3339 section 5.6. Go's parser takes
// more, of which its encoder then writes back less.
var timestamp = regexp.MustCompile(
	`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func readObject(path string, content []byte, known []string) (*object, error) {
	o := &object{path: path, members: make(map[string]json.RawMessage, len(known))}
	dec := json.NewDecoder(bytes.NewReader(content))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, refuse("%s is not a JSON object; put the original back from your backup", o.title())
	}
	for dec.More() {
		if err := o.readMember(dec, known); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, o.badJSON(dec)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse("there is more text behind the JSON document")
	}
	return o, nil
}

func (o *object) readMember(dec *json.Decoder, known []string) error {
	t, err := dec.Token()
	name, isName := t.(string)
	if err != nil || !isName {
		return o.badJSON(dec)
	}
	shown := "(not shown)"
	if harmless.MatchString(name) {
		shown = o.path + name
	}
	if !slices.Contains(known, name) {
		return refuse("unknown member %s; it may come from a newer latchkey", shown)
	}
	if _, twice := o.members[name]; twice {
		return refuse("member %s stands there twice", shown)
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return o.badJSON(dec)
	}
	o.members[name] = value
	return nil
}

// title is what a refusal calls the object.
func (o *object) title() string {
	if o.path == "" {
		return "it"
	}
	return strings.TrimSuffix(o.path, ".")
}

// badJSON names the place, not the text: json's own errors quote the input.
func (o *object) badJSON(dec *json.Decoder) error {
	return refuse("%s is not valid JSON or is cut short near byte %d; put the original back from your backup",
		o.title(), dec.InputOffset())
}

func (o *object) refuse(name, format string, args ...any) {
	if o.err == nil {
		o.err = refuse("%s%s "+format, append([]any{o.path, name}, args...)...)
	}
}

// version reads an integer spelled in digits: 1.0 and 1e0 are no versions.
func (o *object) version(name string) uint32 {
	raw, ok := o.members[name]
	if !ok {
		o.refuse(name, "is missing")
		return 0
	}
	n, err := strconv.ParseUint(string(raw), 10, 32)
	if err != nil || n < 1 || n > maxVersion {
		o.refuse(name, "must be a whole number from 1 to %d; this latchkey reads no others", maxVersion)
		return 0
	}
	return uint32(n)
}

func (o *object) text(name string) (string, bool) {
	raw, ok := o.members[name]
	if !ok {
		o.refuse(name, "is missing")
		return "", false
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		o.refuse(name, "is not a string")
		return "", false
	}
	return s, true
}

func (o *object) time(name string) time.Time {
	s, ok := o.text(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !timestamp.MatchString(s) {
		o.refuse(name, "is not a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
		return time.Time{}
	}
	return t
}

func (o *object) key(name string) Key {
	s, ok := o.text(name)
	if !ok {
		return Key{}
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	// Go's decoder skips line breaks; spelling it again finds them.
	if err != nil || base64.StdEncoding.EncodeToString(raw) != s {
		o.refuse(name, "is not standard base64 with padding")
		return Key{}
	}
	if len(raw) != keySize {
		o.refuse(name, "is %d bytes and must be %d", len(raw), keySize)
		return Key{}
	}
	return newKey(raw)
}

// list reads an array. A missing one is empty: a file written by hand for a
// first start has nothing to say there.
func (o *object) list(name string) []json.RawMessage {
	raw, ok := o.members[name]
	if !ok {
		return nil
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		o.refuse(name, "is not a list")
		return nil
	}
	return items
}

func (o *object) previous(i int, raw json.RawMessage) Previous {
	if o.err != nil {
		return Previous{}
	}
	p, err := readObject("previous["+strconv.Itoa(i)+"].", raw, []string{
		"version", "credential_encryption_key", "session_signing_key", "retired_at"})
	if err != nil {
		o.err = err
		return Previous{}
	}
	previous := Previous{
		Version:                 p.version("version"),
		CredentialEncryptionKey: p.key("credential_encryption_key"),
		SessionSigningKey:       p.key("session_signing_key"),
		RetiredAt:               p.time("retired_at"),
	}
	o.err = p.err
	return previous
}
