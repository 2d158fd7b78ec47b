package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The vectors of RFC 5869 appendix A ask for more than one block; expand makes
// the first.
func TestExpandFollowsRFC5869(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ name, prk, info, okm string }{
		{
			"A.1", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
			"f0f1f2f3f4f5f6f7f8f9",
			"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
		},
		{
			"A.3", "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04", "",
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
		},
	} {
		if got, want := expand(unhex(t, v.prk), unhex(t, v.info)), unhex(t, v.okm); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", v.name, got, want)
		}
	}
}

func TestExpandAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for size := range 200 {
		root, info := make([]byte, 32), make([]byte, size)
		_, _ = rand.Read(root)
		_, _ = rand.Read(info)
		want, err := hkdf.Expand(sha256.New, root, string(info), 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := expand(root, info); !bytes.Equal(got, want) {
			t.Errorf("info of %d bytes: got %x, want %x", size, got, want)
		}
	}
}

// Only root can give a file to somebody else; whoever runs the tests can be
// somebody else to a list of owners.
func TestOwnersDecideAboutFileAndFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path); err != nil {
		t.Fatal(err)
	}
	self := os.Geteuid()
	if _, err := readFile(path, []int{self + 1, self}); err != nil {
		t.Errorf("a listed owner: %v", err)
	}
	if keys, err := readFile(path, []int{self + 1}); !errors.Is(err, ErrRefused) || keys != nil {
		t.Errorf("another owner: %v, want ErrRefused", err)
	}
	if err := checkFolder(filepath.Dir(path), []int{self + 1}); !errors.Is(err, ErrRefused) {
		t.Errorf("a folder of another owner: %v, want ErrRefused", err)
	}
}
