package latchkey_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"latchkey/storage/storagetest"
)

// production is the program as docker-compose.yml runs it, without a container:
// built like the image, started by a user who is not root in a folder that
// nobody may write to, with the environment of the compose file and its
// secrets as files.
type production struct {
	dir     string // holds all that was made for it
	env     []string
	address string
	user    *syscall.Credential // nil: the test is not root itself
}

func newProduction(t *testing.T) *production {
	t.Helper()
	database, user := testDatabase(t)
	// Not t.TempDir: the program's user must be able to enter it.
	dir, err := os.MkdirTemp("", "latchkey-production-")
	if err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(os.Chmod(filepath.Join(dir, "work"), 0o755), os.RemoveAll(dir)); err != nil {
			t.Errorf("remove the folder: %v", err)
		}
	})
	p := &production{dir: dir, address: freeAddress(t), user: user}
	p.must(t, os.Chmod(dir, 0o755), os.Mkdir(p.path("secrets"), 0o755), os.Mkdir(p.path("work"), 0o555))
	p.build(t)
	p.secret(t, "latchkey-database-url", database+"\n")
	p.secret(t, "latchkey-keys", fmt.Sprintf(`{"version":1,"created_at":%q,"credential_encryption_key":%q,"session_signing_key":%q,"previous":[]}`,
		time.Now().UTC().Format(time.RFC3339), randomKey(), randomKey()))
	p.env = p.environment(mustLoadCompose(t).Services["latchkey"])
	return p
}

func (p *production) path(name ...string) string {
	return filepath.Join(append([]string{p.dir}, name...)...)
}

func (p *production) must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("prepare the shape of production: %v", err)
	}
}

// build makes the program. Without the flags of the Dockerfile, so that what is
// already compiled on this machine serves.
func (p *production) build(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", p.path("latchkey"), "./cmd/latchkey")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v: %s", err, out)
	}
}

// secret writes a file that the program's user may read and nobody may write.
func (p *production) secret(t *testing.T, name, content string) {
	t.Helper()
	path := p.path("secrets", name)
	p.must(t, os.WriteFile(path, []byte(content), 0o400))
	if p.user != nil {
		p.must(t, os.Chown(path, int(p.user.Uid), int(p.user.Gid)))
	}
}

// environment is the compose file's, with the secrets where they are here and
// an address that is free.
func (p *production) environment(service types.ServiceConfig) []string {
	env := []string{"HOME=/nonexistent", "LATCHKEY_LISTEN=" + p.address, "LATCHKEY_LOG_FORMAT=json"}
	for name, value := range service.Environment {
		env = append(env, name+"="+strings.ReplaceAll(*value, "/run/secrets", p.path("secrets")))
	}
	return env
}

func (p *production) command(ctx context.Context, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path("latchkey"), arguments...)
	cmd.Dir = p.path("work")
	cmd.Env = p.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// files lists everything below the folder.
func (p *production) files(t *testing.T) []string {
	t.Helper()
	var found []string
	p.must(t, filepath.WalkDir(p.dir, func(path string, _ fs.DirEntry, err error) error {
		found = append(found, path)
		return err
	}))
	return found
}

func randomKey() string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// testDatabase returns a database of the test cluster and, for a test that is
// root, the user who may enter the cluster's socket folder.
func testDatabase(t *testing.T) (string, *syscall.Credential) {
	t.Helper()
	found := regexp.MustCompile(`^host=(\S+) user=(\S+) dbname=(\S+)$`).FindStringSubmatch(storagetest.Empty(t))
	if found == nil {
		t.Fatal("the test database has an unknown kind of connection string")
	}
	database := fmt.Sprintf("postgres://%s@/%s?host=%s", found[2], found[3], found[1])
	if os.Geteuid() != 0 {
		return database, nil
	}
	info, err := os.Stat(found[1])
	if err != nil {
		t.Fatalf("look at the socket folder: %v", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		t.Fatal("the socket folder belongs to root")
	}
	return database, &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// waitReady reads standard output up to the ready line.
func waitReady(t *testing.T, output *bufio.Scanner) []string {
	t.Helper()
	var lines []string
	for output.Scan() {
		lines = append(lines, output.Text())
		if strings.HasPrefix(output.Text(), "latchkey is ready at ") {
			return lines
		}
	}
	t.Fatalf("the program ended before it was ready: %q, %v", lines, output.Err())
	return nil
}

func TestProductionShape(t *testing.T) {
	t.Parallel()
	p := newProduction(t)
	t.Run("starts, is ready, stops and writes nothing", func(t *testing.T) { p.startAndStop(t) })
	for _, refusal := range []struct {
		name    string
		setting string
		code    int
		says    string
	}{
		{"the secret with the database is missing", "LATCHKEY_DATABASE_URL_FILE=/nowhere", 2, "LATCHKEY_DATABASE_URL_FILE"},
		{"the secret with the keys is missing", "LATCHKEY_KEYS_FILE=/nowhere", 6, "/nowhere"},
		{"the issuer is not https", "LATCHKEY_ISSUER=http://id.example.com", 2, "--issuer"},
	} {
		t.Run("refuses when "+refusal.name, func(t *testing.T) { p.refuses(t, refusal.setting, refusal.code, refusal.says) })
	}
}

func (p *production) startAndStop(t *testing.T) {
	before := p.files(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := p.command(ctx, "serve")
	var log strings.Builder
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	p.must(t, err, cmd.Start())
	output := bufio.NewScanner(stdout)
	lines := waitReady(t, output)
	if got, want := lines[len(lines)-1], "latchkey is ready at https://id.example.com"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
	res, err := http.Get("http://" + p.address + "/readyz")
	if err != nil {
		t.Fatalf("GET /readyz: %v", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("GET /readyz answered %d, want 200", res.StatusCode)
	}
	if out, err := p.command(ctx, "doctor", "--health").CombinedOutput(); err != nil {
		t.Errorf("the health check of the compose file: %v: %s", err, out)
	}
	p.must(t, cmd.Process.Signal(syscall.SIGTERM))
	for output.Scan() { // to the end: Wait closes the pipe
		t.Errorf("after the ready line came %q", output.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM the program ended with %v, want exit 0: %s", err, log.String())
	}
	if after := p.files(t); !slices.Equal(before, after) {
		t.Errorf("files were %q, are %q", before, after)
	}
}

// refuses starts the program with one setting changed.
func (p *production) refuses(t *testing.T, setting string, code int, says string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := p.command(ctx, "serve")
	cmd.Env = append(slices.Clone(p.env), setting) // the last one of a name counts
	out, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if !ended || exit.ExitCode() != code || !strings.Contains(string(out), says) {
		t.Errorf("ended with %v and %q, want exit %d and words about %s", err, out, code, says)
	}
	if strings.Contains(string(out), "is ready") {
		t.Errorf("it says that it is ready: %s", out)
	}
}
