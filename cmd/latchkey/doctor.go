package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// doctorTimeout bounds the whole examination. A database that has to be started
// for it takes the most.
const doctorTimeout = 2 * time.Minute

// doctorCmd is `latchkey doctor`.
type doctorCmd struct {
	Health bool `help:"Only ask the own listener whether it is ready: for health checks of containers."`
}

// Help is shown below the first line by --help.
func (*doctorCmd) Help() string {
	return "Give it the settings of serve. It looks from inside (files, database, keys) and from outside (through the issuer's address), " +
		"changes nothing, and says for each finding what to do. It exits 1 when something is wrong."
}

// level is how bad a finding is.
type level string

// The levels.
const (
	levelOK   level = "ok"
	levelWarn level = "warn"
	levelFail level = "fail"
)

// finding is the result of one check.
type finding struct {
	Check    string `json:"check"`
	Level    level  `json:"level"`
	Message  string `json:"message"`
	NextStep string `json:"next_step"` // what to do; empty when all is well
}

// examination collects findings. A check whose ground is missing is left out:
// the finding about the ground says enough.
type examination struct {
	*commands
	findings []finding
	probe    string // shows a server that we hold its keys; "" when we do not
}

func (x *examination) ok(check, message string) {
	x.findings = append(x.findings, finding{check, levelOK, message, ""})
}

func (x *examination) warn(check, message, next string) {
	x.findings = append(x.findings, finding{check, levelWarn, message, next})
}

func (x *examination) fail(check, message, next string) {
	x.findings = append(x.findings, finding{check, levelFail, message, next})
}

// Run examines the installation, or only the own listener.
func (cmd *doctorCmd) Run(ctx context.Context, c *commands) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	x := &examination{commands: c}
	if cmd.Health {
		x.health(ctx)
	} else {
		x.inside(ctx)
		x.outside(ctx)
	}
	return x.conclude()
}

// conclude prints the findings. Only a failed check is an error.
func (x *examination) conclude() error {
	result := struct {
		OK       bool      `json:"ok"`
		Findings []finding `json:"findings"`
	}{true, x.findings}
	var text strings.Builder
	for _, f := range x.findings {
		result.OK = result.OK && f.Level != levelFail
		fmt.Fprintf(&text, "%-4s  %-12s  %s\n", f.Level, f.Check, plain(f.Message))
		if f.NextStep != "" {
			fmt.Fprintf(&text, "      %-12s  → %s\n", "", plain(f.NextStep))
		}
	}
	if err := x.print(result, strings.TrimRight(text.String(), "\n")); err != nil {
		return err
	}
	if !result.OK {
		return errFault
	}
	return nil
}

// health asks the own listener, which is what a container's health check can
// reach.
func (x *examination) health(ctx context.Context) {
	if err := x.askListener(ctx); err != nil {
		x.fail("ready", fmt.Sprintf("The listener at %s is not ready: %v.", x.Listen, err), "Look at the log of `latchkey serve`.")
		return
	}
	x.ok("ready", "The listener at "+x.Listen+" is ready.")
}

// askListener asks /readyz of the address that --listen names on this machine.
func (x *examination) askListener(ctx context.Context) error {
	host, port, err := net.SplitHostPort(x.Listen)
	if err != nil {
		return err
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	scheme := "http"
	if x.TLSCert != "" || x.ACME {
		scheme = "https"
	}
	// The certificate is for the issuer's name and not for this address. Nothing
	// secret is sent, and the answer decides about nothing but our own exit code.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: x.issuer.Hostname()}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 2500 * time.Millisecond}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s: %s", res.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
