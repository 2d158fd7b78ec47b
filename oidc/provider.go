// Package oidc is the protocol: OpenID Connect Core, OAuth 2.0 and what belongs
// to them, on fosite. It owns what an application may ask, what the person has
// to do before it is answered, and every token.
//
// It refuses to sign anybody in (package passkey does), to keep anything (package
// storage does) and to let fosite's types out: callers see gin, latchkey and
// storage. fosite drives the order of the flows; the rules are ours: one strict
// gate before it, one statement that judges and spends behind it. The threats it
// answers are the stolen, replayed or mixed-up code and token, the lying
// redirect, and the application that wants more than the person gave.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ory/fosite"

	"latchkey"
	"latchkey/keys"
	"latchkey/outbound"
	"latchkey/session"
	"latchkey/storage"
	"latchkey/templates"
)

// Options say what a Provider works with. Durations that are zero get the
// default in brackets.
type Options struct {
	DB        *storage.DB          // required
	Keys      *keys.Ring           // required
	Sessions  *session.Sessions    // required
	Templates *templates.Templates // required
	Issuer    string               // required: scheme and host, no slash at the end
	Log       *slog.Logger         // nil = slog.Default()
	Outbound  *outbound.Client     // fetches what applications name; nil = one that reaches public hosts only

	// Now is the time by which fetched keys grow old. nil = time.Now.
	Now func() time.Time

	// Registration says who may register applications by the protocol [whoever
	// has an initial access token].
	Registration latchkey.RegistrationMode

	AccessTokenTTL     time.Duration // [10 min]
	IDTokenTTL         time.Duration // [1 h]
	CodeTTL            time.Duration // [60 s]
	RefreshTokenTTL    time.Duration // without use [14 d]
	RefreshTokenMaxAge time.Duration // in all [90 d]

	// Allow spends one event of a named rate limit, or refuses; Penalize spends
	// one of a limit on failures. Both nil = no limits.
	Allow    func(ctx context.Context, limit, account string) error
	Penalize func(ctx context.Context, limit, account string)
}

// Names of rate limits that only a handler can count, because they are counted
// by client or for visitors without a session.
const (
	limitToken      = "token"
	limitPAR        = "par"
	limitClientAuth = "client_auth"
	limitAuthorize  = "authorize"
	limitRegister   = "register"

	// registrationAccount is what failed tokens of registration are counted by,
	// beside the address.
	registrationAccount = "registration"
)

// Provider answers the protocol's addresses.
type Provider struct {
	Options
	fosite     fosite.OAuth2Provider
	discovery  atomic.Pointer[described]
	clientKeys *keyStore
	drawing    sync.Mutex // held while a logo is open in memory
}

// New checks the options and wires the flows.
func New(o Options) (*Provider, error) {
	if o.DB == nil || o.Keys == nil || o.Sessions == nil || o.Templates == nil {
		return nil, errors.New("oidc: database, keys, sessions and templates are required")
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" || strings.HasSuffix(o.Issuer, "/") {
		return nil, fmt.Errorf("oidc: issuer %q is no address without a path", o.Issuer)
	}
	o.setDefaults()
	p := &Provider{Options: o}
	p.clientKeys = newKeyStore(&p.Options, p.keysFailed)
	p.fosite = p.wire()
	first, err := p.describe(nil)
	p.discovery.Store(first)
	return p, err
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		value     *time.Duration
		byDefault time.Duration
	}{
		{&o.AccessTokenTTL, 10 * time.Minute},
		{&o.IDTokenTTL, time.Hour},
		{&o.CodeTTL, time.Minute},
		{&o.RefreshTokenTTL, 14 * 24 * time.Hour},
		{&o.RefreshTokenMaxAge, 90 * 24 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.byDefault
		}
	}
	if o.Registration == "" {
		o.Registration = latchkey.RegistrationToken
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Outbound == nil {
		o.Outbound = outbound.New(outbound.Options{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Allow == nil {
		o.Allow = func(context.Context, string, string) error { return nil }
	}
	if o.Penalize == nil {
		o.Penalize = func(context.Context, string, string) {}
	}
}
