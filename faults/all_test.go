//go:build faults

package faults_test

// all tells that everything is to be tried, however long it takes.
const all = true
