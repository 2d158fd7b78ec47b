package server_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/server"
	"latchkey/server/servertest"
)

// TestReadiness: database, schema and keys, each missing on its own.
func TestReadiness(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	ready := func(address string) (int, []string) {
		t.Helper()
		res, err := http.Get(address + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer struct{ Failed []string }
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, answer.Failed
	}
	if status, failed := ready(app.URL); status != 200 {
		t.Errorf("a healthy node answers %d %v", status, failed)
	}

	// A node that has not made its keys yet.
	issuer, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	young, err := server.New(server.Options{Issuer: issuer, RPID: "localhost", DB: app.DB, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(young)
	t.Cleanup(listener.Close)
	if status, failed := ready(listener.URL); status != 503 || !cmp.Equal(failed, []string{"keys"}) {
		t.Errorf("without keys: %d %v, want 503 keys", status, failed)
	}

	app.Exec(t, "ALTER TABLE cache_version RENAME TO elsewhere")
	time.Sleep(1100 * time.Millisecond) // an answer may be that old
	if status, failed := ready(app.URL); status != 503 || !cmp.Equal(failed, []string{"schema"}) {
		t.Errorf("without the schema: %d %v, want 503 schema", status, failed)
	}
	app.Exec(t, "ALTER TABLE elsewhere RENAME TO cache_version")
	time.Sleep(1100 * time.Millisecond)
	if status, failed := ready(app.URL); status != 200 {
		t.Errorf("with the schema back: %d %v", status, failed)
	}
}
