package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"latchkey/passkey/passkeytest"
	"latchkey/storage/storagetest"
)

// startDemo runs the sample application until the test ends, and returns the
// address that it prints.
func startDemo(t *testing.T, arguments ...string) (cmd *exec.Cmd, address string) {
	t.Helper()
	cmd = program(t, append([]string{"demo"}, arguments...)...)
	var log strings.Builder
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(stdout)
	if !scanner.Scan() {
		t.Fatalf("demo ended before it was ready: %v: %s", cmd.Wait(), log.String())
	}
	address, found := strings.CutPrefix(scanner.Text(), "Open ")
	if !found {
		t.Fatalf("demo printed %q", scanner.Text())
	}
	return cmd, address
}

// interrupt presses Ctrl-C and insists on an orderly end.
func interrupt(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v, want exit 0", err)
	}
}

// visit is a page that a browser with cookies reached.
type visit struct {
	at     *url.URL
	status int
	body   string
}

// follow asks for an address and goes wherever redirects and the hand-over page
// lead, as a browser does.
func follow(t *testing.T, b *passkeytest.Browser, req *http.Request) visit {
	t.Helper()
	client := &http.Client{Jar: b.HTTP.Jar, Timeout: 10 * time.Second}
	for range 3 {
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		v := visitOf(t, res)
		res.Body.Close()
		onward := v.element(t, "a", "continue")
		if onward == nil {
			return v
		}
		req = newRequest(t, "GET", attribute(onward, "href"), nil)
	}
	t.Fatal("no end of hand-over pages")
	return visit{}
}

// visitOf reads an answer; the caller closes it.
func visitOf(t *testing.T, res *http.Response) visit {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return visit{res.Request.URL, res.StatusCode, string(body)}
}

func newRequest(t *testing.T, method, address string, form url.Values) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

func (v visit) wants(t *testing.T, page string) {
	t.Helper()
	if v.status != http.StatusOK || !strings.Contains(v.body, `data-page="`+page+`"`) {
		t.Fatalf("%s answered %d, want the page %s:\n%s", v.at, v.status, page, v.body)
	}
}

// element finds one by tag and id.
func (v visit) element(t *testing.T, tag, id string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(v.body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag && attribute(n, "id") == id {
			return n
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// allow presses Allow on the consent page.
func (v visit) allow(t *testing.T) *http.Request {
	t.Helper()
	form := v.element(t, "form", "consent")
	if form == nil {
		t.Fatalf("%s has no form to allow by: %s", v.at, v.body)
	}
	fields := url.Values{"decision": {"allow"}}
	for n := range form.Descendants() {
		if n.Data == "input" && attribute(n, "type") == "hidden" {
			fields.Add(attribute(n, "name"), attribute(n, "value"))
		}
	}
	action := v.at
	if a := attribute(form, "action"); a != "" {
		relative, err := url.Parse(a)
		if err != nil {
			t.Fatal(err)
		}
		action = v.at.ResolveReference(relative)
	}
	return newRequest(t, "POST", action.String(), fields)
}

// TestDemo goes the whole way that the README describes, with three programs:
// serve on its private database, the demo beside it, and a browser.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir, listen := shortDir(t), freeAddress(t)
	issuer := "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
	settings := []string{"--issuer", issuer, "--data-dir", dir}
	serve, lines := startProgram(t, append(settings, "--listen", listen)...)
	_, token, _ := strings.Cut(lines[0], "/setup#token=")
	alice := passkeytest.NewBrowser(t, issuer)
	if answer := alice.Register("setup", token, passkeytest.Fields{"username": "alice", "display_name": "Alice", "email": "alice@example.com"}); answer.Status != 201 {
		t.Fatalf("set-up answered %d %s", answer.Status, answer.Raw)
	}

	app, address := startDemo(t, append(settings, "--listen", "127.0.0.1:0")...)
	t.Run("sign in, refresh, sign out", func(t *testing.T) {
		follow(t, alice, newRequest(t, "GET", address, nil)).wants(t, "demo")
		consent := follow(t, alice, newRequest(t, "GET", address+"/sign-in", nil))
		consent.wants(t, "consent")
		home := follow(t, alice, consent.allow(t))
		home.wants(t, "demo-session")
		for _, learned := range []string{"Alice", "alice@example.com"} {
			if !strings.Contains(home.body, learned) {
				t.Errorf("the page does not show %q", learned)
			}
		}
		home = follow(t, alice, newRequest(t, "POST", address+"/refresh", url.Values{}))
		home.wants(t, "demo-session")
		if row := home.element(t, "tr", "token-refresh-token"); row == nil || !strings.HasSuffix(text(row), "Yes") {
			t.Error("the page does not say that the refresh token changed")
		}
		out := follow(t, alice, newRequest(t, "POST", address+"/sign-out", url.Values{}))
		out.wants(t, "demo")
		if !strings.Contains(out.body, "You are signed out") {
			t.Errorf("the sign-out did not come back as one: %s", out.body)
		}
		follow(t, alice, newRequest(t, "GET", address+"/sign-in", nil)).wants(t, "login")
	})
	if os.Geteuid() == 0 {
		nothingStaysRoot(t, app.Process.Pid, dir)
	}

	// It holds no part of the database: serve stops at once although it runs.
	began := time.Now()
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("serve stopped after %v with %v while the demo ran", time.Since(began), err)
	}
	interrupt(t, app)

	// Started anew on another port, with the database by itself and nobody at
	// the issuer: the client follows, and the demo waits.
	waiting := program(t, append(append([]string{"demo"}, settings...), "--listen", "localhost:0")...)
	said, err := waiting.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	for err == nil && !strings.Contains(line, "waiting for "+issuer) {
		line, err = bufio.NewReader(said).ReadString('\n')
	}
	if !strings.Contains(line, "latchkey serve") {
		t.Errorf("it does not say what to do: %q, %v", line, err)
	}
	interrupt(t, waiting)
	serve, _ = startProgram(t, append(settings, "--listen", listen)...)
	again, address := startDemo(t, append(settings, "--listen", freeAddress(t))...)
	consent := follow(t, alice, newRequest(t, "GET", address+"/sign-in", nil))
	consent.wants(t, "login")
	interrupt(t, again)
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve: %v", err)
	}
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// TestDemoFollowsItsAddress: the client that is there gets the address of this
// start, and one that an administrator changed is left alone.
func TestDemoFollowsItsAddress(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	issuer := "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
	database, dir := storagetest.Empty(t), worldDir(t)
	settings := []string{"--issuer", issuer, "--data-dir", dir, "--database-url", database}
	start(t, append(settings, "--listen", listen)...)
	uris := func() string {
		return storagetest.Value[string](t, database, "SELECT redirect_uris[1] || ' ' || post_logout_redirect_uris[1] FROM clients WHERE id = 'latchkey-demo'")
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		ln, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Logf("no %s on this machine: %v", host, err)
			continue
		}
		ln.Close()
		app, address := startDemo(t, append(settings, "--listen", host+":0")...)
		if !strings.HasPrefix(address, "http://"+host+":") {
			t.Errorf("it prints %q for the host %s", address, host)
		}
		if got, want := uris(), address+"/callback "+address+"/"; got != want {
			t.Errorf("the client has %q, want %q", got, want)
		}
		interrupt(t, app)
	}
	if n := storagetest.Value[int](t, database, "SELECT count(*)::int FROM audit_log WHERE event_type IN ('client.registered', 'client.updated')"); n < 2 {
		t.Errorf("%d events tell of the client, want one for each change", n)
	}

	for _, change := range []struct{ name, sql, undo, says string }{
		{"a disabled client", "enabled = false", "enabled = true", "disabled"},
		{"a client with a secret", "auth_method = 'client_secret_basic'", "auth_method = 'none'", "--client-secret-file"},
	} {
		storagetest.SQL(t, database, "UPDATE clients SET "+change.sql)
		code, _, stderr := runProgram(t, append(append([]string{"demo"}, settings...), "--listen", "127.0.0.1:0")...)
		if code != exitRefused || !strings.Contains(stderr, change.says) {
			t.Errorf("%s: exit %d, want %d with %q: %s", change.name, code, exitRefused, change.says, stderr)
		}
		storagetest.SQL(t, database, "UPDATE clients SET "+change.undo)
	}

	// Another address that leads to the same latchkey is another issuer: waiting
	// would not help.
	target, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(other.Close)
	code, _, stderr := runProgram(t, "demo", "--client-id", "x", "--issuer", strings.Replace(other.URL, "127.0.0.1", "localhost", 1), "--data-dir", dir, "--listen", "127.0.0.1:0")
	if code != exitFailed || !strings.Contains(stderr, issuer) {
		t.Errorf("another issuer: exit %d, want %d naming %s: %s", code, exitFailed, issuer, stderr)
	}
}

// worldDir is a data dir that the program's user can enter and that holds no
// cluster.
func worldDir(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDemoRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct {
		name      string
		arguments []string
		says      string
	}{
		{"a port in use", []string{"--listen", taken.Addr().String()}, "--listen"},
		{"every address of the machine", []string{"--listen", ":8090"}, "this machine only"},
		{"another machine's address", []string{"--listen", "192.0.2.1:8090"}, "this machine only"},
		{"no port", []string{"--listen", "localhost"}, "--listen"},
		{"a secret without its client", []string{"--client-secret-file", empty}, "--client-id"},
		{"a secret that is not there", []string{"--client-id", "x", "--client-secret-file", "/nowhere"}, "--client-secret-file"},
		{"an empty secret", []string{"--client-id", "x", "--client-secret-file", empty}, "--client-secret-file"},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t, append([]string{"demo", "--data-dir", t.TempDir()}, wrong.arguments...)...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, wrong.says) {
				t.Errorf("exit %d, want %d with %q: %q %s", code, exitUsage, wrong.says, stdout, stderr)
			}
		})
	}
}
