package templates

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed locales/en.json
var localeFiles embed.FS

// catalogue is the words of every failure by its stable code, and the short
// notes that scripts put into the status line.
type catalogue struct {
	failures map[string]notice
	notes    map[string]string
}

// notice is a failure in words.
type notice struct {
	Code   string
	Title  string
	Parts  []part
	Link   *way
	Detail string // for support, below "Details"
	Focus  bool   // it takes the focus when the page opens: something was just refused
}

// part is a piece of a text: words, or the name of a value that only the
// browser knows (host, seconds, detail).
type part struct{ Text, Fill string }

// way is a link that leads on.
type way struct {
	Href  string `json:"href"`
	Label string `json:"label"`
}

// newCatalogue reads the words and puts the site's name and address into them.
func newCatalogue(s site) (*catalogue, error) {
	raw, err := localeFiles.ReadFile("locales/" + s.Lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("read the words: %w", err)
	}
	var file struct {
		Failures map[string]struct {
			Title string `json:"title"`
			Text  string `json:"text"`
			Link  *way   `json:"link"`
		} `json:"failures"`
		Notes map[string]string `json:"notes"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("read the words: %w", err)
	}
	fill := strings.NewReplacer("{name}", s.Name, "{issuer}", s.Issuer, "{rpid}", s.RPID)
	c := &catalogue{failures: make(map[string]notice), notes: make(map[string]string)}
	for code, f := range file.Failures {
		n := notice{Code: code, Title: fill.Replace(f.Title), Parts: partsOf(f.Text, fill)}
		if f.Link != nil {
			n.Link = &way{Href: fill.Replace(f.Link.Href), Label: fill.Replace(f.Link.Label)}
		}
		c.failures[code] = n
	}
	for key, text := range file.Notes {
		c.notes[key] = fill.Replace(text)
	}
	for _, code := range []string{"internal", "refused"} {
		if _, ok := c.failures[code]; !ok {
			return nil, fmt.Errorf("read the words: the failure %s is missing", code)
		}
	}
	return c, nil
}

// partsOf splits a text at its {names}. Each piece is filled by itself, so
// that a site whose name has braces in it cannot add a hole of its own.
func partsOf(text string, fill *strings.Replacer) []part {
	var parts []part
	for {
		before, rest, found := cutHole(text)
		if before != "" {
			parts = append(parts, part{Text: fill.Replace(before)})
		}
		if !found {
			return parts
		}
		name, after, _ := strings.Cut(rest, "}")
		parts = append(parts, part{Fill: name})
		text = after
	}
}

// cutHole finds the first hole that the browser fills.
func cutHole(text string) (before, rest string, found bool) {
	first := len(text)
	for _, hole := range []string{"{host}", "{seconds}", "{detail}"} {
		if i := strings.Index(text, hole); i >= 0 {
			first = min(first, i)
		}
	}
	if first == len(text) {
		return text, "", false
	}
	return text[:first], text[first+1:], true
}

// failure finds the words of a code. A code without its own is that of an
// internal error, or of a refusal when somebody says what was refused.
func (c *catalogue) failure(code string, explained bool) notice {
	n, ok := c.failures[code]
	switch {
	case ok:
		return n
	case explained:
		n = c.failures["refused"]
	default:
		n = c.failures["internal"]
	}
	n.Code = code
	return n
}

// note finds a note by its key; it fails for an unknown one, so that a
// misspelt key breaks the page in its first test.
func (c *catalogue) note(key string) (string, error) {
	text, ok := c.notes[key]
	if !ok {
		return "", fmt.Errorf("there is no note %q", key)
	}
	return text, nil
}

// catalogueView is the catalogue in a fixed order.
type catalogueView struct {
	Failures []notice
	Notes    map[string]string
}

func (c *catalogue) all() catalogueView {
	v := catalogueView{Notes: c.notes}
	for _, code := range slices.Sorted(maps.Keys(c.failures)) {
		v.Failures = append(v.Failures, c.failures[code])
	}
	return v
}
