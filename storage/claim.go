package storage

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // names of time zones are judged alike on every machine
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"latchkey"
)

// Lengths in characters of what people write about themselves.
const (
	maxClaimText  = 128
	maxClaimLink  = 2000
	maxClaimLines = 500 // of an address that has several lines
)

// cleaner makes of a claim as typed the one that is kept, or says what is wrong
// with it. An empty text never gets here: it takes the claim away.
type cleaner func(typed string) (kept, wrong string)

// cleaners are those of the claims that are texts and can be set (OpenID Connect
// Core §5.1).
func cleaners() map[string]cleaner {
	return map[string]cleaner{
		latchkey.ClaimName: claimText, "given_name": claimText, "family_name": claimText, "middle_name": claimText,
		"nickname": claimText, "gender": claimText,
		"profile": claimLink, "picture": claimLink, "website": claimLink,
		"birthdate": claimBirthdate, "zoneinfo": claimZone, "locale": claimLocale,
		latchkey.ClaimPhoneNumber: claimPhone,
	}
}

// CleanClaims judges claims as somebody typed them, by name. In clean a value of
// nil takes the claim away; so do an empty text and an address without parts.
// Whatever is wrong stands by its field: the name of the claim, or
// "address.country" for a part of the address. trusted is an administrator, who
// may also say which e-mail address and which phone number is right.
func CleanClaims(typed map[string]any, trusted bool) (clean map[string]any, wrong map[string]string) {
	clean, wrong = map[string]any{}, map[string]string{}
	known := cleaners()
	for name, value := range typed {
		switch {
		case known[name] != nil:
			clean[name] = cleanText(name, value, known[name], wrong)
		case name == latchkey.ClaimAddress:
			clean[name] = cleanAddress(value, wrong)
		case name == latchkey.ClaimPhoneVerified && trusted:
			verified, isFlag := value.(bool)
			if !isFlag && value != nil {
				wrong[name] = "This is true or false."
			}
			clean[name] = orNothing(verified)
		case name == latchkey.ClaimEmail && trusted:
			clean[name] = cleanText(name, value, claimEmail, wrong)
		default:
			wrong[name] = notSet(name)
		}
	}
	if name, named := clean[latchkey.ClaimName]; named && name == nil && wrong[latchkey.ClaimName] == "" {
		wrong[latchkey.ClaimName] = "Enter a name of 1 to 128 characters, without hidden ones."
	}
	return clean, wrong
}

// notSet says why a claim cannot be set.
func notSet(name string) string {
	if _, known := latchkey.FindClaim(name); !known {
		return fmt.Sprintf("There is no claim %q. The names are those of OpenID Connect, without a language behind them.", name)
	}
	switch name {
	case latchkey.ClaimUsername:
		return "A username cannot be changed."
	case latchkey.ClaimEmail, latchkey.ClaimPhoneVerified:
		return "Only an administrator may set this."
	}
	return "This cannot be set: it follows from the rest."
}

// orNothing makes a false claim none.
func orNothing(flag bool) any {
	if !flag {
		return nil
	}
	return true
}

func cleanText(name string, value any, clean cleaner, wrong map[string]string) any {
	text, isText := value.(string)
	if !isText && value != nil {
		wrong[name] = "This is a text."
		return nil
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	kept, what := clean(text)
	if what != "" {
		wrong[name] = what
		return nil
	}
	return kept
}

// cleanAddress judges an address (§5.1.1): its parts are texts, and those with
// lines keep them.
func cleanAddress(value any, wrong map[string]string) any {
	parts, isObject := value.(map[string]any)
	if !isObject && value != nil {
		wrong[latchkey.ClaimAddress] = "An address is an object of texts: " + strings.Join(latchkey.AddressParts(), ", ") + "."
		return nil
	}
	clean := map[string]any{}
	for part, value := range parts {
		field := latchkey.ClaimAddress + "." + part
		if !slices.Contains(latchkey.AddressParts(), part) {
			wrong[field] = "An address has the parts " + strings.Join(latchkey.AddressParts(), ", ") + "."
			continue
		}
		how := claimText
		if part == "formatted" || part == "street_address" {
			how = claimLines
		}
		if kept := cleanText(field, value, how, wrong); kept != nil {
			clean[part] = kept
		}
	}
	if len(clean) == 0 {
		return nil
	}
	return clean
}

func claimText(typed string) (kept, wrong string) {
	kept, ok := CleanName(typed, maxClaimText)
	if !ok {
		return "", fmt.Sprintf("Use up to %d characters, without hidden ones.", maxClaimText)
	}
	return kept, ""
}

// claimLines is a text of several lines, each as clean as a name.
func claimLines(typed string) (kept, wrong string) {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(typed, "\r\n", "\n")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		line, ok := CleanName(line, maxClaimLines)
		if !ok {
			return "", fmt.Sprintf("Use up to %d characters, without hidden ones.", maxClaimLines)
		}
		lines = append(lines, line)
	}
	kept = strings.Join(lines, "\n")
	if utf8.RuneCountInString(kept) > maxClaimLines {
		return "", fmt.Sprintf("Use up to %d characters.", maxClaimLines)
	}
	return kept, ""
}

// claimLink is an address that applications may show as a link or picture: what
// runs as code is none.
func claimLink(typed string) (kept, wrong string) {
	const example = "Enter a web address in full, such as https://example.com/."
	if len(typed) > maxClaimLink {
		return "", fmt.Sprintf("Use up to %d characters.", maxClaimLink)
	}
	if strings.ContainsFunc(typed, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }) {
		return "", "Enter a web address of ASCII characters without spaces: others are written with %, as browsers copy them."
	}
	u, err := url.Parse(typed)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", example
	case u.User != nil:
		return "", "Leave out the user name before the host."
	}
	return typed, ""
}

// claimBirthdate is YYYY-MM-DD, with 0000 for a year that is not told, or YYYY.
func claimBirthdate(typed string) (kept, wrong string) {
	const how = "Write a day as 1990-12-31 or 0000-12-31, or only the year."
	if len(typed) == len("2006") {
		typed += "-01-01"
		kept, wrong = claimBirthdate(typed)
		if wrong == "" && kept[:4] == "0000" {
			wrong = how
		}
		return strings.TrimSuffix(kept, "-01-01"), wrong
	}
	day, err := time.Parse(time.DateOnly, typed)
	if err != nil || day.Format(time.DateOnly) != typed {
		return "", how
	}
	return typed, ""
}

// claimZone is a name of the IANA time zone database.
func claimZone(typed string) (kept, wrong string) {
	first, _, _ := strings.Cut(typed, "/")
	// Neither the machine's own zone nor names that only some machines have.
	own := slices.Contains([]string{"Local", "localtime", "posixrules", "Factory", "posix", "right"}, first)
	if _, err := time.LoadLocation(typed); err != nil || own || !strings.ContainsFunc(first, unicode.IsUpper) {
		return "", "Enter a time zone such as Europe/Paris."
	}
	return typed, ""
}

// claimLocale is a tag of BCP 47.
func claimLocale(typed string) (kept, wrong string) {
	tag, err := language.Parse(typed)
	if err != nil || tag == language.Und || len(typed) > maxClaimText {
		return "", "Enter a language such as en or de-AT."
	}
	return tag.String(), ""
}

// claimPhone is a number of E.164, with an extension by RFC 3966 if it has one.
func claimPhone(typed string) (kept, wrong string) {
	const how = "Write it with the country in front, such as +1 425 555 1212."
	number, extension, extended := strings.Cut(typed, ";ext=")
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.()/\u00a0", r) {
			return -1
		}
		return r
	}, number)
	rest, international := strings.CutPrefix(digits, "+")
	if !international || !isDigits(rest) || len(rest) < 7 || len(rest) > 15 || rest[0] == '0' {
		return "", how
	}
	if extended {
		if !isDigits(extension) || len(extension) > 10 {
			return "", how + " An extension stands behind it: ;ext=123."
		}
		digits += ";ext=" + extension
	}
	return digits, ""
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func claimEmail(typed string) (kept, wrong string) {
	kept, ok := CleanEmail(typed)
	if !ok {
		return "", "Enter an e-mail address like name@example.com, or leave it empty."
	}
	return norm.NFC.String(kept), ""
}
