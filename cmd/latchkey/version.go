package main

import (
	"crypto/fips140"
	"fmt"
	"runtime"
)

// versionCmd is `latchkey version`.
type versionCmd struct{}

// Run prints what this binary is.
func (*versionCmd) Run(c *commands) error {
	fips := "off"
	if fips140.Enabled() {
		fips = fips140.Version()
	}
	v := struct {
		Version string `json:"version"`
		Commit  string `json:"commit"`
		Go      string `json:"go"`
		FIPS    string `json:"fips"`
	}{version, commit, runtime.Version(), fips}
	return c.print(v, fmt.Sprintf("latchkey %s (commit %s, %s, FIPS module %s)", v.Version, v.Commit, v.Go, v.FIPS))
}
