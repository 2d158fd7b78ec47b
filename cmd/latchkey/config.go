package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/publicsuffix"

	"latchkey/outbound"
	"latchkey/server"
	"latchkey/storage"
)

// settings are the flags that say what latchkey is and where its things are.
// Each is also the environment variable LATCHKEY_…, the file named by
// LATCHKEY_…_FILE, and a line of --config.
type settings struct {
	Config configPath `help:"YAML file with settings of the same names." placeholder:"FILE"`

	Issuer string `help:"Where people and applications find latchkey: https, or http for localhost names. Default ${default}." default:"http://localhost:8080" placeholder:"URL"`
	RPID   string `name:"rp-id" help:"Domain that the passkeys are for: the issuer's host or a parent of it. Frozen at set-up." placeholder:"DOMAIN"`
	Listen string `help:"Address and port to listen on. Default ${default}." default:"127.0.0.1:8080" placeholder:"ADDRESS"`

	TLSCert       string `name:"tls-cert" help:"Certificate chain (PEM). Read again when it changes." placeholder:"FILE"`
	TLSKey        string `name:"tls-key" help:"Key of the certificate (PEM)." placeholder:"FILE"`
	ACME          bool   `name:"acme" help:"Get and renew the certificate by itself (TLS-ALPN-01: port 443 of the issuer's host must lead here)."`
	ACMEDirectory string `name:"acme-directory" help:"Authority for --acme; without it Let's Encrypt, whose terms --acme accepts." placeholder:"URL"`
	TLSMin        string `name:"tls-min" help:"Oldest TLS version: 1.3, or 1.2 with its four ECDHE AES-GCM suites. Default ${default}." default:"1.3" placeholder:"VERSION"`

	OutboundAllow []string `help:"Networks that what applications name may lead to although they are private; http is for them only." placeholder:"CIDR"`
	OutboundCA    string   `name:"outbound-ca" help:"Further authorities (PEM) whose certificates are believed when latchkey fetches." placeholder:"FILE"`

	TrustedProxies []string `help:"Addresses whose X-Forwarded-* headers are believed." placeholder:"CIDR"`

	DataDir     string `help:"Folder for the key file and the private database. Default /var/lib/latchkey as root, else latchkey in $$XDG_DATA_HOME or ~/.local/share." placeholder:"DIR"`
	DatabaseURL string `help:"PostgreSQL to use instead of the private one in the data dir." placeholder:"URL"`
	MigrateURL  string `name:"migrate-database-url" help:"The same database as its owner, for migrations." placeholder:"URL"`
	KeyFile     string `help:"Keys that seal what is stored. Default keys.json in the data dir." placeholder:"FILE"`

	DBMaxConns       int           `name:"db-max-conns" default:"15" help:"Connections to the database at most."`
	DBMinIdleConns   int           `name:"db-min-idle-conns" default:"5" help:"Connections kept ready."`
	DBConnectTimeout time.Duration `name:"db-connect-timeout" default:"30s" help:"How long connecting may take."`
	DBIdleTimeout    time.Duration `name:"db-idle-timeout" default:"10m" help:"When an idle connection is closed."`
	DBMaxLifetime    time.Duration `name:"db-max-lifetime" default:"30m" help:"When a connection is replaced."`

	lifetimes `embed:""`

	SignUp       string `default:"invite" help:"invite lets people in by links that administrators make, off nobody."`
	Registration string `default:"token" enum:"off,token,open" help:"Who may register applications by the protocol (RFC 7591): off nobody, token whoever has an initial access token, open everybody. Default ${default}."`
	RateLimits   string `default:"on" enum:"on,off" help:"off answers nobody 429: for benchmarks and certification."`
	LogLevel     string `default:"info" enum:"debug,info,warn,error" help:"What is logged: ${enum}."`
	LogFormat    string `help:"text or json; text on a terminal, else json." placeholder:"FORMAT"`

	later `embed:""`

	issuer   *url.URL
	proxies  []netip.Prefix
	outbound *outbound.Client
}

// AfterApply checks the settings; kong calls it before any command runs.
func (s *settings) AfterApply() error {
	for _, check := range []func() error{s.checkIssuer, s.checkRPID, s.checkTLS, s.checkOutbound, s.checkFolders, s.checkDatabase, s.lifetimes.check, s.checkLater, s.checkRest} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) checkLater() error { return s.later.check(s.SignUp) }

// wrong is the one line for a wrong setting: the name, what is wrong, an example.
func wrong(flag, what, example string) error {
	return fmt.Errorf("--%s: %s (example: --%s %s)", flag, what, flag, example)
}

const issuerExample = "https://id.example.com"

func (s *settings) checkIssuer() error {
	u, err := url.Parse(s.Issuer)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return wrong("issuer", "is not a URL with a host", issuerExample)
	}
	if u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil || strings.HasSuffix(s.Issuer, "#") {
		return wrong("issuer", "has more than scheme, host and port", issuerExample)
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return wrong("issuer", "is an IP address, but passkeys need a domain", issuerExample)
	}
	if host != strings.ToLower(host) || u.Scheme != strings.ToLower(u.Scheme) {
		return wrong("issuer", "has upper-case letters: applications compare it letter by letter", issuerExample)
	}
	if strings.HasSuffix(host, ".") {
		return wrong("issuer", "ends with a dot", issuerExample)
	}
	// Browsers spell their origin without them, and it is compared byte by byte.
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" || strings.HasSuffix(u.Host, ":") {
		return wrong("issuer", "names the port that its scheme has anyway: leave it out", issuerExample)
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return wrong("issuer", "has letters outside ASCII: spell the host as browsers do, beginning with xn--", "https://xn--id-fka.example.com")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLocalhost(host):
	default:
		return wrong("issuer", "must be https; http is for localhost names only, because passkeys need a secure connection", issuerExample)
	}
	s.issuer = u
	return nil
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// checkRPID enforces WebAuthn §5.1.3: the RP ID is the origin's host or a
// registrable parent of it.
func (s *settings) checkRPID() error {
	host := s.issuer.Hostname()
	if s.RPID == "" {
		s.RPID = host
	}
	if s.RPID == host {
		return nil
	}
	if !strings.HasSuffix(host, "."+s.RPID) {
		return wrong("rp-id", "is neither the issuer's host "+host+" nor a parent domain of it", host)
	}
	if suffix, _ := publicsuffix.PublicSuffix(s.RPID); suffix == s.RPID && s.RPID != "localhost" {
		return wrong("rp-id", "is a public suffix: passkeys for it would be everybody's", host)
	}
	return nil
}

func (s *settings) checkFolders() error {
	if s.DataDir == "" {
		dir, err := defaultDataDir()
		if err != nil {
			return err
		}
		s.DataDir = dir
	}
	var err error
	if s.DataDir, err = filepath.Abs(s.DataDir); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	if s.KeyFile == "" {
		s.KeyFile = filepath.Join(s.DataDir, "keys.json")
	}
	return nil
}

func defaultDataDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/latchkey", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "latchkey"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("--data-dir: no home folder is known, name one (example: --data-dir /var/lib/latchkey)")
	}
	return filepath.Join(home, ".local", "share", "latchkey"), nil
}

func (s *settings) checkDatabase() error {
	if s.MigrateURL != "" && s.DatabaseURL == "" {
		return wrong("migrate-database-url", "needs --database-url beside it", "postgres://owner@db/latchkey")
	}
	for flag, url := range map[string]string{"database-url": s.DatabaseURL, "migrate-database-url": s.MigrateURL} {
		if scheme, _, found := strings.Cut(url, "://"); found && scheme != "postgres" && scheme != "postgresql" {
			return wrong(flag, "does not begin with postgres://", "postgres://latchkey@db.internal/latchkey")
		}
		if err := storage.CheckURL(url); url != "" && err != nil {
			return wrong(flag, err.Error(), "postgres://latchkey@db.internal/latchkey")
		}
	}
	if s.DBMaxConns < 1 || s.DBMaxConns > 1000 {
		return wrong("db-max-conns", "is not between 1 and 1000", "15")
	}
	if s.DBMinIdleConns < 0 || s.DBMinIdleConns > s.DBMaxConns {
		return wrong("db-min-idle-conns", "is not between 0 and --db-max-conns", "5")
	}
	for flag, d := range map[string]time.Duration{
		"db-connect-timeout": s.DBConnectTimeout, "db-idle-timeout": s.DBIdleTimeout, "db-max-lifetime": s.DBMaxLifetime,
	} {
		if d < time.Second {
			return wrong(flag, "is shorter than a second", "30s")
		}
	}
	return nil
}

func (s *settings) checkRest() error {
	if _, port, err := net.SplitHostPort(s.Listen); err != nil || port == "" {
		return wrong("listen", "is no address with a port", "127.0.0.1:8080")
	}
	if s.LogFormat != "" && s.LogFormat != "text" && s.LogFormat != "json" {
		return wrong("log-format", "is neither text nor json", "json")
	}
	proxies, err := server.ParseProxies(s.TrustedProxies)
	if err != nil {
		return wrong("trusted-proxies", err.Error(), "10.0.0.0/8")
	}
	s.proxies = proxies
	return nil
}
