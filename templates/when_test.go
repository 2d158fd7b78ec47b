package templates_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/templates"
)

func TestAtPutsAMomentIntoWords(t *testing.T) {
	t.Parallel()
	for want, moment := range map[string]time.Time{
		"never":            {},
		"just now":         now.Add(-59 * time.Second),
		"now":              now.Add(59 * time.Second),
		"1 minute ago":     now.Add(-time.Minute),
		"59 minutes ago":   now.Add(-time.Hour + time.Second),
		"1 hour ago":       now.Add(-time.Hour),
		"23 hours ago":     now.Add(-24*time.Hour + time.Second),
		"22 November 2026": now.Add(-24 * time.Hour),
		"in 5 hours":       now.Add(5 * time.Hour),
		"24 November 2026": now.Add(24 * time.Hour),
	} {
		if got := templates.At(moment, now).Text; got != want {
			t.Errorf("At(%s).Text = %q, want %q", moment, got, want)
		}
	}
}

func TestAtCountsInUTC(t *testing.T) {
	t.Parallel()
	moment := time.Date(2026, 1, 2, 1, 30, 0, 0, time.FixedZone("east", 3*3600))
	want := templates.When{Text: "1 January 2026", ISO: "2026-01-01T22:30:00Z", Exact: "1 January 2026, 22:30 UTC"}
	if diff := cmp.Diff(want, templates.At(moment, now)); diff != "" {
		t.Errorf("At differs (-want +got):\n%s", diff)
	}
	if got := templates.Date(time.Time{}); got != "" {
		t.Errorf("Date of the zero time is %q", got)
	}
}
