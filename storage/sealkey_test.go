package storage_test

import (
	"errors"
	"testing"
	"time"

	"latchkey"
	"latchkey/seal"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

func ringOf(t *testing.T, keys *seal.Keys) func(*storage.Options) {
	t.Helper()
	ring, err := seal.NewRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *storage.Options) { o.Ring = ring }
}

// TestSealKeysOfAnotherInstallation: the wrong key file is noticed before
// anything is written.
func TestSealKeysOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	if holds, err := storage.HoldsSealed(t.Context(), url); err != nil || holds {
		t.Fatalf("a new database holds sealed data: %v, %v", holds, err)
	}
	if err := storagetest.Connect(t, url).CheckSealKeys(t.Context()); err != nil {
		t.Fatalf("first start: %v", err)
	}
	if holds, err := storage.HoldsSealed(t.Context(), url); err != nil || !holds {
		t.Fatalf("after the first start the database holds sealed data: %v, %v", holds, err)
	}
	if err := storagetest.Connect(t, url).CheckSealKeys(t.Context()); err != nil {
		t.Errorf("second start with the same keys: %v", err)
	}

	other := storagetest.Connect(t, url, ringOf(t, seal.Generate(time.Now())))
	if err := other.CheckSealKeys(t.Context()); !errors.Is(err, latchkey.ErrSealMismatch) {
		t.Errorf("another installation's keys: %v, want ErrSealMismatch", err)
	}

	newer := seal.Generate(time.Now())
	newer.Version = 2
	unknown := storagetest.Connect(t, url, ringOf(t, newer))
	if err := unknown.CheckSealKeys(t.Context()); !errors.Is(err, latchkey.ErrSealMismatch) {
		t.Errorf("a key file without the version that sealed the data: %v, want ErrSealMismatch", err)
	}
	if n := storagetest.Value[int](t, url, "SELECT count(*) FROM seal_keys"); n != 1 {
		t.Errorf("%d canaries after the refusals, want 1", n)
	}
}
