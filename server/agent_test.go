package server

import (
	"strings"
	"testing"
)

// TestAgentFamily: what sessions and passkeys are called after, without
// versions, and without text that hides or turns around what stands beside it.
func TestAgentFamily(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"": "",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36":                   "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": "Safari on iOS",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                   "Safari on macOS",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36 Edg/149.0.0.0":           "Edge on Windows",
		"curl/8.5.0": "curl", "x": "x",
	} {
		if got := agentFamily(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
	for _, hostile := range []string{"\u202eevil/1.0", "a\u200bb/1.0", strings.Repeat("long ", 100) + "/1.0", "\xff\xfe/1.0", "Firefox\x00/1"} {
		got := agentFamily(hostile)
		if len(got) > 2*longestAgent || strings.ContainsAny(got, "\u202e\u200b\x00") {
			t.Errorf("%q is %q", hostile, got)
		}
	}
}
