// Command latchkey is an OpenID Connect provider whose only way to sign in is a
// passkey.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version and commit are set by the build.
var (
	version = "unknown"
	commit  = "unknown"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // whoever asks twice is not kept waiting
	c := &commands{stdout: os.Stdout, stderr: os.Stderr}
	if os.Geteuid() == 0 {
		c.drop = becomeSystemUser
	}
	code := execute(ctx, c, os.Args[1:])
	stop()
	os.Exit(code)
}
