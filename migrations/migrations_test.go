package migrations_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"latchkey/migrations"
	"latchkey/storage/storagetest"
)

// TestManyNodesMigrateAtOnce: all succeed, one does the work.
func TestManyNodesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := storagetest.Empty(t)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() { _, errs[i] = migrations.Up(t.Context(), url) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("migrating at once: %v", err)
	}
	got, err := migrations.Read(t.Context(), url)
	if err != nil || got.Current != got.Latest || len(got.Pending) != 0 {
		t.Errorf("after migrating: %+v, %v", got, err)
	}
	if n := storagetest.Value[int](t, url, "SELECT count(*) FROM schema_migrations WHERE version_id > 0"); n != int(got.Latest) {
		t.Errorf("%d migrations recorded, want %d", n, got.Latest)
	}
}

// TestNewerSchemaIsRefused: an old release must not write to what it does not know.
func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	storagetest.SQL(t, url, "INSERT INTO schema_migrations (version_id, is_applied) VALUES (9999, true)")
	if _, err := migrations.Up(t.Context(), url); !errors.Is(err, migrations.ErrNewer) {
		t.Errorf("Up on a newer schema: %v, want ErrNewer", err)
	}
}

// TestSchemaFileIsTheResult compares schema.sql with what the migrations make.
// UPDATE_SCHEMA=1 writes it anew.
func TestSchemaFileIsTheResult(t *testing.T) {
	t.Parallel()
	got := dump(t, storagetest.URL(t))
	if os.Getenv("UPDATE_SCHEMA") != "" {
		if err := os.WriteFile("schema.sql", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != migrations.Schema {
		t.Errorf("schema.sql is not what the migrations make: run UPDATE_SCHEMA=1 go test ./migrations and review the difference")
	}
}

// noise are the lines of a dump that depend on the version of the dumper.
var noise = regexp.MustCompile(`(?m)^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n`)

func dump(t *testing.T, url string) string {
	t.Helper()
	tools, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(tools) == 0 {
		t.Fatalf("no pg_dump: %v", err)
	}
	slices.Sort(tools)
	out, err := exec.CommandContext(t.Context(), tools[len(tools)-1], "--schema-only", "--no-owner", "--no-privileges",
		"--exclude-table=schema_migrations", "--exclude-table=schema_migrations_id_seq", "-d", url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	text := noise.ReplaceAllString(string(out), "")
	return strings.TrimSpace(regexp.MustCompile(`\n{3,}`).ReplaceAllString(text, "\n\n")) + "\n"
}
