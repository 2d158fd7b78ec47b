package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"latchkey"
	"latchkey/demo"
	"latchkey/storage"
)

const (
	demoListen   = "127.0.0.1:8090"
	demoClientID = "latchkey-demo"
)

// demoCmd is `latchkey demo`. It shares the flag --listen with serve, and
// nothing else that says where serve listens: only one on its own command line
// counts.
type demoCmd struct {
	ClientID         string `help:"Registered application to be, instead of latchkey-demo." placeholder:"ID"`
	ClientSecretFile string `help:"File with the secret of --client-id." placeholder:"FILE"`
}

// Help is shown below the first line by --help.
func (*demoCmd) Help() string {
	return "It listens on " + demoListen + " unless --listen says otherwise. Without --client-id it makes the application " +
		demoClientID + " in the database, or uses the one that is there."
}

// Run signs people in at the issuer until the context ends.
func (cmd *demoCmd) Run(ctx context.Context, c *commands, parsed *kong.Context) error {
	address := demoListen
	if onCommandLine(parsed, "listen") {
		address = c.Listen
	}
	if err := cmd.check(address); err != nil {
		return usageError{err}
	}
	secret, err := cmd.secret()
	if err != nil {
		return usageError{err}
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return usageError{wrong("listen", err.Error(), demoListen)}
	}
	defer ln.Close() // after the server has closed it, or before there was one
	o := demo.Options{Issuer: c.Issuer, ClientID: cmd.ClientID, ClientSecret: secret, BaseURL: baseURL(address, ln), Log: c.log}
	if o.ClientID != "" {
		err = c.giveUpRoot()
	} else {
		o.ClientID = demoClientID
		err = c.withDatabase(ctx, func(ctx context.Context, db *storage.DB) error { return registerDemo(ctx, db, o.BaseURL) })
	}
	if err == nil {
		err = c.runDemo(ctx, ln, o)
	}
	if ctx.Err() != nil {
		return nil // stopped on purpose, whatever it interrupted
	}
	return err
}

// onCommandLine tells whether a flag was typed, and not taken from a variable,
// a file or its default.
func onCommandLine(parsed *kong.Context, name string) bool {
	return slices.ContainsFunc(parsed.Path, func(p *kong.Path) bool {
		return p.Flag != nil && p.Flag.Name == name && !p.Resolved
	})
}

// check refuses an address that others could reach: the answers of latchkey
// come to it by plain http, which is allowed on this machine only.
func (cmd *demoCmd) check(address string) error {
	if cmd.ClientID == "" && cmd.ClientSecretFile != "" {
		return wrong("client-secret-file", "needs --client-id beside it", "secret.txt --client-id wiki")
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return wrong("listen", "is no address with a port", demoListen)
	}
	if host != "localhost" && host != "127.0.0.1" && host != "::1" {
		return wrong("listen", "must be an address of this machine only (localhost, 127.0.0.1 or [::1]), because the sample application speaks plain http", demoListen)
	}
	return nil
}

func (cmd *demoCmd) secret() (string, error) {
	if cmd.ClientSecretFile == "" {
		return "", nil
	}
	content, err := readSmall(cmd.ClientSecretFile)
	if err != nil {
		return "", wrong("client-secret-file", err.Error(), "secret.txt")
	}
	secret := strings.TrimRight(content, "\r\n")
	if secret == "" {
		return "", wrong("client-secret-file", "names an empty file", "secret.txt")
	}
	return secret, nil
}

// baseURL is where browsers find the application: the host as it was typed,
// with the port that was got.
func baseURL(address string, ln net.Listener) string {
	host, _, _ := net.SplitHostPort(address)            // was split before
	_, port, _ := net.SplitHostPort(ln.Addr().String()) // a listener's own spelling
	return "http://" + net.JoinHostPort(host, port)
}

// registerDemo makes the client latchkey-demo, or brings its addresses up to
// date. It is public: the sample application proves itself by PKCE, and no
// secret has to be kept between two starts.
func registerDemo(ctx context.Context, db *storage.DB, base string) error {
	redirect, postLogout := []string{base + "/callback"}, []string{base + "/"}
	return db.InTx(ctx, func(tx *storage.Tx) error {
		known, err := tx.FindClient(ctx, demoClientID)
		switch {
		case errors.Is(err, latchkey.ErrNotFound):
			made := &latchkey.Client{
				ID: demoClientID, Name: "Sample application", Type: latchkey.TypeNative, Enabled: true,
				RedirectURIs: redirect, PostLogoutRedirectURIs: postLogout,
			}
			made.FillDefaults()
			return tx.CreateClient(ctx, made, "")
		case err != nil:
			return err
		case !known.Enabled:
			return latchkey.Refuse(latchkey.ErrForbidden, "client_disabled",
				"The application "+demoClientID+" is disabled. Enable it, or name another with --client-id.")
		case !known.Public():
			return latchkey.Refuse(latchkey.ErrConflict, "client_changed",
				"The application "+demoClientID+" was changed and has a secret now. Name it with --client-id and --client-secret-file.")
		case slices.Equal(known.RedirectURIs, redirect) && slices.Equal(known.PostLogoutRedirectURIs, postLogout):
			return nil
		}
		next := *known
		next.RedirectURIs, next.PostLogoutRedirectURIs = redirect, postLogout
		_, err = tx.UpdateClient(ctx, &next)
		return err
	})
}

// runDemo waits for the issuer and then serves until ctx ends.
func (c *commands) runDemo(ctx context.Context, ln net.Listener, o demo.Options) error {
	app, err := c.awaitIssuer(ctx, o)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: app, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		stopped <- server.Shutdown(closing)
	})()
	shown := struct {
		URL      string `json:"url"`
		ClientID string `json:"client_id"`
	}{o.BaseURL, o.ClientID}
	if err := c.print(shown, "Open "+o.BaseURL); err != nil {
		return err
	}
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the sample application: %w", err)
	}
	return <-stopped
}

// awaitIssuer tries until the issuer answers, and says why it has to wait.
func (c *commands) awaitIssuer(ctx context.Context, o demo.Options) (*demo.App, error) {
	told := ""
	for {
		app, err := demo.New(ctx, o)
		if err == nil || errors.Is(err, demo.ErrOtherIssuer) {
			return app, err
		}
		if reason := err.Error(); reason != told && ctx.Err() == nil {
			told = reason
			fmt.Fprintf(c.stderr, "latchkey: waiting for %s: start it with `latchkey serve`, or name its address with --issuer (%s)\n", o.Issuer, reason)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
