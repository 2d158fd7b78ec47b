package storage

import (
	"fmt"
	"strings"
	"testing"
)

// TestNamesOfArguments: a text is read once, and each of its names needs an
// argument every time.
func TestNamesOfArguments(t *testing.T) {
	t.Parallel()
	known := &rewrites{}
	const text = `SELECT @a || @b || @a || '@c' -- @d`
	for _, c := range []struct {
		name  string
		given args
		want  string // the values; empty = refused
	}{
		{"new text, one missing", args{"a": "x"}, ""},
		{"first", args{"a": "x", "b": "y"}, "[x y]"},
		{"again", args{"a": 1, "b": nil}, "[1 <nil>]"},
		{"one too many", args{"a": 1, "b": 2, "c": 3}, "[1 2]"},
		{"one missing", args{"a": "x"}, ""},
		{"none", nil, ""},
	} {
		sql, values, err := known.apply(t.Context(), text, c.given)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "no argument") {
				t.Errorf("%s: %q, %v, %v; want an error", c.name, sql, values, err)
			}
			continue
		}
		if got := fmt.Sprint(values); err != nil || got != c.want || sql != `SELECT $1 || $2 || $1 || '@c' -- @d` {
			t.Errorf("%s: %q, %s, %v; want %s", c.name, sql, got, err, c.want)
		}
	}
}
