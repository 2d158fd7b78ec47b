package templates_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"latchkey/templates"
)

// get asks for a static file.
func get(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	for name := range header {
		request.Header.Set(name, header.Get(name))
	}
	recorder := httptest.NewRecorder()
	site(t).Static().ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// hashed is the address that pages use for the style sheet.
func hashed(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`/static/[0-9a-f]{16}/look\.css`).FindString(render(t, templates.Login{}))
	if found == "" {
		t.Fatal("the sign-in page has no hashed address of the style sheet")
	}
	return found
}

func TestStaticFilesAreKeptOnlyUnderTheirHash(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		hashed(t):                           "public, max-age=31536000, immutable",
		"/static/look.css":                  "no-cache",
		"/static/0123456789abcdef/look.css": "no-cache",
	} {
		response := get(t, path, nil)
		if response.StatusCode != http.StatusOK || response.Header.Get("Cache-Control") != want {
			t.Errorf("GET %s = %d, Cache-Control %q; want 200, %q", path, response.StatusCode, response.Header.Get("Cache-Control"), want)
		}
		if got := response.Header.Get("Content-Type"); got != "text/css; charset=utf-8" {
			t.Errorf("GET %s has the type %q", path, got)
		}
	}
}

func TestStaticFilesAreNotSentTwice(t *testing.T) {
	t.Parallel()
	first := get(t, "/static/look.css", nil)
	again := get(t, "/static/look.css", http.Header{"If-None-Match": {first.Header.Get("ETag")}})
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("the second time answers %d, want 304", again.StatusCode)
	}
}

func TestStaticFilesAreCompressedForWhoTakesIt(t *testing.T) {
	t.Parallel()
	plain := get(t, "/static/look.css", nil)
	zipped := get(t, "/static/look.css", http.Header{"Accept-Encoding": {"gzip, br"}})
	if got := zipped.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding is %q, want gzip", got)
	}
	if plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
		t.Error("both forms have the same ETag")
	}
	reader, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body(t, reader) != body(t, plain.Body) {
		t.Error("the compressed style sheet differs from the plain one")
	}
}

func TestStaticRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/static/", "/static/none.css", "/static/../templates.go", "/static/js", "/static/0123456789abcdef/", "/static/0123456789abcdef/0123456789abcdef/look.css", "/static/login.html"} {
		if got := get(t, path, nil).StatusCode; got != http.StatusNotFound {
			t.Errorf("GET %s = %d, want 404", path, got)
		}
	}
}

// Trusted Types and the strict policy make these fail in a browser; here they
// fail with the name of the file.
func TestScriptsNeverWriteMarkup(t *testing.T) {
	t.Parallel()
	imports := regexp.MustCompile(`from '\./([a-z]+\.js)'`)
	seen := map[string]bool{}
	pending := []string{"login.js", "stepup.js", "enroll.js", "recover.js", "passkeys.js", "codes.js", "copy.js", "submit.js"}
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		response := get(t, "/static/js/"+name, nil)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("GET /static/js/%s = %d", name, response.StatusCode)
		}
		script := body(t, response.Body)
		for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", ".srcdoc", "setHTML"} {
			if strings.Contains(script, sink) {
				t.Errorf("%s uses %s", name, sink)
			}
		}
		for _, found := range imports.FindAllStringSubmatch(script, -1) {
			pending = append(pending, found[1])
		}
	}
}
