package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey"
	"latchkey/outbound/outboundtest"
	"latchkey/passkey/passkeytest"
	"latchkey/server"
	"latchkey/server/servertest"
)

// relyingParty is the folder of the application on npm's openid-client.
const relyingParty = "testdata/relyingparty"

// flowsApp is an application as flows.mjs wants to know it.
type flowsApp struct {
	ID       string `json:"id"`
	Secret   string `json:"secret,omitempty"`
	Key      any    `json:"key,omitempty"`   // private, of method private_key_jwt
	Opens    any    `json:"opens,omitempty"` // private: its ID tokens and userinfo are encrypted
	Method   string `json:"method"`
	Alg      string `json:"alg"`
	Redirect string `json:"redirect,omitempty"`
	Bye      string `json:"bye,omitempty"`
}

// TestAnIndependentRelyingParty lets an application that others wrote, on npm's
// openid-client, walk every flow: discovery, code with PKCE, refresh, userinfo,
// introspection, revocation, client credentials and sign-out, by every method of
// client authentication, and with encrypted ID tokens and userinfo. Its tokens are
// opened and verified by npm's jose. Without node
// and npm it fails.
func TestAnIndependentRelyingParty(t *testing.T) {
	t.Parallel()
	installRelyingParty(t)
	app := servertest.Start(t, func(o *server.Options) { o.Outbound = outboundtest.Client(t, nil, outboundtest.Home) })
	person := passkeytest.NewBrowser(t, app.URL)
	if got := person.Register("setup", app.SetupToken(t), passkeytest.Fields{"username": "alice", "display_name": "Alice", "email": "alice@example.com"}); got.Status != 201 {
		t.Fatalf("set-up answered %d %s", got.Status, got.Raw)
	}
	keys := map[string]any{} // private, by the id of the application
	register := func(id, method, alg string, change func(*latchkey.Client)) flowsApp {
		a := flowsApp{ID: id, Key: keys[id], Method: method, Alg: alg, Redirect: "http://127.0.0.1:9/" + id, Bye: "http://127.0.0.1:9/bye/" + id}
		a.Secret = registerClient(t, app, a.Redirect, func(c *latchkey.Client) {
			c.ID, c.AuthMethod, c.IDTokenAlg, c.PostLogoutRedirectURIs = id, method, alg, []string{a.Bye}
			c.Scopes = latchkey.Scopes()
			change(c)
		})
		return a
	}
	unchanged := func(*latchkey.Client) {}
	var atAddress, inRegistration json.RawMessage
	keys["keyed"], atAddress = signingKey(t, jose.ES256)
	keys["machine"], inRegistration = signingKey(t, jose.EdDSA)
	sealed := func(id, keyAlg, alg string) flowsApp {
		private, set := openingKey(t, keyAlg)
		a := register(id, latchkey.AuthBasic, alg, func(c *latchkey.Client) {
			c.Protocol.JWKS, c.Protocol.UserinfoAlg = set, alg
			c.Protocol.IDTokenEncAlg, c.Protocol.IDTokenEnc = keyAlg, latchkey.A256GCM
			c.Protocol.UserinfoEncAlg = keyAlg
		})
		a.Opens = private
		return a
	}
	keyHost := outboundtest.Host(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(atAddress) })
	task := map[string]any{
		"issuer": app.URL, "subject": app.Text(t, `SELECT subject FROM users`),
		"apps": []flowsApp{
			register("basic", latchkey.AuthBasic, latchkey.RS256, unchanged),
			register("post", latchkey.AuthPost, latchkey.ES256, unchanged),
			register("shared", latchkey.AuthSecretJWT, latchkey.RS256, unchanged),
			register("keyed", latchkey.AuthPrivateKeyJWT, latchkey.RS256, func(c *latchkey.Client) { c.Protocol.JWKSURI = keyHost }),
			sealed("sealed-rsa", latchkey.RSAOAEP256, latchkey.ES256), sealed("sealed-ec", latchkey.ECDHESA256KW, latchkey.PS256),
			register("public", latchkey.AuthNone, latchkey.RS256, func(c *latchkey.Client) { c.Type, c.Profile = "spa", latchkey.ProfileOAuth21 }),
		},
		"machine": register("machine", latchkey.AuthPrivateKeyJWT, latchkey.RS256, func(c *latchkey.Client) {
			c.Protocol.JWKS = inRegistration
			c.Type, c.GrantTypes, c.ResponseTypes = "machine", []string{latchkey.GrantClientCredentials}, nil
			c.RedirectURIs, c.Scopes = nil, []string{"jobs:run"}
		}),
	}
	node := startRelyingParty(t)
	node.tell(task)
	for {
		said := node.hear()
		if said.Done > 0 {
			break
		}
		node.tell(map[string]string{"url": visit(t, person, said.Open)})
	}
}

// signingKey makes a key, and the set that its public half stands in.
func signingKey(t *testing.T, alg jose.SignatureAlgorithm) (private jose.JSONWebKey, set json.RawMessage) {
	t.Helper()
	private = jose.JSONWebKey{KeyID: "key of " + string(alg), Algorithm: string(alg)}
	var err error
	if alg == jose.EdDSA {
		_, private.Key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		private.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	if set, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}); err != nil {
		t.Fatal(err)
	}
	return private, set
}

// openingKey makes a key to encrypt to, and the set that its public half stands in.
func openingKey(t *testing.T, alg string) (private jose.JSONWebKey, set json.RawMessage) {
	t.Helper()
	private = jose.JSONWebKey{KeyID: "key of " + alg, Algorithm: alg, Use: "enc"}
	var err error
	if strings.HasPrefix(alg, "RSA") {
		private.Key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		private.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	if set, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}); err != nil {
		t.Fatal(err)
	}
	return private, set
}

// visit walks from an address of the application through latchkey, with the
// passkey where it is asked for, until the way leads back to the application.
func visit(t *testing.T, person *passkeytest.Browser, address string) string {
	t.Helper()
	for range 6 {
		got := person.Get(address)
		to := got.Header.Get("Location")
		if got.Status != http.StatusSeeOther || to == "" {
			t.Fatalf("%s answered %d %.300s", address, got.Status, got.Raw)
		}
		if strings.HasPrefix(to, "http://127.0.0.1:9/") {
			return to
		}
		address = to
		if u, err := url.Parse(to); err == nil && u.Path == "/login" {
			signedIn := person.SignIn(u.Query().Get("request"))
			if !signedIn.OK() {
				t.Fatalf("sign-in answered %d %s", signedIn.Status, signedIn.Raw)
			}
			address = signedIn.RedirectTo
		}
	}
	t.Fatalf("no end of redirects, at last to %s", address)
	return ""
}

// installRelyingParty runs npm ci when what is installed is not what the lock
// file says. Test binaries that run at once wait for one another.
func installRelyingParty(t *testing.T) {
	t.Helper()
	lock, err := os.Open(filepath.Join(relyingParty, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("wait for another install: %v", err)
	}
	want, err := io.ReadAll(lock)
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join(relyingParty, "node_modules", ".installed")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(want) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = relyingParty
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci (make test installs npm): %v: %s", err, out)
	}
	if err := os.WriteFile(stamp, want, 0o600); err != nil {
		t.Fatal(err)
	}
}

// node is the application while it runs.
type node struct {
	t   *testing.T
	in  *json.Encoder
	out *bufio.Scanner
	end func() error // waits for it and returns what it complained of
}

func startRelyingParty(t *testing.T) *node {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, "node", "flows.mjs")
	cmd.Dir = relyingParty
	var complaints strings.Builder
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start node (make test installs it): %v", err)
	}
	n := &node{t: t, in: json.NewEncoder(in), out: bufio.NewScanner(out)}
	n.end = func() error {
		defer cancel()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w: %s", err, complaints.String())
		}
		return nil
	}
	t.Cleanup(func() {
		_ = in.Close() // it may have ended by itself
		if err := n.end(); err != nil {
			t.Errorf("the application: %v", err)
		}
	})
	return n
}

func (n *node) tell(what any) {
	n.t.Helper()
	if err := n.in.Encode(what); err != nil {
		n.t.Fatalf("the application does not listen: %v", err)
	}
}

// said is one line of the application.
type said struct {
	Open string `json:"open"` // an address for the browser
	Done int    `json:"done"` // how many applications were walked through
}

func (n *node) hear() (s said) {
	n.t.Helper()
	if !n.out.Scan() {
		n.t.Fatal("the application ended early") // the clean-up says why
	}
	if err := json.Unmarshal(n.out.Bytes(), &s); err != nil {
		n.t.Fatalf("the application said %s", n.out.Text())
	}
	return s
}
