package latchkey_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestConformancePageIsTrue: every test that docs/conformance.md names is there,
// and every row of its tables of modules names one, or says why there is none.
func TestConformancePageIsTrue(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	written := map[string]string{}
	named := regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`").FindAllStringSubmatch(page, -1)
	for _, name := range named {
		if written[name[1]] == "" {
			if written[name[1]], err = testsOf(name[1]); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(written[name[1]], "\nfunc "+name[2]+"(") {
			t.Errorf("package %s has no test %s", name[1], name[2])
		}
	}
	modules := map[string]bool{}
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| oidcc-") {
			continue
		}
		if len(cells) != 4 || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("a row does not say what shows it: %s", line)
		}
		for _, module := range strings.Split(cells[0], ",") {
			if module = strings.TrimSpace(module); modules[module] {
				t.Errorf("%s has two rows", module)
			}
			modules[module] = true
		}
	}
	t.Logf("%d modules, %d names of tests", len(modules), len(named))
}
