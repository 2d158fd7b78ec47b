package server_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"latchkey"
	"latchkey/passkey/passkeytest"
	"latchkey/server/servertest"
	"latchkey/storage"
)

// driver is a person and the applications they use, at a running installation.
// Each of its calls is one request on its own connection, kept open, and is
// written and read with as little work as possible, so that what a benchmark
// counts is the server's.
type driver struct {
	tb     testing.TB
	app    *servertest.App
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	device *passkeytest.Authenticator
	cookie string // of the session
	secret string // of all applications
}

const (
	driverCallback = "http://127.0.0.1:9/callback"
	driverVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// newDriver sets an installation up: an administrator with a passkey, signed
// in, and two applications.
func newDriver(tb testing.TB, app *servertest.App) *driver {
	tb.Helper()
	d := &driver{tb: tb, app: app, secret: app.DB.NewClientSecret()}
	browser := passkeytest.NewBrowser(tb, app.URL)
	d.device = browser.Device
	fields := passkeytest.Fields{"username": "alice", "display_name": "Alice", "email": "alice@example.com"}
	if got := browser.Register("setup", app.SetupToken(tb), fields); got.Status != 201 {
		tb.Fatalf("set-up answered %d %s", got.Status, got.Raw)
	}
	d.signIn()
	err := app.DB.InTx(tb.Context(), func(tx *storage.Tx) error {
		wiki := latchkey.Client{
			ID: "wiki", Name: "Wiki", Type: "web", Profile: latchkey.ProfileOIDC, Enabled: true, FirstParty: true,
			RedirectURIs: []string{driverCallback}, GrantTypes: []string{latchkey.GrantAuthorizationCode, latchkey.GrantRefreshToken},
			ResponseTypes: []string{"code"}, Scopes: []string{"openid", "profile", "email", "offline_access"},
			AuthMethod: latchkey.AuthBasic, IDTokenAlg: latchkey.ES256, AccessTokenAlg: latchkey.ES256, AccessTokenFormat: "jwt",
		}
		robot := wiki
		robot.ID, robot.Type, robot.GrantTypes, robot.RedirectURIs = "robot", "machine", []string{latchkey.GrantClientCredentials}, nil
		if err := tx.CreateClient(tb.Context(), &wiki, d.secret); err != nil {
			return err
		}
		return tx.CreateClient(tb.Context(), &robot, d.secret)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// clone is the same person and applications on another connection.
func (d *driver) clone(tb testing.TB) *driver {
	return &driver{tb: tb, app: d.app, device: d.device.Clone(), cookie: d.cookie, secret: d.secret}
}

// reply is an answer; its body counts until the next call.
type reply struct {
	status     int
	location   string
	cookies    []string
	retryAfter string
	body       []byte
}

func (r *reply) String() string { return fmt.Sprintf("%d %s%.300s", r.status, r.location, r.body) }

// wants fails the test when the answer has another status.
func (d *driver) wants(r *reply, status int, what string) *reply {
	if r.status != status {
		d.tb.Helper()
		d.tb.Fatalf("%s answered %s, want %d", what, r, status)
	}
	return r
}

// send sends one request. header is a line with its end, or empty.
func (d *driver) send(method, path, header, contentType, body string) *reply {
	d.tb.Helper()
	r, err := d.try(method, path, header, contentType, body)
	if err != nil {
		d.tb.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (d *driver) try(method, path, header, contentType, body string) (*reply, error) {
	if d.conn == nil {
		u, err := url.Parse(d.app.URL)
		if err != nil {
			return nil, err
		}
		if d.conn, err = net.Dial("tcp", u.Host); err != nil {
			return nil, err
		}
		d.tb.Cleanup(func() { d.conn.Close() })
		d.in = bufio.NewReader(d.conn)
	}
	if err := d.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	d.out = append(d.out[:0], method+" "+path+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(d.app.URL, "http://")+"\r\n"+header...)
	if contentType != "" {
		d.out = append(d.out, "Content-Type: "+contentType+"\r\nContent-Length: "...)
		d.out = strconv.AppendInt(d.out, int64(len(body)), 10)
		d.out = append(d.out, "\r\n"...)
	}
	d.out = append(append(d.out, "\r\n"...), body...)
	if _, err := d.conn.Write(d.out); err != nil {
		return nil, err
	}
	return d.read()
}

// read reads one answer.
func (d *driver) read() (*reply, error) {
	line, err := d.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return nil, fmt.Errorf("status line %q: %w", line, err)
	}
	r := &reply{}
	if r.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return nil, err
	}
	length := 0
	for {
		if line, err = d.in.ReadSlice('\n'); err != nil {
			return nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			length, err = strconv.Atoi(string(value))
		case "Transfer-Encoding":
			length = -1
		case "Location":
			r.location = string(value)
		case "Retry-After":
			r.retryAfter = string(value)
		case "Set-Cookie":
			cookie, _, _ := strings.Cut(string(value), ";")
			r.cookies = append(r.cookies, cookie)
		}
		if err != nil {
			return nil, err
		}
	}
	if length < 0 {
		if r.body, err = io.ReadAll(httputil.NewChunkedReader(d.in)); err == nil {
			_, err = d.in.Discard(2) // the end of the last chunk
		}
		return r, err
	}
	r.body = make([]byte, length)
	_, err = io.ReadFull(d.in, r.body)
	return r, err
}

func (d *driver) basic(id string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+d.secret)) + "\r\n"
}

func (d *driver) post(path, id, body string) *reply {
	d.tb.Helper()
	return d.send("POST", path, d.basic(id), "application/x-www-form-urlencoded", body)
}

// signIn signs in with the passkey and keeps the new session.
func (d *driver) signIn() *reply {
	d.tb.Helper()
	options := d.send("POST", passkeytest.AuthenticationOptionsPath, "", "application/json", `{"purpose":"login"}`)
	if options.status != 200 {
		return options
	}
	var told struct {
		ID        string          `json:"challenge_id"`
		PublicKey json.RawMessage `json:"publicKey"`
	}
	if err := json.Unmarshal(options.body, &told); err != nil {
		d.tb.Fatal(err)
	}
	credential, err := d.device.Get(told.PublicKey)
	if err != nil {
		d.tb.Fatal(err)
	}
	verified := d.send("POST", passkeytest.AuthenticationVerifyPath, "Cookie: "+options.cookies[0]+"\r\n", "application/json",
		`{"challenge_id":"`+told.ID+`","credential":`+string(credential)+`}`)
	if verified.status == 200 {
		d.cookie = "Cookie: " + verified.cookies[0] + "\r\n"
	}
	return verified
}

// authorize asks for a code with the session.
func (d *driver) authorize() *reply {
	d.tb.Helper()
	sum := sha256.Sum256([]byte(driverVerifier))
	return d.send("GET", "/oauth2/authorize?client_id=wiki&response_type=code&scope=openid+offline_access&state=s&nonce=n&code_challenge_method=S256"+
		"&redirect_uri="+url.QueryEscape(driverCallback)+"&code_challenge="+base64.RawURLEncoding.EncodeToString(sum[:]), d.cookie, "", "")
}

func (d *driver) code() string {
	d.tb.Helper()
	r := d.wants(d.authorize(), 303, "authorize")
	u, err := url.Parse(r.location)
	if err != nil || u.Query().Get("code") == "" {
		d.tb.Fatalf("authorize leads to %q", r.location)
	}
	return u.Query().Get("code")
}

func (d *driver) exchange(code string) *reply {
	d.tb.Helper()
	return d.post("/oauth2/token", "wiki", "grant_type=authorization_code&code="+code+"&redirect_uri="+url.QueryEscape(driverCallback)+"&code_verifier="+driverVerifier)
}

func (d *driver) refresh(token string) *reply {
	d.tb.Helper()
	return d.post("/oauth2/token", "wiki", "grant_type=refresh_token&refresh_token="+token)
}

func (d *driver) own() *reply {
	d.tb.Helper()
	return d.post("/oauth2/token", "robot", "grant_type=client_credentials")
}

func (d *driver) introspect(token string) *reply {
	d.tb.Helper()
	return d.post("/oauth2/introspect", "wiki", "token="+token)
}

func (d *driver) userinfo(token string) *reply {
	d.tb.Helper()
	return d.send("GET", "/oauth2/userinfo", "Authorization: Bearer "+token+"\r\n", "", "")
}

// driverTokens are those of an answer.
type driverTokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func (d *driver) tokens(r *reply) (t driverTokens) {
	d.tb.Helper()
	if err := json.Unmarshal(d.wants(r, 200, "token endpoint").body, &t); err != nil {
		d.tb.Fatal(err)
	}
	return t
}
