package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"latchkey"
)

type verifyIn struct {
	Body struct {
		ChallengeID string          `json:"challenge_id" minLength:"3"`
		DeviceName  string          `json:"device_name,omitempty" maxLength:"10"`
		Credential  json.RawMessage `json:"credential"`
	}
}

type verifyOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		OK bool `json:"ok"`
	}
}

func TestAPI(t *testing.T) {
	e, log := newTestEdge(t)
	var fault error
	s := serve(t, e, func(r *gin.Engine) {
		a := newAPI(e, r, "latchkey", "1")
		call(a, "POST", "/api/v1/verify/{id}", func(ctx context.Context, in *verifyIn) (*verifyOut, error) {
			if fault != nil {
				return nil, fault
			}
			if latchkey.ActorFrom(ctx).RequestID == "" {
				return nil, errors.New("no actor")
			}
			out := &verifyOut{SetCookie: []http.Cookie{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}}
			out.Body.OK = true
			return out, nil
		}, e.origin, e.json)
		call(a, "POST", "/api/v1/bare", func(context.Context, *struct{}) (*struct{}, error) { return nil, fault }, e.origin, e.json)
	})
	post := func(body string, headers ...string) reply {
		return send(t, s, "POST", "/api/v1/verify/7", body, append([]string{"Content-Type", "application/json"}, headers...)...)
	}
	good := `{"challenge_id": "abc", "credential": {"id": "x", "unknown": [1, {"deep": true}]}}`

	got := post(good)
	if got.StatusCode != 200 || strings.TrimSpace(got.body) != `{"ok":true}` || len(got.Cookies()) != 2 {
		t.Fatalf("%d %s %v", got.StatusCode, got.body, got.Cookies())
	}
	if got := send(t, s, "POST", "/api/v1/bare", ""); got.StatusCode != 204 {
		t.Errorf("an operation without output answers %d", got.StatusCode)
	}
	for name, query := range map[string]string{"unknown": "?x=1", "empty": "?x=", "twice": "?x=1&x=1"} {
		if got := send(t, s, "POST", "/api/v1/bare"+query, ""); got.StatusCode != 422 || got.problem(t)["code"] != "validation_failed" {
			t.Errorf("a query parameter that is %s: %d %s", name, got.StatusCode, got.body)
		}
	}
	if got := send(t, s, "POST", "/api/v1/bare?a;b", ""); got.StatusCode != 400 {
		t.Errorf("a broken query is answered with %d", got.StatusCode)
	}

	for _, c := range []struct {
		name, body   string
		headers      []string
		status       int
		code, fields string
	}{
		{"unknown member", `{"challenge_id": "abc", "credential": {}, "SECRET": 1}`, nil, 422, "validation_failed", "SECRET"},
		{"other spelling of a member", `{"Challenge_ID": "abc", "challenge_id": "abc", "credential": {}}`, nil, 422, "validation_failed", "Challenge_ID"},
		{"missing member", `{"credential": {}}`, nil, 422, "validation_failed", "challenge_id"},
		{"too long", `{"challenge_id": "abc", "credential": {}, "device_name": "SECRET-SECRET"}`, nil, 422, "validation_failed", "device_name"},
		{"wrong type", `{"challenge_id": 7, "credential": {}}`, nil, 422, "validation_failed", "challenge_id"},
		{"no object", `[]`, nil, 422, "validation_failed", "body"},
		{"malformed", `{"challenge_id"`, nil, 400, "malformed_request", ""},
		{"deep credential", `{"challenge_id": "abc", "credential": ` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, nil, 400, "malformed_request", ""},
		{"cross site", good, []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin_request", ""},
		{"text/plain across sites", good, []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site"}, 403, "cross_origin_request", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := post(c.body, c.headers...)
			body := got.problem(t)
			if got.StatusCode != c.status || body["code"] != c.code || got.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s %s", got.StatusCode, got.Header.Get("Content-Type"), got.body)
			}
			if body["status"] != float64(c.status) || body["request_id"] != got.Header.Get("X-Request-Id") {
				t.Errorf("members: %s", got.body)
			}
			if fields, _ := body["fields"].(map[string]any); c.fields != "" && fields[c.fields] == nil {
				t.Errorf("fields are %v, want %s", fields, c.fields)
			}
			if strings.Contains(got.body, "SECRET-SECRET") {
				t.Errorf("the answer repeats the value: %s", got.body)
			}
		})
	}
	if got := post(""); got.StatusCode != 400 || got.problem(t)["code"] != "malformed_request" {
		t.Errorf("no body: %d %s", got.StatusCode, got.body)
	}

	fault = &latchkey.Problem{
		Kind: latchkey.ErrUnauthorized, Code: "verification_failed", Message: "No.",
		Cause: errors.New("wrong origin"), Extra: map[string]any{"signal": "x"},
	}
	got = post(good)
	if body := got.problem(t); got.StatusCode != 401 || body["code"] != "verification_failed" || body["signal"] != "x" || strings.Contains(got.body, "wrong origin") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if lines := log.lines(t, "request refused"); len(lines) == 0 || lines[len(lines)-1]["reason"] != "wrong origin" {
		t.Errorf("the reason is not in the log: %v", lines)
	}
	if lines := log.lines(t, "request"); lines[len(lines)-1]["code"] != "verification_failed" || lines[len(lines)-1]["route"] != "/api/v1/verify/:id" {
		t.Errorf("access log: %v", lines[len(lines)-1])
	}
	fault = errors.New("inner text")
	if got := post(good); got.StatusCode != 500 || got.problem(t)["code"] != "internal" || strings.Contains(got.body, "inner text") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	fault = latchkey.ErrUnavailable
	if got := post(good); got.StatusCode != 503 || got.Header.Get("Retry-After") != "2" || got.problem(t)["retryable"] != true {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestOpenAPIDescribesProblems(t *testing.T) {
	e, _ := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) {
		a := newAPI(e, r, "latchkey", "1")
		call(a, "POST", "/api/v1/verify", func(context.Context, *verifyIn) (*verifyOut, error) { return nil, nil }, e.json)
	})
	got := send(t, s, "GET", "/api/v1/openapi.json", "")
	for _, part := range []string{`"openapi":"3.1`, `"/api/v1/verify"`, `application/problem+json`, `"request_id"`, `"challenge_id"`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("the description has no %s: %.300s", part, got.body)
		}
	}
	if strings.Contains(got.body, "ErrorModel") {
		t.Error("the description names the library's own error")
	}
}
