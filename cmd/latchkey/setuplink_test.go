package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"latchkey/passkey/passkeytest"
	"latchkey/storage/storagetest"
)

// TestSetUpFromThePrintedLink: what serve prints makes the first administrator,
// and then there are no more links.
func TestSetUpFromThePrintedLink(t *testing.T) {
	t.Parallel()
	address := strings.Replace(freeAddress(t), "127.0.0.1", "localhost", 1)
	issuer := "http://" + address
	url, dir := storagetest.Empty(t), t.TempDir()
	arguments := []string{"--listen", address, "--issuer", issuer, "--database-url", url, "--data-dir", dir}
	lines, _ := start(t, arguments...)
	if len(lines) != 2 {
		t.Fatalf("serve printed %q, want the link and the ready line", lines)
	}
	_, token, found := strings.Cut(lines[0], "Set-up link (single use, 24 h): "+issuer+"/setup#token=")
	if !found {
		t.Fatalf("no set-up link in %q", lines[0])
	}

	code, stdout, stderr := command(t, append([]string{"setup-link", "--json"}, arguments...)...)
	var second struct {
		URL       string    `json:"url"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(stdout), &second); code != exitDone || err != nil {
		t.Fatalf("setup-link: exit %d, %v: %s", code, err, stderr)
	}
	if left := time.Until(second.ExpiresAt); left < 23*time.Hour || left > 25*time.Hour {
		t.Errorf("the link lives for %v, want 24 h", left)
	}

	answer := passkeytest.NewBrowser(t, issuer).Register("setup", token, passkeytest.Fields{
		"username": "alice", "display_name": "Alice", "email": "alice@example.com",
	})
	if answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}
	code, stdout, _ = command(t, append([]string{"setup-link", "--json"}, arguments...)...)
	if code != exitRefused || !strings.Contains(stdout, `"code":"setup_done"`) {
		t.Errorf("after set-up: exit %d, want %d: %s", code, exitRefused, stdout)
	}
}
