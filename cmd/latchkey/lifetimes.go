package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// lifetime is a duration as people write it: Go's spelling, and days.
type lifetime time.Duration

// UnmarshalText reads such as 90s, 10m, 1h30m, 14d or 1d12h.
func (l *lifetime) UnmarshalText(text []byte) error {
	rest, days := string(text), time.Duration(0)
	if number, after, found := strings.Cut(rest, "d"); found {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no length of time such as 90s, 10m, 12h or 14d", text)
		}
		days, rest = time.Duration(n)*day, after
	}
	if rest == "" && days > 0 {
		*l = lifetime(days)
		return nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no length of time such as 90s, 10m, 12h or 14d", text)
	}
	*l = lifetime(days + d)
	return nil
}

// String spells whole days as days.
func (l lifetime) String() string {
	d := time.Duration(l)
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String() // such as 1h0m0s
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// lifetimes are how long sessions and tokens live.
type lifetimes struct {
	SessionTTL         lifetime `name:"session-ttl" default:"1h" help:"End of a browser's session after its last use. Default ${default}." placeholder:"TIME"`
	SessionMaxAge      lifetime `name:"session-max-age" default:"12h" help:"End of a browser's session at the latest. Default ${default}." placeholder:"TIME"`
	CodeTTL            lifetime `name:"code-ttl" default:"60s" help:"Life of an authorization code. Default ${default}." placeholder:"TIME"`
	AccessTokenTTL     lifetime `name:"access-token-ttl" default:"10m" help:"Life of an access token. Default ${default}." placeholder:"TIME"`
	IDTokenTTL         lifetime `name:"id-token-ttl" default:"1h" help:"Life of an ID token. Default ${default}." placeholder:"TIME"`
	RefreshTokenTTL    lifetime `name:"refresh-token-ttl" default:"14d" help:"End of a refresh token after its last use. Default ${default}." placeholder:"TIME"`
	RefreshTokenMaxAge lifetime `name:"refresh-token-max-age" default:"90d" help:"End of a line of refresh tokens at the latest. Default ${default}." placeholder:"TIME"`
}

// check holds every lifetime between bounds: below them nothing would work,
// above them a forgotten token would be as good as a password.
func (l *lifetimes) check() error {
	for _, b := range []struct {
		flag              string
		value             lifetime
		shortest, longest time.Duration
		example           string
	}{
		{"session-ttl", l.SessionTTL, time.Minute, 30 * day, "1h"},
		{"session-max-age", l.SessionMaxAge, time.Minute, 90 * day, "12h"},
		{"code-ttl", l.CodeTTL, 10 * time.Second, 10 * time.Minute, "60s"},
		{"access-token-ttl", l.AccessTokenTTL, 30 * time.Second, day, "10m"},
		{"id-token-ttl", l.IDTokenTTL, 30 * time.Second, day, "1h"},
		{"refresh-token-ttl", l.RefreshTokenTTL, time.Minute, 90 * day, "14d"},
		{"refresh-token-max-age", l.RefreshTokenMaxAge, time.Minute, 730 * day, "90d"},
	} {
		if d := time.Duration(b.value); d < b.shortest || d > b.longest {
			return wrong(b.flag, fmt.Sprintf("%s is not between %s and %s", b.value, lifetime(b.shortest), lifetime(b.longest)), b.example)
		}
	}
	if l.SessionMaxAge < l.SessionTTL {
		return wrong("session-max-age", fmt.Sprintf("%s is shorter than --session-ttl %s", l.SessionMaxAge, l.SessionTTL), "12h")
	}
	if l.RefreshTokenMaxAge < l.RefreshTokenTTL {
		return wrong("refresh-token-max-age", fmt.Sprintf("%s is shorter than --refresh-token-ttl %s", l.RefreshTokenMaxAge, l.RefreshTokenTTL), "90d")
	}
	return nil
}
