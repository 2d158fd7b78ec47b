package keys

import (
	"testing"

	"latchkey"
)

// TestKidsCanBeTyped: none begins with a hyphen, which commands would take for a
// flag. By chance, one in 64 would.
func TestKidsCanBeTyped(t *testing.T) {
	t.Parallel()
	for range 2000 {
		signer, kid, err := newNamed(latchkey.EdDSA)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := Thumbprint(signer.Public()); err != nil || kid != want || kid[0] == '-' {
			t.Fatalf("kid %q of a key with the thumbprint %q, %v", kid, want, err)
		}
	}
}
