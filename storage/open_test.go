package storage_test

import (
	"testing"

	"latchkey/storage"
	"latchkey/storage/storagetest"
)

// testDB is a database of one test, which also looks at rows and ages them.
type testDB struct {
	*storage.DB
	url string
}

func open(t testing.TB) *testDB {
	t.Helper()
	url := storagetest.URL(t)
	return &testDB{DB: storagetest.Connect(t, url), url: url}
}

// Exec runs SQL beside the storage, to age rows.
func (db *testDB) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	storagetest.SQL(t, db.url, sql, args...)
}

// Count runs a query for one number.
func (db *testDB) Count(t testing.TB, sql string, args ...any) int {
	t.Helper()
	return int(storagetest.Value[int64](t, db.url, sql, args...))
}
