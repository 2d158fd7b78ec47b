package main

import (
	"strings"
	"syscall"
	"testing"

	"latchkey/server/servertest/chrome"
)

// TestJourneyThroughTheDemo goes the three steps of the README as a newcomer
// does: start it, open the printed link in a browser, connect an application.
func TestJourneyThroughTheDemo(t *testing.T) {
	t.Parallel()
	dir, listen := shortDir(t), freeAddress(t)
	issuer := "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
	settings := []string{"--issuer", issuer, "--data-dir", dir}
	serve, lines := startProgram(t, append(settings, "--listen", listen)...)
	_, link, found := strings.Cut(lines[0], "Set-up link (single use, 24 h): ")
	if !found {
		t.Fatalf("serve printed %q", lines)
	}

	p := chrome.Open(t)
	p.NoAutofill()
	p.Device()
	p.Goto(link)
	p.Want("setup")
	p.Fill("#display_name", "Ines Halvorsen")
	p.Fill("#username", "ines")
	p.Fill("#email", "ines@example.com")
	p.Click("#create-passkey")
	p.Want("recovery-codes")
	p.Click("[name=saved]")
	p.Click("#continue")
	p.Want("account-passkeys")
	p.Click(".me form button")
	p.Want("signed-out")

	app, address := startDemo(t, append(settings, "--listen", "127.0.0.1:0")...)
	p.Goto(address)
	p.Want("demo")
	p.Click("#sign-in")
	p.Want("login")
	p.WantText("main", "to continue to ")
	p.Click("#sign-in")
	p.Want("consent")
	p.Click("#consent [value=deny]")
	p.WantAlert("access_denied")
	p.Expect("403")
	p.Want("demo-error")
	p.Click("main .actions a.primary")
	p.Await("consent")
	p.Click("#consent [value=allow]")
	p.Want("demo-session")
	p.WantText("h1", "Hello, Ines Halvorsen")
	for _, learned := range []string{"ines@example.com", issuer, "phr"} {
		p.WantText("td code", learned)
	}
	p.Click("#refresh")
	p.WantText("#token-refresh-token", "Yes")
	p.Want("demo-session")
	p.Click("#again")
	p.Want("stepup")
	p.Click("#confirm")
	p.Want("demo-session")
	p.Click("#sign-out")
	p.WantText("h1", "You are signed out")
	p.Want("demo")
	p.Click("#sign-in")
	p.Want("login")

	interrupt(t, app)
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve: %v", err)
	}
}
