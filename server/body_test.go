package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

func TestBodiesAreRefusedBeforeTheHandler(t *testing.T) {
	e, _ := newTestEdge(t)
	reached := 0
	handler := e.page(func(c *gin.Context) error {
		reached++
		_, err := io.Copy(io.Discard, c.Request.Body)
		if err != nil {
			return err
		}
		c.Status(200)
		return nil
	})
	s := serve(t, e, func(r *gin.Engine) {
		r.POST("/api/form", e.form, handler)
		r.POST("/api/json", e.json, handler)
		r.POST("/api/import", e.importJSON, handler)
		r.POST("/api/none", handler)
		r.DELETE("/api/json", e.json, handler)
	})
	form, jsonType := []string{"Content-Type", typeForm}, []string{"Content-Type", typeJSON}
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"form", "POST", "/api/form", "a=1&b=2", form, 200, ""},
		{"form with charset", "POST", "/api/form", "a=1", []string{"Content-Type", typeForm + "; charset=UTF-8"}, 200, ""},
		{"form without body", "POST", "/api/form", "", nil, 200, ""},
		{"form at the limit", "POST", "/api/form", "a=" + strings.Repeat("x", maxForm-2), form, 200, ""},
		{"form over the limit", "POST", "/api/form", "a=" + strings.Repeat("x", maxForm-1), form, 413, "body_too_large"},
		{"200 fields", "POST", "/api/form", strings.Repeat("a=1&", 199) + "a=1", form, 200, ""},
		{"201 fields", "POST", "/api/form", strings.Repeat("a=1&", 200) + "a=1", form, 400, "malformed_request"},
		{"10,000 fields", "POST", "/api/form", strings.Repeat("a&", 10000), form, 400, "malformed_request"},
		{"bad escape", "POST", "/api/form", "a=%zz", form, 400, "malformed_request"},
		{"semicolon", "POST", "/api/form", "a=1;b=2", form, 400, "malformed_request"},
		{"no type", "POST", "/api/form", "a=1", nil, 415, "unsupported_media_type"},
		{"JSON for a form", "POST", "/api/form", "{}", jsonType, 415, "unsupported_media_type"},
		{"multipart", "POST", "/api/form", "--b--", []string{"Content-Type", "multipart/form-data; boundary=b"}, 415, "unsupported_media_type"},
		{"other charset", "POST", "/api/form", "a=1", []string{"Content-Type", typeForm + "; charset=utf-16"}, 415, "unsupported_media_type"},
		{"two types", "POST", "/api/form", "a=1", append(form, form...), 415, "unsupported_media_type"},
		{"coded body", "POST", "/api/form", "a=1", append(form, "Content-Encoding", "gzip"), 415, "unsupported_media_type"},

		{"JSON", "POST", "/api/json", `{"a": "[[\"{"}`, jsonType, 200, ""},
		{"no JSON at all", "DELETE", "/api/json", "", nil, 200, ""},
		{"JSON at the limit", "POST", "/api/json", `"` + strings.Repeat("x", maxJSON-2) + `"`, jsonType, 200, ""},
		{"JSON over the limit", "POST", "/api/json", `"` + strings.Repeat("x", maxJSON-1) + `"`, jsonType, 413, "body_too_large"},
		{"depth 32", "POST", "/api/json", nested(32), jsonType, 200, ""},
		{"depth 33", "POST", "/api/json", nested(33), jsonType, 400, "malformed_request"},
		{"depth 33 of objects", "POST", "/api/json", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), jsonType, 400, "malformed_request"},
		{"half a document", "POST", "/api/json", `{"a":`, jsonType, 400, "malformed_request"},
		{"two documents", "POST", "/api/json", `{}{}`, jsonType, 400, "malformed_request"},
		{"text/plain", "POST", "/api/json", `{}`, []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type"},
		{"form for JSON", "POST", "/api/json", "a=1", form, 415, "unsupported_media_type"},
		{"multipart for JSON", "POST", "/api/json", "--b--", []string{"Content-Type", "multipart/form-data; boundary=b"}, 415, "unsupported_media_type"},
		{"problem type", "POST", "/api/json", "{}", []string{"Content-Type", "application/problem+json"}, 415, "unsupported_media_type"},

		{"import", "POST", "/api/import", `"` + strings.Repeat("x", maxImport-2) + `"`, jsonType, 200, ""},
		{"import over the limit", "POST", "/api/import", `"` + strings.Repeat("x", maxImport-1) + `"`, jsonType, 413, "body_too_large"},
		{"a route that opens no body", "POST", "/api/none", "{}", jsonType, 413, "body_too_large"},
		{"no body", "POST", "/api/none", "", nil, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached = 0
			got := send(t, s, c.method, c.path, c.body, c.headers...)
			if got.StatusCode != c.status {
				t.Fatalf("status is %d, want %d: %.200s", got.StatusCode, c.status, got.body)
			}
			if c.status == 200 {
				return
			}
			if code := got.problem(t)["code"]; code != c.code {
				t.Errorf("code is %v, want %s", code, c.code)
			}
			if reached != 0 && c.path != "/api/none" {
				t.Error("the handler ran")
			}
		})
	}
}

// A body without a length is measured while it is read.
func TestChunkedBodyOverTheLimit(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) { r.POST("/api/json", e.json, e.page(fine)) })
	body := io.MultiReader(strings.NewReader(`"`), strings.NewReader(strings.Repeat("x", maxJSON)), strings.NewReader(`"`))
	req, err := http.NewRequest("POST", s.URL+"/api/json", struct{ io.Reader }{body})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", typeJSON)
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("status is %d, want 413", res.StatusCode)
	}
}

func TestSlowBodyIsCut(t *testing.T) {
	e, _ := newTestEdge(t)
	r := e.engine()
	r.POST("/api/json", e.json, e.page(fine))
	hs := newHTTPServer(e.handler(r), e.log)
	hs.ReadTimeout = 200 * time.Millisecond
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go hs.Serve(ln)
	defer hs.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/json HTTP/1.1\r\nHost: id.example.com\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 408 {
		t.Errorf("status is %d, want 408", res.StatusCode)
	}
}

func TestFormIsParsed(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		r.POST("/account/name", e.form, e.page(func(c *gin.Context) error {
			again, err := io.ReadAll(c.Request.Body)
			if err != nil {
				return err
			}
			c.String(200, "%s|%s|%s", c.PostForm("name"), c.Request.PostFormValue("name"), again)
			return nil
		}))
	})
	got := send(t, s, "POST", "/account/name?name=query", "name=J%C3%BCrgen+X", "Content-Type", typeForm)
	if got.body != "Jürgen X|Jürgen X|name=J%C3%BCrgen+X" {
		t.Errorf("handler saw %q", got.body)
	}
}

func FuzzTooDeep(f *testing.F) {
	for _, seed := range []string{"", "[]", `{"a":"]"}`, `"\\\""`, strings.Repeat("[", 33), `{"a":"\\"}[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		// A document within the depth must never be refused for its depth:
		// the number of opening brackets bounds it.
		opens := strings.Count(string(body), "[") + strings.Count(string(body), "{")
		if tooDeep(body, maxDepth) && opens <= maxDepth {
			t.Errorf("%q is called too deep with %d brackets", body, opens)
		}
	})
}
