package templates

import (
	"fmt"
	"time"
)

// When is a moment for people, with the exact time for machines and in the
// tool tip.
type When struct {
	Text  string // "just now", "4 minutes ago", "in 5 hours", "20 May 2026"
	ISO   string // RFC 3339, UTC; empty for the zero time
	Exact string // "20 May 2026, 08:02 UTC"
}

// At puts a moment into words as seen at now: relative within a day, else the
// date. The zero time is "never".
func At(t, now time.Time) When {
	if t.IsZero() {
		return When{Text: "never"}
	}
	t = t.UTC()
	return When{Text: inWords(t, now), ISO: t.Format(time.RFC3339), Exact: t.Format("2 January 2006, 15:04 UTC")}
}

// Date is a day for people, in UTC; "" for the zero time.
func Date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006")
}

func inWords(t, now time.Time) string {
	past := now.Sub(t)
	switch {
	case past >= 24*time.Hour || past <= -24*time.Hour:
		return Date(t)
	case past >= 0 && past < time.Minute:
		return "just now"
	case past < 0 && past > -time.Minute:
		return "now"
	case past > 0:
		return span(past) + " ago"
	default:
		return "in " + span(-past)
	}
}

// Length is a length of time for people, in whole hours or, under one hour,
// minutes.
func Length(d time.Duration) string { return span(d) }

// span is a length of time under a day, rounded down.
func span(d time.Duration) string {
	n, unit := int(d/time.Hour), "hour"
	if d < time.Hour {
		n, unit = int(d/time.Minute), "minute"
	}
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
