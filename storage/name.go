package storage

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// Lengths in characters of names that people choose.
const (
	MaxUsername    = 64
	MaxDisplayName = 128
	MaxDeviceName  = 64
	maxEmail       = 254 // bytes; RFC 5321 §4.5.3.1.3
)

// CleanUsername returns the username as it is shown and the key under which it
// is unique: PRECIS UsernameCaseMapped (RFC 8265 §3.3), so that look-alikes in
// width, case and composition are one name. ok is false for what can be no
// username: disallowed characters, a wrong length, and whatever could be taken
// for an e-mail address or an id, by which people are also named.
func CleanUsername(typed string) (shown, key string, ok bool) {
	shown = norm.NFC.String(strings.TrimSpace(typed))
	if shown == "" || utf8.RuneCountInString(shown) > MaxUsername || strings.Contains(shown, "@") {
		return "", "", false
	}
	if _, err := uuid.Parse(shown); err == nil {
		return "", "", false
	}
	key, ok = usernameKey(shown)
	return shown, key, ok
}

// usernameKey maps what somebody typed to the key of a username.
func usernameKey(typed string) (string, bool) {
	key, err := precis.UsernameCaseMapped.String(strings.TrimSpace(typed))
	if err != nil || key == "" || utf8.RuneCountInString(key) > 2*MaxUsername {
		return "", false
	}
	return key, true
}

// CleanName returns a name for display: trimmed, NFC, 1 to limit characters,
// without control characters and without the invisible ones that reorder or
// hide text (Unicode categories Cc and Cf, but for the joiners that scripts
// need). ok is false for anything else.
func CleanName(typed string, limit int) (name string, ok bool) {
	name = norm.NFC.String(strings.TrimSpace(typed))
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > limit {
		return "", false
	}
	for _, r := range name {
		joiner := r == '\u200c' || r == '\u200d'
		if !joiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return "", false
		}
	}
	return name, true
}

// CleanEmail returns an address in the spelling that is stored: the part before
// the @ as typed, the domain in lower case and ASCII. ok is false for what is
// no bare address.
func CleanEmail(typed string) (email string, ok bool) {
	typed = strings.TrimSpace(typed)
	parsed, err := mail.ParseAddress(typed)
	if err != nil || parsed.Address != typed || parsed.Name != "" {
		return "", false
	}
	at := strings.LastIndexByte(typed, '@')
	domain, err := idna.Lookup.ToASCII(typed[at+1:])
	if err != nil || domain == "" {
		return "", false
	}
	email = norm.NFC.String(typed[:at]) + "@" + strings.ToLower(domain)
	if _, ok := CleanName(email, maxEmail); !ok || len(email) > maxEmail {
		return "", false
	}
	return email, true
}
