package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"latchkey"
)

func TestAccessLogNamesNoSecrets(t *testing.T) {
	e, log := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		r.POST("/account/passkeys/:id/remove", e.form, e.page(func(c *gin.Context) error {
			a := latchkey.ActorFrom(c.Request.Context())
			a.Kind, a.UserID, a.ClientID = latchkey.ActorUser, "0197-user", "wiki"
			c.Request = c.Request.WithContext(latchkey.WithActor(c.Request.Context(), a))
			c.Set(codeKey, "invalid_grant")
			c.String(400, "no")
			return nil
		}))
	})
	const canary = "CANARY"
	got := send(t, s, "POST", "/account/passkeys/"+canary+"/remove?code="+canary, "token="+canary, "Content-Type", typeForm,
		"Cookie", "latchkey="+canary, "Authorization", "Bearer "+canary, "Referer", "https://x.example/"+canary,
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36")
	if strings.Contains(log.String(), canary) {
		t.Errorf("the log holds the canary:\n%s", log.String())
	}
	lines := log.lines(t, "request")
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1", len(lines))
	}
	for name, want := range map[string]any{
		"level": "INFO", "route": "/account/passkeys/:id/remove", "method": "POST", "status": 400.0, "code": "invalid_grant",
		"request_id": got.Header.Get("X-Request-Id"), "address": "127.0.0.0/24", "agent": "Chrome on Linux",
		"subject": "0197-user", "client_id": "wiki",
	} {
		if lines[0][name] != want {
			t.Errorf("%s is %v, want %v", name, lines[0][name], want)
		}
	}
	if _, ok := lines[0]["ms"].(float64); !ok {
		t.Errorf("ms is %v", lines[0]["ms"])
	}
}

// What strangers send gives one line of JSON each, with every value cut.
func TestLogSurvivesHostileValues(t *testing.T) {
	e, log := newTestEdge(t)
	r := e.engine()
	r.GET("/login", e.page(fine))
	r.GET("/echo/*rest", e.page(func(c *gin.Context) error {
		return &latchkey.Problem{
			Kind: latchkey.ErrInvalid, Code: "malformed_request", Message: "No.",
			Cause: errors.New("client id " + c.Request.UserAgent()),
		}
	}))
	hostile := []string{
		"a\r\nforged=1", "\x1b[31mred\x1b[0m", "bad \xff\xfe bytes", strings.Repeat("x", 1<<20),
		strings.Repeat("ü", 1000), "\u2028\u202e", `{"level":"INFO"}`, "\x00",
	}
	for _, value := range hostile {
		for _, path := range []string{"/login", "/echo/x", "/nothing"} {
			// Straight into the handler: the HTTP server would refuse most.
			req := httptest.NewRequest("GET", "/x", nil)
			req.URL.Path, req.RequestURI = path, path
			req.Header["User-Agent"] = []string{value}
			e.handler(r).ServeHTTP(httptest.NewRecorder(), req)
		}
		req := httptest.NewRequest("GET", "/x", nil)
		req.URL.Path, req.RequestURI = "/"+value, "/"+value
		e.handler(r).ServeHTTP(httptest.NewRecorder(), req)
	}
	count := 0
	for line := range strings.Lines(log.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("no JSON: %.200q", line)
		}
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n\x1b\x00") || !utf8.ValidString(line) {
			t.Errorf("raw bytes in %.200q", line)
		}
		for name, v := range record {
			if text, ok := v.(string); ok && len(text) > maxLogValue && name != "stack" {
				t.Errorf("%s has %d bytes", name, len(text))
			}
		}
		if record["msg"] == "request" {
			count++
		}
	}
	if want := len(hostile) * 4; count != want {
		t.Errorf("%d request lines for %d requests", count, want)
	}
}

func TestLoggerCutsAndEscapesInBothFormats(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var buf bytes.Buffer
		log, err := NewLogger(&buf, format, slog.LevelInfo)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("constant", "value", strings.Repeat("ü", 400), "error", errors.New("a\nb\x1b[0m\xff"), "n", 7, "bytes", []byte("a\nb"))
		log.Debug("not at this level")
		got := buf.String()
		if strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") || !utf8.ValidString(got) {
			t.Errorf("%s: %q", format, got)
		}
		if n := strings.Count(got, "ü"); n != 256 {
			t.Errorf("%s: %d letters are left, want 256", format, n)
		}
	}
	if _, err := NewLogger(&bytes.Buffer{}, "xml", nil); err == nil {
		t.Error("format xml is accepted")
	}
}

func TestHealthQuestionsDoNotFillTheLog(t *testing.T) {
	e, log := newTestEdge(t)
	s := serve(t, e, bigRoutes(e))
	send(t, s, "GET", "/healthz", "")
	send(t, s, "GET", "/static/app.css", "")
	send(t, s, "GET", "/", "")
	levels := ""
	for _, line := range log.lines(t, "request") {
		levels += fmt.Sprint(line["level"], " ")
	}
	if levels != "DEBUG DEBUG INFO " {
		t.Errorf("levels are %q", levels)
	}
}

func TestServerLogHidesAddresses(t *testing.T) {
	var buf bytes.Buffer
	log, err := NewLogger(&buf, "json", slog.LevelDebug)
	if err != nil {
		t.Fatal(err)
	}
	serverLog(log).Print("http: TLS handshake error from 203.0.113.77:4711: EOF")
	serverLog(log).Print("http: Accept error: too many open files; retrying in 5ms")
	got := buf.String()
	if strings.Contains(got, "203.0.113.77") || !strings.Contains(got, "203.0.113.0/24") || !strings.Contains(got, "too many open files") {
		t.Errorf("log is %s", got)
	}
}
