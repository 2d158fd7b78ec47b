package main

import (
	"fmt"
	"os"
	"os/user"

	"latchkey"
)

// whoTypes is the operator for the record: who started this process, asked
// before root is given up, and who that was before sudo.
func whoTypes() latchkey.Actor {
	name := "uid " + fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if before := os.Getenv("SUDO_USER"); before != "" && os.Geteuid() == 0 {
		name = before + " as " + name
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return latchkey.Actor{Kind: latchkey.ActorOperator, Name: name}
}
