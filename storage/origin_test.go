package storage_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey"
	"latchkey/storage/storagetest"
)

// TestOriginsAreFoundAmongManyApplications: a stranger's script names an origin
// that nobody has, and another one with the next call. Looked for in each of
// 10,000 rows, one answer took 46 ms.
func TestOriginsAreFoundAmongManyApplications(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.Connect(t, url)
	storagetest.SQL(t, url, `
		INSERT INTO clients (id, name, type, profile, grant_types, response_types, scopes, auth_method, redirect_uris)
		SELECT 'app-' || n, 'App', $1, 'oauth21', '{}', '{}', '{}', 'none', ARRAY['https://app-' || n || '.example/callback']
		FROM generate_series(1, 10000) n`, latchkey.TypeSPA)
	storagetest.SQL(t, url, `ANALYZE clients`)
	if known, err := db.SPAOrigin(t.Context(), "https://app-9999.example"); err != nil || !known {
		t.Fatalf("a known origin: %v, %v", known, err)
	}
	var took []time.Duration
	for i := range 21 {
		begin := time.Now()
		if known, err := db.SPAOrigin(t.Context(), fmt.Sprintf("https://stranger-%d.example", i)); err != nil || known {
			t.Fatalf("an unknown origin: %v, %v", known, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 15*time.Millisecond {
		t.Errorf("an unknown origin takes %v", median)
	}
}
