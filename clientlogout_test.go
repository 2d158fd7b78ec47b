package latchkey_test

import (
	"strings"
	"testing"

	"latchkey"
)

// TestAddressesForLogoutTokens: https or http (which the guarded client judges
// again), one that can be gone to.
func TestAddressesForLogoutTokens(t *testing.T) {
	t.Parallel()
	for uri, says := range map[string]string{
		"": "", "https://app.example.com/backchannel?of=1": "", "http://10.0.0.1:8080/backchannel": "",
		"https://app.example.com/backchannel#": "fragment", "https://me@app.example.com/": "user name", "app.example.com/backchannel": "https://",
		"com.example.app:/backchannel": "https://", "javascript:alert(1)": "https://", "https:///backchannel": "https://",
		"https://app.example.com/a b": "space", "https://" + strings.Repeat("a", 2000): "longer",
	} {
		c := wiki(latchkey.TypeWeb)
		c.Protocol.BackchannelLogoutURI = uri
		got := map[string]string{}
		if err := c.Check(); err != nil {
			got = fields(t, err)
		}
		if says == "" && len(got) > 0 || says != "" && (len(got) != 1 || !strings.Contains(got["backchannel_logout_uri"], says)) {
			t.Errorf("%q: got %v, want %q", uri, got, says)
		}
	}
	c := wiki(latchkey.TypeMachine)
	c.Protocol.BackchannelLogoutURI = "https://app.example.com/backchannel"
	if got := fields(t, c.Check()); !strings.Contains(got["backchannel_logout_uri"], "machine") {
		t.Errorf("a machine: %v", got)
	}
}

// TestAddressesForFrames: scheme, host and port are those of a redirect URI
// (Front-Channel Logout §2).
func TestAddressesForFrames(t *testing.T) {
	t.Parallel()
	for uri, says := range map[string]string{
		"": "", "https://app.example.com/out?of=1": "", "http://localhost:3000/out": "",
		"https://app.example.com:444/out": "redirect URI", "https://other.example.com/out": "redirect URI", "http://localhost:3001/out": "redirect URI",
		"http://app.example.com/out": "https", "https://app.example.com/out#": "fragment", "https://app.example.com/out?sid=1": "sid",
		"https://app.example.com/out?iss=1": "iss", "javascript:alert(1)": "never", "https://me@app.example.com/": "user name",
	} {
		c := wiki(latchkey.TypeWeb)
		c.RedirectURIs = []string{"https://app.example.com/callback", "http://localhost:3000/callback"}
		c.Protocol.FrontchannelLogoutURI = uri
		got := map[string]string{}
		if err := c.Check(); err != nil {
			got = fields(t, err)
		}
		if says == "" && len(got) > 0 || says != "" && (len(got) != 1 || !strings.Contains(got["frontchannel_logout_uri"], says)) {
			t.Errorf("%q: got %v, want %q", uri, got, says)
		}
	}
}
