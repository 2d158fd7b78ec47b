package latchkey_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutationsStillFit holds every patch in testdata/mutations to its form:
// it says what it removes, names tests that are there, and applies to the
// source as it is. Whether those tests turn red, make mutations shows.
func TestMutationsStillFit(t *testing.T) {
	t.Parallel()
	patches, err := filepath.Glob("testdata/mutations/*.patch")
	if err != nil || len(patches) < 24 {
		t.Fatalf("%d patches: %v", len(patches), err)
	}
	for _, patch := range patches {
		if err := mutationFits(patch); err != nil {
			t.Errorf("%s: %v", patch, err)
		}
	}
}

// TestMutationsThatDoNotFit shows each fault once.
func TestMutationsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const diff = "\n\n--- a/latchkey.go\n+++ b/latchkey.go\n@@ -1,1 +1,2 @@\n+// first\n %s\n"
	line, err := os.ReadFile("latchkey.go")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(line), "\n")
	for _, c := range []struct{ name, text, says string }{
		{"right", "Removes: a line\nTest: . TestMutationsStillFit|FuzzRedirectURI" + fmt.Sprintf(diff, first), ""},
		{"no purpose", "Test: . TestMutationsStillFit" + fmt.Sprintf(diff, first), "Removes"},
		{"no test", "Removes: a line\nTest: ." + fmt.Sprintf(diff, first), "Test"},
		{"no such test", "Removes: a line\nTest: . TestMutationsStillFit|TestNobodyWrote" + fmt.Sprintf(diff, first), "TestNobodyWrote"},
		{"a test of another package", "Removes: a line\nTest: ./seal TestMutationsStillFit" + fmt.Sprintf(diff, first), "TestMutationsStillFit"},
		{"stale", "Removes: a line\nTest: . TestMutationsStillFit" + fmt.Sprintf(diff, "what is not there"), "does not apply"},
	} {
		patch := filepath.Join(t.TempDir(), "x.patch")
		if err := os.WriteFile(patch, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := mutationFits(patch)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
}

// mutationFits says what is wrong with a patch. Each test that it names has to
// be there, so that none is lost when one is renamed.
func mutationFits(patch string) error {
	raw, err := os.ReadFile(patch)
	if err != nil {
		return err
	}
	lines := strings.SplitN(string(raw), "\n", 4)
	if len(lines) < 4 || !strings.HasPrefix(lines[0], "Removes: ") || lines[2] != "" {
		return fmt.Errorf("it must begin with Removes:, Test: and an empty line")
	}
	folder, tests, ok := strings.Cut(strings.TrimPrefix(lines[1], "Test: "), " ")
	if !ok || !strings.HasPrefix(lines[1], "Test: ") {
		return fmt.Errorf("its second line must be Test: PACKAGE NAMES")
	}
	written, err := testsOf(folder)
	if err != nil {
		return err
	}
	for _, name := range strings.Split(tests, "|") {
		if !strings.Contains(written, "\nfunc "+name+"(") {
			return fmt.Errorf("%s has no test %s", folder, name)
		}
	}
	if out, err := exec.Command("git", "apply", "--check", "--recount", "-C1", patch).CombinedOutput(); err != nil {
		return fmt.Errorf("it does not apply any more: %s", out)
	}
	return nil
}

// testsOf is the text of all test files of a package.
func testsOf(folder string) (string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return "", err
	}
	all := strings.Builder{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		all.Write(raw)
	}
	return all.String(), nil
}
