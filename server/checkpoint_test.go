package server_test

import (
	"net/http"
	"strings"
	"testing"

	"latchkey"
	"latchkey/audit"
	"latchkey/server"
	"latchkey/server/servertest"
)

// TestCheckpointIsKnownByItsTag: whoever has the newest one gets nothing again,
// until the tree grows.
func TestCheckpointIsKnownByItsTag(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	path := app.URL + "/audit/checkpoint"
	res, note := ask(t, "GET", path, "")
	tag := res.Header.Get("ETag")
	if res.StatusCode != 200 || tag == "" || res.Header.Get("Cache-Control") != "public, no-cache" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
		!strings.HasPrefix(note, strings.TrimPrefix(app.URL, "http://")+"/audit\n0\n") {
		t.Fatalf("%d %v: %q", res.StatusCode, res.Header, note)
	}
	for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200} {
		again, rest := ask(t, "GET", path, "", "If-None-Match", header)
		if again.StatusCode != status || again.Header.Get("ETag") != tag || again.Header.Get("Cache-Control") != "public, no-cache" ||
			status == 304 && rest != "" || status == 200 && rest != note {
			t.Errorf("If-None-Match %s: %d %v %q", header, again.StatusCode, again.Header, rest)
		}
	}
	if head, rest := ask(t, "HEAD", path, ""); head.StatusCode != 200 || rest != "" || head.Header.Get("ETag") != tag {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	if post, _ := ask(t, "POST", path, ""); post.StatusCode != 405 {
		t.Errorf("POST: %d", post.StatusCode)
	}
	if err := app.DB.Record(t.Context(), latchkey.Event{Kind: latchkey.UserUpdated}); err != nil {
		t.Fatal(err)
	}
	log, err := audit.New(audit.Options{DB: app.DB, Issuer: app.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.CatchUp(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	grown, newer := ask(t, "GET", path, "", "If-None-Match", tag)
	if grown.StatusCode != 200 || grown.Header.Get("ETag") == tag || newer == note {
		t.Errorf("of a tree that grew: %d %v %q", grown.StatusCode, grown.Header, newer)
	}
}

// TestCheckpointIsLimited by address, as other public routes are, unless limits
// are off.
func TestCheckpointIsLimited(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"on": http.StatusTooManyRequests, "off": http.StatusOK} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := servertest.Start(t, func(o *server.Options) { o.NoRateLimits = name == "off" })
			status, asked := http.StatusOK, 0
			for ; status == http.StatusOK && asked < 400; asked++ {
				res, _ := ask(t, "GET", app.URL+"/audit/checkpoint", "")
				status = res.StatusCode
				if status == http.StatusTooManyRequests && (res.Header.Get("Retry-After") == "" || res.Header.Get("ETag") != "" || res.Header.Get("Cache-Control") != "no-store") {
					t.Errorf("refused with %v", res.Header)
				}
			}
			if status != want || status != http.StatusOK && asked <= 300 {
				t.Errorf("the answer to request %d is %d, want %d", asked, status, want)
			}
			if res, _ := ask(t, "GET", app.URL+"/oauth2/jwks", ""); res.StatusCode != http.StatusOK {
				t.Errorf("another route answers %d", res.StatusCode)
			}
		})
	}
}

// TestCheckpointWithoutItsKey is trouble here, and not a wrong address.
func TestCheckpointWithoutItsKey(t *testing.T) {
	t.Parallel()
	app := servertest.Start(t)
	app.Exec(t, `DELETE FROM audit_key`)
	if res, body := ask(t, "GET", app.URL+"/audit/checkpoint", ""); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "audit_key") {
		t.Errorf("answered %d %s", res.StatusCode, body)
	}
}
