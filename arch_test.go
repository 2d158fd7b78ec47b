package latchkey_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers are the packages from the top down. An import may only lead to a layer
// further down; layers that are not peers forbid imports within themselves.
var layers = []struct {
	name     string
	packages []string
}{
	{"the program", []string{"cmd/latchkey"}},
	{"composition", []string{"server"}},
	{"features", []string{"oidc", "passkey", "account", "admin", "demo"}},
	{"shared parts", []string{"session", "audit", "keys", "mail", "outbound", "templates"}},
	{"the only SQL", []string{"storage"}},
	{"below the SQL", []string{"migrations", "seal"}},
	{"the vocabulary", []string{""}},
}

// aside are packages outside the layers, each with what it may import of ours.
// They never link into the product unless somebody above is allowed to.
var aside = map[string][]string{
	"storage/embedpg":            {""},
	"storage/storagetest":        {"", "migrations", "seal", "storage", "storage/embedpg"},
	"passkey/passkeytest":        {""},
	"outbound/outboundtest":      {"outbound"},
	"server/servertest":          {"", "migrations", "passkey/passkeytest", "seal", "server", "storage", "storage/embedpg", "storage/storagetest"},
	"server/servertest/acmetest": {""},
	"server/servertest/chrome":   {"", "passkey/passkeytest", "server/servertest"},
}

// homes are the big dependencies, each with the only packages that may know it.
var homes = map[string][]string{
	"github.com/jackc/pgx/v5":          {"storage", "storage/embedpg", "storage/storagetest", "migrations"},
	"github.com/ory/fosite":            {"oidc"},
	"github.com/go-webauthn/webauthn":  {"passkey", "passkey/passkeytest"},
	"html/template":                    {"templates"},
	"github.com/alecthomas/kong":       {"cmd/latchkey"},
	"github.com/danielgtaylor/huma/v2": {"server"},
	"github.com/gin-gonic/gin":         {"server", "oidc", "passkey", "account", "admin", "demo"},
	"github.com/coreos/go-oidc/v3":     {"demo"},
	"github.com/pressly/goose/v3":      {"migrations"},
	"github.com/chromedp/chromedp":     {"server/servertest/chrome"},
	"github.com/sony/gobreaker/v2":     {"outbound"},
}

// TestArrowsOnlyGoDown reads the imports of every package that is not a test.
func TestArrowsOnlyGoDown(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, file := range goFiles(t, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
		seen++
		folder := path.Dir(filepath.ToSlash(file))
		if folder == "." {
			folder = ""
		}
		for _, imported := range importsOf(t, file) {
			if err := judge(folder, imported); err != nil {
				t.Errorf("%s imports %q: %v", file, imported, err)
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d files were looked at: the walk is broken", seen)
	}
}

// TestTheRulesSeeABrokenArrow breaks each rule once.
func TestTheRulesSeeABrokenArrow(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct{ folder, imported, rule string }{
		{"storage", "latchkey/session", "arrows only go down"},
		{"oidc", "latchkey/passkey", "never import one another"},
		{"audit", "latchkey/keys", "never import one another"},
		{"", "latchkey/seal", "the vocabulary imports nothing"},
		{"", "github.com/google/uuid", "the vocabulary imports nothing"},
		{"seal", "github.com/google/uuid", "standard library only"},
		{"server", "latchkey/storage/storagetest", "test code never links into the product"},
		{"oidc", "github.com/jackc/pgx/v5/pgtype", "its home is storage"},
		{"passkey", "github.com/ory/fosite", "its home is oidc"},
		{"helpers", "latchkey", "no such package in the layout"},
	} {
		err := judge(broken.folder, broken.imported)
		if err == nil || !strings.Contains(err.Error(), broken.rule) {
			t.Errorf("%q importing %q: got %v, want a refusal that says %q", broken.folder, broken.imported, err, broken.rule)
		}
	}
}

// judge says which rule an import breaks, if any.
func judge(folder, imported string) error {
	own, ours := strings.CutPrefix(imported, "latchkey")
	if ours && (own == "" || own[0] == '/') {
		return judgeArrow(folder, strings.TrimPrefix(own, "/"))
	}
	if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && (folder == "" || folder == "seal") {
		if folder == "" {
			return fmt.Errorf("the vocabulary imports nothing but the standard library")
		}
		return fmt.Errorf("seal: standard library only")
	}
	for dependency, allowed := range homes {
		if imported != dependency && !strings.HasPrefix(imported, dependency+"/") {
			continue
		}
		if !slices.Contains(allowed, folder) {
			return fmt.Errorf("its home is %s", strings.Join(allowed, ", "))
		}
	}
	return nil
}

func judgeArrow(from, to string) error {
	if allowed, ok := aside[from]; ok {
		if !slices.Contains(allowed, to) {
			return fmt.Errorf("%s may import %q only", from, allowed)
		}
		return nil
	}
	top, found := layerOf(from)
	if !found {
		return fmt.Errorf("%q: no such package in the layout", from)
	}
	if from == "" {
		return fmt.Errorf("the vocabulary imports nothing of ours")
	}
	if _, ok := aside[to]; ok {
		if from == "cmd/latchkey" && to == "storage/embedpg" {
			return nil
		}
		return fmt.Errorf("test code never links into the product, and only the program runs the private database")
	}
	bottom, found := layerOf(to)
	switch {
	case !found:
		return fmt.Errorf("%q: no such package in the layout", to)
	case top == bottom:
		return fmt.Errorf("%s never import one another", layers[top].name)
	case top > bottom:
		return fmt.Errorf("arrows only go down: %s are below %s", layers[top].name, layers[bottom].name)
	}
	return nil
}

func layerOf(folder string) (int, bool) {
	for i, layer := range layers {
		if slices.Contains(layer.packages, folder) {
			return i, true
		}
	}
	return 0, false
}

// TestFilesAreNamedAfterWhatTheyHold refuses the names under which things
// gather that nobody understood.
func TestFilesAreNamedAfterWhatTheyHold(t *testing.T) {
	t.Parallel()
	for _, file := range goFiles(t, func(string) bool { return true }) {
		for _, part := range strings.Split(strings.TrimSuffix(filepath.ToSlash(file), ".go"), "/") {
			for _, word := range strings.Split(strings.TrimSuffix(part, "_test"), "_") {
				if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "base", "misc", "types", "models", "manager", "impl"}, word) {
					t.Errorf("%s: %q says nothing about what is in it", file, word)
				}
			}
		}
	}
}

func goFiles(t *testing.T, keep func(name string) bool) (files []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(file, ".go") && keep(file):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func importsOf(t *testing.T, file string) (paths []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, name)
	}
	return paths
}
