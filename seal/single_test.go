package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"latchkey/seal"
)

// TestSingleOpensOnlyInItsPlace: another key, place, owner or byte is refused.
func TestSingleOpensOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	at := seal.Place{Table: "audit_leaf", Column: "personal", Row: "event", Owner: "key"}
	key := seal.NewSingle()
	sealed, err := key.Seal(at, []byte("alice"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.ReadSingle(key.Secret())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(at, sealed); err != nil || string(got) != "alice" {
		t.Fatalf("opened %q, %v", got, err)
	}
	bent := func(f func(*seal.Place)) seal.Place {
		p := at
		f(&p)
		return p
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key":    func() ([]byte, error) { return seal.NewSingle().Open(at, sealed) },
		"no key":         func() ([]byte, error) { return seal.Single{}.Open(at, sealed) },
		"another table":  func() ([]byte, error) { return key.Open(bent(func(p *seal.Place) { p.Table = "audit_lea" }), sealed) },
		"another column": func() ([]byte, error) { return key.Open(bent(func(p *seal.Place) { p.Column = "leaf" }), sealed) },
		"another row":    func() ([]byte, error) { return key.Open(bent(func(p *seal.Place) { p.Row = "other" }), sealed) },
		"another owner":  func() ([]byte, error) { return key.Open(bent(func(p *seal.Place) { p.Owner = "other" }), sealed) },
		"no row":         func() ([]byte, error) { return key.Open(bent(func(p *seal.Place) { p.Row = "" }), sealed) },
		"cut":            func() ([]byte, error) { return key.Open(at, sealed[:len(sealed)-1]) },
		"empty":          func() ([]byte, error) { return key.Open(at, nil) },
		"altered": func() ([]byte, error) {
			return key.Open(at, append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1))
		},
	} {
		if got, err := open(); !errors.Is(err, seal.ErrMismatch) || got != nil {
			t.Errorf("%s: got %q, %v; want ErrMismatch", name, got, err)
		}
	}
	if _, err := seal.ReadSingle(key.Secret()[:31]); !errors.Is(err, seal.ErrMismatch) {
		t.Errorf("a short key: %v", err)
	}
	if got := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); bytes.Contains([]byte(got), []byte(fmt.Sprint(key.Secret()[0]))) && len(got) > 50 {
		t.Errorf("the key prints as %q", got)
	}
}
