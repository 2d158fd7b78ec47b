//go:build !faults

package faults_test

// all is false in `make test`, which tries a little of each.
const all = false
